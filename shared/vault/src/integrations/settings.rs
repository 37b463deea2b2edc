//! Everything that an operator sets of an integration.

use devops::closed::ClosedArea;
use devops::policy::{CallPolicy, CallRule, MOST_RULES};
use devops::scopes::Scope;
use entra::identifiers::{ClientId, Tenant, TenantId};
use ground::fields::{Fields, Object};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::mcp::McpSettings;
use super::organizations::{OneOrMany, Organizations};
use super::return_origin::covered;
use super::stored::strictest_if_unknown;
use super::{Branding, MOST_ENTRIES, ReturnOrigin, without_repetitions};
use crate::limits::ProxyLimits;

/// Everything that an operator sets of an integration: each field in one shape, on the wire and in the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches, and members of the integration's JSON"
)]
pub struct Settings {
    /// The Application (client) ID of the Entra app registration.
    #[schemars(with = "String")]
    pub client_id: ClientId,
    /// Names of Azure DevOps organizations, or `"any"`.
    #[schemars(with = "OneOrMany")]
    pub organizations: Organizations,
    /// Azure DevOps scopes such as `vso.code`, or only `user_impersonation`.
    #[schemars(with = "Vec<String>")]
    pub scopes: Scopes,
    /// Where users sign in: `auto` (the tenant that backs the organization), `organizations`, or a tenant id.
    #[serde(default)]
    #[schemars(with = "String")]
    pub tenant: TenantSetting,
    /// Tenants whose users may connect; empty: any.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub allowed_tenants: Vec<TenantId>,
    /// Origins of the application, such as `https://app.example`.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub allowed_return_origins: Vec<ReturnOrigin>,
    /// Whether the application confirms who finished in the browser: `required` unless given.
    #[serde(default, deserialize_with = "strictest_if_unknown")]
    #[schemars(with = "String")]
    pub confirmation: Confirmation,
    /// The callers that name the users of this integration, and nobody else: `application` (keys of applications, with
    /// names of their own) unless given, or `jwt` (each user, by a token of the deployment's identity provider).
    #[serde(default, deserialize_with = "strictest_if_unknown")]
    #[schemars(with = "String")]
    pub users: Users,
    /// Whether `POST /connections/{connection}/token` hands out access tokens.
    #[serde(default)]
    pub allow_token_handout: bool,
    /// Whether calls pass that hand out credentials of the user: personal access tokens, session tokens, SSH keys. They
    /// work without ado-connect, also after the connection is gone.
    #[serde(default)]
    pub allow_credential_calls: bool,
    /// Whether calls of the data providers of Azure DevOps' web pages (`_apis/Contribution/…`) pass. Their body names what
    /// they do, which may be the handing out of credentials.
    #[serde(default)]
    pub allow_contribution_calls: bool,
    /// Whether calls pass that read and change service hooks and notifications, which send events to any address, also
    /// after the connection is gone.
    #[serde(default)]
    pub allow_hook_calls: bool,
    /// Whether access tokens are kept fresh even where nobody uses them, so that no call ever waits for
    /// a renewal. It takes effect at each connection's next renewal.
    #[serde(default)]
    pub always_warm: bool,
    /// Which calls of Azure DevOps go through; empty: all that the user may make.
    #[serde(default)]
    #[schemars(with = "Vec<CallRule>")]
    pub allowed_calls: CallPolicy,
    /// The limits on calls of Azure DevOps. Unless given, only those of Azure DevOps hold, and a connection has at most 20
    /// calls at a time that last longer than a second.
    #[serde(default)]
    pub proxy_limits: ProxyLimits,
    /// The integration's MCP endpoint: off, unless given.
    #[serde(default)]
    pub mcp: McpSettings,
    /// The application's page where a user connects again, under one of `allowed_return_origins`. Problems that
    /// need it name it, with `connection_id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub reconnect_url: Option<Url>,
    /// What pages for the application's users show of it.
    #[serde(default)]
    pub branding: Branding,
}

