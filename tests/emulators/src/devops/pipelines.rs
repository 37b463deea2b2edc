//! Pipelines and runs: the newer view of definitions and builds.

use serde_json::{Value, json};

use super::builds::{Build, Definition, project};
use super::call::{Call, list, ok, time};
use super::failure::{Answer, Failure};
use super::routes::{Level, Route};

pub(crate) const ROUTES: &[Route] = &[
    Route::new("pipelines.list", "GET", "pipelines", Level::Project, &["vso.build"], pipelines),
    Route::new(
        "pipelines.get",
        "GET",
        "pipelines/{pipeline}",
        Level::Project,
        &["vso.build"],
        pipeline,
    ),
    Route::new(
        "pipelines.runs.list",
        "GET",
        "pipelines/{pipeline}/runs",
        Level::Project,
        &["vso.build"],
        runs,
    ),
    Route::new(
        "pipelines.runs.create",
        "POST",
        "pipelines/{pipeline}/runs",
        Level::Project,
        &["vso.build_execute"],
        run,
    ),
    Route::new(
        "pipelines.create",
        "POST",
        "pipelines",
        Level::Project,
        &["vso.build_execute"],
        create,
    ),
    Route::new(
        "pipelines.runs.get",
        "GET",
        "pipelines/{pipeline}/runs/{run}",
        Level::Project,
        &["vso.build"],
        get_run,
    ),
];

fn find(call: &Call<'_>) -> Result<Definition, Failure> {
    let id = call.number("pipeline");
    let project = project(call);
    call.organization
        .definitions
        .iter()
        .find(|known| Some(known.id) == id && known.project == project)
        .cloned()
        .ok_or_else(|| Failure::not_found(&format!("The pipeline {}", call.parameter("pipeline"))))
}

fn reference(call: &Call<'_>, definition: &Definition) -> Value {
    let base = call.base();
    json!({
        "url": format!("{base}/{}/_apis/pipelines/{}?revision={}", definition.project, definition.id, definition.revision),
        "id": definition.id,
        "revision": definition.revision,
        "name": definition.name,
        "folder": definition.path,
    })
}

fn web(call: &Call<'_>, definition: &Definition) -> String {
    format!(
        "{}/{}/_build/definition?definitionId={}",
        call.base(),
        definition.project,
        definition.id
    )
}

fn pipelines(call: &mut Call<'_>) -> Answer {
    let project = project(call);
    let found: Vec<Value> = call
        .organization
        .definitions
        .iter()
        .filter(|definition| definition.project == project)
        .map(|definition| {
            let mut body = reference(call, definition);
            body["_links"] =
                json!({"self": {"href": body["url"]}, "web": {"href": web(call, definition)}});
            body
        })
        .collect();
    call.page(&found)
}

fn pipeline(call: &mut Call<'_>) -> Answer {
    let definition = find(call)?;
    let mut body = reference(call, &definition);
    body["_links"] =
        json!({"self": {"href": body["url"]}, "web": {"href": web(call, &definition)}});
    body["configuration"] = json!({"type": "yaml", "path": "/azure-pipelines.yml"});
    ok(&body)
}

fn run_json(call: &Call<'_>, definition: &Definition, build: &Build) -> Value {
    let base = call.base();
    let url = format!(
        "{base}/{}/_apis/pipelines/{}/runs/{}",
        definition.project, definition.id, build.id
    );
    let pipeline = reference(call, definition);
    let mut body = json!({
        "_links": {
            "self": {"href": url},
            "web": {"href": format!("{base}/{}/_build/results?buildId={}", build.project, build.id)},
            "pipeline.web": {"href": web(call, definition)},
            "pipeline": {"href": pipeline["url"]},
        },
        "templateParameters": {},
        "pipeline": pipeline,
        "state": if build.status == "completed" { "completed" } else { "inProgress" },
        "createdDate": time(build.queued_at),
        "url": url,
        "resources": {"repositories": {"self": {"repository": {"type": "azureReposGit"}, "refName": build.branch}}},
        "id": build.id,
        "name": build.number,
    });
    if let Some(result) = &build.result {
        body["result"] = result.as_str().into();
        body["finishedDate"] = time(build.queued_at).into();
    }
    body
}

fn runs(call: &mut Call<'_>) -> Answer {
    let definition = find(call)?;
    let found: Vec<Value> = call
        .organization
        .builds
        .iter()
        .rev()
        .filter(|build| build.definition == definition.id)
        .map(|build| run_json(call, &definition, build))
        .collect();
    Ok(list(&found))
}

fn run(call: &mut Call<'_>) -> Answer {
    let definition = find(call)?;
    let request: Value = if call.body().is_empty() { json!({}) } else { call.json()? };
    let branch = request
        .pointer("/resources/repositories/self/refName")
        .and_then(Value::as_str)
        .unwrap_or("refs/heads/main")
        .to_owned();
    if request["previewRun"] == true {
        let yaml =
            format!("# {branch}\nsteps:\n- script: echo {}\n", request["templateParameters"]);
        return ok(&json!({
            "_links": {}, "pipeline": reference(call, &definition), "state": "unknown", "id": -1, "finalYaml": yaml,
        }));
    }
    let build = Build::queue(call, definition.project, definition.id, branch);
    ok(&run_json(call, &definition, &build))
}

/// `POST …/pipelines`: from a YAML file of a repository, by the repository's id.
fn create(call: &mut Call<'_>) -> Answer {
    let new: Value = call.json()?;
    let wanted = new.pointer("/configuration/repository/id").and_then(Value::as_str);
    let mut repositories = call.organization.repositories.iter();
    let is_known = repositories.any(|known| Some(known.id.to_string().as_str()) == wanted);
    let (Some(name), true) = (new["name"].as_str().map(str::to_owned), is_known) else {
        return Err(Failure::argument("A pipeline needs a name and a repository."));
    };
    let project = project(call);
    let mut known = call.organization.definitions.iter();
    if known.any(|known| known.name == name && known.project == project) {
        let mut failure = Failure::argument(format!("A pipeline named {name} already exists."));
        failure.status = 409;
        return Err(failure);
    }
    let mut definition = Definition::new(call.organization.next_id(), project, &name);
    definition.revision = 1;
    if let Some(folder) = new["folder"].as_str() {
        folder.clone_into(&mut definition.path);
    }
    let mut body = reference(call, &definition);
    body["_links"] =
        json!({"self": {"href": body["url"]}, "web": {"href": web(call, &definition)}});
    body["configuration"] = new["configuration"].clone();
    call.organization.definitions.push(definition);
    ok(&body)
}

fn get_run(call: &mut Call<'_>) -> Answer {
    let definition = find(call)?;
    let id = call.number("run");
    let build = call
        .organization
        .builds
        .iter()
        .find(|build| Some(build.id) == id && build.definition == definition.id)
        .ok_or_else(|| Failure::not_found(&format!("The run {}", call.parameter("run"))))?;
    ok(&run_json(call, &definition, build))
}
