//! The organizations that an integration serves.

use devops::organization::OrganizationName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MOST_ENTRIES, without_repetitions};

/// The organizations that an integration serves: `"any"`, or a list of 1 to 200 names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "OneOrMany", into = "OneOrMany")]
pub enum Organizations {
    /// Each connect session names one: for products whose customers have their own.
    Any,
    /// These and no others.
    Named(Vec<OrganizationName>),
}

/// A word, or a list of names.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a list of organization names, or the word any")]
pub(super) enum OneOrMany {
    /// `"any"`.
    One(String),
    /// Names.
    Many(Vec<String>),
}

/// A value that names no organizations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOrganizations {
    /// Another word than `any`.
    #[error("a list of organization names, or the word any")]
    Word,
    /// No name, or too many.
    #[error("1 to {MOST_ENTRIES} organization names, or the word any")]
    Count,
    /// An entry is not the name of an organization.
    #[error(
        "an organization is named as in https://dev.azure.com/{{organization}}: letters, digits and hyphens"
    )]
    Name,
}

impl TryFrom<OneOrMany> for Organizations {
    type Error = InvalidOrganizations;

    fn try_from(written: OneOrMany) -> Result<Self, InvalidOrganizations> {
        let names = match written {
            OneOrMany::One(word) if word == "any" => return Ok(Self::Any),
            OneOrMany::One(_) => return Err(InvalidOrganizations::Word),
            OneOrMany::Many(names) => names,
        };
        if names.is_empty() || names.len() > MOST_ENTRIES {
            return Err(InvalidOrganizations::Count);
        }
        let names = names.iter().map(|name| name.parse());
        let names: Vec<OrganizationName> =
            names.collect::<Result<_, _>>().map_err(|_| InvalidOrganizations::Name)?;
        Ok(Self::Named(without_repetitions(names)))
    }
}

impl From<Organizations> for OneOrMany {
    fn from(organizations: Organizations) -> Self {
        match organizations {
            Organizations::Any => Self::One("any".to_owned()),
            Organizations::Named(names) => Self::Many(names.into_iter().map(Into::into).collect()),
        }
    }
}

impl Organizations {
    /// Whether `organization` is served.
    pub fn allow(&self, organization: &OrganizationName) -> bool {
        match self {
            Self::Any => true,
            Self::Named(names) => names.contains(organization),
        }
    }

    /// The organizations that a connection pinned to `pinned` may reach now: the one it is pinned to,
    /// if still served, else every named one.
    pub fn reachable(&self, pinned: Option<&OrganizationName>) -> Vec<OrganizationName> {
        match (pinned, self) {
            (Some(one), _) if self.allow(one) => vec![one.clone()],
            (None, Self::Named(names)) => names.clone(),
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_connection_reaches_only_what_is_still_served() {
        let (one, two): (OrganizationName, OrganizationName) =
            ("mycompany".parse().unwrap(), "fabrikam".parse().unwrap());
        let named = Organizations::Named(vec![one.clone()]);
        assert_eq!(named.reachable(None), std::slice::from_ref(&one));
        assert_eq!(named.reachable(Some(&one)), [one]);
        assert!(named.reachable(Some(&two)).is_empty());
        assert!(Organizations::Any.reachable(None).is_empty());
        assert_eq!(Organizations::Any.reachable(Some(&two)), [two]);
    }

    /// The organizations that an operator's JSON names.
    fn read(json: &serde_json::Value) -> Result<Organizations, String> {
        serde_json::from_value(json.clone()).map_err(|error| error.to_string())
    }

    #[test]
    fn an_integration_serves_any_organization_or_those_of_a_list() {
        let many = |count: usize| -> Vec<_> { (0..count).map(|n| format!("org{n}")).collect() };
        for (json, expected) in [
            (json!("any"), Ok(json!("any"))),
            (json!("Any"), Err(InvalidOrganizations::Word)),
            (json!(["mycompany", "MyCompany"]), Ok(json!(["mycompany"]))),
            (json!(many(MOST_ENTRIES)), Ok(json!(many(MOST_ENTRIES)))),
            (json!(many(MOST_ENTRIES + 1)), Err(InvalidOrganizations::Count)),
            (json!([]), Err(InvalidOrganizations::Count)),
            (json!(["my_company"]), Err(InvalidOrganizations::Name)),
        ] {
            let read = read(&json).map(|read| serde_json::to_value(read).unwrap());
            assert_eq!(read, expected.map_err(|error| error.to_string()), "{json}");
        }
    }
}
