//! Integrations: one Entra app registration each, with the operator's settings.

use std::collections::HashSet;
use std::hash::Hash;

use aws_sdk_dynamodb::Client;
use devops::organization::OrganizationName;
use entra::error_class::Party;
use entra::identifiers::TenantId;
use entra::token::TokenError;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::Error;
use crate::ids::{ConnectionId, IntegrationId};
use crate::schedule::Warmth;
use crate::table::{read, scan};

mod branding;
mod changes;
mod mcp;
mod organizations;
mod return_origin;
mod settings;
mod status;
mod stored;
mod tenants;

pub use branding::{AccentColor, BrandName, Branding, InvalidBrandName, InvalidColor, TextColor};
pub use mcp::{InvalidToolset, McpAccess, McpSettings, Toolset};
pub use organizations::{InvalidOrganizations, Organizations};
pub use return_origin::{InvalidOrigin, ReturnOrigin, return_address};
pub use settings::{
    Confirmation, InvalidScopes, InvalidTenant, Scopes, Settings, TenantSetting, Users,
};
pub use status::PROBE_INTERVAL;
pub use tenants::{Recorded, RefusedTenant, RefusedTenants, TenantRefusal};

const PREFIX: &str = "integration#";
pub(crate) const WHAT: &str = "integration";
/// The time within which all of Entra's servers receive a new federated credential
/// (<https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations>).
const REPLICATES_FOR: SignedDuration = SignedDuration::from_mins(15);
/// Most entries of each list of an integration.
const MOST_ENTRIES: usize = 200;

/// One Entra app registration and what it may be used for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Integration {
    /// The operator's name for it.
    pub id: IntegrationId,
    /// Everything that the operator sets.
    #[serde(flatten)]
    pub settings: Settings,
    /// The client credential's kind and expiry; the credential itself is in Secrets Manager.
    pub credential: CredentialDescription,
    /// Whether it can be used.
    pub status: Status,
    /// When a rejected credential was last tried.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::seconds::optional")]
    pub probed_at: Option<Timestamp>,
    /// When it was first put.
    pub created_at: Timestamp,
    /// When it was last put.
    pub updated_at: Timestamp,
}

impl Integration {
    /// How long the access token of a connection is kept fresh, by the connection's last use.
    pub fn warmth(&self, last_used_at: Option<Timestamp>) -> Warmth {
        if self.settings.always_warm { Warmth::Always } else { Warmth::WhileUsed(last_used_at) }
    }

    /// The application's page where the user of this connection connects again, with the connection's id in the query;
    /// `None` if the operator has set none.
    pub fn reconnect_url(&self, connection: &ConnectionId) -> Option<Url> {
        let mut url = self.settings.reconnect_url.clone()?;
        url.query_pairs_mut().append_pair("connection_id", connection.as_str());
        Some(url)
    }

    /// Checks that the integration still serves users of this tenant and, if the connection is limited to one, this
    /// organization. The operator may have narrowed both since the user connected.
    ///
    /// # Errors
    /// [`NotServed`] for the first of them that it does not serve.
    pub fn serves(
        &self,
        tenant: &TenantId,
        organization: Option<&OrganizationName>,
    ) -> Result<(), NotServed> {
        let Settings { allowed_tenants, organizations, .. } = &self.settings;
        if !allowed_tenants.is_empty() && !allowed_tenants.contains(tenant) {
            return Err(NotServed::Tenant);
        }
        if organization.is_some_and(|organization| !organizations.allow(organization)) {
            return Err(NotServed::Organization);
        }
        Ok(())
    }

    /// Whether Entra rejects the credential by this error. It does not if the error may pass by itself: a new federated
    /// credential reaches all of Entra's servers only after some minutes.
    pub fn is_rejected_by(&self, error: &TokenError, now: Timestamp) -> bool {
        let may_still_replicate = error.misses_federated_credential()
            && now.duration_since(self.updated_at) < REPLICATES_FOR;
        error.class.party() == Party::Integration && !may_still_replicate
    }
}

/// The reasons why an integration does not serve a connection any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotServed {
    /// Its allowed tenants do not contain the connection's.
    #[error("The integration does not serve the tenant of this connection any more.")]
    Tenant,
    /// Its organizations do not contain the connection's.
    #[error("The integration does not serve the organization of this connection any more.")]
    Organization,
}

/// The public facts of a client credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialDescription {
    /// Its kind.
    pub kind: CredentialKind,
    /// When Entra stops accepting it: entered by the operator, or the end of the certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// How the app proves itself to Entra.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// A client secret.
    ClientSecret,
    /// A certificate whose key signs assertions (RFC 7523).
    Certificate,
    /// A token of AWS (a federated identity credential of the app).
    Federated,
    /// A kind of a newer release.
    #[serde(other)]
    Unknown,
}

/// Whether an integration can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Usable.
    Ready,
    /// Entra refuses its credential; connections stay as they are.
    CredentialRejected,
    /// The operator paused it, or it is being deleted. A status of a newer release reads as this, and no change of status
    /// by this release overwrites it, except the operator's own pausing.
    #[serde(other)]
    Paused,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Record {
    pk: String,
    #[serde(flatten)]
    pub(crate) integration: Integration,
}

/// The integrations, in the table of the same name.
#[derive(Debug, Clone)]
pub struct Integrations {
    client: Client,
    table: String,
}

impl Integrations {
    /// Integrations in the given table.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// The integration, strongly read.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is; [`Error::Corrupt`] for an unreadable item.
    pub async fn get(&self, id: &IntegrationId) -> Result<Option<Integration>, Error> {
        let record: Option<Record> = read(&self.client, &self.table, key(id), WHAT).await?;
        Ok(record.map(|record| record.integration))
    }

    /// All integrations, by id.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn list(&self) -> Result<Vec<Integration>, Error> {
        let records: Vec<Record> = scan(&self.client, &self.table, PREFIX, WHAT).await?;
        let mut integrations: Vec<_> =
            records.into_iter().map(|record| record.integration).collect();
        integrations.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(integrations)
    }
}

fn without_repetitions<T: Clone + Eq + Hash>(mut entries: Vec<T>) -> Vec<T> {
    let mut seen = HashSet::new();
    entries.retain(|entry| seen.insert(entry.clone()));
    entries
}

pub(crate) fn key(id: &IntegrationId) -> String {
    format!("{PREFIX}{id}")
}
