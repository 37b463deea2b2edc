//! Changes between trees: of a commit, between two versions, and of a pull request's iterations.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Commit, Repository, blob_id, position};
use crate::devops::call::{Call, ok};
use crate::devops::enumerations::VERSION_TYPE;
use crate::devops::failure::{Answer, Failure};
use crate::reply::Reply;

/// The changes of a page that names no number.
const PAGE: usize = 100;

/// A changed file or folder.
pub(crate) struct Change {
    pub kind: &'static str,
    pub path: String,
    /// The path before a rename.
    pub before: Option<String>,
    /// The ids before and after.
    pub ids: (Option<String>, Option<String>),
    pub is_folder: bool,
}

type Files = BTreeMap<String, Bytes>;

/// Returns the changes from one tree to another, by path. Folders with a new or a vanished file are changes of their own.
pub(crate) fn between(old: &Files, new: &Files) -> Vec<Change> {
    let gone: Vec<_> = old.iter().filter(|(path, _)| !new.contains_key(*path)).collect();
    let mut left: BTreeSet<&str> = gone.iter().map(|(path, _)| path.as_str()).collect();
    let mut changes = Vec::new();
    let mut folders = BTreeSet::new();
    for (path, content) in new {
        let (kind, before) = match old.get(path) {
            Some(former) if former == content => continue,
            Some(former) => {
                let ids = (Some(blob_id(former)), Some(blob_id(content)));
                changes.push(Change {
                    kind: "edit",
                    path: path.clone(),
                    before: None,
                    ids,
                    is_folder: false,
                });
                continue;
            }
            None => {
                let origin = gone.iter().filter(|(from, _)| left.contains(from.as_str()));
                let origin = origin.max_by_key(|(_, former)| likeness(former, content));
                match origin.filter(|(_, former)| likeness(former, content) >= 50) {
                    Some((from, former)) if *former == content => {
                        ("rename", Some((*from, *former)))
                    }
                    Some((from, former)) => ("edit, rename", Some((*from, *former))),
                    None => ("add", None),
                }
            }
        };
        folders.extend(path.rsplit_once('/').map(|(folder, _)| folder.to_owned()));
        if let Some((from, _)) = before {
            left.remove(from.as_str());
        }
        let ids = (before.map(|(_, former)| blob_id(former)), Some(blob_id(content)));
        let before = before.map(|(from, _)| from.clone());
        changes.push(Change { kind, path: path.clone(), before, ids, is_folder: false });
    }
    for (path, content) in gone.iter().filter(|(path, _)| left.contains(path.as_str())) {
        let ids = (Some(blob_id(content)), None);
        changes.push(Change {
            kind: "delete",
            path: (*path).clone(),
            before: None,
            ids,
            is_folder: false,
        });
    }
    changes.extend(folders.into_iter().filter(|folder| !folder.is_empty()).map(|path| Change {
        kind: "edit",
        path,
        before: None,
        ids: (None, None),
        is_folder: true,
    }));
    changes.sort_by(|one, other| one.path.cmp(&other.path));
    changes
}

/// Returns how many percent of the lines of the larger text are in both.
fn likeness(one: &[u8], other: &[u8]) -> usize {
    let lines = |bytes: &[u8]| -> HashSet<Vec<u8>> {
        bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
    };
    let (one, other) = (lines(one), lines(other));
    100 * one.intersection(&other).count() / one.len().max(other.len()).max(1)
}

impl Repository {
    /// Returns the files of a commit; of no commit, none.
    pub fn files(&self, id: &str) -> Files {
        self.commits.get(id).map(|commit| commit.files.clone()).unwrap_or_default()
    }

    fn ancestors(&self, id: &str) -> Vec<String> {
        let (mut found, mut next) = (Vec::new(), VecDeque::from([id.to_owned()]));
        while let Some(id) = next.pop_front() {
            if found.contains(&id) {
                continue;
            }
            next.extend(
                self.commits.get(&id).into_iter().flat_map(|commit| commit.parents.clone()),
            );
            found.push(id);
        }
        found
    }

