//! Boards: the iterations, settings, capacities and backlogs of teams. A team sees the iterations that it was given.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::call::{Call, list, ok};
use super::classification::{Group, Node};
use super::failure::{Answer, Failure};
use super::organizations::derived_id;
use super::routes::{Level, Route};

const READ: &[&str] = &["vso.work"];
const WRITE: &[&str] = &["vso.work_write"];

pub(crate) const ROUTES: &[Route] = &[
    Route::new("work.settings.get", "GET", "work/teamSettings", Level::Project, READ, settings),
    Route::new(
        "work.fields.get",
        "GET",
        "work/teamSettings/teamFieldValues",
        Level::Project,
        READ,
        field_values,
    ),
    Route::new(
        "work.iterations.list",
        "GET",
        "work/teamSettings/iterations",
        Level::Project,
        READ,
        iterations,
    ),
    Route::new(
        "work.iterations.add",
        "POST",
        "work/teamSettings/iterations",
        Level::Project,
        WRITE,
        assign,
    ),
    Route::new(
        "work.daysoff.get",
        "GET",
        "work/teamSettings/iterations/{iteration}/teamDaysOff",
        Level::Project,
        READ,
        days_off,
    ),
    Route::new(
        "work.capacities.list",
        "GET",
        "work/teamSettings/iterations/{iteration}/capacities",
        Level::Project,
        READ,
        capacities,
    ),
    Route::new(
        "work.capacities.set",
        "PATCH",
        "work/teamSettings/iterations/{iteration}/capacities/{member}",
        Level::Project,
        WRITE,
        set_capacity,
    ),
    Route::new(
        "work.iterationcapacities.get",
        "GET",
        "work/iterations/{iteration}/iterationCapacities",
        Level::Project,
        READ,
        iteration_capacities,
    ),
    Route::new("work.backlogs.list", "GET", "work/backlogs", Level::Project, READ, backlogs),
    Route::new(
        "work.backlogs.items",
        "GET",
        "work/backlogs/{backlog}/workItems",
        Level::Project,
        READ,
        backlog_items,
    ),
    Route::new("work.order.set", "PATCH", "work/workItemsOrder", Level::Project, WRITE, reorder),
    Route::new(
        "work.order.set",
        "PATCH",
        "work/iterations/{iteration}/workItemsOrder",
        Level::Project,
        WRITE,
        reorder,
    ),
];

/// Id, name, kind, types of work items.
const BACKLOGS: &[(&str, &str, &str, &[&str])] = &[
    ("Microsoft.EpicCategory", "Epics", "portfolio", &["Epic"]),
    ("Microsoft.FeatureCategory", "Features", "portfolio", &["Feature"]),
    ("Microsoft.RequirementCategory", "Stories", "requirement", &["User Story", "Bug"]),
    ("Microsoft.TaskCategory", "Tasks", "task", &["Task"]),
];
const RANK: &str = "Microsoft.VSTS.Common.StackRank";

/// The boards of an organization's teams.
#[derive(Default)]
pub(crate) struct Boards {
    /// The iterations of each project's team.
    pub iterations: Vec<Uuid>,
    /// Iteration and member -> what was set.
    capacities: HashMap<(Uuid, Uuid), Value>,
}

fn project(call: &Call<'_>) -> Uuid {
    call.project().map(|project| project.id).unwrap_or_default()
}

/// Returns the iterations of the team, in the order of their dates.
fn of_team<'a>(call: &'a Call<'_>) -> Vec<&'a Node> {
    let given = &call.organization.boards.iterations;
    let mut nodes: Vec<&Node> = call
        .organization
        .nodes
        .iter()
        .filter(|node| node.project == project(call) && node.group == Group::Iterations)
        .filter(|node| given.contains(&node.id()))
        .collect();
    nodes.sort_by_key(|node| node.start.clone());
    nodes
}

fn iteration<'a>(call: &'a Call<'_>) -> Result<&'a Node, Failure> {
    let id = Uuid::parse_str(call.parameter("iteration")).ok();
    let found = of_team(call).into_iter().find(|node| Some(node.id()) == id);
    found.ok_or_else(|| Failure::iteration(call.parameter("iteration")))
}

fn iteration_json(call: &Call<'_>, node: &Node) -> Value {
    let (base, project_id) = (call.base(), project(call));
    let name = call.project().map(|project| project.name.clone()).unwrap_or_default();
    let id = node.id();
    json!({
        "id": id,
        "name": node.name(),
        "path": format!("{name}\\{}", node.path),
        "attributes": {
            "startDate": node.start,
            "finishDate": node.finish,
            "timeFrame": node.time_frame(call.now),
        },
        "url": format!("{base}/{project_id}/_apis/work/teamsettings/iterations/{id}"),
    })
}

