//! Build definitions and builds.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::call::{Call, ok, time};
use super::enumerations::{BUILD_RESULT, BUILD_STATUS};
use super::failure::{Answer, Failure};
use super::identity::Identity;
use super::organizations::{derived_id, seed_time};
use super::routes::{Level, Route};

pub(crate) const ROUTES: &[Route] = &[
    Route::new("build.builds.list", "GET", "build/builds", Level::Project, &["vso.build"], builds),
    Route::new(
        "build.builds.queue",
        "POST",
        "build/builds",
        Level::Project,
        &["vso.build_execute"],
        queue,
    ),
    Route::new(
        "build.builds.get",
        "GET",
        "build/builds/{build}",
        Level::Project,
        &["vso.build"],
        get,
    ),
    Route::new(
        "build.builds.update",
        "PATCH",
        "build/builds/{build}",
        Level::Project,
        &["vso.build_execute"],
        update,
    ),
    Route::new(
        "build.definitions.list",
        "GET",
        "build/definitions",
        Level::Project,
        &["vso.build"],
        definitions,
    ),
    Route::new(
        "build.definitions.get",
        "GET",
        "build/definitions/{definition}",
        Level::Project,
        &["vso.build"],
        definition,
    ),
    Route::new(
        "build.definitions.revisions",
        "GET",
        "build/definitions/{definition}/revisions",
        Level::Project,
        &["vso.build"],
        revisions,
    ),
    Route::new(
        "build.definitions.update",
        "PUT",
        "build/definitions/{definition}",
        Level::Project,
        &["vso.build_execute"],
        update_definition,
    ),
];

/// A build definition, which is also a pipeline.
#[derive(Clone, Debug)]
pub(crate) struct Definition {
    pub id: u64,
    pub project: Uuid,
    pub name: String,
    pub path: String,
    pub revision: u64,
}

/// A build, which is also a run of a pipeline.
#[derive(Clone, Debug)]
pub(crate) struct Build {
    pub id: u64,
    pub project: Uuid,
    pub definition: u64,
    pub number: String,
    pub status: String,
    pub result: Option<String>,
    pub queued_at: Timestamp,
    pub branch: String,
    pub requested_by: Option<Identity>,
}

impl Definition {
    pub fn new(id: u64, project: Uuid, name: &str) -> Self {
        Self { id, project, name: name.to_owned(), path: "\\".to_owned(), revision: 3 }
    }

    fn url(&self, base: &str) -> String {
        format!(
            "{base}/{}/_apis/build/Definitions/{}?revision={}",
            self.project, self.id, self.revision
        )
    }

    fn reference(&self, call: &Call<'_>) -> Value {
        let base = call.base();
        json!({
            "drafts": [],
            "id": self.id,
            "name": self.name,
            "url": self.url(&base),
            "uri": format!("vstfs:///Build/Definition/{}", self.id),
            "path": self.path,
            "type": "build",
            "queueStatus": "enabled",
            "revision": self.revision,
            "project": call.organization.project_by_id(self.project).map(|project| project.reference(&base)),
        })
    }

    fn to_json(&self, call: &Call<'_>) -> Value {
        let base = call.base();
        let mut body = self.reference(call);
        body["_links"] = json!({
            "self": {"href": self.url(&base)},
            "web": {"href": format!("{base}/{}/_build/definition?definitionId={}", self.project, self.id)},
            "editor": {"href": format!("{base}/{}/_build/designer?id={}&_a=edit-build-definition", self.project, self.id)},
            "badge": {"href": format!("{base}/{}/_apis/build/status/{}", self.project, self.id)},
        });
        body["quality"] = "definition".into();
        body["createdDate"] = time(seed_time()).into();
        let is_wanted = call.query.get_any_case("includeLatestBuilds") == Some("true");
        let builds = call.organization.builds.iter().rev();
        let mut builds = builds.filter(|build| build.definition == self.id);
        if let Some(latest) = builds.next().filter(|_| is_wanted) {
            body["latestBuild"] = latest.to_json(call);
        }
        body
    }
}

impl Build {
    /// A finished build that exists at the start.
    pub fn seeded(id: u64, project: Uuid, definition: u64) -> Self {
        Self {
            id,
            project,
            definition,
            number: format!("20260105.{}", id % 40),
            status: "completed".into(),
            result: Some(if id.is_multiple_of(2) { "failed" } else { "succeeded" }.into()),
            queued_at: seed_time(),
            branch: "refs/heads/main".into(),
            requested_by: None,
        }
    }

    /// Ends the build.
    pub fn cancel(&mut self) {
        self.status = "completed".into();
        self.result = Some("canceled".into());
    }

    /// Begins the build again.
    pub fn retry(&mut self) {
        self.status = "inProgress".into();
        self.result = None;
    }

