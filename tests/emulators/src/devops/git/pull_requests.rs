//! Pull requests and their comment threads.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Author, Repository, position};
use crate::devops::call::{self, Call, created, ok, time};
use crate::devops::enumerations::PULL_REQUEST_STATUS;
use crate::devops::failure::{Answer, Failure};
use crate::devops::identity::Identity;
use crate::devops::organizations::{Project, derived_id, seed_time};

/// Lists cut the description at this many characters.
const LISTED_DESCRIPTION: usize = 400;

/// A pull request.
#[derive(Clone, Debug)]
pub(crate) struct PullRequest {
    id: u64,
    repository: Uuid,
    title: String,
    description: String,
    source: String,
    target: String,
    status: String,
    draft: bool,
    created_by: Option<Identity>,
    created_at: Timestamp,
    closed_at: Option<Timestamp>,
    source_commit: String,
    target_commit: String,
    merge_commit: Option<String>,
    reviewers: Vec<Value>,
    threads: Vec<Value>,
}

impl PullRequest {
    /// A pull request that exists at the start, without a real author.
    pub fn seeded(id: u64, repository: &Repository, source: &str, target: &str) -> Self {
        let (source, target) = (format!("refs/heads/{source}"), format!("refs/heads/{target}"));
        let commit = |name: &str| repository.refs.get(name).cloned().unwrap_or_default();
        Self {
            id,
            repository: repository.id,
            title: "Add a sign-in page".into(),
            description: "So that people can sign in.".into(),
            source_commit: commit(&source),
            target_commit: commit(&target),
            source,
            target,
            status: "active".into(),
            draft: false,
            created_by: None,
            created_at: seed_time(),
            closed_at: None,
            merge_commit: None,
            reviewers: Vec::new(),
            threads: Vec::new(),
        }
    }

    fn to_json(&self, call: &Call<'_>, listed: bool) -> Value {
        let repository =
            call.organization.repositories.iter().find(|known| known.id == self.repository);
        let base = call.base();
        let repository_url = repository.map(|repository| repository.url(&base)).unwrap_or_default();
        let url = format!("{repository_url}/pullRequests/{}", self.id);
        let commit =
            |id: &str| json!({"commitId": id, "url": format!("{repository_url}/commits/{id}")});
        let repository_body = match repository {
            Some(repository) if listed => json!({
                "id": repository.id,
                "name": repository.name,
                "url": repository_url,
                "project": call.organization.project_by_id(repository.project).map(Project::collapsed),
            }),
            Some(repository) => repository.to_json(call),
            None => Value::Null,
        };
        let author = self
            .created_by
            .as_ref()
            .or(call.organization.identities.first())
            .unwrap_or(&call.caller);
        let description: String = if listed {
            self.description.chars().take(LISTED_DESCRIPTION).collect()
        } else {
            self.description.clone()
        };
        let mut body = json!({
            "repository": repository_body,
            "pullRequestId": self.id,
            "codeReviewId": self.id,
            "status": self.status,
            "createdBy": author.reference(call),
            "creationDate": time(self.created_at),
            "title": self.title,
            "description": description,
            "sourceRefName": self.source,
            "targetRefName": self.target,
            "mergeStatus": if listed || self.status != "active" { "succeeded" } else { "queued" },
            "isDraft": self.draft,
            "mergeId": derived_id(&format!("merge {} {}", self.repository, self.id)),
            "lastMergeSourceCommit": commit(&self.source_commit),
            "lastMergeTargetCommit": commit(&self.target_commit),
            "reviewers": self.reviewers,
            "url": url,
            "supportsIterations": true,
        });
        if let Some(merged) = &self.merge_commit {
            body["lastMergeCommit"] = commit(merged);
        }
        if let Some(closed) = self.closed_at {
            body["closedDate"] = time(closed).into();
        }
        if !listed {
            body["labels"] = json!([]);
            body["_links"] = json!({
                "self": {"href": url},
                "repository": {"href": repository_url},
                "workItems": {"href": format!("{url}/workitems")},
                "sourceBranch": {"href": format!("{repository_url}/refs/{}", self.source.trim_start_matches("refs/"))},
                "targetBranch": {"href": format!("{repository_url}/refs/{}", self.target.trim_start_matches("refs/"))},
                "statuses": {"href": format!("{url}/statuses")},
                "createdBy": {"href": body["createdBy"]["url"]},
            });
        }
        body
    }
}

/// `GET …/pullRequests?searchCriteria.…`, of a repository, a project or the organization.
pub(crate) fn list(call: &mut Call<'_>) -> Answer {
    let of_repository = if call.parameter("repository").is_empty() {
        None
    } else {
        Some(call.organization.repositories[position(call)?].id)
    };
    let of_project = call.project().map(|project| project.id);
    let criteria = |name: &str| {
        call.query
            .get_any_case(&format!("searchCriteria.{name}"))
            .or_else(|| call.query.get_any_case(name))
    };
    let status = PULL_REQUEST_STATUS.name(criteria("status").unwrap_or("active"));
    let found: Vec<Value> = call
        .organization
        .pull_requests
        .iter()
        .filter(|pull_request| {
            let repository = call
                .organization
                .repositories
                .iter()
                .find(|repository| repository.id == pull_request.repository);
            of_repository.is_none_or(|id| id == pull_request.repository)
                && of_project
                    .is_none_or(|id| repository.is_some_and(|repository| repository.project == id))
                && (status.eq_ignore_ascii_case("all")
                    || status.eq_ignore_ascii_case(&pull_request.status))
                && criteria("sourceRefName").is_none_or(|name| name == pull_request.source)
                && criteria("targetRefName").is_none_or(|name| name == pull_request.target)
        })
        .map(|pull_request| pull_request.to_json(call, true))
        .collect();
    call.page(&found)
}

