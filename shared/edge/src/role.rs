//! The roles of callers, which the table of routes names.

use std::fmt;

use serde::Serialize;

/// The rights of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Configures integrations and keys.
    Operator,
    /// Connects users and calls Azure DevOps for them.
    Application,
    /// One user of an application, for itself.
    User,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}
