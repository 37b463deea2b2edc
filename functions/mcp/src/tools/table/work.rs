//! The toolset `work`: iterations, backlogs and capacities of teams.

use vault::integrations::Toolset::Work;

use crate::crafted;
use crate::tools::parameter::{IDS, ITERATION, Kind, LIMIT, NAME, NEXT, PROJECT, Parameter, TEAM};
use crate::tools::tool::{Effect, Tool};

const ACTIVITY: Kind =
    Kind::Record(&[NAME.required(), Parameter::new("capacityPerDay", Kind::Number).required()]);
const ACTIVITIES: Parameter = Parameter::new("activities", Kind::List { of: &ACTIVITY, most: 50 });
const AFTER: Parameter = Parameter::new("after", Kind::Integer { most: None });
const BEFORE: Parameter = Parameter::new("before", Kind::Integer { most: None });
const DAY_OFF: Kind = Kind::Record(&[
    Parameter::new("start", Kind::Text).required(),
    Parameter::new("end", Kind::Text).required(),
]);
const DAYS_OFF: Parameter = Parameter::new("days_off", Kind::List { of: &DAY_OFF, most: 100 });
const FINISH: Parameter = Parameter::new("finish", Kind::Text);
const LEVEL: Parameter = Parameter::new("level", Kind::Text);
const MEMBER: Parameter = Parameter::new("member", Kind::Person);
const PARENT_ID: Parameter = Parameter::new("parent", Kind::Integer { most: None });
const PARENT_PATH: Parameter = Parameter::new("parent", Kind::Text);
const START: Parameter = Parameter::new("start", Kind::Text).about("Date");

pub(super) const TOOLS: &[Tool] = &[
    Tool::new(
        "list_iterations",
        Work,
        "A project's iterations with their dates, or those of a team.",
    )
    .takes(&[PROJECT.required(), TEAM])
    .steps(crafted::list_iterations),
    Tool::new(
        "list_backlog_items",
        Work,
        "A team's backlog in order; without a level, the levels.",
    )
    .takes(&[PROJECT.required(), TEAM.required(), LEVEL, LIMIT, NEXT])
    .steps(crafted::list_backlog_items),
    Tool::new("get_team_settings", Work, "A team's areas, iterations, working days and defaults.")
        .takes(&[PROJECT.required(), TEAM.required()])
        .steps(crafted::get_team_settings),
    Tool::new(
        "get_capacity",
        Work,
        "Capacity and days off of a team in an iteration, or of all teams.",
    )
    .takes(&[PROJECT.required(), ITERATION.required(), TEAM])
    .steps(crafted::get_capacity),
    Tool::new("set_capacity", Work, "Sets a member's capacity in an iteration.")
        .takes(&[
            PROJECT.required(),
            TEAM.required(),
            ITERATION.required(),
            MEMBER.required(),
            ACTIVITIES.required(),
            DAYS_OFF,
        ])
        .has(Effect::Changes)
        .steps(crafted::set_capacity),
    Tool::new(
        "create_iteration",
        Work,
        "Creates an iteration and, for a team, assigns it; an existing one is only assigned.",
    )
    .takes(&[PROJECT.required(), NAME.required(), PARENT_PATH, START, FINISH, TEAM])
    .has(Effect::Adds)
    .steps(crafted::create_iteration),
    Tool::new("reorder_backlog", Work, "Moves work items in a team's backlog or iteration.")
        .takes(&[
            PROJECT.required(),
            TEAM.required(),
            IDS.required(),
            AFTER,
            BEFORE,
            PARENT_ID,
            ITERATION,
        ])
        .has(Effect::Changes)
        .steps(crafted::reorder_backlog),
];
