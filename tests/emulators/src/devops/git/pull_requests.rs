//! Pull requests and their comment threads.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::review::reviewer;
use super::{Author, Repository, position};
use crate::devops::call::{Call, created, ok, time};
use crate::devops::enumerations::PULL_REQUEST_STATUS;
use crate::devops::failure::{Answer, Failure};
use crate::devops::identity::Identity;
use crate::devops::organizations::{Project, derived_id, seed_time};

/// Lists cut the description at this many characters.
const LISTED_DESCRIPTION: usize = 400;

/// A pull request.
#[derive(Clone, Debug)]
pub(crate) struct PullRequest {
    pub(super) id: u64,
    pub(super) repository: Uuid,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) source: String,
    pub(super) target: String,
    pub(super) status: String,
    pub(super) draft: bool,
    pub(super) created_by: Option<Identity>,
    pub(super) created_at: Timestamp,
    pub(super) closed_at: Option<Timestamp>,
    pub(super) source_commit: String,
    pub(super) target_commit: String,
    pub(super) merge_commit: Option<String>,
    pub(super) reviewers: Vec<Value>,
    pub(super) threads: Vec<Value>,
    pub(super) labels: Vec<String>,
    pub(super) work_items: Vec<String>,
    pub(super) auto_complete: Option<Identity>,
    /// The source's last commit of each iteration.
    pub(super) iterations: Vec<String>,
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
            iterations: vec![commit(&source)],
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
            labels: Vec::new(),
            work_items: Vec::new(),
            auto_complete: None,
        }
    }

    pub(super) fn to_json(&self, call: &Call<'_>, listed: bool) -> Value {
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
        if let Some(who) = &self.auto_complete {
            body["autoCompleteSetBy"] = who.reference(call);
        }
        if !listed {
            body["labels"] = self.labels.iter().map(|name| label(name)).collect();
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

/// Returns a label of a pull request.
pub(super) fn label(name: &str) -> Value {
    json!({"id": derived_id(&format!("label {name}")), "name": name, "active": true})
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
                && criteria("creatorId").is_none_or(|id| {
                    pull_request.created_by.as_ref().is_some_and(|who| who.id.to_string() == id)
                })
                && criteria("reviewerId").is_none_or(|id| {
                    pull_request.reviewers.iter().any(|reviewer| reviewer["id"] == id)
                })
        })
        .map(|pull_request| pull_request.to_json(call, true))
        .collect();
    call.page(&found)
}

pub(super) fn find(call: &mut Call<'_>) -> Result<usize, Failure> {
    let of_repository = if call.parameter("repository").is_empty() {
        None
    } else {
        Some(call.organization.repositories[position(call)?].id)
    };
    let id = call.number("pull_request");
    let position = call
        .organization
        .pull_requests
        .iter()
        .position(|pull_request| {
            Some(pull_request.id) == id
                && of_repository.is_none_or(|repository| repository == pull_request.repository)
        })
        .ok_or_else(Failure::pull_request)?;
    follow(call, position);
    Ok(position)
}

/// Adds an iteration to an active pull request whose source has moved.
fn follow(call: &mut Call<'_>, position: usize) {
    let pull_request = &mut call.organization.pull_requests[position];
    let repositories = &call.organization.repositories;
    let repository = repositories.iter().find(|known| known.id == pull_request.repository);
    let tip = repository.and_then(|repository| repository.refs.get(&pull_request.source));
    if let Some(tip) =
        tip.filter(|tip| pull_request.status == "active" && **tip != pull_request.source_commit)
    {
        pull_request.source_commit.clone_from(tip);
        pull_request.iterations.push(tip.clone());
    }
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
    #[serde(default)]
    work_item_refs: Vec<WorkItemReference>,
    #[serde(default)]
    labels: Vec<Label>,
}

/// The id is a text; a number is refused.
#[derive(Deserialize)]
struct WorkItemReference {
    id: String,
}

#[derive(Deserialize)]
struct Label {
    name: String,
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
    let reviewers = new.reviewers.iter().map(|wanted| reviewer(call, wanted)).collect();
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
        iterations: vec![source_commit.clone()],
        source_commit,
        target_commit,
        merge_commit: None,
        reviewers,
        threads: Vec::new(),
        labels: new.labels.into_iter().map(|label| label.name).collect(),
        work_items: new.work_item_refs.into_iter().map(|item| item.id).collect(),
        auto_complete: None,
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
    #[serde(default)]
    target_ref_name: Option<String>,
    #[serde(default)]
    auto_complete_set_by: Option<Value>,
    #[serde(default)]
    last_merge_source_commit: Option<CommitReference>,
    #[serde(default)]
    completion_options: CompletionOptions,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CommitReference {
    commit_id: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CompletionOptions {
    #[serde(default)]
    delete_source_branch: bool,
    #[serde(default)]
    merge_commit_message: Option<String>,
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
    pull_request.target = update.target_ref_name.unwrap_or_else(|| pull_request.target.clone());
    if let Some(who) = update.auto_complete_set_by {
        // The id of nobody takes it back.
        let caller = Some(&call.caller).filter(|caller| who["id"] == caller.id.to_string());
        pull_request.auto_complete = caller.cloned();
    }
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
            let reviewed = update.last_merge_source_commit.map(|commit| commit.commit_id);
            if reviewed.is_some_and(|commit| commit != pull_request.source_commit) {
                return Err(Failure::pull_request_stale());
            }
            let comment = update.completion_options.merge_commit_message.unwrap_or_else(|| {
                format!("Merged PR {}: {}", pull_request.id, pull_request.title)
            });
            let target = repository.refs.get(&pull_request.target).cloned().unwrap_or_default();
            let merged =
                repository.merge(&target, &pull_request.source_commit, &comment, &author, now);
            repository.refs.insert(pull_request.target.clone(), merged.clone());
            if update.completion_options.delete_source_branch {
                repository.refs.remove(&pull_request.source);
            }
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