    /// Returns the nearest commit that both descend from.
    pub fn common(&self, one: &str, other: &str) -> Option<String> {
        let ancestors: HashSet<String> = self.ancestors(one).into_iter().collect();
        self.ancestors(other).into_iter().find(|id| ancestors.contains(id))
    }

    /// Returns the commit of a version.
    pub fn version(&self, version: Option<&str>, kind: Option<&str>) -> Result<&Commit, Failure> {
        let kind = VERSION_TYPE.name(kind.unwrap_or("branch"));
        let id = match (version, kind.as_str()) {
            (None, _) => self.default_branch().and_then(|branch| self.refs.get(branch)),
            // An abbreviated id is none.
            (Some(version), "commit") => self.commits.get(version).map(|commit| &commit.id),
            (Some(version), "tag") => self.refs.get(&format!("refs/tags/{version}")),
            (Some(version), _) => self.refs.get(&format!("refs/heads/{version}")),
        };
        id.and_then(|id| self.commits.get(id))
            .ok_or_else(|| Failure::version(version.unwrap_or("default branch")))
    }
}

/// Returns entries as in the lists of commits. A rename is two of them. (Which ids the entry of a deletion has is uncertain:
/// the reference has no sample.)
fn of_commits(changes: &[Change], commit: &str, url: &str) -> Vec<Value> {
    let mut entries = Vec::new();
    for change in changes {
        let mut item = json!({
            "gitObjectType": if change.is_folder { "tree" } else { "blob" },
            "commitId": commit,
            "path": change.path,
            "url": format!("{url}/items{}?versionType=Commit&version={commit}", change.path),
        });
        if change.is_folder {
            item["isFolder"] = true.into();
        }
        for (name, id) in [("originalObjectId", &change.ids.0), ("objectId", &change.ids.1)] {
            if let Some(id) = id {
                item[name] = id.as_str().into();
            }
        }
        let mut entry = json!({"item": item, "changeType": change.kind});
        if let Some(before) = &change.before {
            entry["sourceServerItem"] = before.as_str().into();
            let former = json!({
                "gitObjectType": "blob", "commitId": commit, "path": before, "objectId": change.ids.0,
            });
            entries.push(json!({"item": former, "changeType": "delete, sourceRename"}));
        }
        entries.push(entry);
    }
    entries
}

/// Returns entries as in the changes of an iteration. (A deletion without `objectId` and with `originalPath` is uncertain.)
pub(crate) fn of_iteration(changes: &[Change]) -> Vec<Value> {
    let entry = |(index, change): (usize, &Change)| {
        let mut item = json!({"path": change.path});
        if change.is_folder {
            item["isFolder"] = true.into();
        }
        for (name, id) in [("originalObjectId", &change.ids.0), ("objectId", &change.ids.1)] {
            if let Some(id) = id {
                item[name] = id.as_str().into();
            }
        }
        let mut entry = json!({
            "changeTrackingId": index + 1, "changeId": index + 1, "item": item, "changeType": change.kind,
        });
        if let Some(before) =
            change.before.as_ref().or((change.kind == "delete").then_some(&change.path))
        {
            entry["originalPath"] = before.as_str().into();
        }
        entry
    };
    changes.iter().enumerate().map(entry).collect()
}

fn counts(changes: &[Change]) -> Value {
    let count = |kind: &str| changes.iter().filter(|change| change.kind == kind).count();
    json!({"Add": count("add"), "Edit": count("edit"), "Delete": count("delete")})
}

/// Returns one page of entries, and whether it has the last.
pub(crate) fn page(
    call: &Call<'_>,
    entries: Vec<Value>,
    [top, skip]: [&str; 2],
) -> (Vec<Value>, bool) {
    let number = |name: &str| call.query.get_any_case(name).and_then(|value| value.parse().ok());
    let (skip, top) = (number(skip).unwrap_or(0_usize), number(top).unwrap_or(PAGE));
    let is_last = skip + top >= entries.len();
    (entries.into_iter().skip(skip).take(top).collect(), is_last)
}