    /// A new build, requested by the caller, waiting for an agent.
    pub fn queue(call: &mut Call<'_>, project: Uuid, definition: u64, branch: String) -> Self {
        let day = call.now.strftime("%Y%m%d").to_string();
        let id = call.organization.next_id();
        let build = Self {
            id,
            project,
            definition,
            number: format!("{day}.{}", call.organization.builds.len() + 1),
            status: "notStarted".into(),
            result: None,
            queued_at: call.now,
            branch,
            requested_by: Some(call.caller.clone()),
        };
        call.organization.builds.push(build.clone());
        build
    }

    fn to_json(&self, call: &Call<'_>) -> Value {
        let base = call.base();
        let url = format!("{base}/{}/_apis/build/Builds/{}", self.project, self.id);
        let lower = format!("{base}/{}/_apis/build/builds/{}", self.project, self.id);
        let who = self
            .requested_by
            .as_ref()
            .or(call.organization.identities.first())
            .unwrap_or(&call.caller)
            .reference(call);
        let definition =
            call.organization.definitions.iter().find(|known| known.id == self.definition);
        let mut body = json!({
            "_links": {
                "self": {"href": url},
                "web": {"href": format!("{base}/{}/_build/results?buildId={}", self.project, self.id)},
                "sourceVersionDisplayUri": {"href": format!("{lower}/sources")},
                "timeline": {"href": format!("{lower}/Timeline")},
                "badge": {"href": format!("{base}/{}/_apis/build/status/{}", self.project, self.definition)},
            },
            "properties": {},
            "tags": [],
            "validationResults": [],
            "plans": [{"planId": derived_id(&format!("plan {}", self.id))}],
            "triggerInfo": {},
            "id": self.id,
            "buildNumber": self.number,
            "status": self.status,
            "queueTime": time(self.queued_at),
            "url": url,
            "definition": definition.map(|definition| definition.reference(call)),
            "project": call.organization.project_by_id(self.project).map(|project| project.reference(&base)),
            "uri": format!("vstfs:///Build/Build/{}", self.id),
            "sourceBranch": self.branch,
            "sourceVersion": call
                .organization
                .repositories
                .iter()
                .find_map(|repository| repository.refs.get(&self.branch)),
            "queue": {"id": 72, "name": "Azure Pipelines", "pool": {"id": 9, "name": "Azure Pipelines", "isHosted": true}},
            "priority": "normal",
            "reason": "manual",
            "requestedFor": who,
            "requestedBy": who,
            "lastChangedDate": time(self.queued_at),
            "logs": {"id": 0, "type": "Container", "url": format!("{lower}/logs")},
        });
        if let Some(result) = &self.result {
            body["result"] = result.as_str().into();
            body["startTime"] = time(self.queued_at).into();
            body["finishTime"] = time(self.queued_at).into();
        }
        body
    }
}

/// Returns the project in the path; the routes ensure that there is one.
pub(crate) fn project(call: &Call<'_>) -> Uuid {
    call.project().map(|project| project.id).unwrap_or_default()
}

fn builds(call: &mut Call<'_>) -> Answer {
    let project = project(call);
    let wanted: Option<Vec<u64>> = call
        .query
        .get_any_case("definitions")
        .map(|list| list.split(',').filter_map(|id| id.parse().ok()).collect());
    let status = call.query.get_any_case("statusFilter").map(|status| BUILD_STATUS.name(status));
    let result = call.query.get_any_case("resultFilter").map(|result| BUILD_RESULT.name(result));
    let query = |name: &str| call.query.get_any_case(name);
    let (branch, requested_for) = (query("branchName"), query("requestedFor"));
    let since = query("minTime").and_then(|time| time.parse::<Timestamp>().ok());
    let found: Vec<Value> = call
        .organization
        .builds
        .iter()
        .rev()
        .filter(|build| {
            build.project == project
                && wanted.as_ref().is_none_or(|wanted| wanted.contains(&build.definition))
                && status.as_ref().is_none_or(|status| {
                    status == "all" || build.status.eq_ignore_ascii_case(status)
                })
                && result.as_deref().is_none_or(|result| build.result.as_deref() == Some(result))
                && branch.is_none_or(|branch| build.branch == branch)
                && since.is_none_or(|since| build.queued_at >= since)
                && requested_for.is_none_or(|who| {
                    let known = build.requested_by.as_ref();
                    known.is_some_and(|known| known.name == who || known.username == who)
                })
        })
        .map(|build| build.to_json(call))
        .collect();
    call.page(&found)
}

/// Returns the position of the build in the path.
pub(crate) fn find(call: &Call<'_>) -> Result<usize, Failure> {
    let id = call.number("build");
    let project = project(call);
    call.organization
        .builds
        .iter()
        .position(|build| Some(build.id) == id && build.project == project)
        .ok_or_else(|| Failure::build(call.parameter("build")))
}

