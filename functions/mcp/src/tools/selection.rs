//! The tools that a caller has: those that the integration offers, narrowed by the address and by headers. Nothing widens.
//!
//! | where | meaning |
//! | --- | --- |
//! | `/readonly`, or the header `x-mcp-readonly: true` | tools that only read |
//! | `/x/core`, or the header `x-mcp-toolsets: core` | tools of these sets; `all` and `default` are words for several |
//! | the header `x-mcp-tools: who_am_i,list_projects` | these tools |
//! | the header `x-mcp-exclude-tools: find_people` | no such tool |
//!
//! Unknown names are ignored: a list of nothing else leaves nothing.

use edge::problem::{Code, Problem};
use http::HeaderMap;
use oauth::scope::Scope;
use vault::integrations::{McpAccess, McpSettings, Toolset};

use super::table::tools;
use super::tool::Tool;
use crate::engine::session::Offer;

const READ_ONLY: &str = "x-mcp-readonly";
const TOOLSETS: &str = "x-mcp-toolsets";
const ONLY: &str = "x-mcp-tools";
const EXCLUDED: &str = "x-mcp-exclude-tools";

/// The sets of a client that names none.
pub(super) const DEFAULT: &[Toolset] =
    &[Toolset::Core, Toolset::Repos, Toolset::Pipelines, Toolset::Wit, Toolset::Search];

/// What a client asks to have less of.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Narrowing {
    is_read_only: bool,
    /// Each list of sets that was given; a tool must be in all of them.
    toolsets: Vec<Vec<Toolset>>,
    only: Option<Vec<String>>,
    excluded: Vec<String>,
}

impl Narrowing {
    /// Reads the suffixes of the address, and the headers.
    ///
    /// # Errors
    /// [`Code::NotFound`] for other suffixes.
    pub(crate) fn new(suffixes: &str, headers: &HeaderMap) -> Result<Self, Problem> {
        let mut narrowing = Self::default();
        let (sets, rest) = match suffixes.strip_prefix("x/") {
            Some(after) => {
                let (sets, rest) = after.split_once('/').unwrap_or((after, ""));
                (Some(sets), rest)
            }
            None => (None, suffixes),
        };
        narrowing.is_read_only = match rest {
            "" => false,
            "readonly" => true,
            _ => return Err(Problem::new(Code::NotFound)),
        };
        narrowing.toolsets.extend(sets.map(|sets| toolsets(entries(sets))));
        // A value that cannot be read narrows, too.
        narrowing.is_read_only |= headers.get_all(READ_ONLY).iter().any(|value| {
            !value.to_str().is_ok_and(|value| ["", "0", "false"].contains(&value.trim()))
        });
        if headers.contains_key(TOOLSETS) {
            narrowing.toolsets.push(toolsets(values(headers, TOOLSETS)));
        }
        if headers.contains_key(ONLY) {
            narrowing.only = Some(values(headers, ONLY).map(str::to_owned).collect());
        }
        narrowing.excluded = values(headers, EXCLUDED).map(str::to_owned).collect();
        Ok(narrowing)
    }

    fn leaves(&self, tool: &Tool) -> bool {
        let names = |list: &[String]| list.iter().any(|name| name == tool.name);
        // A client that names neither sets nor tools has the default.
        let is_default = self.toolsets.is_empty() && self.only.is_none();
        (tool.only_reads() || !self.is_read_only)
            && (!is_default || DEFAULT.contains(&tool.toolset))
            && self.toolsets.iter().all(|sets| sets.contains(&tool.toolset))
            && self.only.as_deref().is_none_or(names)
            && !names(&self.excluded)
    }
}

/// The tools of one caller.
pub(crate) struct Selection {
    access: McpAccess,
    /// What the user has let the client do, if the caller is one.
    granted: Option<Scope>,
    toolsets: Vec<Toolset>,
    narrowing: Narrowing,
}

impl Selection {
    /// The tools that an integration offers, that the user has granted, and that the narrowing leaves.
    pub(crate) fn new(
        settings: &McpSettings,
        granted: Option<Scope>,
        narrowing: Narrowing,
    ) -> Self {
        let sets = Toolset::ALL.iter().copied();
        let toolsets = sets.filter(|toolset| settings.allows(*toolset)).collect();
        Self { access: settings.access, granted, toolsets, narrowing }
    }

