//! What the management API takes and gives: `snake_case` JSON, RFC 3339 times, unknown fields refused.

pub use edge::wire::ConnectionView;
use edge::wire::rfc3339;
use entra::identifiers::{ClientId, Tenant, TenantId};
use jiff::Timestamp;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;
use vault::ids::{ApiKeyId, ConnectionId, IntegrationId, UserId};
use vault::integrations::{
    Confirmation, CredentialKind, Integration, Organizations, TenantSetting,
};

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
    /// A federated identity credential; not in this version.
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
    /// To be registered in Entra, platform Web, exactly so.
    redirect_uri: String,
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
    pub fn new(integration: &Integration, redirect_uri: &Url) -> Self {
        Self {
            id: integration.id.to_string(),
            client_id: integration.client_id.to_string(),
            client_credential: CredentialView {
                kind: match integration.credential.kind {
                    CredentialKind::ClientSecret => "client_secret",
                    CredentialKind::Certificate => "certificate",
                },
                expires_at: integration.credential.expires_at.map(rfc3339),
            },
            organizations: match &integration.organizations {
                Organizations::Any => "any".into(),
                Organizations::Named(names) => {
                    names.iter().map(ToString::to_string).collect::<Vec<_>>().into()
                }
            },
            scopes: integration.scopes.clone(),
            tenant: match &integration.tenant {
                TenantSetting::Auto => auto(),
                TenantSetting::Fixed(Tenant::Organizations) => "organizations".to_owned(),
                TenantSetting::Fixed(Tenant::Id(id)) => id.to_string(),
            },
            allowed_tenants: integration.allowed_tenants.iter().map(ToString::to_string).collect(),
            allowed_return_origins: integration
                .allowed_return_origins
                .iter()
                .map(|origin| origin.clone().into())
                .collect(),
            confirmation: match integration.confirmation {
                Confirmation::Required => "required",
                Confirmation::None => "none",
            },
            allow_token_handout: integration.token_handout,
            always_warm: integration.always_warm,
            redirect_uri: redirect_uri.to_string(),
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

/// `POST /connect-sessions`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateConnectSession {
    /// The integration to connect under.
    #[schemars(with = "String")]
    pub integration: IntegrationId,
    /// The application's own name for its signed-in user. A caller with a JWT may leave it out.
    #[schemars(with = "Option<String>")]
    pub user: Option<UserId>,
    /// The Azure DevOps organization, where the integration serves several or any.
    pub organization: Option<String>,
    /// Where the browser goes afterwards.
    pub return_to: Option<String>,
    /// The account to suggest on Microsoft's sign-in page.
    pub login_hint: Option<String>,
    /// Fewer scopes than the integration's.
    pub scopes: Option<Vec<String>>,
}

/// A connect session's link.
#[derive(Serialize, JsonSchema)]
pub struct ConnectSessionView {
    /// Send the user's browser here.
    pub connect_url: String,
    /// Until when.
    pub expires_at: String,
}

/// `POST /connections/{connection}/confirm`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmConnection {
    /// The one-time code that came back with the browser.
    #[schemars(with = "String")]
    pub confirmation: SecretString,
    /// The user whom the application's own session names.
    #[schemars(with = "Option<String>")]
    pub user: Option<UserId>,
}

/// `POST /api-keys`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateApiKey {
    /// What the key is for, to recognise it by.
    pub name: String,
    /// `operator` or `application`.
    pub role: String,
    /// The only integration that an application key may be used for.
    #[schemars(with = "Option<String>")]
    pub integration: Option<IntegrationId>,
}

/// A new API key.
#[derive(Serialize, JsonSchema)]
pub struct NewApiKeyView {
    /// The key itself: shown this once.
    pub key: String,
    /// What is listed of it.
    #[serde(flatten)]
    pub description: ApiKeyView,
}

/// An API key as it is listed.
#[derive(Serialize, JsonSchema)]
pub struct ApiKeyView {
    #[schemars(with = "String")]
    id: ApiKeyId,
    name: String,
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    integration: Option<IntegrationId>,
    created_at: String,
}

impl From<vault::api_keys::ApiKey> for ApiKeyView {
    fn from(key: vault::api_keys::ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            role: match key.role {
                vault::api_keys::Role::Operator => "operator",
                vault::api_keys::Role::Application => "application",
            },
            integration: key.integration,
            created_at: rfc3339(key.created_at),
        }
    }
}

/// The service as a whole.
#[derive(Serialize, JsonSchema)]
pub struct ServiceView {
    /// `running` or `paused`.
    pub status: &'static str,
    /// The deployed version.
    pub version: &'static str,
}

impl From<vault::service::Status> for ServiceView {
    fn from(status: vault::service::Status) -> Self {
        Self {
            status: match status {
                vault::service::Status::Running => "running",
                vault::service::Status::Paused => "paused",
            },
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// A list, with the cursor for the next page if there is one.
#[derive(Serialize, JsonSchema)]
pub struct List<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// Send it as `cursor` to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// What `POST /integrations/{integration}/verify` found.
#[derive(Serialize, JsonSchema)]
pub struct Verification {
    /// Whether no check failed.
    pub ok: bool,
    /// One finding per check.
    pub findings: Vec<Finding>,
}

/// One check.
#[derive(Serialize, JsonSchema)]
pub struct Finding {
    /// What was checked, as a stable name.
    pub check: String,
    /// `ok`, `warning` or `failed`.
    pub status: FindingStatus,
    /// What was found.
    pub detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// How a check ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FindingStatus {
    /// As it should be.
    Ok,
    /// Works, but look at it.
    Warning,
    /// Connecting or calling will not work.
    Failed,
}

/// The path parameter `{connection}`, or not found: whatever is no id names no connection.
///
/// # Errors
/// [`edge::Code::ConnectionNotFound`].
pub fn connection_id(text: &str) -> Result<ConnectionId, edge::Problem> {
    text.parse().map_err(|_| edge::Problem::new(edge::Code::ConnectionNotFound))
}
