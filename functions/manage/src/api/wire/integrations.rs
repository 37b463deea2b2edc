//! Integrations on the wire.

use devops::policy;
use edge::wire::rfc3339;
use entra::identifiers::{ClientId, Tenant, TenantId};
use jiff::Timestamp;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;
use vault::integrations::{
    Confirmation, CredentialKind, Integration, Organizations, TenantSetting,
};
use vault::limits;

/// `PUT /integrations/{integration}`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PutIntegration {
    /// The Application (client) ID of the Entra app registration.
    #[schemars(with = "String")]
    pub client_id: ClientId,
    /// The client credential. It is stored in Secrets Manager and never returned. May be left out when
    /// an integration is replaced and keeps its credential.
    pub client_credential: Option<ClientCredential>,
    /// Names of Azure DevOps organizations, or `"any"`.
    pub organizations: OneOrMany,
    /// Azure DevOps scopes such as `vso.code`, or only `user_impersonation`.
    pub scopes: Vec<String>,
    /// Where users sign in: `auto` (the tenant that backs the organization), `organizations`, or a tenant id.
    #[serde(default = "auto")]
    pub tenant: String,
    /// Tenants whose users may connect; empty: any.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub allowed_tenants: Vec<TenantId>,
    /// Origins of the application, such as `https://app.example`.
    #[serde(default)]
    pub allowed_return_origins: Vec<String>,
    /// Whether the application confirms who finished in the browser: `required` unless given.
    #[serde(default = "required")]
    #[schemars(with = "String")]
    pub confirmation: Confirmation,
    /// Whether `POST /connections/{connection}/token` hands out access tokens.
    #[serde(default)]
    pub allow_token_handout: bool,
    /// Whether access tokens are kept fresh even where nobody uses them, so that no call ever waits for
    /// a renewal. It takes effect at each connection's next renewal.
    #[serde(default)]
    pub always_warm: bool,
    /// Which calls of Azure DevOps go through; empty: all that the user may make.
    #[serde(default)]
    pub allowed_calls: Vec<CallRule>,
    /// How many calls of Azure DevOps go through; without, as many as Azure DevOps takes.
    #[serde(default)]
    pub proxy_limits: ProxyLimits,
    /// The application's page where a user connects again, under one of `allowed_return_origins`. Problems that
    /// need it name it, with `connection_id`.
    pub reconnect_url: Option<String>,
    /// What pages for the application's users show of it.
    #[serde(default)]
    pub branding: Branding,
}

/// How an application looks to its users.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Branding {
    /// Its name, 1 to 60 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The address of its logo, under one of `allowed_return_origins`, without query and fragment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo_url: Option<String>,
    /// The colour of its buttons, as `#rrggbb`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accent_color: Option<String>,
}

/// Calls that go through: any of the methods, below any of the paths.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallRule {
    /// Such as `GET`, which includes `HEAD`; empty: every method.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Below the organization, such as `/_apis/projects` or `/*/_apis/git`, where `*` is one project; empty:
    /// everywhere.
    #[serde(default)]
    pub paths: Vec<String>,
}

/// Limits on proxied calls.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProxyLimits {
    /// For each connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<ProxyLimit>,
    /// For all connections of the integration together; at most about 500 calls per second can be counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub integration: Option<ProxyLimit>,
}

/// One limit: a rate, a number at a time, or both.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProxyLimit {
    /// The most calls that can come at once; they come back evenly over `per_seconds`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<u32>,
    /// After how many seconds so many may come again, 1 to 86,400.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_seconds: Option<u32>,
    /// The most calls under way at a time, 1 to 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrent: Option<u32>,
}

fn auto() -> String {
    "auto".to_owned()
}

const fn required() -> Confirmation {
    Confirmation::Required
}

/// A word, or a list of names.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany {
    /// `"any"`.
    One(String),
    /// Names.
    Many(Vec<String>),
}

/// How the app proves itself to Entra.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ClientCredential {
    /// A client secret.
    ClientSecret {
        /// Its value (not its id).
        #[schemars(with = "String")]
        client_secret: SecretString,
        /// When Entra stops accepting it.
        #[schemars(with = "Option<String>")]
        expires_at: Option<Timestamp>,
    },
    /// A certificate whose key signs assertions.
    Certificate {
        /// The X.509 certificate that is registered in Entra, PEM.
        certificate_pem: String,
        /// Its private key, PEM.
        #[schemars(with = "String")]
        private_key_pem: SecretString,
    },
    /// A federated identity credential: a token of AWS in place of a secret. The deployment must have a role for it.
    Federated {},
}

