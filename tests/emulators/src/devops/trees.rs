//! Resources whose names are paths, or have characters that an address delimits with: build folders and tags. Every project
//! has the same ones.

use serde_json::{Value, json};

use super::call::{Call, list, ok};
use super::failure::{Answer, Failure};
use super::organizations::derived_id;
use super::routes::{Level, Route};

const WORK: &[&str] = &["vso.work"];
const BUILD: &[&str] = &["vso.build"];

pub(crate) const ROUTES: &[Route] = &[
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

const TAGS: &[&str] = &["C#", "ready?", "50%"];
const FOLDERS: &[&str] = &["", "Team", "Team/Nightly"];

/// Returns the known text that a caller names in any case.
fn known(texts: &[&'static str], wanted: &str) -> Option<&'static str> {
    texts.iter().copied().find(|text| text.to_lowercase() == wanted.to_lowercase())
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
