//! Commits and pushes.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::refs::RefUpdate;
use super::{Author, Commit, NO_OBJECT, Repository, position};
use crate::devops::call::{Call, created, ok, time};
use crate::devops::enumerations::{CHANGE_TYPE, CONTENT_TYPE};
use crate::devops::failure::{Answer, Failure};

/// Largest push over REST, in bytes of the request.
const LARGEST_PUSH: usize = 26_214_400;

impl Commit {
    pub fn to_json(&self, url: &str) -> Value {
        let who =
            json!({"name": self.author.name, "email": self.author.email, "date": time(self.at)});
        let (added, edited, deleted) = self.changes;
        json!({
            "commitId": self.id,
            "author": who,
            "committer": who,
            "comment": self.comment,
            "changeCounts": {"Add": added, "Edit": edited, "Delete": deleted},
            "url": format!("{url}/commits/{}", self.id),
            "remoteUrl": format!("{}/commit/{}", url.replace("_apis/git/repositories", "_git"), self.id),
        })
    }
}

/// `GET …/commits`: newest first, along first parents.
pub(crate) fn list(call: &mut Call<'_>) -> Answer {
    let repository = &call.organization.repositories[position(call)?];
    let criteria = |name: &str| {
        call.query
            .get_any_case(&format!("searchCriteria.{name}"))
            .or_else(|| call.query.get_any_case(name))
    };
    let kind = criteria("itemVersion.versionType");
    let start = match (criteria("itemVersion.version"), repository.default_branch()) {
        (None, None) => NO_OBJECT.to_owned(),
        (version, _) => repository.version(version, kind)?.id.clone(),
    };
    let time = |name: &str| criteria(name).and_then(|time| time.parse::<Timestamp>().ok());
    let (from, to, author) = (time("fromDate"), time("toDate"), criteria("author"));
    let is_wanted = |commit: &&Commit| {
        let touches = |path: &str| {
            let parent = commit.parents.first().map(|id| repository.files(id)).unwrap_or_default();
            let content = |files: &BTreeMap<String, Bytes>| -> Vec<(String, Bytes)> {
                let below = files.iter().filter(|(file, _)| file.starts_with(path));
                below.map(|(file, content)| (file.clone(), content.clone())).collect()
            };
            content(&parent) != content(&commit.files)
        };
        from.is_none_or(|from| commit.at >= from)
            && to.is_none_or(|to| commit.at <= to)
            && author.is_none_or(|author| {
                commit.author.name.contains(author) || commit.author.email.contains(author)
            })
            && criteria("itemPath").is_none_or(touches)
    };
    let url = repository.url(&call.base());
    let number = |name: &str| criteria(name).and_then(|value| value.parse().ok());
    let history: Vec<Value> = std::iter::successors(repository.commits.get(&start), |commit| {
        repository.commits.get(commit.parents.first()?)
    })
    .filter(is_wanted)
    .skip(number("$skip").unwrap_or(0))
    .take(number("$top").unwrap_or(100))
    .map(|commit| commit.to_json(&url))
    .collect();
    Ok(crate::devops::call::list(&history))
}

/// `GET …/commits/{commit}`
pub(crate) fn get(call: &mut Call<'_>) -> Answer {
    let repository = &call.organization.repositories[position(call)?];
    let id = call.parameter("commit");
    let commit = repository.commits.get(id).ok_or_else(|| Failure::version(id))?;
    let url = repository.url(&call.base());
    let mut body = commit.to_json(&url);
    body["treeId"] = commit.tree_id.as_str().into();
    body["parents"] = json!(commit.parents);
    body["_links"] = json!({
        "self": {"href": body["url"]},
        "repository": {"href": url},
        "web": {"href": body["remoteUrl"]},
        "changes": {"href": format!("{url}/commits/{id}/changes")},
    });
    ok(&body)
}