fn iterations(call: &mut Call<'_>) -> Answer {
    let wanted = call.query.get_any_case("$timeframe");
    if wanted.is_some_and(|frame| !frame.eq_ignore_ascii_case("current")) {
        return Err(Failure::argument("The only time frame that is supported is current."));
    }
    let nodes = of_team(call).into_iter();
    let nodes = nodes.filter(|node| wanted.is_none() || node.time_frame(call.now) == "current");
    let shown: Vec<Value> = nodes.map(|node| iteration_json(call, node)).collect();
    Ok(list(&shown))
}

#[derive(Deserialize)]
struct Assigned {
    id: Uuid,
}

fn assign(call: &mut Call<'_>) -> Answer {
    let Assigned { id } = call.json()?;
    let nodes = &call.organization.nodes;
    let node = nodes.iter().find(|node| node.group == Group::Iterations && node.id() == id);
    let node = node.ok_or_else(|| Failure::iteration(&id.to_string()))?.clone();
    if !call.organization.boards.iterations.contains(&id) {
        call.organization.boards.iterations.push(id);
    }
    ok(&iteration_json(call, &node))
}

fn settings(call: &mut Call<'_>) -> Answer {
    let name = call.project().map(|project| project.name.clone()).unwrap_or_default();
    let root = json!({"id": derived_id(&format!("root {} iteration", project(call))), "name": name, "path": ""});
    let base = call.base();
    ok(&json!({
        "backlogIteration": root,
        "bugsBehavior": "asRequirements",
        "workingDays": ["monday", "tuesday", "wednesday", "thursday", "friday"],
        "backlogVisibilities": {
            "Microsoft.EpicCategory": false,
            "Microsoft.FeatureCategory": true,
            "Microsoft.RequirementCategory": true,
        },
        "defaultIteration": root,
        "defaultIterationMacro": "@currentIteration",
        "url": format!("{base}/{}/_apis/work/teamsettings", project(call)),
    }))
}

fn field_values(call: &mut Call<'_>) -> Answer {
    let name = call.project().map(|project| project.name.clone()).unwrap_or_default();
    let base = call.base();
    ok(&json!({
        "field": {"referenceName": "System.AreaPath", "url": format!("{base}/_apis/wit/fields/System.AreaPath")},
        "defaultValue": name,
        "values": [{"value": name, "includeChildren": true}],
        "url": format!("{base}/{}/_apis/work/teamsettings/teamfieldvalues", project(call)),
    }))
}

fn days_off(call: &mut Call<'_>) -> Answer {
    iteration(call)?;
    ok(&json!({"daysOff": [{"start": "2026-12-24T00:00:00Z", "end": "2026-12-26T00:00:00Z"}]}))
}

fn capacity_json(call: &Call<'_>, iteration: Uuid, member: Uuid) -> Value {
    let known = call.organization.identities.iter().find(|one| one.id == member);
    let set = call.organization.boards.capacities.get(&(iteration, member)).cloned();
    let mut body = set.unwrap_or_else(
        || json!({"activities": [{"capacityPerDay": 0, "name": ""}], "daysOff": []}),
    );
    body["teamMember"] = known.map(|one| one.reference(call)).unwrap_or_default();
    body["url"] = format!(
        "{}/{}/_apis/work/teamsettings/iterations/{iteration}/capacities/{member}",
        call.base(),
        project(call)
    )
    .into();
    body
}

fn total(capacity: &Value) -> f64 {
    let activities = capacity["activities"].as_array().into_iter().flatten();
    activities.filter_map(|activity| activity["capacityPerDay"].as_f64()).sum()
}

fn all_capacities(call: &Call<'_>) -> Result<Vec<Value>, Failure> {
    let id = iteration(call)?.id();
    let members = call.organization.identities.iter();
    Ok(members.map(|member| capacity_json(call, id, member.id)).collect())
}