    /// The tools, in the order of the table.
    pub(crate) fn tools(&self) -> impl Iterator<Item = &'static Tool> {
        tools().filter(|tool| self.has(tool))
    }

    /// What the caller may do with them.
    pub(crate) fn offer(&self) -> Offer {
        Offer {
            may_write: self.access == McpAccess::Write
                && self.grants_writing()
                && !self.narrowing.is_read_only,
            toolsets: self.tools().map(|tool| tool.toolset.as_str()).collect(),
        }
    }

    /// Whether only the user's grant keeps a tool of this name away.
    pub(crate) fn lacks_scope_for(&self, name: &str) -> bool {
        !self.grants_writing() && tools().any(|tool| tool.name == name && self.is_offered(tool))
    }

    fn grants_writing(&self) -> bool {
        self.granted.is_none_or(|scope| scope == Scope::Write)
    }

    fn has(&self, tool: &Tool) -> bool {
        (tool.only_reads() || self.grants_writing()) && self.is_offered(tool)
    }

    /// Whether the integration and the address offer a tool, to a client that may write.
    fn is_offered(&self, tool: &Tool) -> bool {
        let is_offered = match self.access {
            McpAccess::Off => false,
            McpAccess::Read => tool.only_reads(),
            McpAccess::Write => true,
        };
        is_offered && self.toolsets.contains(&tool.toolset) && self.narrowing.leaves(tool)
    }
}

fn entries(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

fn values<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).flat_map(entries)
}

fn toolsets<'a>(names: impl Iterator<Item = &'a str>) -> Vec<Toolset> {
    names
        .flat_map(|name| match name {
            "all" => Toolset::ALL.to_vec(),
            "default" => DEFAULT.to_vec(),
            _ => Toolset::named(name).into_iter().collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use http::HeaderValue;

    use super::*;
    use crate::tools::tool::Effect;

    const READS: Tool = Tool::new("read_it", Toolset::Core, "Reads.");
    const WRITES: [Tool; 3] = [
        Tool::new("add_it", Toolset::Core, "Adds.").has(Effect::Adds),
        Tool::new("change_it", Toolset::Core, "Changes.").has(Effect::Changes),
        Tool::new("destroy_it", Toolset::Core, "Destroys.").has(Effect::Destroys),
    ];

    fn selection(access: McpAccess, suffixes: &str, headers: &[(&'static str, &str)]) -> Selection {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()))
            .collect();
        let settings = McpSettings { access, ..McpSettings::default() };
        Selection::new(&settings, None, Narrowing::new(suffixes, &headers).unwrap())
    }

    #[test]
    fn setting_address_and_header_each_alone_keep_writing_tools_away() {
        let (read, write) = (McpAccess::Read, McpAccess::Write);
        for (selection, has_writes) in [
            (selection(write, "", &[]), true),
            (selection(read, "", &[]), false),
            (selection(write, "readonly", &[]), false),
            (selection(write, "x/core/readonly", &[]), false),
            (selection(write, "", &[("x-mcp-readonly", "true")]), false),
            (selection(write, "", &[("x-mcp-readonly", "yes")]), false),
            (selection(write, "", &[("x-mcp-readonly", "false")]), true),
            (selection(read, "", &[("x-mcp-readonly", "false")]), false),
            (selection(write, "readonly", &[("x-mcp-readonly", "false")]), false),
        ] {
            assert!(selection.has(&READS));
            for tool in &WRITES {
                assert_eq!(selection.has(tool), has_writes, "{}", tool.name);
            }
        }
        assert!(!selection(McpAccess::Off, "", &[]).has(&READS));
    }

    #[test]
    fn a_client_that_may_only_read_has_no_tool_that_writes() {
        let settings = McpSettings { access: McpAccess::Write, ..McpSettings::default() };
        let of = |granted| Selection::new(&settings, granted, Narrowing::default());
        for (granted, has_writes) in
            [(None, true), (Some(Scope::Write), true), (Some(Scope::Read), false)]
        {
            let selection = of(granted);
            assert!(selection.has(&READS));
            assert_eq!(selection.offer().may_write, has_writes);
            for tool in &WRITES {
                assert_eq!(selection.has(tool), has_writes, "{}", tool.name);
            }
        }
    }

    #[test]
    fn lists_narrow_and_unknown_names_are_ignored() {
        let write = McpAccess::Write;
        for (suffixes, headers, has_it) in [
            ("x/core", &[][..], true),
            ("x/all", &[], true),
            ("x/default,unknown", &[], true),
            ("x/unknown", &[], false),
            ("x/", &[], false),
            ("x/core", &[("x-mcp-toolsets", "unknown")], false),
            ("", &[("x-mcp-toolsets", "repos, core")], true),
            ("", &[("x-mcp-toolsets", "")], false),
            ("", &[("x-mcp-tools", "other, read_it")], true),
            ("", &[("x-mcp-tools", "other")], false),
            ("", &[("x-mcp-exclude-tools", "other,read_it")], false),
            ("", &[("x-mcp-exclude-tools", "other")], true),
            ("", &[("x-mcp-tools", "read_it"), ("x-mcp-exclude-tools", "read_it")], false),
            ("x/unknown", &[("x-mcp-tools", "read_it")], false),
        ] {
            let has = selection(write, suffixes, headers).has(&READS);
            assert_eq!(has, has_it, "{suffixes} {headers:?}");
        }
    }

    #[test]
    fn other_suffixes_are_no_address() {
        for bad in ["x", "write", "readonly/", "x/core/write", "x/core/readonly/x", "Readonly", "/"]
        {
            assert!(Narrowing::new(bad, &HeaderMap::new()).is_err(), "{bad}");
        }
    }
}