fn find(call: &Call<'_>) -> Result<usize, Failure> {
    let of_repository = if call.parameter("repository").is_empty() {
        None
    } else {
        Some(call.organization.repositories[position(call)?].id)
    };
    let id = call.number("pull_request");
    call.organization
        .pull_requests
        .iter()
        .position(|pull_request| {
            Some(pull_request.id) == id
                && of_repository.is_none_or(|repository| repository == pull_request.repository)
        })
        .ok_or_else(Failure::pull_request)
}

/// `GET …/pullRequests/{id}`
pub(crate) fn get(call: &mut Call<'_>) -> Answer {
    let position = find(call)?;
    ok(&call.organization.pull_requests[position].to_json(call, false))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewPullRequest {
    source_ref_name: String,
    target_ref_name: String,
    title: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    is_draft: bool,
    #[serde(default)]
    reviewers: Vec<Value>,
}

/// `POST …/pullRequests`
pub(crate) fn create(call: &mut Call<'_>) -> Answer {
    let new: NewPullRequest = call.json()?;
    let position = position(call)?;
    let repository = &call.organization.repositories[position];
    let commit =
        |name: &str| repository.refs.get(name).cloned().ok_or_else(|| Failure::version(name));
    let (source_commit, target_commit) =
        (commit(&new.source_ref_name)?, commit(&new.target_ref_name)?);
    let repository_id = repository.id;
    let exists = call.organization.pull_requests.iter().any(|known| {
        known.repository == repository_id
            && known.status == "active"
            && known.source == new.source_ref_name
            && known.target == new.target_ref_name
    });
    if exists {
        return Err(Failure::pull_request_exists());
    }
    let reviewers = new
        .reviewers
        .into_iter()
        .map(|mut reviewer| {
            reviewer["vote"] = 0.into();
            reviewer
        })
        .collect();
    let pull_request = PullRequest {
        id: call.organization.next_id(),
        repository: repository_id,
        title: new.title,
        description: new.description,
        source: new.source_ref_name,
        target: new.target_ref_name,
        status: "active".into(),
        draft: new.is_draft,
        created_by: Some(call.caller.clone()),
        created_at: call.now,
        closed_at: None,
        source_commit,
        target_commit,
        merge_commit: None,
        reviewers,
        threads: Vec::new(),
    };
    let body = pull_request.to_json(call, false);
    call.organization.pull_requests.push(pull_request);
    created(&body)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Update {
    #[serde(default)]
    status: Option<Value>,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    is_draft: Option<bool>,
}

/// `PATCH …/pullRequests/{id}`: title, description, draft, and `status` (`active`, `abandoned`, `completed`).
pub(crate) fn update(call: &mut Call<'_>) -> Answer {
    let update: Update = call.json()?;
    let position = find(call)?;
    let now = call.now;
    let author = Author::of(&call.caller);
    let pull_request = &mut call.organization.pull_requests[position];
    if let Some(title) = update.title {
        pull_request.title = title;
    }
    if let Some(description) = update.description {
        pull_request.description = description;
    }
    pull_request.draft = update.is_draft.unwrap_or(pull_request.draft);
    let status = update.status.map(|status| PULL_REQUEST_STATUS.name_in(&status));
    match status.as_deref() {
        None => {}
        Some("active") => {
            pull_request.status = "active".into();
            pull_request.closed_at = None;
        }
        Some("abandoned") => {
            pull_request.status = "abandoned".into();
            pull_request.closed_at = Some(now);
        }
        Some("completed") => {
            let repository = call
                .organization
                .repositories
                .iter_mut()
                .find(|repository| repository.id == pull_request.repository)
                .ok_or_else(|| Failure::repository("of the pull request"))?;
            let comment = format!("Merged PR {}: {}", pull_request.id, pull_request.title);
            let target = repository.refs.get(&pull_request.target).cloned().unwrap_or_default();
            let merged =
                repository.merge(&target, &pull_request.source_commit, &comment, &author, now);
            repository.refs.insert(pull_request.target.clone(), merged.clone());
            pull_request.merge_commit = Some(merged);
            pull_request.status = "completed".into();
            pull_request.closed_at = Some(now);
        }
        Some(other) => {
            return Err(Failure::argument(format!("The status '{other}' is not valid.")));
        }
    }
    ok(&call.organization.pull_requests[position].to_json(call, false))
}

/// `GET …/pullRequests/{id}/threads`
pub(crate) fn threads(call: &mut Call<'_>) -> Answer {
    let position = find(call)?;
    Ok(call::list(&call.organization.pull_requests[position].threads))
}

/// `POST …/pullRequests/{id}/threads`
pub(crate) fn create_thread(call: &mut Call<'_>) -> Answer {
    let mut thread: Value = call.json()?;
    let position = find(call)?;
    let author = call.caller.reference(call);
    let now = time(call.now);
    let id = call.organization.next_id();
    thread["id"] = id.into();
    thread["publishedDate"] = now.as_str().into();
    thread["lastUpdatedDate"] = now.as_str().into();
    thread["isDeleted"] = false.into();
    if let Some(comments) = thread["comments"].as_array_mut() {
        for (index, comment) in comments.iter_mut().enumerate() {
            comment["id"] = (index + 1).into();
            comment["author"] = author.clone();
            comment["publishedDate"] = now.as_str().into();
        }
    }
    call.organization.pull_requests[position].threads.push(thread.clone());
    ok(&thread)
}