fn capacities(call: &mut Call<'_>) -> Answer {
    let all = all_capacities(call)?;
    let sum: f64 = all.iter().map(total).sum();
    ok(&json!({"teamMembers": all, "totalCapacityPerDay": sum, "totalDaysOff": 0}))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Capacity {
    activities: Vec<Activity>,
    #[serde(default)]
    days_off: Option<Vec<Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Activity {
    name: String,
    capacity_per_day: f64,
}

fn set_capacity(call: &mut Call<'_>) -> Answer {
    let capacity: Capacity = call.json()?;
    let id = iteration(call)?.id();
    let member = Uuid::parse_str(call.parameter("member")).ok();
    let member = call.organization.identities.iter().find(|one| Some(one.id) == member);
    let member = member.ok_or_else(|| Failure::argument("The team member does not exist."))?.id;
    let activities: Vec<Value> = capacity
        .activities
        .iter()
        .map(|activity| json!({"name": activity.name, "capacityPerDay": activity.capacity_per_day}))
        .collect();
    let set = json!({"activities": activities, "daysOff": capacity.days_off.unwrap_or_default()});
    call.organization.boards.capacities.insert((id, member), set);
    ok(&capacity_json(call, id, member))
}

fn iteration_capacities(call: &mut Call<'_>) -> Answer {
    let sum: f64 = all_capacities(call)?.iter().map(total).sum();
    let team = derived_id(&format!("team {}", project(call)));
    ok(&json!({
        "teams": [{"teamId": team, "teamCapacityPerDay": sum, "teamTotalDaysOff": 2}],
        "totalIterationCapacityPerDay": sum,
        "totalIterationDaysOff": 2,
    }))
}

fn backlogs(_call: &mut Call<'_>) -> Answer {
    let shown: Vec<Value> = BACKLOGS
        .iter()
        .zip([4, 3, 2, 1])
        .map(|((id, name, kind, types), rank)| {
            json!({
                "id": id,
                "name": name,
                "rank": rank,
                "workItemCountLimit": 1000,
                "type": kind,
                "workItemTypes": types.iter().map(|name| json!({"name": name})).collect::<Vec<_>>(),
                "isHidden": false,
                "color": "FF7B00",
            })
        })
        .collect();
    Ok(list(&shown))
}

/// In order of their ranks; those without one come last.
fn backlog_items(call: &mut Call<'_>) -> Answer {
    let wanted = call.parameter("backlog");
    let found = BACKLOGS.iter().find(|(id, _, _, _)| id.eq_ignore_ascii_case(wanted));
    let (_, _, _, types) = found.ok_or_else(|| Failure::not_found("The backlog"))?;
    let project = project(call);
    let is_here = |kind: Option<Value>| types.iter().any(|name| kind == Some(json!(name)));
    let items = call.organization.work_items.values();
    let mut items: Vec<_> = items
        .filter(|item| item.project == project && is_here(item.field("System.WorkItemType")))
        .map(|item| (item.field(RANK).and_then(|rank| rank.as_f64()).unwrap_or(f64::MAX), item.id))
        .collect();
    items.sort_by(|left, right| left.0.total_cmp(&right.0).then(left.1.cmp(&right.1)));
    let base = call.base();
    let links = items.iter().map(|(_, id)| {
        json!({"rel": null, "source": null, "target": {"id": id, "url": format!("{base}/_apis/wit/workItems/{id}")}})
    });
    ok(&json!({"workItems": links.collect::<Vec<_>>()}))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Order {
    ids: Vec<u64>,
    previous_id: u64,
    next_id: u64,
    parent_id: u64,
}

/// Places items between the one before and the one after; 0 is none.
fn reorder(call: &mut Call<'_>) -> Answer {
    let Order { ids, previous_id, next_id, parent_id } = call.json()?;
    if !call.parameter("iteration").is_empty() {
        iteration(call)?;
    }
    let rank = |id: u64| {
        let item = call.organization.work_items.get(&id);
        if id != 0 && item.is_none() {
            return Err(Failure::work_item(&id.to_string()));
        }
        Ok(item.and_then(|item| item.field(RANK)?.as_f64()))
    };
    rank(parent_id)?;
    let (before, after) = (rank(previous_id)?, rank(next_id)?);
    for id in &ids {
        rank(*id)?;
    }
    let low = before.or_else(|| after.map(|after| after - 1000.0)).unwrap_or(1_000_000.0);
    let high = after.unwrap_or(low + 1000.0);
    #[expect(clippy::cast_precision_loss, reason = "a request has few ids")]
    let step = (high - low) / (ids.len() as f64 + 1.0);
    let mut shown = Vec::new();
    let mut place = low;
    for id in ids {
        place += step;
        if let Some(item) = call.organization.work_items.get_mut(&id) {
            item.fields.insert(RANK.to_owned(), json!(place));
        }
        shown.push(json!({"id": id, "order": place}));
    }
    Ok(list(&shown))
}