impl Settings {
    /// Reads every field, so that every fault is noted.
    pub fn read(fields: &mut Fields<Object<'_>>) -> Option<Self> {
        let client_id = fields.required("client_id");
        let organizations = fields.required("organizations");
        let scopes = fields.required("scopes");
        let allowed_return_origins = fields.texts("allowed_return_origins", MOST_ENTRIES);
        let reconnect_url = fields.url("reconnect_url");
        let branding = fields.object("branding", Branding::read).unwrap_or_default();
        let addresses = [
            ("reconnect_url", reconnect_url.as_ref()),
            ("branding.logo_url", branding.logo_url.as_ref()),
        ];
        consistent(fields, &allowed_return_origins, &addresses);
        let confirmation = fields.or_default("confirmation");
        let users = fields.or_default("users");
        if (users, confirmation) == (Users::Jwt, Confirmation::None) {
            // A user could send the link to somebody else and get that person's account.
            fields.refuse("confirmation", "required, because users name themselves (users: jwt)");
        }
        Some(Self {
            tenant: fields.or_default("tenant"),
            allowed_tenants: fields.or_default("allowed_tenants"),
            allowed_return_origins,
            confirmation,
            users,
            allow_token_handout: fields.or_default("allow_token_handout"),
            allow_credential_calls: fields.or_default(ClosedArea::Credentials.setting()),
            allow_contribution_calls: fields.or_default(ClosedArea::Contributions.setting()),
            allow_hook_calls: fields.or_default(ClosedArea::Hooks.setting()),
            always_warm: fields.or_default("always_warm"),
            allowed_calls: fields.objects("allowed_calls", MOST_RULES, CallRule::read).into(),
            proxy_limits: fields.object("proxy_limits", ProxyLimits::read).unwrap_or_default(),
            mcp: fields.object("mcp", McpSettings::read).unwrap_or_default(),
            reconnect_url,
            branding,
            // Last, because a missing one ends this expression, and every field is to be read.
            client_id: client_id?,
            organizations: organizations?,
            scopes: scopes?,
        })
    }

    /// Returns whether browsers may be sent to this address.
    pub fn allows_return_to(&self, url: &Url) -> bool {
        covered(&self.allowed_return_origins, url)
    }

    /// Returns whether calls of a closed area pass.
    pub fn opens(&self, area: ClosedArea) -> bool {
        match area {
            ClosedArea::Credentials => self.allow_credential_calls,
            ClosedArea::Contributions => self.allow_contribution_calls,
            ClosedArea::Hooks => self.allow_hook_calls,
        }
    }
}

/// Refuses addresses below none of the origins. Users' browsers are sent to the application and load from it, and
/// from nobody else.
fn consistent(
    fields: &mut Fields<Object<'_>>,
    origins: &[ReturnOrigin],
    addresses: &[(&str, Option<&Url>)],
) {
    // Without the origins, nothing can be said of addresses below them.
    if fields.is_faulty("allowed_return_origins") {
        return;
    }
    for (field, address) in addresses {
        if address.is_some_and(|url| !covered(origins, url)) {
            fields.refuse(field, "an address under one of allowed_return_origins");
        }
    }
}

/// Azure DevOps scopes to ask for: 1 to 200 names such as `vso.code`, or `user_impersonation` alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Scopes(Vec<String>);

impl Scopes {
    /// Their names.
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

/// Names that are not [`Scopes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidScopes {
    /// No name, or too many.
    #[error("1 to {MOST_ENTRIES} scopes")]
    Count,
    /// `user_impersonation` is not the only one.
    #[error("user_impersonation stands alone: it contains the others")]
    Redundant,
    /// A name is no scope's.
    #[error("a scope of Azure DevOps, such as vso.code, or user_impersonation")]
    Unknown,
}

impl TryFrom<Vec<String>> for Scopes {
    type Error = InvalidScopes;

    fn try_from(names: Vec<String>) -> Result<Self, InvalidScopes> {
        if names.is_empty() || names.len() > MOST_ENTRIES {
            return Err(InvalidScopes::Count);
        }
        if names.len() > 1 && names.iter().any(|name| name == devops::scopes::EVERYTHING) {
            return Err(InvalidScopes::Redundant);
        }
        if names.iter().any(|name| Scope::parse(name).is_none()) {
            return Err(InvalidScopes::Unknown);
        }
        Ok(Self(without_repetitions(names)))
    }
}

impl From<Scopes> for Vec<String> {
    fn from(scopes: Scopes) -> Self {
        scopes.0
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

/// The callers that name the users of an integration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Users {
    /// Keys of applications. To callers with a user's token the integration does not exist.
    #[default]
    Application,
    /// Callers with a user's token, each itself. Keys of applications name nobody here.
    Jwt,
}

/// Whether the application must confirm a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confirmation {
    #[default]
    /// The application confirms who finished in the browser; until then the connection is unusable.
    Required,
    /// Usable at once: for internal tools only.
    None,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::mcp::McpAccess;
    use super::*;

    fn full() -> Value {
        json!({
            "client_id": "3f0e5a1c-7c51-4c3f-8d1e-0c9d1f6f1a01",
            "organizations": ["mycompany", "fabrikam"],
            "scopes": ["vso.code", "vso.work"],
            "tenant": "organizations",
            "allowed_tenants": ["11111111-1111-4111-8111-111111111111"],
            "allowed_return_origins": ["https://app.mycompany.example"],
            "confirmation": "none",
            "users": "application",
            "allow_token_handout": true,
            "allow_credential_calls": true,
            "allow_contribution_calls": true,
            "allow_hook_calls": true,
            "always_warm": true,
            "allowed_calls": [{"methods": ["GET"], "paths": ["/*/_apis/git"]}, {"methods": [], "paths": []}],
            "proxy_limits": {
                "connection": {"requests": 10, "per_seconds": 60},
                "integration": {"requests": 1, "per_seconds": 1, "concurrent": 5},
            },
            "mcp": {"access": "write", "toolsets": ["core"], "clients": ["claude.ai"]},
            "reconnect_url": "https://app.mycompany.example/settings?a=1",
            "branding": {"name": "Ada's", "logo_url": "https://app.mycompany.example/logo.svg", "accent_color": "#0b5cad"},
        })
    }