/// `GET …/pushes`
pub(crate) fn pushes(call: &mut Call<'_>) -> Answer {
    let pushes = call.organization.repositories[position(call)?].pushes.clone();
    call.page(&pushes.into_iter().rev().collect::<Vec<_>>())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Push {
    ref_updates: Vec<RefUpdate>,
    commits: Vec<NewCommit>,
}

#[derive(Deserialize)]
struct NewCommit {
    comment: String,
    #[serde(default)]
    changes: Vec<Change>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    #[serde(rename = "changeType")]
    kind: Value,
    item: ItemPath,
    #[serde(default)]
    source_server_item: Option<String>,
    #[serde(default)]
    new_content: Option<NewContent>,
}

#[derive(Deserialize)]
struct ItemPath {
    path: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewContent {
    content: String,
    #[serde(default)]
    content_type: Value,
}

/// `POST …/pushes`
pub(crate) fn push(call: &mut Call<'_>) -> Answer {
    if call.body().len() > LARGEST_PUSH {
        return Err(Failure::argument(format!(
            "The maximum request size of {LARGEST_PUSH} bytes was exceeded.\r\nParameter name: contentStream"
        )));
    }
    let push: Push = call.json()?;
    let [update] = push.ref_updates.as_slice() else {
        return Err(Failure::argument("A push must update exactly one ref."));
    };
    let position = position(call)?;
    let (author, now, base) = (Author::of(&call.caller), call.now, call.base());
    let repository = &mut call.organization.repositories[position];
    let current = repository.refs.get(&update.name).map_or(NO_OBJECT, String::as_str);
    if current != update.old_object_id {
        return Err(Failure::stale_ref(&update.name));
    }
    let url = repository.url(&base);
    let mut head = (update.old_object_id != NO_OBJECT).then(|| update.old_object_id.clone());
    let mut commits = Vec::new();
    for commit in &push.commits {
        let changes = changes(repository, head.as_deref(), &commit.changes)?;
        let id = repository.commit(head.as_deref(), changes, &commit.comment, &author, now);
        if let Some(made) = repository.commits.get(&id) {
            let mut body = made.to_json(&url);
            body["treeId"] = made.tree_id.as_str().into();
            body["parents"] = json!(made.parents);
            commits.push(body);
        }
        head = Some(id);
    }
    let new = head.unwrap_or_else(|| NO_OBJECT.to_owned());
    repository.refs.insert(update.name.clone(), new.clone());
    let push_id = repository.pushes.len() + 1;
    let repository_id = repository.id;
    let body = json!({
        "commits": commits,
        "refUpdates": [{
            "repositoryId": repository_id,
            "name": update.name,
            "oldObjectId": update.old_object_id,
            "newObjectId": new,
        }],
        "pushedBy": call.caller.reference(call),
        "pushId": push_id,
        "date": time(now),
        "url": format!("{url}/pushes/{push_id}"),
        "_links": {
            "self": {"href": format!("{url}/pushes/{push_id}")},
            "repository": {"href": url},
            "commits": {"href": format!("{url}/pushes/{push_id}/commits")},
            "refs": {"href": format!("{url}/refs/{}", update.name)},
        },
    });
    let mut listed = body.clone();
    if let Some(members) = listed.as_object_mut() {
        members.remove("commits");
        members.remove("refUpdates");
    }
    call.organization.repositories[position].pushes.push(listed);
    created(&body)
}

fn changes(
    repository: &Repository,
    head: Option<&str>,
    changes: &[Change],
) -> Result<Vec<(String, Option<Bytes>)>, Failure> {
    let empty = BTreeMap::new();
    let files =
        head.and_then(|head| repository.commits.get(head)).map_or(&empty, |commit| &commit.files);
    let mut result = Vec::new();
    for change in changes {
        let path = format!("/{}", change.item.path.trim_start_matches('/'));
        let exists = files.contains_key(&path);
        match CHANGE_TYPE.name_in(&change.kind).as_str() {
            "add" if exists => {
                return Err(Failure::argument(format!(
                    "TF401037: The path '{path}' already exists."
                )));
            }
            "edit" | "delete" if !exists => {
                return Err(Failure::git_item(&path, head.unwrap_or(NO_OBJECT)));
            }
            "add" | "edit" => result.push((path, Some(content(change)?))),
            "delete" => result.push((path, None)),
            // A file that is moved and edited is uncertain: the reference has no sample of one.
            "rename" | "edit, rename" => {
                let old = change.source_server_item.clone().unwrap_or_default();
                let moved = files
                    .get(&old)
                    .ok_or_else(|| Failure::git_item(&old, head.unwrap_or(NO_OBJECT)))?;
                let moved = match &change.new_content {
                    Some(_) => content(change)?,
                    None => moved.clone(),
                };
                result.push((path, Some(moved)));
                result.push((old, None));
            }
            other => {
                return Err(Failure::argument(format!(
                    "The change type '{other}' is not supported."
                )));
            }
        }
    }
    Ok(result)
}

fn content(change: &Change) -> Result<Bytes, Failure> {
    let new = change
        .new_content
        .as_ref()
        .ok_or_else(|| Failure::argument("A change needs new content."))?;
    if CONTENT_TYPE.name_in(&new.content_type) == "base64encoded" {
        STANDARD
            .decode(&new.content)
            .map(Bytes::from)
            .map_err(|_| Failure::argument("The content is not valid base64."))
    } else {
        Ok(Bytes::from(new.content.clone()))
    }
}
