//! The toolset `core`: who asks, and where things are.

use vault::integrations::Toolset::Core;

use crate::crafted;
use crate::engine::people;
use crate::tools::parameter::{Kind, LIMIT, NEXT, PROJECT, Parameter, TEXT};
use crate::tools::tool::{Paging, Tool};

const MINE: Parameter = Parameter::new("mine", Kind::Boolean);

pub(super) const TOOLS: &[Tool] = &[
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
