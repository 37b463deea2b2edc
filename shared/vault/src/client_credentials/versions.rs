//! The versions of a secret in Secrets Manager.

use std::fmt;

use entra::identifiers::ClientId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The id of a version of a secret; for one that a rotation makes, the rotation's `ClientRequestToken`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VersionId(String);

impl VersionId {
    /// From Secrets Manager.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The staging labels of Secrets Manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The one in use.
    Current,
    /// The one in the making, by a rotation.
    Pending,
    /// The one in use before.
    Previous,
}

impl Stage {
    /// The label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => "AWSCURRENT",
            Self::Pending => "AWSPENDING",
            Self::Previous => "AWSPREVIOUS",
        }
    }
}

/// Where a client secret comes from that a rotation made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// The id by which Entra removes it.
    pub key_id: Uuid,
    /// When Entra stops accepting it.
    pub expires_at: Timestamp,
    /// Its app.
    pub client_id: ClientId,
    /// The version that it replaces.
    pub replaces: VersionId,
}
