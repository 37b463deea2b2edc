//! Every tool, a file for each toolset. To add one, add a row; a tool that is more than one call has its steps in
//! `crafted`.

mod core;

use super::tool::Tool;

const TOOLSETS: &[&[Tool]] = &[core::TOOLS];

/// The tools, in the order of the lists that clients get.
pub fn tools() -> impl Iterator<Item = &'static Tool> {
    TOOLSETS.iter().copied().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::engine::session::Organizations;
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
        let described = tools().map(|tool| tool.described(Organizations::One).to_string());
        let sizes: Vec<usize> = described.map(|text| text.len()).collect();
        assert!(sizes.iter().all(|size| *size <= 1_200), "{sizes:?}");
        assert!(sizes.iter().sum::<usize>() <= 1_200, "{sizes:?}");
    }
}