    fn read(value: &Value) -> Result<Settings, Vec<String>> {
        let text = value.to_string();
        let mut fields = Fields::new(serde_json::from_str(&text).unwrap());
        let settings = Settings::read(&mut fields);
        let faults = fields.finish(settings);
        faults.map_err(|faults| faults.into_iter().map(|fault| fault.field).collect())
    }

    #[test]
    fn every_field_is_read_and_stored_in_the_shape_that_was_sent() {
        let schema = Settings::json_schema(&mut schemars::SchemaGenerator::default()).to_value();
        let fields: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
        assert_eq!(fields.len(), full().as_object().unwrap().len(), "{fields:?}");
        let settings = read(&full()).unwrap();
        assert_eq!(serde_json::to_value(&settings).unwrap(), full());
        let stored: serde_dynamo::Item = serde_dynamo::to_item(&settings).unwrap();
        assert_eq!(serde_dynamo::from_item::<_, Settings>(stored).unwrap(), settings);
    }

    #[test]
    fn required_fields_suffice_and_the_others_have_safe_defaults() {
        let mut least = full();
        least
            .as_object_mut()
            .unwrap()
            .retain(|name, _| ["client_id", "organizations", "scopes"].contains(&name.as_str()));
        let settings = read(&least).unwrap();
        assert_eq!(settings.confirmation, Confirmation::Required);
        assert_eq!(settings.users, Users::Application);
        assert!(!settings.allow_token_handout && settings.tenant == TenantSetting::Auto);
        assert_eq!(settings.mcp, McpSettings::default());
        assert_eq!(settings.mcp.access, McpAccess::Off);
        assert!(ClosedArea::ALL.iter().all(|area| !settings.opens(*area)));
        assert_eq!(serde_json::from_value::<Settings>(least).unwrap(), settings);
    }

    #[test]
    fn users_who_name_themselves_are_always_confirmed() {
        let mut settings = full();
        settings["users"] = "jwt".into();
        assert_eq!(read(&settings).unwrap_err(), ["confirmation"]);
        settings["confirmation"] = "required".into();
        assert_eq!(read(&settings).unwrap().users, Users::Jwt);
        settings["users"] = "anybody".into();
        assert_eq!(read(&settings).unwrap_err(), ["users"]);
    }

    #[test]
    fn every_fault_is_found_at_once() {
        let faulty = json!({
            "organizations": [],
            "scopes": ["vso.code", "user_impersonation"],
            "tenant": "common",
            "allowed_tenants": ["x"],
            "confirmation": "maybe",
            "always_warm": "yes",
            "allowed_calls": [{"methods": ["get"], "paths": ["_apis"]}, {"verbs": []}],
            "proxy_limits": {"connection": {"requests": 0, "per_seconds": 86_401}, "integration": {}},
            "mcp": {"access": "all", "toolsets": ["core", "everything"], "hosts": []},
            "reconnect_url": "https://evil.example/",
            "branding": {"name": "", "logo_url": "/logo.svg", "accent_color": "red", "font": "serif"},
            "token_handout": true,
        });
        let expected = [
            "client_id",
            "organizations",
            "scopes",
            "branding.logo_url",
            "branding.name",
            "branding.accent_color",
            "branding.font",
            "reconnect_url",
            "confirmation",
            "tenant",
            "allowed_tenants[0]",
            "always_warm",
            "allowed_calls[0].methods",
            "allowed_calls[0].paths",
            "allowed_calls[1].verbs",
            "proxy_limits.connection.requests",
            "proxy_limits.connection.per_seconds",
            "proxy_limits.integration",
            "mcp.access",
            "mcp.toolsets",
            "mcp.hosts",
            "token_handout",
        ];
        assert_eq!(read(&faulty).unwrap_err(), expected);
    }

    #[test]
    fn addresses_of_the_application_lie_below_its_origins() {
        let mut elsewhere = full();
        elsewhere["allowed_return_origins"] = json!(["https://other.mycompany.example"]);
        assert_eq!(read(&elsewhere).unwrap_err(), ["reconnect_url", "branding.logo_url"]);
        // Nothing is said of them where the origins are at fault.
        elsewhere["allowed_return_origins"] = json!(["other.mycompany.example"]);
        assert_eq!(read(&elsewhere).unwrap_err(), ["allowed_return_origins"]);
    }
}
