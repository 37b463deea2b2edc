//! Integrations: one Entra app registration each, as the operator configured it.

use aws_sdk_dynamodb::Client;
use devops::organization::OrganizationName;
use devops::policy::CallPolicy;
use entra::identifiers::{ClientId, Tenant, TenantId};
use entra::token::TokenError;
use ground::http::is_trustworthy;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::{Origin, Url};

use crate::Error;
use crate::ids::{ConnectionId, IntegrationId};
use crate::limits::ProxyLimits;
use crate::schedule::Warmth;
use crate::table::{from_item, read, s};

mod branding;
mod changes;
mod status;

pub use branding::{AccentColor, BrandName, Branding, InvalidBrandName, InvalidColor, TextColor};
pub use status::PROBE_INTERVAL;

const PREFIX: &str = "integration#";
const WHAT: &str = "integration";

/// One Entra app registration and what it may be used for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Integration {
    /// The operator's name for it.
    pub id: IntegrationId,
    /// The application (client) ID in Entra.
    pub client_id: ClientId,
    /// What is known of the client credential; the credential itself is in Secrets Manager.
    pub credential: CredentialDescription,
    /// The Azure DevOps organizations it serves.
    pub organizations: Organizations,
    /// Azure DevOps scopes to ask for, as `vso.code` or `user_impersonation`.
    pub scopes: Vec<String>,
    /// Where users sign in.
    pub tenant: TenantSetting,
    /// Entra tenants whose users may connect; empty: any organization's.
    pub allowed_tenants: Vec<TenantId>,
    /// Origins of the application to which browsers may be sent back.
    pub allowed_return_origins: Vec<ReturnOrigin>,
    /// Whether the application must confirm who finished in the browser.
    pub confirmation: Confirmation,
    /// Whether `POST /connections/{id}/token` hands out access tokens.
    #[serde(default)]
    pub token_handout: bool,
    /// Whether access tokens are kept fresh even where nobody uses them.
    #[serde(default)]
    pub always_warm: bool,
    /// Which calls of Azure DevOps go through; without rules, all.
    #[serde(default)]
    pub allowed_calls: CallPolicy,
    /// How many calls go through.
    #[serde(default)]
    pub proxy_limits: ProxyLimits,
    /// The application's page where a user connects again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconnect_url: Option<Url>,
    /// What pages for its users show of the application.
    #[serde(default)]
    pub branding: Branding,
    /// Whether it can be used.
    pub status: Status,
    /// When a rejected credential was last tried.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::seconds")]
    pub probed_at: Option<Timestamp>,
    /// When it was first put.
    pub created_at: Timestamp,
    /// When it was last put.
    pub updated_at: Timestamp,
}

impl Integration {
    /// What keeps the tokens of one of its connections warm.
    pub fn warmth(&self, last_used_at: Option<Timestamp>) -> Warmth {
        if self.always_warm { Warmth::Always } else { Warmth::WhileUsed(last_used_at) }
    }

    /// Where the user of a connection connects again, if the operator said so: the page, told which
    /// connection it is about.
    pub fn reconnect_url(&self, connection: &ConnectionId) -> Option<Url> {
        let mut url = self.reconnect_url.clone()?;
        url.query_pairs_mut().append_pair("connection_id", connection.as_str());
        Some(url)
    }

    /// Whether an error concerns only the tenant that it came from: users come from any, and what one
    /// tenant's administrator did to the app there must not stop the others.
    pub fn is_about_one_tenant(&self, error: &TokenError) -> bool {
        error.error.as_deref() == Some("unauthorized_client") && self.serves_any_tenant()
    }

    /// Whether its users come from any tenant.
    fn serves_any_tenant(&self) -> bool {
        self.organizations == Organizations::Any
            && !matches!(self.tenant, TenantSetting::Fixed(Tenant::Id(_)))
            && self.allowed_tenants.len() != 1
    }
}

/// What may be told of a client credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialDescription {
    /// Client secret or certificate.
    pub kind: CredentialKind,
    /// When Entra stops accepting it, as the operator said or the certificate says.
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
}

/// The organizations that an integration serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Organizations {
    /// Each connect session names one: for products whose customers have their own.
    Any,
    /// These and no others.
    Named(Vec<OrganizationName>),
}

impl Organizations {
    /// Whether `organization` is served.
    pub fn allow(&self, organization: &OrganizationName) -> bool {
        match self {
            Self::Any => true,
            Self::Named(names) => names.contains(organization),
        }
    }

