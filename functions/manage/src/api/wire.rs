//! What the management API takes and gives: `snake_case` JSON, RFC 3339 times, unknown fields refused.

mod integrations;

pub use edge::wire::ConnectionView;
use edge::wire::rfc3339;
pub use integrations::{
    Branding, CallRule, ClientCredential, IntegrationView, OneOrMany, ProxyLimit, ProxyLimits,
    PutIntegration,
};
use jiff::Timestamp;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use vault::ids::{ApiKeyId, ConnectionId, IntegrationId, UserId};

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
    /// When it stops working by itself.
    pub expires_at: Option<Timestamp>,
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
    /// When it stops working by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
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
            expires_at: key.expires_at.map(rfc3339),
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
