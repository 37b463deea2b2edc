//! The name of an organization, as in `https://dev.azure.com/{organization}/`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An organization's name, in lower case: Azure DevOps does not tell letters' cases apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OrganizationName(String);

/// Text that is no organization's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an organization's name has 1 to 50 letters, digits and inner hyphens")]
pub struct InvalidOrganizationName;

impl OrganizationName {
    /// The name, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OrganizationName {
    type Err = InvalidOrganizationName;

    fn from_str(text: &str) -> Result<Self, InvalidOrganizationName> {
        let valid = (1..=50).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-');
        if valid { Ok(Self(text.to_ascii_lowercase())) } else { Err(InvalidOrganizationName) }
    }
}

impl TryFrom<String> for OrganizationName {
    type Error = InvalidOrganizationName;

    fn try_from(text: String) -> Result<Self, InvalidOrganizationName> {
        text.parse()
    }
}

impl From<OrganizationName> for String {
    fn from(name: OrganizationName) -> Self {
        name.0
    }
}

impl fmt::Display for OrganizationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