    /// The organizations that a connection pinned to `pinned` may reach now: the one it is pinned to,
    /// if still served, else every named one.
    pub fn reachable(&self, pinned: Option<&OrganizationName>) -> Vec<OrganizationName> {
        match (pinned, self) {
            (Some(one), _) if self.allow(one) => vec![one.clone()],
            (None, Self::Named(names)) => names.clone(),
            _ => Vec::new(),
        }
    }
}

/// Where users sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TenantSetting {
    /// The tenant that backs the organization, so that guests sign in where they must.
    Auto,
    /// `organizations` or a tenant's id, as configured.
    Fixed(Tenant),
}

/// Whether a connection must be confirmed by the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confirmation {
    /// The application states who finished; until then the connection is unusable.
    Required,
    /// Usable at once: for internal tools only.
    None,
}

/// Whether an integration can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It can.
    Ready,
    /// Entra refuses its credential; connections wait unharmed.
    CredentialRejected,
    /// The operator paused it, or it is being deleted.
    Paused,
}

/// An origin of the application, compared exactly after WHATWG parsing (RFC 9700 section 4.11).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReturnOrigin(Origin);

impl ReturnOrigin {
    /// Whether `url` lies under this origin and carries no user name or password.
    pub fn covers(&self, url: &Url) -> bool {
        // A `blob:` address has the origin of what it wraps, so the scheme is looked at, too.
        matches!(url.scheme(), "https" | "http")
            && url.username().is_empty()
            && url.password().is_none()
            && url.origin() == self.0
    }
}

impl TryFrom<String> for ReturnOrigin {
    type Error = InvalidOrigin;

    fn try_from(text: String) -> Result<Self, InvalidOrigin> {
        let url = Url::parse(&text).map_err(|_| InvalidOrigin)?;
        let nothing_else = matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        if is_trustworthy(&url) && nothing_else {
            Ok(Self(url.origin()))
        } else {
            Err(InvalidOrigin)
        }
    }
}

impl From<ReturnOrigin> for String {
    fn from(origin: ReturnOrigin) -> Self {
        origin.0.ascii_serialization()
    }
}

/// Text that is not an origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "an origin is https://host or https://host:port and nothing more (http for localhost only)"
)]
pub struct InvalidOrigin;

#[derive(Serialize, Deserialize)]
struct Record {
    pk: String,
    #[serde(flatten)]
    integration: Integration,
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
        let mut pages = self
            .client
            .scan()
            .table_name(&self.table)
            .filter_expression("begins_with(pk, :prefix)")
            .expression_attribute_values(":prefix", s(PREFIX))
            .into_paginator()
            .items()
            .send();
        let mut integrations = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|e| Error::sdk("dynamodb", "Scan", &e))?;
            integrations.push(from_item::<Record>(WHAT, item)?.integration);
        }
        integrations.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(integrations)
    }
}

fn key(id: &IntegrationId) -> String {
    format!("{PREFIX}{id}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn origin(text: &str) -> Result<ReturnOrigin, InvalidOrigin> {
        text.to_owned().try_into()
    }

    #[test]
    fn an_origin_covers_exactly_itself() {
        let app = origin("https://app.example").unwrap();
        for good in
            ["https://app.example/back?x=1", "https://APP.example:443/", "https://app.example"]
        {
            assert!(app.covers(&Url::parse(good).unwrap()), "{good}");
        }
        for bad in [
            "http://app.example/",
            "https://app.example:8443/",
            "https://app.example.evil.example/",
            "https://evil-app.example/",
            "https://app.example@evil.example/",
            "https://user@app.example/",
            "https://sub.app.example/",
            "blob:https://app.example/x",
        ] {
            assert!(!app.covers(&Url::parse(bad).unwrap()), "{bad}");
        }
    }

    #[test]
    fn an_origin_is_nothing_but_an_origin() {
        for bad in [
            "app.example",
            "https://",
            "https://app.example/path",
            "https://app.example/?q",
            "https://app.example/#f",
            "https://u@app.example",
            "http://app.example",
            "javascript:alert(1)",
            "data:text/html,x",
            "null",
        ] {
            assert!(origin(bad).is_err(), "{bad}");
        }
        assert!(origin("http://localhost:8083").is_ok());
    }

    #[test]
    fn a_connection_reaches_only_what_is_still_served() {
        let (one, two): (OrganizationName, OrganizationName) =
            ("mycompany".parse().unwrap(), "fabrikam".parse().unwrap());
        let named = Organizations::Named(vec![one.clone()]);
        assert_eq!(named.reachable(None), std::slice::from_ref(&one));
        assert_eq!(named.reachable(Some(&one)), [one]);
        assert!(named.reachable(Some(&two)).is_empty());
        assert!(Organizations::Any.reachable(None).is_empty());
        assert_eq!(Organizations::Any.reachable(Some(&two)), [two]);
    }
}