/// An integration.
#[derive(Serialize, JsonSchema)]
pub struct IntegrationView {
    id: String,
    client_id: String,
    client_credential: CredentialView,
    organizations: serde_json::Value,
    scopes: Vec<String>,
    tenant: String,
    allowed_tenants: Vec<String>,
    allowed_return_origins: Vec<String>,
    confirmation: &'static str,
    allow_token_handout: bool,
    always_warm: bool,
    allowed_calls: Vec<CallRule>,
    proxy_limits: ProxyLimits,
    #[serde(skip_serializing_if = "Option::is_none")]
    reconnect_url: Option<String>,
    branding: Branding,
    /// To be registered in Entra, platform Web, exactly so.
    redirect_uri: String,
    /// For an administrator of a tenant whose users may not consent themselves: consents for all of them.
    admin_consent_url: String,
    status: &'static str,
    created_at: String,
    updated_at: String,
}

/// What is told of a client credential.
#[derive(Serialize, JsonSchema)]
pub struct CredentialView {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

impl IntegrationView {
    /// The integration as it is shown, with the redirect URI of this deployment.
    pub fn new(integration: &Integration, redirect_uri: &Url, admin_consent_url: String) -> Self {
        Self {
            id: integration.id.to_string(),
            client_id: integration.settings.client_id.to_string(),
            client_credential: CredentialView {
                kind: match integration.credential.kind {
                    CredentialKind::ClientSecret => "client_secret",
                    CredentialKind::Certificate => "certificate",
                    CredentialKind::Federated => "federated",
                },
                expires_at: integration.credential.expires_at.map(rfc3339),
            },
            organizations: match &integration.settings.organizations {
                Organizations::Any => "any".into(),
                Organizations::Named(names) => {
                    names.iter().map(ToString::to_string).collect::<Vec<_>>().into()
                }
            },
            scopes: integration.settings.scopes.clone(),
            tenant: match &integration.settings.tenant {
                TenantSetting::Auto => auto(),
                TenantSetting::Fixed(Tenant::Organizations) => "organizations".to_owned(),
                TenantSetting::Fixed(Tenant::Id(id)) => id.to_string(),
            },
            allowed_tenants: integration
                .settings
                .allowed_tenants
                .iter()
                .map(ToString::to_string)
                .collect(),
            allowed_return_origins: integration
                .settings
                .allowed_return_origins
                .iter()
                .map(|origin| origin.clone().into())
                .collect(),
            confirmation: match integration.settings.confirmation {
                Confirmation::Required => "required",
                Confirmation::None => "none",
            },
            allow_token_handout: integration.settings.allow_token_handout,
            always_warm: integration.settings.always_warm,
            allowed_calls: integration
                .settings
                .allowed_calls
                .rules()
                .iter()
                .map(CallRule::from)
                .collect(),
            proxy_limits: ProxyLimits {
                connection: integration.settings.proxy_limits.connection.map(ProxyLimit::from),
                integration: integration.settings.proxy_limits.integration.map(ProxyLimit::from),
            },
            reconnect_url: integration.settings.reconnect_url.as_ref().map(Url::to_string),
            branding: Branding::from(&integration.settings.branding),
            redirect_uri: redirect_uri.to_string(),
            admin_consent_url,
            status: match integration.status {
                vault::integrations::Status::Ready => "ready",
                vault::integrations::Status::CredentialRejected => "credential_rejected",
                vault::integrations::Status::Paused => "paused",
            },
            created_at: rfc3339(integration.created_at),
            updated_at: rfc3339(integration.updated_at),
        }
    }
}

impl From<&vault::integrations::Branding> for Branding {
    fn from(branding: &vault::integrations::Branding) -> Self {
        Self {
            name: branding.name.clone().map(String::from),
            logo_url: branding.logo_url.as_ref().map(Url::to_string),
            accent_color: branding.accent_color.map(String::from),
        }
    }
}

impl From<&policy::CallRule> for CallRule {
    fn from(rule: &policy::CallRule) -> Self {
        Self {
            methods: rule.methods.iter().cloned().map(String::from).collect(),
            paths: rule.paths.iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<limits::Limit> for ProxyLimit {
    fn from(limit: limits::Limit) -> Self {
        Self {
            requests: limit.rate.map(|rate| rate.requests.get()),
            per_seconds: limit.rate.map(|rate| rate.per_seconds.get()),
            concurrent: limit.concurrent.map(std::num::NonZeroU32::get),
        }
    }
}
