//! Saved queries, in folders.

use serde_json::{Value, json};
use uuid::Uuid;

use super::call::{Call, list, ok};
use super::failure::{Answer, Failure};
use super::organizations::derived_id;
use super::routes::{Level, Route};

const READ: &[&str] = &["vso.work"];
/// The deepest nesting that an answer shows.
const DEEPEST: u64 = 2;

pub(crate) const ROUTES: &[Route] = &[
    Route::new("wit.queries.list", "GET", "wit/queries", Level::Project, READ, roots),
    Route::new("wit.queries.get", "GET", "wit/queries/{*query}", Level::Project, READ, query),
];

const ALL: &str = "SELECT [System.Id] FROM WorkItems";

/// Path below the project, and the statement of those that are no folders.
const QUERIES: &[(&str, Option<&str>)] = &[
    ("My Queries", None),
    ("Shared Queries", None),
    (
        "Shared Queries/Open bugs",
        Some(
            "SELECT [System.Id] FROM WorkItems WHERE [System.WorkItemType] = 'Bug' AND [System.State] <> 'Closed'",
        ),
    ),
    ("Shared Queries/Planning", None),
    (
        "Shared Queries/Planning/Tasks",
        Some(
            "SELECT [System.Id] FROM WorkItems WHERE [System.WorkItemType] = 'Task' ORDER BY [System.Id]",
        ),
    ),
    // Names with characters that addresses encode.
    ("Shared Queries/Why?", Some(ALL)),
    ("Shared Queries/Why", Some(ALL)),
    ("Shared Queries/100% done", Some(ALL)),
];

/// Returns the statement of a saved query.
pub(crate) fn statement(id: &str) -> Result<&'static str, Failure> {
    let id = Uuid::parse_str(id).ok();
    let found = QUERIES.iter().find(|(path, _)| Some(id_of(path)) == id);
    found.and_then(|(_, wiql)| *wiql).ok_or_else(|| Failure::query(&format!("{id:?}")))
}

fn id_of(path: &str) -> Uuid {
    derived_id(&format!("query {path}"))
}

/// Shows a query with what is below it. Where more is below than is shown, `hasChildren` alone says so.
fn shown(call: &Call<'_>, path: &str, wiql: Option<&str>, depth: u64) -> Value {
    let project = call.project().map(|project| project.id).unwrap_or_default();
    let (id, base) = (id_of(path), call.base());
    let mut shown = json!({
        "id": id,
        "name": path.rsplit('/').next(),
        "path": path,
        "createdBy": call.caller.reference(call),
        "createdDate": "2026-01-05T08:00:00.51Z",
        "isPublic": !path.starts_with("My"),
        "_links": {"self": {"href": format!("{base}/{project}/_apis/wit/queries/{id}")}},
        "url": format!("{base}/{project}/_apis/wit/queries/{id}"),
    });
    if wiql.is_some() {
        shown["queryType"] = "flat".into();
        return shown;
    }
    shown["isFolder"] = true.into();
    let below = QUERIES
        .iter()
        .filter(|(other, _)| other.rsplit_once('/').is_some_and(|(parent, _)| parent == path));
    let below: Vec<_> = below.collect();
    shown["hasChildren"] = (!below.is_empty()).into();
    if depth > 0 && !below.is_empty() {
        let below = below.into_iter().map(|(path, wiql)| self::shown(call, path, *wiql, depth - 1));
        shown["children"] = below.collect();
    }
    shown
}

fn depth(call: &Call<'_>) -> Result<u64, Failure> {
    let depth = call.query.get_any_case("$depth").and_then(|depth| depth.parse().ok()).unwrap_or(0);
    if depth > DEEPEST {
        return Err(Failure::argument("The value of $depth must be between 0 and 2."));
    }
    Ok(depth)
}

fn roots(call: &mut Call<'_>) -> Answer {
    let depth = depth(call)?;
    let roots = QUERIES.iter().filter(|(path, _)| !path.contains('/'));
    let roots: Vec<Value> = roots.map(|(path, wiql)| shown(call, path, *wiql, depth)).collect();
    Ok(list(&roots))
}

fn query(call: &mut Call<'_>) -> Answer {
    let wanted = call.parameter("query");
    let id = Uuid::parse_str(wanted).ok();
    let found = QUERIES
        .iter()
        .find(|(path, _)| path.eq_ignore_ascii_case(wanted) || Some(id_of(path)) == id);
    let (path, wiql) = found.ok_or_else(|| Failure::query(wanted))?;
    ok(&shown(call, path, *wiql, depth(call)?))
}
