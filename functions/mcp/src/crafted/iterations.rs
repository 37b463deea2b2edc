//! Iterations, as a model names them: a path, an id, or `current`.

use serde_json::Value;
use uuid::Uuid;

use crate::engine::arguments::Arguments;
use crate::engine::failure::Failure;
use crate::engine::session::Session;
use crate::engine::show;
use crate::tools::parameter::PROJECT;
use crate::tools::tool::{Call, Verb};

// Without a team it is the project's default team.
const OF_TEAM: Call = Call::new(Verb::Get, "/{project}/{team?}/_apis/work/teamsettings/iterations");
/// The word for the iteration that a team is in.
const CURRENT: &str = "current";

/// An iteration of a team.
pub(super) struct Iteration {
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
/// [`Failure::Arguments`] with the team's iterations if none is it; as [`Session::step`].
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
        return Ok(Iteration { path: text(found, "/path") });
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
