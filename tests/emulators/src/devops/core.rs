//! Projects, teams, and the long operation that creates a project.

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::call::{Call, ok, time};
use super::failure::{Answer, Failure};
use super::organizations::{Project, derived_id};
use super::routes::{Level, Route};
use crate::reply::Reply;

pub(crate) const ROUTES: &[Route] = &[
    Route::new(
        "projects.list",
        "GET",
        "projects",
        Level::Organization,
        &["vso.profile", "vso.project"],
        list,
    ),
    Route::new(
        "projects.get",
        "GET",
        "projects/{project}",
        Level::Organization,
        &["vso.profile", "vso.project"],
        get,
    ),
    Route::new(
        "projects.create",
        "POST",
        "projects",
        Level::Organization,
        &["vso.project_manage"],
        create,
    ),
    Route::new(
        "projects.delete",
        "DELETE",
        "projects/{project}",
        Level::Organization,
        &["vso.project_manage"],
        delete,
    ),
    Route::new("teams.all", "GET", "teams", Level::Organization, &["vso.project"], all_teams),
    Route::new(
        "teams.list",
        "GET",
        "projects/{project}/teams",
        Level::Organization,
        &["vso.profile", "vso.project"],
        teams,
    ),
    Route::new(
        "operations.get",
        "GET",
        "operations/{operation}",
        Level::Organization,
        &[],
        operation,
    ),
];

/// The creation or deletion of a project, which is complete at the second request for its status.
pub(crate) struct Operation {
    looks: u32,
}

impl Project {
    /// Returns the project as in lists and in other objects.
    pub fn reference(&self, base: &str) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "url": format!("{base}/_apis/projects/{}", self.id),
            "state": "wellFormed",
            "revision": self.revision,
            "visibility": self.visibility,
            "lastUpdateTime": time(self.updated_at),
        })
    }

    /// Returns the project as in lists of pull requests.
    pub fn collapsed(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "state": "unchanged",
            "visibility": "unchanged",
            "lastUpdateTime": "0001-01-01T00:00:00",
        })
    }

    fn team_id(&self) -> Uuid {
        derived_id(&format!("team {}", self.id))
    }

    /// Returns whether this is the name, in any case, or the id of the project's team.
    pub fn has_team(&self, team: &str) -> bool {
        team.eq_ignore_ascii_case(&format!("{} Team", self.name))
            || Uuid::parse_str(team).is_ok_and(|id| id == self.team_id())
    }

    fn team(&self, base: &str) -> Value {
        let id = self.team_id();
        json!({
            "id": id,
            "name": format!("{} Team", self.name),
            "url": format!("{base}/_apis/projects/{}/teams/{id}", self.id),
        })
    }
}

fn list(call: &mut Call<'_>) -> Answer {
    let base = call.base();
    let projects: Vec<Value> =
        call.organization.projects.iter().map(|project| project.reference(&base)).collect();
    call.page(&projects)
}

fn named<'a>(call: &'a Call<'_>) -> Result<&'a Project, Failure> {
    let name = call.parameter("project");
    call.organization
        .project_position(name)
        .map(|position| &call.organization.projects[position])
        .ok_or_else(|| Failure::project(name))
}

fn get(call: &mut Call<'_>) -> Answer {
    let base = call.base();
    let project = named(call)?;
    let mut body = project.reference(&base);
    let url = body["url"].clone();
    body["_links"] = json!({
        "self": {"href": url},
        "collection": {"href": format!("{base}/_apis/projectCollections/{}", call.organization.id)},
        "web": {"href": format!("{base}/{}", project.name)},
    });
    body["defaultTeam"] = project.team(&base);
    let capabilities = call.query.get_any_case("includeCapabilities");
    if capabilities.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        body["capabilities"] = json!({
            "processTemplate": {"templateName": "Agile", "templateTypeId": "adcc42ab-9882-485e-a3ed-7678f01f66bc"},
            "versioncontrol": {"sourceControlType": "Git", "gitEnabled": "True", "tfvcEnabled": "False"},
        });
    }
    ok(&body)
}

#[derive(Deserialize)]
struct NewProject {
    name: String,
    #[serde(default)]
    description: Option<String>,
}

fn create(call: &mut Call<'_>) -> Answer {
    let project: NewProject = call.json()?;
    if call.organization.project_position(&project.name).is_some() {
        return Err(Failure::argument(format!(
            "TF200019: The following project already exists on the Azure DevOps Server: {}.",
            project.name
        )));
    }
    let description = project.description.unwrap_or_default();
    call.organization.add_project(&project.name, &description);
    Ok(queued(call))
}

fn delete(call: &mut Call<'_>) -> Answer {
    let id = named(call)?.id;
    call.organization.projects.retain(|project| project.id != id);
    call.organization.repositories.retain(|repository| repository.project != id);
    Ok(queued(call))
}

fn queued(call: &mut Call<'_>) -> Reply {
    let id = Uuid::new_v4();
    call.organization.operations.insert(id, Operation { looks: 0 });
    Reply::json(
        202,
        &json!({"id": id, "status": "notSet", "url": format!("{}/_apis/operations/{id}", call.base())}),
    )
}

fn operation(call: &mut Call<'_>) -> Answer {
    let name = call.parameter("operation").to_owned();
    let url = format!("{}/_apis/operations/{name}", call.base());
    let operation = Uuid::parse_str(&name)
        .ok()
        .and_then(|id| call.organization.operations.get_mut(&id))
        .ok_or_else(|| Failure::not_found("The operation"))?;
    operation.looks += 1;
    let status = if operation.looks > 1 { "succeeded" } else { "inProgress" };
    ok(&json!({"id": name, "status": status, "url": url, "_links": {"self": {"href": url}}}))
}

fn all_teams(call: &mut Call<'_>) -> Answer {
    let base = call.base();
    let teams: Vec<Value> =
        call.organization.projects.iter().map(|project| team_of(project, &base)).collect();
    call.page(&teams)
}

fn teams(call: &mut Call<'_>) -> Answer {
    let base = call.base();
    let teams = vec![team_of(named(call)?, &base)];
    call.page(&teams)
}

fn team_of(project: &Project, base: &str) -> Value {
    let mut team = project.team(base);
    team["description"] = "The default project team.".into();
    team["identityUrl"] =
        json!(format!("{base}/_apis/Identities/{}", team["id"].as_str().unwrap_or_default()));
    team["projectName"] = project.name.as_str().into();
    team["projectId"] = json!(project.id);
    team
}
