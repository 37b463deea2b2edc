//! Git: the routes, and the operations on repositories.

pub(crate) mod archive;
mod backend;
mod changes;
mod commits;
pub(crate) mod folders;
pub(crate) mod http;
mod items;
mod iterations;
pub(crate) mod pull_requests;
mod refs;
mod repository;
mod review;

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::call::{Call, created, list, ok};
use super::failure::{Answer, Failure};
use super::routes::{Level, Route};
use crate::reply::Reply;

pub(crate) use repository::{Author, Commit, NO_OBJECT, Repository, blob_id};

pub(crate) const ROUTES: &[Route] = &[
    Route::new(
        "git.repositories.list",
        "GET",
        "git/repositories",
        Level::Either,
        &["vso.code"],
        repositories,
    ),
    Route::new(
        "git.repositories.create",
        "POST",
        "git/repositories",
        Level::Either,
        &["vso.code_manage"],
        create,
    ),
    Route::new(
        "git.repositories.get",
        "GET",
        "git/repositories/{repository}",
        Level::Either,
        &["vso.code"],
        repository,
    ),
    Route::new(
        "git.repositories.delete",
        "DELETE",
        "git/repositories/{repository}",
        Level::Either,
        &["vso.code_manage"],
        delete,
    ),
    Route::new(
        "git.refs.list",
        "GET",
        "git/repositories/{repository}/refs",
        Level::Either,
        &["vso.code"],
        refs::list,
    ),
    Route::new(
        "git.refs.update",
        "POST",
        "git/repositories/{repository}/refs",
        Level::Either,
        &["vso.code_write"],
        refs::update,
    ),
    Route::new(
        "git.items.get",
        "GET",
        "git/repositories/{repository}/items",
        Level::Either,
        &["vso.code"],
        items::get,
    ),
    Route::new(
        "git.commits.list",
        "GET",
        "git/repositories/{repository}/commits",
        Level::Either,
        &["vso.code"],
        commits::list,
    ),
    Route::new(
        "git.commits.get",
        "GET",
        "git/repositories/{repository}/commits/{commit}",
        Level::Either,
        &["vso.code"],
        commits::get,
    ),
    Route::new(
        "git.pushes.list",
        "GET",
        "git/repositories/{repository}/pushes",
        Level::Either,
        &["vso.code"],
        commits::pushes,
    ),
    Route::new(
        "git.pushes.create",
        "POST",
        "git/repositories/{repository}/pushes",
        Level::Either,
        &["vso.code_write"],
        commits::push,
    ),
    Route::new(
        "git.pullrequests.list",
        "GET",
        "git/repositories/{repository}/pullRequests",
        Level::Either,
        &["vso.code"],
        pull_requests::list,
    ),
    Route::new(
        "git.pullrequests.create",
        "POST",
        "git/repositories/{repository}/pullRequests",
        Level::Either,
        &["vso.code_write"],
        pull_requests::create,
    ),
    Route::new(
        "git.pullrequests.get",
        "GET",
        "git/repositories/{repository}/pullRequests/{pull_request}",
        Level::Either,
        &["vso.code"],
        pull_requests::get,
    ),
    Route::new(
        "git.pullrequests.update",
        "PATCH",
        "git/repositories/{repository}/pullRequests/{pull_request}",
        Level::Either,
        &["vso.code_write"],
        pull_requests::update,
    ),
    Route::new(
        "git.pullrequests.list",
        "GET",
        "git/pullRequests",
        Level::Either,
        &["vso.code"],
        pull_requests::list,
    ),
    Route::new(
        "git.pullrequests.get",
        "GET",
        "git/pullRequests/{pull_request}",
        Level::Either,
        &["vso.code"],
        pull_requests::get,
    ),
    Route::new(
        "git.threads.list",
        "GET",
        "git/repositories/{repository}/pullRequests/{pull_request}/threads",
        Level::Either,
        &["vso.code"],
        review::threads,
    ),
    Route::new(
        "git.threads.create",
        "POST",
        "git/repositories/{repository}/pullRequests/{pull_request}/threads",
        Level::Either,
        &["vso.code_write", "vso.threads_full"],
        review::create_thread,
    ),
    Route::new(
        "git.commits.changes",
        "GET",
        "git/repositories/{repository}/commits/{commit}/changes",
        Level::Either,
        &["vso.code"],
        changes::of_commit,
    ),
    Route::new(
        "git.diffs.get",
        "GET",
        "git/repositories/{repository}/diffs/commits",
        Level::Either,
        &["vso.code"],
        changes::of_versions,
    ),
    Route::new(
        "git.blobs.get",
        "GET",
        "git/repositories/{repository}/blobs/{blob}",
        Level::Either,
        &["vso.code"],
        changes::blob,
    ),
    Route::new(
        "git.pullrequestquery",
        "POST",
        "git/repositories/{repository}/pullrequestquery",
        Level::Either,
        &["vso.code"],
        review::query,
    ),
    Route::new(
        "git.iterations.list",
        "GET",
        "git/repositories/{repository}/pullRequests/{pull_request}/iterations",
        Level::Either,
        &["vso.code"],
        iterations::list,
    ),
    Route::new(
        "git.iterations.changes",
        "GET",
        "git/repositories/{repository}/pullRequests/{pull_request}/iterations/{iteration}/changes",
        Level::Either,
        &["vso.code"],
        iterations::changes,
    ),
    Route::new(
        "git.labels.list",
        "GET",
        "git/repositories/{repository}/pullRequests/{pull_request}/labels",
        Level::Either,
        &["vso.code"],
        iterations::labels,
    ),
    Route::new(
        "git.workitems.list",
        "GET",
        "git/repositories/{repository}/pullRequests/{pull_request}/workitems",
        Level::Either,
        &["vso.code"],
        iterations::work_items,
    ),
    Route::new(
        "git.statuses.list",
        "GET",
        "git/repositories/{repository}/pullRequests/{pull_request}/statuses",
        Level::Either,
        &["vso.code"],
        iterations::statuses,
    ),
    Route::new(
        "git.reviewers.add",
        "POST",
        "git/repositories/{repository}/pullRequests/{pull_request}/reviewers",
        Level::Either,
        &["vso.code_write"],
        review::add,
    ),
    Route::new(
        "git.reviewers.set",
        "PUT",
        "git/repositories/{repository}/pullRequests/{pull_request}/reviewers/{reviewer}",
        Level::Either,
        &["vso.code_write"],
        review::set,
    ),
    Route::new(
        "git.reviewers.remove",
        "DELETE",
        "git/repositories/{repository}/pullRequests/{pull_request}/reviewers/{reviewer}",
        Level::Either,
        &["vso.code_write"],
        review::remove,
    ),
    Route::new(
        "git.threads.update",
        "PATCH",
        "git/repositories/{repository}/pullRequests/{pull_request}/threads/{thread}",
        Level::Either,
        &["vso.code_write", "vso.threads_full"],
        review::update_thread,
    ),
    Route::new(
        "git.comments.create",
        "POST",
        "git/repositories/{repository}/pullRequests/{pull_request}/threads/{thread}/comments",
        Level::Either,
        &["vso.code_write", "vso.threads_full"],
        review::reply,
    ),
    Route::new(
        "git.comments.update",
        "PATCH",
        "git/repositories/{repository}/pullRequests/{pull_request}/threads/{thread}/comments/{comment}",
        Level::Either,
        &["vso.code_write", "vso.threads_full"],
        review::update_comment,
    ),
    Route::new(
        "policy.evaluations.list",
        "GET",
        "policy/evaluations",
        Level::Project,
        &["vso.code"],
        iterations::evaluations,
    ),
];

