//! The JSON that more than one function answers with.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use vault::connections::{Connection, Status};

/// A connection.
#[derive(Serialize, JsonSchema)]
pub struct ConnectionView {
    id: String,
    integration: String,
    user: String,
    /// The organization it is pinned to; `null` when it serves all that the integration names.
    organization: Option<String>,
    status: Status,
    /// When the operator paused it; `null` when it is not paused.
    paused_at: Option<String>,
    /// Why the user must sign in again.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    account: AccountView,
    /// The scopes that Entra granted.
    scopes: Vec<String>,
    /// The requested scopes that the granted ones do not cover; calls that need them are refused.
    missing_scopes: Vec<String>,
    token_expires_at: Option<String>,
    last_used_at: Option<String>,
    last_refreshed_at: Option<String>,
    created_at: String,
    connected_at: Option<String>,
}

/// The account that signed in at Entra.
#[derive(Serialize, JsonSchema)]
pub struct AccountView {
    tenant_id: String,
    object_id: String,
    /// For display only.
    name: Option<String>,
    /// For display only; it can change.
    username: Option<String>,
}

impl From<&Connection> for ConnectionView {
    fn from(connection: &Connection) -> Self {
        Self {
            id: connection.id.to_string(),
            integration: connection.integration.to_string(),
            user: connection.user.to_string(),
            organization: connection.organization.as_ref().map(ToString::to_string),
            status: connection.status,
            paused_at: connection.paused_at.map(rfc3339),
            reason: connection.reason.clone(),
            account: AccountView {
                tenant_id: connection.account.tenant_id.to_string(),
                object_id: connection.account.object_id.to_string(),
                name: connection.account.name.clone(),
                username: connection.account.username.clone(),
            },
            scopes: connection.scopes.clone(),
            missing_scopes: connection.missing_scopes.clone(),
            token_expires_at: connection.token_expires_at.map(rfc3339),
            last_used_at: connection.last_used_at.map(rfc3339),
            last_refreshed_at: connection.last_refreshed_at.map(rfc3339),
            created_at: rfc3339(connection.created_at),
            connected_at: connection.connected_at.map(rfc3339),
        }
    }
}

/// A time on the wire: RFC 3339, UTC, whole seconds.
pub fn rfc3339(time: Timestamp) -> String {
    // Whole seconds of a valid time are a valid time.
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}
