//! The name of an organization, as in `https://dev.azure.com/{organization}/`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An organization's name, in lower case, because Azure DevOps ignores its case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OrganizationName(String);

/// Text that is not an organization's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an organization's name has 1 to 50 letters, digits and hyphens, and begins with no hyphen"
)]
pub struct InvalidOrganizationName;

impl OrganizationName {
    /// The longest name, in characters.
    const LONGEST: usize = 50;

    /// Returns the name, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OrganizationName {
    type Err = InvalidOrganizationName;

    fn from_str(text: &str) -> Result<Self, InvalidOrganizationName> {
        let valid = (1..=Self::LONGEST).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !text.starts_with('-');
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_compare_without_case_and_keep_their_lower_case_form() {
        let name: OrganizationName = "MyCompany-1".parse().unwrap();
        assert_eq!(name, "mycompany-1".parse().unwrap());
        assert_eq!(name.to_string(), "mycompany-1");
        assert_eq!(serde_json::to_string(&name).unwrap(), r#""mycompany-1""#);
        assert_eq!(serde_json::from_str::<OrganizationName>(r#""MYCOMPANY-1""#).unwrap(), name);
    }

    #[test]
    fn other_texts_are_no_names() {
        for good in ["a", "7", "a-b", "a--b", &"x".repeat(50)] {
            assert!(good.parse::<OrganizationName>().is_ok(), "{good}");
        }
        let bad = ["", "-a", "_apis", "a.b", "a/b", "a b", "a%20b", "über", "a\0", "\u{ff41}"];
        for bad in bad.into_iter().chain([&*"x".repeat(51)]) {
            assert!(bad.parse::<OrganizationName>().is_err(), "{bad}");
            assert!(serde_json::from_value::<OrganizationName>(bad.into()).is_err(), "{bad}");
        }
    }
}