fn get(call: &mut Call<'_>) -> Answer {
    ok(&call.organization.builds[find(call)?].to_json(call))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewBuild {
    definition: DefinitionReference,
    #[serde(default)]
    source_branch: Option<String>,
}

#[derive(Deserialize)]
struct DefinitionReference {
    id: u64,
}

fn queue(call: &mut Call<'_>) -> Answer {
    let new: NewBuild = call.json()?;
    let project = project(call);
    if !call
        .organization
        .definitions
        .iter()
        .any(|known| known.id == new.definition.id && known.project == project)
    {
        return Err(Failure::definition(&new.definition.id.to_string()));
    }
    let branch = new.source_branch.unwrap_or_else(|| "refs/heads/main".into());
    let build = Build::queue(call, project, new.definition.id, branch);
    ok(&build.to_json(call))
}

#[derive(Deserialize)]
struct BuildUpdate {
    #[serde(default)]
    status: Value,
}

fn update(call: &mut Call<'_>) -> Answer {
    let update: BuildUpdate = call.json()?;
    let position = find(call)?;
    let build = &mut call.organization.builds[position];
    if BUILD_STATUS.name_in(&update.status) == "cancelling" {
        build.cancel();
    }
    if call.query.get_any_case("retry") == Some("true") {
        build.retry();
    }
    ok(&call.organization.builds[position].to_json(call))
}

fn definitions(call: &mut Call<'_>) -> Answer {
    let project = project(call);
    let (name, path) = (call.query.get_any_case("name"), call.query.get_any_case("path"));
    let found: Vec<Value> = call
        .organization
        .definitions
        .iter()
        .filter(|definition| {
            definition.project == project
                && name.is_none_or(|name| has_name(definition, name))
                && path.is_none_or(|path| path == definition.path)
        })
        .map(|definition| definition.to_json(call))
        .collect();
    call.page(&found)
}

fn definition(call: &mut Call<'_>) -> Answer {
    let found = known_definition(call)?;
    ok(&found.to_json(call))
}

fn known_definition(call: &Call<'_>) -> Result<Definition, Failure> {
    let id = call.number("definition");
    let project = project(call);
    let mut definitions = call.organization.definitions.iter();
    let found = definitions.find(|known| Some(known.id) == id && known.project == project);
    found.cloned().ok_or_else(|| Failure::definition(call.parameter("definition")))
}

/// The list of changes (REST reference, "Definitions - Get Definition Revisions").
fn revisions(call: &mut Call<'_>) -> Answer {
    let definition = known_definition(call)?;
    let base = call.base();
    let revisions: Vec<Value> = (1..=definition.revision)
        .map(|revision| {
            json!({
                "revision": revision,
                "name": definition.name,
                "changedDate": time(seed_time()),
                "changeType": if revision == 1 { "add" } else { "update" },
                "definitionUrl": format!(
                    "{base}/{}/_apis/build/Definitions/{}?revision={revision}",
                    definition.project, definition.id
                ),
            })
        })
        .collect();
    ok(&json!({ "count": revisions.len(), "value": revisions }))
}

/// Returns whether a definition has this name, which may begin and end with `*`.
fn has_name(definition: &Definition, wanted: &str) -> bool {
    let (name, wanted) = (definition.name.to_lowercase(), wanted.to_lowercase());
    match (wanted.strip_prefix('*'), wanted.strip_suffix('*')) {
        (Some(_), Some(_)) => name.contains(wanted.trim_matches('*')),
        (Some(end), None) => name.ends_with(end),
        (None, Some(begin)) => name.starts_with(begin),
        (None, None) => name == wanted,
    }
}

/// `PUT …/definitions/{definition}`: the whole definition, at the revision that was read.
fn update_definition(call: &mut Call<'_>) -> Answer {
    let new: Value = call.json()?;
    let (id, project) = (call.number("definition"), project(call));
    let mut known = call.organization.definitions.iter();
    let position = known.position(|known| Some(known.id) == id && known.project == project);
    let position = position.ok_or_else(|| Failure::definition(call.parameter("definition")))?;
    let definition = &mut call.organization.definitions[position];
    let (Some(name), Some(path)) = (new["name"].as_str(), new["path"].as_str()) else {
        return Err(Failure::argument("A definition needs a name and a path."));
    };
    if new["revision"].as_u64() != Some(definition.revision) {
        return Err(Failure::definition_changed(definition.id));
    }
    name.clone_into(&mut definition.name);
    path.clone_into(&mut definition.path);
    definition.revision += 1;
    let changed = definition.clone();
    ok(&changed.to_json(call))
}
