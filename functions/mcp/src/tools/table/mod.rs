//! Every tool, a file for each toolset. To add one, add a row; a tool that is more than one call has its steps in
//! `crafted`.

mod advsec;
mod any;
mod core;
mod pipelines;
mod repos;
mod search;
mod testplan;
mod wiki;
mod wit;
mod work;

use super::tool::Tool;

const TOOLSETS: &[&[Tool]] = &[
    core::TOOLS,
    repos::TOOLS,
    pipelines::TOOLS,
    wit::TOOLS,
    search::TOOLS,
    wiki::TOOLS,
    work::TOOLS,
    testplan::TOOLS,
    advsec::TOOLS,
    any::TOOLS,
];

/// The tools, in the order of the lists that clients get.
pub fn tools() -> impl Iterator<Item = &'static Tool> {
    TOOLSETS.iter().copied().flatten()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::HashSet;

    use super::*;
    use crate::engine::session::Organizations;
    use crate::tools::selection::DEFAULT;
    use crate::tools::tool::Effect;

    #[test]
    fn every_row_is_whole() {
        let mut names = HashSet::new();
        for tool in tools() {
            assert!(tool.faults().is_empty(), "{}: {:?}", tool.name, tool.faults());
            assert!(names.insert(tool.name), "{} is there twice", tool.name);
        }
    }

    #[test]
    fn every_tool_has_the_hints_that_apply() {
        for tool in tools() {
            let described = tool.described(Organizations::One);
            let hints = &described["annotations"];
            assert_eq!(hints["readOnlyHint"], tool.effect == Effect::Reads, "{}", tool.name);
            assert_eq!(hints["openWorldHint"], true, "{}", tool.name);
        }
    }

    #[test]
    fn the_list_is_short() {
        let size = |tool: &Tool| tool.described(Organizations::One).to_string().len();
        let largest = tools().max_by_key(|tool| size(tool)).unwrap();
        assert!(size(largest) <= 1_200, "{}: {}", largest.name, size(largest));
        let sum =
            |tools: &mut dyn Iterator<Item = &'static Tool>| -> usize { tools.map(size).sum() };
        let by_default = || tools().filter(|tool| DEFAULT.contains(&tool.toolset));
        let (all, default) = (sum(&mut tools()), sum(&mut by_default()));
        let read_only = sum(&mut by_default().filter(|tool| tool.only_reads()));
        assert!(
            all <= 36_000 && default <= 25_000 && read_only <= 14_500,
            "{all} {default} {read_only}"
        );
    }
}