/// Returns the position of the repository in the path, by name (any case) or id, within the path's project if any.
pub(crate) fn position(call: &Call<'_>) -> Result<usize, Failure> {
    let wanted = call.parameter("repository");
    let id = Uuid::parse_str(wanted).ok();
    let project = call.project().map(|project| project.id);
    call.organization
        .repositories
        .iter()
        .position(|repository| {
            (Some(repository.id) == id || repository.name.eq_ignore_ascii_case(wanted))
                && project.is_none_or(|project| project == repository.project)
        })
        .ok_or_else(|| Failure::repository(wanted))
}

fn repositories(call: &mut Call<'_>) -> Answer {
    let project = call.project().map(|project| project.id);
    let repositories: Vec<Value> = call
        .organization
        .repositories
        .iter()
        .filter(|repository| project.is_none_or(|project| project == repository.project))
        .map(|repository| repository.to_json(call))
        .collect();
    Ok(list(&repositories))
}

fn repository(call: &mut Call<'_>) -> Answer {
    let repository = &call.organization.repositories[position(call)?];
    let mut body = repository.to_json(call);
    body["_links"] = json!({
        "self": {"href": body["url"]},
        "project": {"href": body["project"]["url"]},
        "web": {"href": body["webUrl"]},
    });
    ok(&body)
}

#[derive(Deserialize)]
struct NewRepository {
    name: String,
    #[serde(default)]
    project: Option<ProjectReference>,
}

#[derive(Deserialize)]
struct ProjectReference {
    id: String,
}

fn create(call: &mut Call<'_>) -> Answer {
    let new: NewRepository = call.json()?;
    let project = match (&new.project, call.project) {
        (Some(project), _) => call.organization.project_position(&project.id),
        (None, project) => project,
    };
    let project = project
        .map(|position| call.organization.projects[position].id)
        .ok_or_else(|| Failure::argument("A project is needed to create a repository."))?;
    let repository = Repository::new(project, &new.name, &call.organization.name);
    if call.organization.repositories.iter().any(|known| known.id == repository.id) {
        let mut failure = Failure::argument(format!(
            "TF400948: A Git repository with the name {} already exists.",
            new.name
        ));
        failure.status = 409;
        return Err(failure);
    }
    let body = repository.to_json(call);
    call.organization.repositories.push(repository);
    created(&body)
}

fn delete(call: &mut Call<'_>) -> Answer {
    let position = position(call)?;
    call.organization.repositories.remove(position);
    Ok(Reply::empty(204))
}
