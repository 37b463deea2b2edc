//! Everything that an operator sets of an integration.

use devops::organization::OrganizationName;
use devops::policy::CallPolicy;
use entra::identifiers::{ClientId, Tenant, TenantId};
use ground::http::is_trustworthy;
use serde::{Deserialize, Serialize};
use url::{Origin, Url};

use super::Branding;
use crate::limits::ProxyLimits;

/// Most entries of each list of an integration.
const MOST_ENTRIES: usize = 200;

/// Everything that an operator sets of an integration. The shape on the wire is the stored one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The application (client) ID in Entra.
    pub client_id: ClientId,
    /// The Azure DevOps organizations it serves.
    pub organizations: Organizations,
    /// Azure DevOps scopes to ask for, as `vso.code` or `user_impersonation`.
    pub scopes: Vec<String>,
    /// Where users sign in.
    #[serde(default)]
    pub tenant: TenantSetting,
    /// Entra tenants whose users may connect; empty: any organization's.
    #[serde(default)]
    pub allowed_tenants: Vec<TenantId>,
    /// Origins of the application to which browsers may be sent back.
    #[serde(default)]
    pub allowed_return_origins: Vec<ReturnOrigin>,
    /// Whether the application must confirm who finished in the browser.
    #[serde(default)]
    pub confirmation: Confirmation,
    /// Whether `POST /connections/{id}/token` hands out access tokens.
    #[serde(default)]
    pub allow_token_handout: bool,
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
}

/// The organizations that an integration serves: `"any"`, or a list of 1 to 200 names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "OneOrMany", into = "OneOrMany")]
pub enum Organizations {
    /// Each connect session names one: for products whose customers have their own.
    Any,
    /// These and no others.
    Named(Vec<OrganizationName>),
}

/// [`Organizations`] as they are written.
#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "a list of organization names, or the word any")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// A value that names no organizations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOrganizations {
    /// Another word than `any`.
    #[error("a list of organization names, or the word any")]
    Word,
    /// No name, or too many.
    #[error("1 to {MOST_ENTRIES} organization names, or the word any")]
    Count,
    /// An entry is not the name of an organization.
    #[error(
        "an organization is named as in https://dev.azure.com/{{organization}}: letters, digits and hyphens"
    )]
    Name,
}

impl TryFrom<OneOrMany> for Organizations {
    type Error = InvalidOrganizations;

    fn try_from(written: OneOrMany) -> Result<Self, InvalidOrganizations> {
        let names = match written {
            OneOrMany::One(word) if word == "any" => return Ok(Self::Any),
            OneOrMany::One(_) => return Err(InvalidOrganizations::Word),
            OneOrMany::Many(names) => names,
        };
        if names.is_empty() || names.len() > MOST_ENTRIES {
            return Err(InvalidOrganizations::Count);
        }
        let names = names.iter().map(|name| name.parse());
        let names: Vec<OrganizationName> =
            names.collect::<Result<_, _>>().map_err(|_| InvalidOrganizations::Name)?;
        Ok(Self::Named(without_repetitions(names)))
    }
}

impl From<Organizations> for OneOrMany {
    fn from(organizations: Organizations) -> Self {
        match organizations {
            Organizations::Any => Self::One("any".to_owned()),
            Organizations::Named(names) => Self::Many(names.into_iter().map(Into::into).collect()),
        }
    }
}

/// The entries in their order, each once.
fn without_repetitions<T: PartialEq>(entries: Vec<T>) -> Vec<T> {
    let mut kept = Vec::with_capacity(entries.len());
    for entry in entries {
        if !kept.contains(&entry) {
            kept.push(entry);
        }
    }
    kept
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

/// Where users sign in: `auto`, `organizations`, or the id of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum TenantSetting {
    /// The tenant that backs the organization, so that guests sign in where they must.
    #[default]
    Auto,
    /// Any organization's tenant, or one tenant.
    Fixed(Tenant),
}

/// Text that is not a [`TenantSetting`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("auto, organizations, or the id of a tenant (a GUID)")]
pub struct InvalidTenant;

impl TryFrom<String> for TenantSetting {
    type Error = InvalidTenant;

    fn try_from(text: String) -> Result<Self, InvalidTenant> {
        match text.as_str() {
            "auto" => Ok(Self::Auto),
            _ => text.try_into().map(Self::Fixed).map_err(|_| InvalidTenant),
        }
    }
}

impl From<TenantSetting> for String {
    fn from(tenant: TenantSetting) -> Self {
        match tenant {
            TenantSetting::Auto => "auto".to_owned(),
            TenantSetting::Fixed(tenant) => tenant.into(),
        }
    }
}

/// Whether a connection must be confirmed by the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confirmation {
    #[default]
    /// The application states who finished; until then the connection is unusable.
    Required,
    /// Usable at once: for internal tools only.
    None,
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
