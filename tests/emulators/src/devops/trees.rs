//! Resources whose names are paths, or have characters that an address delimits with: area nodes, stored queries, build
//! folders, tags. Every project has the same ones.

use serde_json::{Value, json};

use super::call::{Call, list, ok};
use super::failure::{Answer, Failure, percent_encode};
use super::organizations::derived_id;
use super::routes::{Level, Route};

const WORK: &[&str] = &["vso.work"];
const BUILD: &[&str] = &["vso.build"];

pub(crate) const ROUTES: &[Route] = &[
    Route::new(
        "wit.nodes.get",
        "GET",
        "wit/classificationnodes/{group}/{*path}",
        Level::Project,
        WORK,
        node,
    ),
    Route::new("wit.queries.get", "GET", "wit/queries/{*query}", Level::Project, WORK, query),
    Route::new("wit.tags.get", "GET", "wit/tags/{tag}", Level::Project, WORK, tag),
    Route::new(
        "build.folders.list",
        "GET",
        "build/folders/{*path}",
        Level::Project,
        BUILD,
        folders,
    ),
];

const AREAS: &[&str] = &["Parent", "Parent/Child", "R&D; 50% more", "営業／開発"];
const ITERATIONS: &[&str] = &["Sprint 1"];
const QUERIES: &[&str] = &[
    "Shared Queries",
    "Shared Queries/Open bugs",
    "Shared Queries/Why?",
    "Shared Queries/Why",
    "Shared Queries/100% done",
];
const TAGS: &[&str] = &["C#", "ready?", "50%"];
const FOLDERS: &[&str] = &["", "Team", "Team/Nightly"];

/// Returns the known text that a caller names in any case.
fn known(texts: &[&'static str], wanted: &str) -> Option<&'static str> {
    texts.iter().copied().find(|text| text.to_lowercase() == wanted.to_lowercase())
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

fn node(call: &mut Call<'_>) -> Answer {
    let (name, texts) = match call.parameter("group").to_ascii_lowercase().as_str() {
        "areas" => ("Areas", AREAS),
        "iterations" => ("Iterations", ITERATIONS),
        _ => return Err(Failure::not_found("The structure group")),
    };
    let wanted = call.parameter("path");
    let found = if wanted.is_empty() { Some("") } else { known(texts, wanted) };
    let path = found.ok_or_else(|| Failure::not_found(&format!("The node {wanted}")))?;
    let url =
        format!("{}/_apis/wit/classificationNodes/{name}/{}", call.base(), percent_encode(path));
    ok(&json!({
        "id": 126_391,
        "identifier": derived_id(&format!("{name} {path}")),
        "name": last(path),
        "structureType": if name == "Areas" { "area" } else { "iteration" },
        "hasChildren": path == "Parent",
        "path": format!("\\{name}\\{}", path.replace('/', "\\")),
        "url": url,
    }))
}

fn query(call: &mut Call<'_>) -> Answer {
    let wanted = call.parameter("query");
    let found = known(QUERIES, wanted);
    let path = found.ok_or_else(|| Failure::not_found(&format!("The query {wanted}")))?;
    ok(&json!({
        "id": derived_id(&format!("query {path}")),
        "name": last(path),
        "path": path,
        "isFolder": path == "Shared Queries",
        "isPublic": true,
        "queryType": "flat",
    }))
}

fn tag(call: &mut Call<'_>) -> Answer {
    let wanted = call.parameter("tag");
    let found = known(TAGS, wanted);
    let name = found.ok_or_else(|| Failure::not_found(&format!("The tag {wanted}")))?;
    ok(&json!({"id": derived_id(&format!("tag {name}")), "name": name, "active": true}))
}

/// A folder and those in it.
fn folders(call: &mut Call<'_>) -> Answer {
    let wanted = call.parameter("path");
    let found = known(FOLDERS, wanted);
    let path = found.ok_or_else(|| Failure::not_found(&format!("The folder {wanted}")))?;
    let folder = |path: &str| json!({"path": format!("\\{}", path.replace('/', "\\"))});
    let within: Vec<Value> = FOLDERS
        .iter()
        .filter(|other| {
            path.is_empty() || **other == path || other.starts_with(&format!("{path}/"))
        })
        .map(|path| folder(path))
        .collect();
    Ok(list(&within))
}
