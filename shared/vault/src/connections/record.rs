//! A connection as it is stored.

use devops::organization::OrganizationName;
use devops::scopes::missing;
use entra::identifiers::{ObjectId, TenantId};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{ConnectionId, GrantId, IntegrationId, UserId};
use crate::secret_token::SecretHash;

/// One user's access under one integration.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Connection {
    /// Its id, the table's key.
    #[serde(rename = "pk")]
    pub id: ConnectionId,
    /// Its integration.
    pub integration: IntegrationId,
    /// The application's user.
    pub user: UserId,
    /// The organization it is pinned to; `None`: those that the integration names.
    pub organization: Option<OrganizationName>,
    /// Whether it can be used.
    pub status: Status,
    /// When the operator paused it; `None`: it is not paused. A pause leaves the status as it is.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::seconds::optional")]
    pub paused_at: Option<Timestamp>,
    /// Entra's error, when the user must sign in again.
    pub reason: Option<String>,
    /// Who signed in at Entra. Its fields are attributes of the item, so that the due index can hold the tenant.
    #[serde(flatten)]
    pub account: Account,
    /// The scopes that Entra granted, without the resource's prefix.
    pub scopes: Vec<String>,
    /// The requested scopes that the granted ones do not cover.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_scopes: Vec<String>,
    /// The current grant; `None` before the first confirmation.
    pub grant: Option<GrantId>,
    /// The version of its tokens when they were last stored, or a lower one if the process that stored newer ones ended
    /// before it could write this. `None` for a connection that an older release wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_version: Option<u64>,
    /// When the access token expires.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::seconds::optional")]
    pub token_expires_at: Option<Timestamp>,
    /// When it last served a proxied call; written at most hourly.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::seconds::optional")]
    pub last_used_at: Option<Timestamp>,
    /// When its tokens were last renewed.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::seconds::optional")]
    pub last_refreshed_at: Option<Timestamp>,
    /// When the user first finished in the browser.
    #[serde(with = "crate::seconds::required")]
    pub created_at: Timestamp,
    /// When it was last connected or reconnected.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::seconds::optional")]
    pub connected_at: Option<Timestamp>,
    /// A finished flow that is not confirmed yet.
    pub pending: Option<Pending>,
    /// Entra's claims challenge for the next authorize URL.
    pub claims_challenge: Option<String>,
    /// Counts structural changes: complete, confirm, erase.
    pub revision: u64,
    /// Counts leases.
    #[serde(default)]
    pub fence: u64,
    /// When the lease ends, in milliseconds since 1970; written by leases only.
    #[serde(default, skip_serializing)]
    pub lease_until: Option<i64>,
    /// Failed refreshes in a row.
    #[serde(default)]
    pub failures: u32,
    /// The earliest time of the next refresh.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::seconds::optional")]
    pub retry_at: Option<Timestamp>,
    /// How the last refresh failed, until one succeeds.
    pub failure: Option<RefreshFailure>,
    /// When Entra first refused the grant, while that is being confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::seconds::optional")]
    pub refused_since: Option<Timestamp>,
    /// How often Entra has refused it since.
    #[serde(default)]
    pub refusals: u32,
    /// A version of the tokens that Azure DevOps rejected although it was fresh.
    pub rejected_version: Option<u64>,
    /// Until when a rejection of that version causes no refresh.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::seconds::optional")]
    pub rejected_until: Option<Timestamp>,
    /// Whether Azure DevOps accepted that version elsewhere: then a scope is lacking, and no renewal helps. `None` while
    /// Azure DevOps has not answered that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_elsewhere: Option<bool>,
    /// The earliest time of the next call, as Azure DevOps asked.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::seconds::optional")]
    pub call_after: Option<Timestamp>,
    /// The time until which its calls are counted before they are sent, because too many were under way.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::seconds::optional")]
    pub calls_counted_until: Option<Timestamp>,
    /// When the schedule looks at it next; `None`: never.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::seconds::optional")]
    pub due_at: Option<Timestamp>,
    /// The partition of the due index; present together with `due_at`.
    pub due_shard: Option<u32>,
}

/// The scopes of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scopes {
    /// Those that Entra granted.
    pub granted: Vec<String>,
    /// The requested ones that they do not cover.
    pub missing: Vec<String>,
}

/// Whether a connection can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Status {
    /// The application has not confirmed it yet.
    Pending,
    /// It can be used.
    Active,
    /// The user must sign in again.
    ReauthorizationRequired,
    /// A status of a newer release, which this one neither uses nor changes.
    #[serde(other)]
    Unknown,
}

/// The Entra identity: who (`tid` and `oid`), and how to show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// `tid`.
    pub tenant_id: TenantId,
    /// `oid`.
    pub object_id: ObjectId,
    /// For display only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For display only; never an identity (S-15), because it can be changed and reassigned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}

impl Connection {
    /// Whether a caller holds its lease.
    pub fn is_leased(&self, now: Timestamp) -> bool {
        self.lease_until.is_some_and(|until| until > now.as_millisecond())
    }

    /// Returns the scopes after a renewal with which Entra granted these, if they are others than before.
    pub fn changed_scopes(&self, granted: Vec<String>) -> Option<Scopes> {
        let same = missing(&granted, &self.scopes).is_empty()
            && missing(&self.scopes, &granted).is_empty();
        if granted.is_empty() || same {
            return None;
        }
        let requested = [self.scopes.as_slice(), &self.missing_scopes].concat();
        let missing = missing(&requested, &granted);
        Some(Scopes { granted, missing })
    }

    /// Whether Azure DevOps has just rejected this version although it was fresh, so that another refresh would not help.
    pub fn was_rejected(&self, version: u64, now: Timestamp) -> bool {
        self.rejected_version == Some(version)
            && self.rejected_until.is_some_and(|until| until > now)
    }
}

impl Account {
    /// Whether both are the same person in the same tenant.
    pub fn is_same_user_as(&self, other: &Self) -> bool {
        self.tenant_id == other.tenant_id && self.object_id == other.object_id
    }
}

/// A finished flow that is not confirmed yet.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pending {
    /// Its tokens.
    pub grant: GrantId,
    /// The one-time code that the browser carried to the application, hashed.
    pub confirmation: SecretHash,
    /// When it is erased unless confirmed.
    #[serde(with = "crate::seconds::required")]
    pub expires_at: Timestamp,
    /// Who signed in.
    pub account: Account,
    /// The organization it will be pinned to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<OrganizationName>,
    /// The granted scopes.
    pub scopes: Vec<String>,
    /// The requested scopes that they do not cover.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_scopes: Vec<String>,
    /// When its access token expires.
    #[serde(with = "crate::seconds::required")]
    pub token_expires_at: Timestamp,
}

/// How a refresh failed. One of a newer release reads as the mildest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefreshFailure {
    /// Entra throttled us.
    Throttled,
    /// Entra refused the grant; it is asked once more before the user must sign in.
    Refused,
    /// The connection's tenant refuses the app, or Entra does not find it; other tenants are not affected.
    #[serde(alias = "application_not_in_tenant")]
    TenantRefused,
    /// Entra does not take our request, for a reason unknown to us.
    Misconfigured,
    /// Entra did not answer, or is temporarily unavailable.
    #[serde(other)]
    Unavailable,
}
