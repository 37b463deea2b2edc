//! Artifacts of builds: `drop`, whose archive comes from Azure DevOps itself, and `pipeline-drop`, a pipeline artifact,
//! whose archive is at a host that carries the account's id in place of the organization.

use bytes::Bytes;
use serde_json::{Value, json};

use super::builds::find;
use super::call::{Call, list, ok};
use super::failure::{Answer, Failure, percent_encode};
use super::git::archive::zip;
use super::routes::{Level, Route};
use crate::reply::Reply;

pub(crate) const ROUTES: &[Route] = &[Route::new(
    "build.artifacts.get",
    "GET",
    "build/builds/{build}/artifacts",
    Level::Project,
    &["vso.build"],
    artifacts,
)];

const NAMES: [&str; 2] = ["drop", "pipeline-drop"];

fn artifacts(call: &mut Call<'_>) -> Answer {
    let build = &call.organization.builds[find(call)?];
    let (build, project) = (build.id, build.project);
    let all: Vec<Value> = NAMES.iter().map(|name| to_json(call, name, build)).collect();
    let Some(wanted) = call.query.get_any_case("artifactName") else {
        return Ok(list(&all));
    };
    let at = NAMES.iter().position(|name| name.eq_ignore_ascii_case(wanted));
    let at = at.ok_or_else(|| Failure::not_found(&format!("The artifact {wanted}")))?;
    let is_zip = call.query.get_any_case("$format") == Some("zip")
        || call.received.header("accept").unwrap_or_default().contains("application/zip");
    match NAMES[at] {
        _ if !is_zip => ok(&all[at]),
        "drop" => {
            let file = Bytes::from(format!("build {build} of {project}\n"));
            let archive = zip([("drop/build.txt", &file)].into_iter()).unwrap_or_default();
            Ok(Reply::bytes(200, "application/zip", archive)
                .header("content-disposition", "attachment; filename=drop.zip"))
        }
        name => Ok(Reply::redirect(&elsewhere(call, name, build))),
    }
}

fn elsewhere(call: &Call<'_>, name: &str, build: u64) -> String {
    let (account, id) = (call.organization.id, percent_encode(&format!("{name} of {build}")));
    format!(
        "https://artprodcus3.artifacts.visualstudio.com/A{account}/{account}/_apis/artifact/{id}/content?format=zip"
    )
}

fn to_json(call: &Call<'_>, name: &str, build: u64) -> Value {
    let url = format!("{}/_apis/build/builds/{build}/artifacts?artifactName={name}", call.base());
    let (kind, download) = match name {
        "drop" => ("Container", format!("{url}&$format=zip")),
        name => ("PipelineArtifact", elsewhere(call, name, build)),
    };
    json!({
        "id": 7,
        "name": name,
        "source": "12f1170f-54f2-53f3-20dd-22fc7dff55f9",
        "resource": {"type": kind, "data": "#/1/drop", "url": url, "downloadUrl": download},
    })
}
