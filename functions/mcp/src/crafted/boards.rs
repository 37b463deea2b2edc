//! Backlogs, settings and capacities of teams.

use serde_json::{Value, json};

use super::{iterations, work_items};
use crate::engine::arguments::Arguments;
use crate::engine::failure::Failure;
use crate::engine::pages::{Position, limit};
use crate::engine::session::Session;
use crate::engine::show::{self, Projection};
use crate::engine::steps::Content;
use crate::tools::tool::{Call, Verb};

const BACKLOGS: Call = Call::new(Verb::Get, "/{project}/{team}/_apis/work/backlogs");
const ITEMS: Call = Call::new(Verb::Get, "/{project}/{team}/_apis/work/backlogs/{level}/workItems");
const SETTINGS: Call = Call::new(Verb::Get, "/{project}/{team}/_apis/work/teamsettings");
const AREAS: Call =
    Call::new(Verb::Get, "/{project}/{team}/_apis/work/teamsettings/teamfieldvalues");
const CAPACITIES: Call = Call::new(
    Verb::Get,
    "/{project}/{team}/_apis/work/teamsettings/iterations/{iteration}/capacities",
);
const DAYS_OFF: Call = Call::new(
    Verb::Get,
    "/{project}/{team}/_apis/work/teamsettings/iterations/{iteration}/teamdaysoff",
);
const OF_ALL_TEAMS: Call =
    Call::new(Verb::Get, "/{project}/_apis/work/iterations/{iteration}/iterationcapacities");
const SET_CAPACITY: Call = Call {
    body: &[("activities", "activities"), ("daysOff", "days_off")],
    ..Call::new(
        Verb::Patch,
        "/{project}/{team}/_apis/work/teamsettings/iterations/{iteration}/capacities/{member}",
    )
};
const ORDER: Call = Call::new(Verb::Patch, "/{project}/{team}/_apis/work/workitemsorder");
const ORDER_OF_ITERATION: Call =
    Call::new(Verb::Patch, "/{project}/{team}/_apis/work/iterations/{iteration}/workitemsorder");

const BACKLOG: &str = "id name types:workItemTypes.*.name";
const TEAM: &str =
    "backlog:backlogIteration.path default:defaultIteration.path bugs:bugsBehavior workingDays";
const AREA: &str = "default:defaultValue areas:values[path:value below:includeChildren]";
const MEMBER: &str = "member:teamMember.displayName activities[name perDay:capacityPerDay] \
    days_off:daysOff[start|time end|time]";
const TEAMS: &str = "teams[team:teamId perDay:teamCapacityPerDay daysOff:teamTotalDaysOff] \
    perDay:totalIterationCapacityPerDay daysOff:totalIterationDaysOff";

fn projected(text: &str, thing: &Value) -> Result<Value, Failure> {
    let projection = Projection::parse(text).map_err(Failure::broken_row)?;
    Ok(projection.of(thing).unwrap_or_else(|| json!({})))
}

/// Lists the levels of a team's backlog, or the work items of one level in order.
pub(super) async fn list_backlog_items(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Value, Failure> {
    let position = Position::named("list_backlog_items", arguments)?;
    let backlogs = session.step(&BACKLOGS, arguments).await?.body;
    let backlogs = show::items(&backlogs, "").unwrap_or_default();
    let Some(level) = arguments.text("level") else {
        let levels = backlogs.iter().map(|one| projected(BACKLOG, one));
        return Ok(json!({"items": levels.collect::<Result<Vec<_>, _>>()?}));
    };
    let text = |backlog: &Value, name: &str| {
        backlog.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let is_it = |one: &&Value| {
        ["id", "name"].iter().any(|name| text(one, name).eq_ignore_ascii_case(level))
    };
    let found = backlogs.iter().find(is_it).ok_or_else(|| {
        let names: Vec<_> = backlogs.iter().map(|one| text(one, "name")).collect();
        Failure::argument("level", format!("must be one of {}", names.join(", ")))
    })?;
    let answer = session.step(&ITEMS, &arguments.with("level", text(found, "id"))).await?.body;
    let links = show::items(&answer, "workItems").unwrap_or_default();
    let ids: Vec<u64> =
        links.iter().filter_map(|link| link.pointer("/target/id")?.as_u64()).collect();
    let size = usize::try_from(limit(arguments)).unwrap_or_default();
    let page: Vec<u64> = ids.iter().copied().skip(position.skipped()).take(size).collect();
    let are_more = ids.len() > position.skipped() + page.len();
    let items = work_items::listed(session, arguments, &page).await?;
    Ok(position.listed(items, are_more))
}

/// Shows a team's settings and areas.
pub(super) async fn get_team_settings(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Value, Failure> {
    let mut answer = projected(TEAM, &session.step(&SETTINGS, arguments).await?.body)?;
    answer["areas"] = projected(AREA, &session.step(&AREAS, arguments).await?.body)?;
    Ok(answer)
}

/// Shows who has time in an iteration: each member of a team, or each team.
pub(super) async fn get_capacity(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Value, Failure> {
    let iteration = iterations::of_team(session, arguments).await?;
    let named = arguments.with("iteration", iteration.id);
    if arguments.text("team").is_none() {
        let mut answer = projected(TEAMS, &session.step(&OF_ALL_TEAMS, &named).await?.body)?;
        answer["iteration"] = iteration.path.into();
        return Ok(answer);
    }
    let capacities = session.step(&CAPACITIES, &named).await?.body;
    let members = capacities.get("teamMembers").or_else(|| capacities.get("value"));
    let members = members.and_then(Value::as_array).into_iter().flatten();
    let members = members.map(|member| projected(MEMBER, member)).collect::<Result<Vec<_>, _>>()?;
    let off = session.step(&DAYS_OFF, &named).await?.body;
    let off = projected("days_off:daysOff[start|time end|time]", &off)?;
    Ok(json!({"iteration": iteration.path, "items": members, "team": off}))
}

/// Sets a member's capacity.
pub(super) async fn set_capacity(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Value, Failure> {
    let iteration = iterations::of_team(session, arguments).await?;
    let mut named = arguments.with("iteration", iteration.id);
    if arguments.get("days_off").is_none() {
        named = named.with("days_off", json!([]));
    }
    projected(MEMBER, &session.step(&SET_CAPACITY, &named).await?.body)
}

/// Moves work items. Azure DevOps takes 0 for no neighbour and no parent.
pub(super) async fn reorder_backlog(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Value, Failure> {
    let id = |name: &str| arguments.integer(name).unwrap_or_default();
    let order = json!({
        "ids": arguments.get("ids"),
        "previousId": id("after"),
        "nextId": id("before"),
        "parentId": id("parent"),
    });
    let answer = match arguments.text("iteration") {
        Some(_) => {
            let iteration = iterations::of_team(session, arguments).await?;
            let named = arguments.with("iteration", iteration.id);
            session.step_with(&ORDER_OF_ITERATION, &named, Content::Json(&order)).await?
        }
        None => session.step_with(&ORDER, arguments, Content::Json(&order)).await?,
    };
    let items = show::items(&answer.body, "").unwrap_or_default();
    let items = items.iter().map(|item| projected("id order", item));
    Ok(json!({"items": items.collect::<Result<Vec<_>, _>>()?}))
}
