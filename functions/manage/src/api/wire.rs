//! The JSON of the management API: `snake_case` names, RFC 3339 times, unknown fields refused.

mod integrations;

pub use crate::operations::connect_sessions::CreateConnectSession;
pub use crate::operations::verify::Verification;
pub use edge::wire::ConnectionView;
use edge::wire::rfc3339;
pub use integrations::{ClientCredential, IntegrationView, PutIntegration};
use jiff::Timestamp;
use schemars::JsonSchema;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use vault::api_keys::{ApiKey, ApiKeyRequest, NewApiKey, Role};
use vault::ids::{ApiKeyId, IntegrationId, UserId};
use vault::passes::Pass;
use vault::service::Status;

use crate::operations::connect_sessions::ConnectLink;

/// A connect session's link.
#[derive(Serialize, JsonSchema)]
pub struct ConnectSessionView {
    /// Send the user's browser here.
    pub connect_url: String,
    /// When it stops working.
    pub expires_at: String,
}

impl From<ConnectLink> for ConnectSessionView {
    fn from(link: ConnectLink) -> Self {
        Self { connect_url: link.url.into(), expires_at: rfc3339(link.expires_at) }
    }
}

/// `POST /connections/{connection}/confirm`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmConnection {
    /// The one-time code that came back with the browser.
    #[schemars(with = "String")]
    pub confirmation: SecretString,
    /// The user of the application's own session.
    pub user: Option<UserId>,
}

/// `POST /api-keys`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateApiKey {
    /// A name to recognise the key by.
    pub name: String,
    /// The rights of the key.
    pub role: Role,
    /// The only integration that an application key may be used for.
    pub integration: Option<IntegrationId>,
    /// When it stops working by itself.
    pub expires_at: Option<Timestamp>,
}

impl From<CreateApiKey> for ApiKeyRequest {
    fn from(request: CreateApiKey) -> Self {
        let CreateApiKey { name, role, integration, expires_at } = request;
        Self { name, role, integration, expires_at }
    }
}

/// A new API key.
#[derive(Serialize, JsonSchema)]
pub struct NewApiKeyView {
    /// The key itself: shown this once.
    pub key: String,
    /// Everything except the key itself.
    #[serde(flatten)]
    pub description: ApiKeyView,
}

impl From<NewApiKey> for NewApiKeyView {
    fn from(new: NewApiKey) -> Self {
        Self { key: new.key.expose_secret().to_owned(), description: new.description.into() }
    }
}

/// An API key without its secret.
#[derive(Serialize, JsonSchema)]
pub struct ApiKeyView {
    id: ApiKeyId,
    name: String,
    role: Role,
    #[serde(skip_serializing_if = "Option::is_none")]
    integration: Option<IntegrationId>,
    created_at: String,
    /// When it stops working by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

impl From<ApiKey> for ApiKeyView {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            role: key.role,
            integration: key.integration,
            created_at: rfc3339(key.created_at),
            expires_at: key.expires_at.map(rfc3339),
        }
    }
}

/// What an MCP client may do with a connection.
#[derive(Serialize, JsonSchema)]
pub struct PassView {
    id: String,
    /// The client's own name for itself, which nobody has checked.
    client_name: String,
    /// The address of the client's metadata document, or its registration.
    client_id: String,
    /// The address to which its code went.
    redirect_uri: String,
    /// `read`, or `read write`.
    scope: &'static str,
    created_at: String,
    /// When it was last renewed, about hourly while it is in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    renewed_at: Option<String>,
}

impl From<Pass> for PassView {
    fn from(pass: Pass) -> Self {
        Self {
            id: pass.id.to_string(),
            client_name: pass.client_name,
            client_id: pass.client_id,
            redirect_uri: pass.redirect_uri,
            scope: pass.scope.as_str(),
            created_at: rfc3339(pass.created_at),
            renewed_at: pass.turned_at.map(rfc3339),
        }
    }
}

/// The service as a whole.
#[derive(Serialize, JsonSchema)]
pub struct ServiceView {
    /// `running` or `paused`.
    #[schemars(with = "String")]
    pub status: Status,
    /// The deployed version.
    pub version: &'static str,
}

impl From<Status> for ServiceView {
    fn from(status: Status) -> Self {
        Self { status, version: env!("CARGO_PKG_VERSION") }
    }
}

/// A list, with the cursor for the next page if there is one.
#[derive(Serialize, JsonSchema)]
pub struct List<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// Sent as `cursor`, it leads to the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
