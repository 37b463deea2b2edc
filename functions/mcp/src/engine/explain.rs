//! The next step where a project is missing or wrong: the names of those that the user reaches. It is the mistake that
//! models make most, and the names spare them a call.

use devops::host::Family;
use ground::fields::Fault;
use http::{Method, StatusCode};
use serde_json::Value;

use super::arguments::Arguments;
use super::failure::Failure;
use super::session::{Outgoing, Session};
use super::show;
use crate::tools::parameter::PROJECT;

/// The most projects that a refusal names.
const MOST_NAMED: usize = 30;

/// Adds the user's projects to a failure whose only fault is that no project is named.
pub(super) async fn faulty_arguments(failure: Failure, session: &Session<'_>) -> Failure {
    let Failure::Arguments(faults) = &failure else { return failure };
    let [Fault { field, .. }] = faults.as_slice() else { return failure };
    if field != PROJECT.name || session.organizations().len() != 1 {
        return failure;
    }
    match projects(&Arguments::default(), session).await {
        Some(names) if !names.is_empty() => {
            Failure::Other(format!("{failure} Yours: {}.", named(&names)))
        }
        _ => failure,
    }
}

/// Explains a refusal of Azure DevOps by a project that does not exist, if that is the reason.
pub(super) async fn refused(
    failure: Failure,
    arguments: &Arguments,
    session: &Session<'_>,
) -> Failure {
    let Failure::Refused { status: StatusCode::NOT_FOUND, .. } = &failure else { return failure };
    let Some(project) = arguments.text(PROJECT.name) else { return failure };
    let Some(projects) = projects(arguments, session).await else { return failure };
    let is_it = |(name, id): &(String, String)| {
        name.to_lowercase() == project.to_lowercase() || id.eq_ignore_ascii_case(project)
    };
    if projects.iter().any(is_it) {
        return failure;
    }
    Failure::Other(format!("There is no project {project}. Yours: {}.", named(&projects)))
}

fn named(projects: &[(String, String)]) -> String {
    let names: Vec<_> = projects.iter().take(MOST_NAMED).map(|(name, _)| name.as_str()).collect();
    let more = if projects.len() > MOST_NAMED { ", … (list_projects has all)" } else { "" };
    format!("{}{more}", names.join(", "))
}

/// Returns names and ids of projects, or `None` if they cannot be had: the failure then stays as it is.
async fn projects(arguments: &Arguments, session: &Session<'_>) -> Option<Vec<(String, String)>> {
    let outgoing = Outgoing {
        organization: session.organization(arguments).ok()?,
        host: Family::Core,
        method: Method::GET,
        path: "/_apis/projects",
        query: "$top=200&api-version=7.1",
        body: None,
    };
    let answer = session.call(&outgoing).await.ok()?;
    let text = |project: &Value, name: &str| Some(project.get(name)?.as_str()?.to_owned());
    let both = |project: &Value| Some((text(project, "name")?, text(project, "id")?));
    Some(show::items(&answer.body, "")?.iter().filter_map(both).collect())
}
