//! The settings of an integration's MCP endpoint.

use ground::fields::{Fields, Object};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::stored::strictest_if_unknown;
use super::{MOST_ENTRIES, without_repetitions};

/// The MCP endpoint of an integration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct McpSettings {
    /// `off` unless given, `read` for tools that only read, or `write` for all tools.
    #[serde(default, deserialize_with = "strictest_if_unknown")]
    #[schemars(with = "String")]
    pub access: McpAccess,
    /// The sets of tools that clients have at most; empty: all.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub toolsets: Vec<Toolset>,
    /// The clients that users may let in; empty: all. The host of a client's metadata document; of a registered client the
    /// host to which its codes go, `loopback`, or its private scheme.
    #[serde(default)]
    pub clients: Vec<String>,
}

impl McpSettings {
    /// Reads every field, so that every fault is noted.
    pub fn read(fields: &mut Fields<Object<'_>>) -> Option<Self> {
        Some(Self {
            access: fields.or_default("access"),
            toolsets: without_repetitions(fields.texts("toolsets", MOST_ENTRIES)),
            clients: without_repetitions(fields.texts("clients", MOST_ENTRIES)),
        })
    }

    /// Returns whether users may let in the client that this place answers for.
    pub fn allows_client(&self, place: &str) -> bool {
        self.clients.is_empty()
            || self.clients.iter().any(|client| client.eq_ignore_ascii_case(place))
    }

    /// Returns whether clients may have the tools of a set.
    pub fn allows(&self, toolset: Toolset) -> bool {
        self.toolsets.is_empty() || self.toolsets.contains(&toolset)
    }
}

/// The tools of an MCP endpoint, by their effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum McpAccess {
    /// None: there is no endpoint.
    #[default]
    Off,
    /// Tools that only read.
    Read,
    /// All tools.
    Write,
}

/// A set of tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Toolset {
    /// The user, projects, teams and people.
    Core,
    /// Git repositories and pull requests.
    Repos,
    /// Pipelines and their builds.
    Pipelines,
    /// Work items.
    Wit,
    /// Full-text search.
    Search,
    /// Wikis.
    Wiki,
    /// Iterations, backlogs and capacities of teams.
    Work,
    /// Test plans, cases and results.
    Testplan,
    /// Alerts of Advanced Security.
    Advsec,
    /// Every other call.
    Any,
}

/// Text that names no set of tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a set of tools: core, repos, pipelines, wit, search, wiki, work, testplan, advsec, any")]
pub struct InvalidToolset;

impl Toolset {
    /// Every set, in the order of the documentation.
    pub const ALL: &[Self] = &[
        Self::Core,
        Self::Repos,
        Self::Pipelines,
        Self::Wit,
        Self::Search,
        Self::Wiki,
        Self::Work,
        Self::Testplan,
        Self::Advsec,
        Self::Any,
    ];

    /// Returns the name, as in settings, addresses and headers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Repos => "repos",
            Self::Pipelines => "pipelines",
            Self::Wit => "wit",
            Self::Search => "search",
            Self::Wiki => "wiki",
            Self::Work => "work",
            Self::Testplan => "testplan",
            Self::Advsec => "advsec",
            Self::Any => "any",
        }
    }

    /// Returns the set of this name, or `None` if there is none.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|toolset| toolset.as_str() == name)
    }
}

impl TryFrom<String> for Toolset {
    type Error = InvalidToolset;

    fn try_from(name: String) -> Result<Self, InvalidToolset> {
        Self::named(&name).ok_or(InvalidToolset)
    }
}

impl From<Toolset> for &'static str {
    fn from(toolset: Toolset) -> Self {
        toolset.as_str()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_access_of_a_newer_release_is_no_access() {
        let settings: McpSettings = serde_json::from_value(json!({"access": "more"})).unwrap();
        assert_eq!(settings.access, McpAccess::Off);
    }

    #[test]
    fn a_toolset_has_the_same_name_everywhere() {
        for toolset in Toolset::ALL {
            assert_eq!(serde_json::to_value(toolset).unwrap(), toolset.as_str());
            assert_eq!(Toolset::named(toolset.as_str()), Some(*toolset));
        }
        assert_eq!(Toolset::named("Core"), None);
    }
}
