//! A connection as it is stored: this file is where the type meets the item.

use devops::organization::OrganizationName;
use entra::identifiers::{ObjectId, TenantId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::history::HistoryEntry;
use crate::ids::{ConnectionId, GrantId, IntegrationId, UserId};
use crate::secret_token::SecretHash;

/// One user's access under one integration.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Connection {
    /// Its id, the table's key.
    #[serde(rename = "pk")]
    pub id: ConnectionId,
    /// Under which integration.
    pub integration: IntegrationId,
    /// The application's user.
    pub user: UserId,
    /// The organization it is pinned to; without one, those that the integration names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<OrganizationName>,
    /// Whether it can be used.
    pub status: Status,
    /// Why not, when the user must sign in again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who signed in at Entra. Its fields are attributes of the item, so that the due index can tell the
    /// tenant.
    #[serde(flatten)]
    pub account: Account,
    /// The scopes that Entra granted, without the resource's prefix.
    pub scopes: Vec<String>,
    /// The grant whose tokens count; none before the first confirmation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantId>,
    /// When the access token expires.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::seconds")]
    pub token_expires_at: Option<Timestamp>,
    /// When it last served a proxied call; written at most hourly.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::seconds")]
    pub last_used_at: Option<Timestamp>,
    /// When its tokens were last renewed.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::seconds")]
    pub last_refreshed_at: Option<Timestamp>,
    /// When the user first finished in the browser.
    #[serde(with = "crate::seconds::required")]
    pub created_at: Timestamp,
    /// When it was last connected or reconnected.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::seconds")]
    pub connected_at: Option<Timestamp>,
    /// A finished flow that waits for its confirmation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
    /// Entra's claims challenge for the next authorize URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims_challenge: Option<String>,
    /// Counts structural changes: complete, confirm, erase.
    pub revision: u64,
    /// Counts leases.
    #[serde(default)]
    pub fence: u64,
    /// Until when somebody holds the lease, in milliseconds since 1970; written by leases only.
    #[serde(default, skip_serializing)]
    pub lease_until: Option<i64>,
    /// Failed refreshes in a row.
    #[serde(default)]
    pub failures: u32,
    /// No refresh before this.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::seconds")]
    pub retry_at: Option<Timestamp>,
    /// How the last refresh failed, while it is not retried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<RefreshFailure>,
    /// When Entra first refused the grant that is now being confirmed dead.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::seconds")]
    pub refused_since: Option<Timestamp>,
    /// How often Entra has refused it since.
    #[serde(default)]
    pub refusals: u32,
    /// A version of the tokens that Azure DevOps rejected although it was fresh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected_version: Option<u64>,
    /// Until when a rejection of that version is not worth a refresh.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::seconds")]
    pub rejected_until: Option<Timestamp>,
    /// Azure DevOps asked not to be called for this user before this.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::seconds")]
    pub call_after: Option<Timestamp>,
    /// When the schedule looks at it next; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::seconds")]
    pub due_at: Option<Timestamp>,
    /// The partition of the due index; present together with `due_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_shard: Option<u32>,
}

/// Whether a connection can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It waits for the application's confirmation.
    Pending,
    /// It can.
    Active,
    /// The user must sign in again.
    ReauthorizationRequired,
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
    /// For display only; never an identity (S-15).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}

impl Connection {
    /// Whether somebody is renewing its tokens now.
    pub fn is_leased(&self, now: Timestamp) -> bool {
        self.lease_until.is_some_and(|until| until > now.as_millisecond())
    }

    /// Whether Azure DevOps rejected this version a moment ago although it was fresh, so that another
    /// refresh would not help.
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

/// A finished flow that waits for its confirmation.
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
    /// What Entra granted.
    pub scopes: Vec<String>,
    /// When its access token expires.
    #[serde(with = "crate::seconds::required")]
    pub token_expires_at: Timestamp,
}

/// How a refresh failed, as far as the next caller must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefreshFailure {
    /// Entra did not answer, or answered that it cannot now.
    Unavailable,
    /// Entra throttled us.
    Throttled,
    /// Entra refused the grant; it is asked again before the user is.
    Refused,
    /// The app is not, or no longer, in this connection's tenant; other tenants are not concerned.
    ApplicationNotInTenant,
}

/// The item that makes (integration, user) unique.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OwnerItem {
    pub pk: String,
    pub connection: ConnectionId,
    /// The newest first.
    #[serde(default)]
    pub history: Vec<HistoryEntry>,
}
