//! Every tool. To add one, add a row; a tool that is more than one call has its steps in `crafted`.

use vault::integrations::Toolset::Core;

use super::parameter::{Kind, LIMIT, NEXT, PROJECT, Parameter, TEXT};
use super::tool::{Paging, Tool};
use crate::crafted;
use crate::engine::people;

const MINE: Parameter = Parameter::new("mine", Kind::Boolean);

/// The tools, in the order of the lists that clients get.
pub static TOOLS: &[Tool] = &[
    Tool::new(
        "who_am_i",
        Core,
        "The signed-in user, the organizations in reach, and what may be done here.",
    )
    .everywhere()
    .steps(crafted::who_am_i),
    Tool::new("list_projects", Core, "Projects of the organization.")
        .takes(&[LIMIT, NEXT])
        .get("/_apis/projects")
        .pages(Paging::Token)
        .shows("name id description state updated:lastUpdateTime|time"),
    Tool::new("list_teams", Core, "Teams of a project.")
        .takes(&[PROJECT.required(), MINE, LIMIT, NEXT])
        .get("/_apis/projects/{project}/teams")
        .query(&[("$mine", "mine")])
        .pages(Paging::Skip)
        .shows("name id description"),
    Tool::new("find_people", Core, "People and groups by name or e-mail.")
        .takes(&[TEXT.required()])
        .makes(people::SEARCH),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::engine::session::Organizations;
    use crate::tools::tool::Effect;

    #[test]
    fn every_row_is_whole() {
        let mut names = HashSet::new();
        for tool in TOOLS {
            assert!(tool.faults().is_empty(), "{}: {:?}", tool.name, tool.faults());
            assert!(names.insert(tool.name), "{} is there twice", tool.name);
        }
    }

    #[test]
    fn every_tool_has_the_hints_that_apply() {
        for tool in TOOLS {
            let described = tool.described(Organizations::One);
            let hints = &described["annotations"];
            assert_eq!(hints["readOnlyHint"], tool.effect == Effect::Reads, "{}", tool.name);
            assert_eq!(hints["openWorldHint"], true, "{}", tool.name);
        }
    }

    #[test]
    fn the_list_is_short() {
        let described = TOOLS.iter().map(|tool| tool.described(Organizations::One).to_string());
        let sizes: Vec<usize> = described.map(|text| text.len()).collect();
        assert!(sizes.iter().all(|size| *size <= 1_200), "{sizes:?}");
        assert!(sizes.iter().sum::<usize>() <= 1_200, "{sizes:?}");
    }
}
