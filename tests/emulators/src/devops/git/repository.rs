//! Repositories: refs, commits, files.

use std::collections::{BTreeMap, HashMap};

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::devops::call::Call;
use crate::devops::identity::Identity;
use crate::devops::organizations::derived_id;

/// The object id that means "nothing".
pub(crate) const NO_OBJECT: &str = "0000000000000000000000000000000000000000";

/// The author of a commit.
#[derive(Clone, Debug)]
pub(crate) struct Author {
    pub name: String,
    pub email: String,
}

impl Author {
    pub fn of(identity: &Identity) -> Self {
        Self { name: identity.name.clone(), email: identity.username.clone() }
    }
}

/// A commit with its whole tree.
#[derive(Clone, Debug)]
pub(crate) struct Commit {
    pub id: String,
    pub tree_id: String,
    pub parents: Vec<String>,
    pub author: Author,
    pub at: Timestamp,
    pub comment: String,
    /// Path -> content.
    pub files: BTreeMap<String, Bytes>,
    /// Numbers of added, edited and deleted files.
    pub changes: (usize, usize, usize),
}

/// A repository.
#[derive(Clone, Debug)]
pub(crate) struct Repository {
    pub id: Uuid,
    pub project: Uuid,
    pub name: String,
    pub refs: BTreeMap<String, String>,
    pub commits: HashMap<String, Commit>,
    pub pushes: Vec<Value>,
}

impl Repository {
    /// An empty repository; its id follows from its name.
    pub fn new(project: Uuid, name: &str, organization: &str) -> Self {
        Self {
            id: derived_id(&format!("repository {organization} {project} {name}")),
            project,
            name: name.to_owned(),
            refs: BTreeMap::new(),
            commits: HashMap::new(),
            pushes: Vec::new(),
        }
    }

    /// Adds a commit of `changes` (`None` deletes a file) on top of `parent`. Returns its id.
    pub fn commit(
        &mut self,
        parent: Option<&str>,
        changes: Vec<(String, Option<Bytes>)>,
        comment: &str,
        author: &Author,
        at: Timestamp,
    ) -> String {
        let mut files = parent
            .and_then(|parent| self.commits.get(parent))
            .map(|commit| commit.files.clone())
            .unwrap_or_default();
        let mut counts = (0, 0, 0);
        for (path, content) in changes {
            let count = if let Some(content) = content {
                match files.insert(path, content) {
                    Some(_) => &mut counts.1,
                    None => &mut counts.0,
                }
            } else {
                files.remove(&path);
                &mut counts.2
            };
            *count += 1;
        }
        self.store(
            parent.map(str::to_owned).into_iter().collect(),
            files,
            counts,
            comment,
            author,
            at,
        )
    }

    /// Adds a commit that joins `source` into `target`, with the files of both (those of `source` win).
    pub fn merge(
        &mut self,
        target: &str,
        source: &str,
        comment: &str,
        author: &Author,
        at: Timestamp,
    ) -> String {
        let files_of =
            |id: &str| self.commits.get(id).map(|commit| commit.files.clone()).unwrap_or_default();
        let mut files = files_of(target);
        files.extend(files_of(source));
        self.store(
            vec![target.to_owned(), source.to_owned()],
            files,
            (0, 0, 0),
            comment,
            author,
            at,
        )
    }

    fn store(
        &mut self,
        parents: Vec<String>,
        files: BTreeMap<String, Bytes>,
        changes: (usize, usize, usize),
        comment: &str,
        author: &Author,
        at: Timestamp,
    ) -> String {
        let mut listing = String::new();
        for (path, content) in &files {
            listing.extend([&blob_id(content), " ", path, "\n"]);
        }
        let tree_id = object_id("tree", listing.as_bytes());
        let text = format!(
            "tree {tree_id}\nparents {}\nauthor {} <{}> {}\n\n{comment}\n",
            parents.join(" "),
            author.name,
            author.email,
            at.as_second()
        );
        let id = object_id("commit", text.as_bytes());
        self.commits.insert(
            id.clone(),
            Commit {
                id: id.clone(),
                tree_id,
                parents,
                author: author.clone(),
                at,
                comment: comment.to_owned(),
                files,
                changes,
            },
        );
        id
    }

    pub fn default_branch(&self) -> Option<&str> {
        self.refs.contains_key("refs/heads/main").then_some("refs/heads/main").or_else(|| {
            self.refs.keys().map(String::as_str).find(|name| name.starts_with("refs/heads/"))
        })
    }

    /// `https://…/{project}/_apis/git/repositories/{id}`
    pub fn url(&self, base: &str) -> String {
        format!("{base}/{}/_apis/git/repositories/{}", self.project, self.id)
    }

    fn size(&self) -> usize {
        self.commits.values().flat_map(|commit| commit.files.values()).map(Bytes::len).sum()
    }

    /// Returns the repository as in lists.
    pub fn to_json(&self, call: &Call<'_>) -> Value {
        let base = call.base();
        let organization = &call.organization.name;
        let project = call.organization.project_by_id(self.project);
        let project_name = project.map(|project| project.name.clone()).unwrap_or_default();
        let in_url = |name: &str| name.replace(' ', "%20");
        let path = format!("{organization}/{}/_git/{}", in_url(&project_name), in_url(&self.name));
        let mut body = json!({
            "id": self.id,
            "name": self.name,
            "url": self.url(&base),
            "project": project.map(|project| project.reference(&base)),
            "size": self.size(),
            "remoteUrl": format!("https://{organization}@dev.azure.com/{path}"),
            "sshUrl": format!(
                "git@ssh.dev.azure.com:v3/{organization}/{}/{}",
                in_url(&project_name),
                in_url(&self.name)
            ),
            "webUrl": format!("https://dev.azure.com/{path}"),
            "isDisabled": false,
            "isInMaintenance": false,
        });
        if let Some(branch) = self.default_branch() {
            body["defaultBranch"] = branch.into();
        }
        body
    }
}

/// Returns Git's id of a file's content.
pub(crate) fn blob_id(content: &[u8]) -> String {
    object_id("blob", content)
}

fn object_id(kind: &str, content: &[u8]) -> String {
    let mut hash = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(format!("{kind} {}\0", content.len()).as_bytes());
    hash.update(content);
    hex(hash.finish().as_ref())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blob_ids_are_those_of_git() {
        // git hash-object of an empty file, and of "hello\n"
        assert_eq!(blob_id(b""), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
        assert_eq!(blob_id(b"hello\n"), "ce013625030ba8dba906f756967f9e9ca394464a");
    }
}