/// `GET …/commits/{commit}/changes`: against the first parent.
pub(crate) fn of_commit(call: &mut Call<'_>) -> Answer {
    let repository = &call.organization.repositories[position(call)?];
    let id = call.parameter("commit");
    let commit = repository.commits.get(id).ok_or_else(|| Failure::version(id))?;
    let old = commit.parents.first().map(|parent| repository.files(parent)).unwrap_or_default();
    let changes = between(&old, &commit.files);
    let entries = of_commits(&changes, id, &repository.url(&call.base()));
    let (entries, _) = page(call, entries, ["top", "skip"]);
    ok(&json!({"changeCounts": counts(&changes), "changes": entries}))
}

/// `GET …/diffs/commits?baseVersion&targetVersion`
pub(crate) fn of_versions(call: &mut Call<'_>) -> Answer {
    let repository = &call.organization.repositories[position(call)?];
    let query = |name: &str| call.query.get_any_case(name);
    let base = repository.version(query("baseVersion"), query("baseVersionType"))?.id.clone();
    let target = repository.version(query("targetVersion"), query("targetVersionType"))?.id.clone();
    let common = repository.common(&base, &target).unwrap_or_default();
    let of_common =
        query("diffCommonCommit").is_none_or(|value| value.eq_ignore_ascii_case("true"));
    let from = if of_common { &common } else { &base };
    let changes = between(&repository.files(from), &repository.files(&target));
    let entries = of_commits(&changes, &target, &repository.url(&call.base()));
    let (entries, is_last) = page(call, entries, ["$top", "$skip"]);
    let distance = |from: &str| {
        let known: HashSet<String> = repository.ancestors(&common).into_iter().collect();
        repository.ancestors(from).iter().filter(|id| !known.contains(*id)).count()
    };
    ok(&json!({
        "allChangesIncluded": is_last,
        "changeCounts": counts(&changes),
        "changes": entries,
        "commonCommit": common,
        "baseCommit": base,
        "targetCommit": target,
        "aheadCount": distance(&target),
        "behindCount": distance(&base),
    }))
}

/// `GET …/blobs/{id}`: its bytes, or its size as JSON.
pub(crate) fn blob(call: &mut Call<'_>) -> Answer {
    let repository = &call.organization.repositories[position(call)?];
    let id = call.parameter("blob");
    let all = repository.commits.values().flat_map(|commit| commit.files.values());
    let Some(content) = all.into_iter().find(|content| blob_id(content) == id) else {
        return Err(Failure::git_object(id));
    };
    let format = call.query.get_any_case("$format").unwrap_or_default().to_ascii_lowercase();
    let accept = call.received.header("accept").unwrap_or_default();
    if format == "json" || (format.is_empty() && accept.contains("application/json")) {
        let url = format!("{}/blobs/{id}", repository.url(&call.base()));
        return ok(&json!({"objectId": id, "size": content.len(), "url": url}));
    }
    Ok(Reply::bytes(200, "application/octet-stream", content.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_file_is_a_rename_and_a_folder_a_change_of_its_own() {
        let files = |files: &[(&str, &'static str)]| -> Files {
            files.iter().map(|(path, text)| ((*path).to_owned(), Bytes::from(*text))).collect()
        };
        let old = files(&[("/a", "1\n2\n3\n"), ("/b", "x\n"), ("/c", "y\n")]);
        let new = files(&[("/b", "x2\n"), ("/d/a", "1\n2\n4\n"), ("/d/e", "z\n")]);
        let changes = between(&old, &new);
        let found: Vec<_> = changes
            .iter()
            .map(|change| (change.kind, change.path.as_str(), change.is_folder))
            .collect();
        assert_eq!(
            found,
            [
                ("edit", "/b", false),
                ("delete", "/c", false),
                ("edit", "/d", true),
                ("edit, rename", "/d/a", false),
                ("add", "/d/e", false),
            ]
        );
    }
}
