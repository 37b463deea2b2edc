//! Iterations, as a model names them: a path, an id, or `current`.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::engine::arguments::Arguments;
use crate::engine::failure::Failure;
use crate::engine::session::Session;
use crate::engine::show::{self, Projection};
use crate::engine::steps::Content;
use crate::tools::parameter::PROJECT;
use crate::tools::tool::{Call, Verb};

// Without a team it is the project's default team.
const OF_TEAM: Call = Call::new(Verb::Get, "/{project}/{team?}/_apis/work/teamsettings/iterations");
const NODES: Call = Call {
    query: &[("$depth", "=10")],
    ..Call::new(Verb::Get, "/{project}/_apis/wit/classificationnodes/iterations")
};
const NODE: Call =
    Call::new(Verb::Get, "/{project}/_apis/wit/classificationnodes/iterations/{path|segments}");
const CREATE: Call =
    Call::new(Verb::Post, "/{project}/_apis/wit/classificationnodes/iterations/{path|segments?}");
const ASSIGN: Call = Call::new(Verb::Post, "/{project}/{team}/_apis/work/teamsettings/iterations");

const ITERATION_NODE: &str =
    "id:identifier name path start:attributes.startDate|time finish:attributes.finishDate|time";
const TEAM_ITERATION: &str = "id name path start:attributes.startDate|time finish:attributes.finishDate|time \
    when:attributes.timeFrame";
/// The word for the iteration that a team is in.
const CURRENT: &str = "current";

/// An iteration of a team.
pub(super) struct Iteration {
    pub(super) id: String,
    pub(super) path: String,
}

/// Returns the path of the iteration that the arguments name.
///
/// # Errors
/// As [`of_team`].
pub(super) async fn path(session: &Session<'_>, arguments: &Arguments) -> Result<String, Failure> {
    let wanted = arguments.text("iteration").unwrap_or_default();
    if wanted == CURRENT || Uuid::parse_str(wanted).is_ok() {
        return Ok(of_team(session, arguments).await?.path);
    }
    Ok(below_project(arguments, wanted))
}

/// Returns the iteration that the arguments name, which must be one of the team, or else of the project's default team.
///
/// # Errors
/// [`Failure::Arguments`] with the team's iterations if none is it; also those of [`Session::step`].
pub(super) async fn of_team(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Iteration, Failure> {
    if arguments.text(PROJECT.name).is_none() {
        return Err(Failure::argument(PROJECT.name, "is missing: the iteration is one of it"));
    }
    let wanted = arguments.text("iteration").unwrap_or_default();
    let answer = session.step(&OF_TEAM, arguments).await?.body;
    let iterations = show::items(&answer, "").unwrap_or_default();
    let text = |iteration: &Value, path: &str| {
        iteration.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let path = below_project(arguments, wanted);
    let is_it = |iteration: &&Value| {
        if wanted == CURRENT {
            return text(iteration, "/attributes/timeFrame") == CURRENT;
        }
        let is = |member: &str, wanted: &str| text(iteration, member).eq_ignore_ascii_case(wanted);
        is("/id", wanted) || is("/path", &path) || is("/name", wanted)
    };
    if let Some(found) = iterations.iter().find(is_it) {
        return Ok(Iteration { id: text(found, "/id"), path: text(found, "/path") });
    }
    let paths: Vec<_> = iterations.iter().map(|iteration| text(iteration, "/path")).collect();
    let fault = format!("is none of the team's iterations: {}", paths.join(", "));
    Err(Failure::argument("iteration", fault))
}

/// Returns the path of an area or iteration with the project before it, which may be left out.
pub(super) fn below_project(arguments: &Arguments, path: &str) -> String {
    let path = path.trim_matches(['\\', '/']).replace('/', "\\");
    let Some(project) = arguments.text(PROJECT.name) else { return path };
    let first = path.split('\\').next().unwrap_or_default();
    if first.eq_ignore_ascii_case(project) { path } else { format!("{project}\\{path}") }
}

/// Lists a project's iterations, each before those below it, or those of a team.
pub(super) async fn list_iterations(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Value, Failure> {
    if arguments.text("team").is_some() {
        let answer = session.step(&OF_TEAM, arguments).await?.body;
        let items = show::items(&answer, "").unwrap_or_default();
        let shown = items.iter().map(|item| projected(TEAM_ITERATION, item));
        return Ok(json!({"items": shown.collect::<Result<Vec<_>, _>>()?}));
    }
    let tree = session.step(&NODES, arguments).await?.body;
    let mut items = Vec::new();
    let mut open = vec![&tree];
    while let Some(node) = open.pop() {
        items.push(of_node(node)?);
        open.extend(node.get("children").and_then(Value::as_array).into_iter().flatten().rev());
    }
    Ok(json!({"items": items}))
}

/// Creates an iteration, unless it is there, and gives it to a team.
pub(super) async fn create_iteration(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Value, Failure> {
    let dates =
        json!({"startDate": arguments.text("start"), "finishDate": arguments.text("finish")});
    if arguments.text("start").is_some() != arguments.text("finish").is_some() {
        return Err(Failure::argument("finish", "belongs to `start`: give both or neither"));
    }
    let mut body = json!({"name": arguments.text("name")});
    if arguments.text("start").is_some() {
        body["attributes"] = dates;
    }
    let parent = arguments.text("parent").map(|parent| below(arguments, parent));
    let named = match &parent {
        Some(parent) => arguments.with("path", parent.replace('\\', "/")),
        None => arguments.clone(),
    };
    let created = session.step_with(&CREATE, &named, Content::Json(&body)).await;
    let node = match created {
        Ok(answer) => answer.body,
        Err(Failure::Refused { message, .. }) if message.contains("already in use") => {
            let name = arguments.text("name").unwrap_or_default();
            let path = match &parent {
                Some(parent) => format!("{}/{name}", parent.replace('\\', "/")),
                None => name.to_owned(),
            };
            session.step(&NODE, &arguments.with("path", path)).await?.body
        }
        Err(failure) => return Err(failure),
    };
    let mut shown = of_node(&node)?;
    if let Some(team) = arguments.text("team") {
        let id = json!({"id": node.get("identifier")});
        session.step_with(&ASSIGN, arguments, Content::Json(&id)).await?;
        shown["team"] = team.into();
    }
    Ok(shown)
}

/// Returns what is shown of a classification node, whose path has the word `Iteration` behind the project.
fn of_node(node: &Value) -> Result<Value, Failure> {
    let mut shown = projected(ITERATION_NODE, node)?;
    let path = shown.get("path").and_then(Value::as_str).unwrap_or_default();
    let mut names: Vec<&str> = path.trim_matches('\\').split('\\').collect();
    if names.len() > 1 {
        names.remove(1);
    }
    shown["path"] = names.join("\\").into();
    Ok(shown)
}

fn projected(text: &str, thing: &Value) -> Result<Value, Failure> {
    let projection = Projection::parse(text).map_err(Failure::broken_row)?;
    Ok(projection.of(thing).unwrap_or_else(|| json!({})))
}

/// Returns a path without the project before it.
fn below(arguments: &Arguments, path: &str) -> String {
    let path = below_project(arguments, path);
    path.split_once('\\').map(|(_, below)| below.to_owned()).unwrap_or_default()
}
