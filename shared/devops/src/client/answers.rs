//! The answers to our own calls, reduced to the fields that we use.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::rejection::ANONYMOUS;

/// The user of a token, as `connectionData` describes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionData {
    /// The identity in the organization; not the Entra object id.
    pub authenticated_user_id: Uuid,
    /// The same identity in the graph API: `aad.…` for users of Entra.
    pub subject_descriptor: Option<String>,
    /// For display only.
    pub display_name: Option<String>,
    /// The organization's id.
    pub instance_id: Option<Uuid>,
}

/// Reads an answer. Some services begin it with a byte order mark.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    serde_json::from_slice(body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body)).ok()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConnectionDataAnswer {
    authenticated_user: User,
    instance_id: Option<Uuid>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    id: Uuid,
    descriptor: Option<String>,
    subject_descriptor: Option<String>,
    provider_display_name: Option<String>,
}

impl ConnectionDataAnswer {
    /// Returns the user, or `None` if it is a public identity.
    pub(super) fn user(self) -> Option<ConnectionData> {
        let user = self.authenticated_user;
        let kind = user.descriptor.unwrap_or_default();
        if user.id == ANONYMOUS || user.id.is_nil() || kind.contains("UnauthenticatedIdentity") {
            return None;
        }
        Some(ConnectionData {
            authenticated_user_id: user.id,
            subject_descriptor: user.subject_descriptor,
            display_name: user.provider_display_name,
            instance_id: self.instance_id,
        })
    }
}
