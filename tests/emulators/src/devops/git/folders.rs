//! The bare repositories behind Git over HTTP, one folder each, created at first use.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::repository::{Commit, NO_OBJECT, Repository};

/// Settings that allow what Azure DevOps allows and plain Git does not.
const CONFIGURATION: &str = "[http]\n\treceivepack = true\n[uploadpack]\n\tallowFilter = true\n\tallowAnySHA1InWant = true\n\
                             [gc]\n\tauto = 0\n[receive]\n\tautogc = false\n";

/// The folders, below one temporary directory that is removed with this value.
pub(crate) struct Folders {
    program: OsString,
    root: PathBuf,
    made: Mutex<HashMap<Uuid, PathBuf>>,
}

impl Folders {
    /// Folders for the Git at `program`. They are created at first use.
    pub fn new(program: &str) -> Self {
        Self {
            program: program.into(),
            root: std::env::temp_dir().join(format!("emulated-git-{}", Uuid::new_v4())),
            made: Mutex::default(),
        }
    }

    /// Returns the folder of a repository. The first call fills it with the repository's present content.
    ///
    /// # Errors
    ///
    /// `NotFound` if Git is not installed; others if Git or the file system fails.
    pub fn of(&self, repository: &Repository) -> io::Result<PathBuf> {
        let mut made = self.made();
        if let Some(folder) = made.get(&repository.id) {
            return Ok(folder.clone());
        }
        let folder = self.root.join(format!("{}.git", repository.id));
        self.installed()?;
        std::fs::create_dir_all(&self.root)?;
        self.run(&self.root, &["init", "--quiet", "--bare", "--initial-branch=main"], &folder, "")?;
        let mut configuration =
            std::fs::OpenOptions::new().append(true).open(folder.join("config"))?;
        configuration.write_all(CONFIGURATION.as_bytes())?;
        self.run(&folder, &["fast-import", "--quiet"], Path::new(""), history(repository))?;
        made.insert(repository.id, folder.clone());
        Ok(folder)
    }

    /// Returns the path of `git-http-backend`.
    ///
    /// # Errors
    ///
    /// `NotFound` if Git is not installed.
    pub fn backend(&self) -> io::Result<PathBuf> {
        let output = self.installed()?;
        let folder = String::from_utf8_lossy(&output.stdout);
        Ok(Path::new(folder.trim_end()).join("git-http-backend"))
    }

    /// Removes all repositories and their content.
    pub fn clear(&self) {
        let mut made = self.made();
        made.clear();
        self.remove();
    }

    fn installed(&self) -> io::Result<Output> {
        Command::new(&self.program).arg("--exec-path").output()
    }

    fn made(&self) -> MutexGuard<'_, HashMap<Uuid, PathBuf>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(
        &self,
        folder: &Path,
        arguments: &[&str],
        last: &Path,
        input: impl AsRef<[u8]>,
    ) -> io::Result<()> {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(folder);
        if !last.as_os_str().is_empty() {
            command.arg(last);
        }
        let mut child =
            isolated(&mut command).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        if let Some(mut pipe) = child.stdin.take() {
            pipe.write_all(input.as_ref())?;
        }
        let status = child.wait()?;
        if status.success() {
            Ok(())
        } else {
            Err(io::Error::other(format!("git {} failed: {status}", arguments.join(" "))))
        }
    }

    fn remove(&self) {
        if let Err(error) = std::fs::remove_dir_all(&self.root)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "emulated repositories were not removed");
        }
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Isolates Git from the machine's configuration, and from a repository around the working directory.
fn isolated(command: &mut Command) -> &mut Command {
    for (name, value) in ISOLATION {
        command.env(name, value);
    }
    command.env_remove("GIT_DIR").env_remove("GIT_WORK_TREE")
}

/// The environment of every Git process.
pub(crate) const ISOLATION: &[(&str, &str)] =
    &[("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null"), ("LC_ALL", "C")];

/// Writes commits, branches and tags as a stream for `git fast-import`.
///
/// Git computes its own ids, so a clone has other ids than the REST routes.
fn history(repository: &Repository) -> Vec<u8> {
    let mut marks = HashMap::new();
    let mut stream = Vec::new();
    for id in repository.refs.values() {
        add_commit(&mut stream, &mut marks, repository, id);
    }
    for (name, id) in &repository.refs {
        if let Some(mark) = marks.get(id.as_str()) {
            stream.extend(format!("reset {name}\nfrom :{mark}\n\n").bytes());
        }
    }
    if !marks.is_empty() {
        stream.extend(format!("reset refs/imported\nfrom {NO_OBJECT}\n\n").bytes());
    }
    stream
}

fn add_commit<'a>(
    stream: &mut Vec<u8>,
    marks: &mut HashMap<&'a str, usize>,
    repository: &'a Repository,
    id: &str,
) {
    let Some(commit) = repository.commits.get(id).filter(|_| !marks.contains_key(id)) else {
        return;
    };
    for parent in &commit.parents {
        add_commit(stream, marks, repository, parent);
    }
    let mark = marks.len() + 1;
    write_commit(stream, marks, commit, mark);
    marks.insert(&commit.id, mark);
}

fn write_commit(stream: &mut Vec<u8>, marks: &HashMap<&str, usize>, commit: &Commit, mark: usize) {
    let who =
        format!("{} <{}> {} +0000", commit.author.name, commit.author.email, commit.at.as_second());
    // Without the reset a commit that has no parent would follow the one before it.
    let mut head = format!("reset refs/imported\n\ncommit refs/imported\nmark :{mark}\n");
    let _infallible = write!(
        head,
        "author {who}\ncommitter {who}\ndata {}\n{}\n",
        commit.comment.len(),
        commit.comment
    );
    let parents = commit.parents.iter().filter_map(|parent| marks.get(parent.as_str()));
    for (mark, word) in parents.zip(std::iter::once("from").chain(std::iter::repeat("merge"))) {
        let _infallible = writeln!(head, "{word} :{mark}");
    }
    stream.extend(head.bytes());
    stream.extend(b"deleteall\n");
    for (path, content) in &commit.files {
        let path = path.trim_start_matches('/');
        stream.extend(format!("M 100644 inline {path}\ndata {}\n", content.len()).bytes());
        stream.extend_from_slice(content);
        stream.push(b'\n');
    }
    stream.push(b'\n');
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn without_git_there_is_no_folder_and_nothing_is_written() {
        let folders = Folders::new("no-such-program-as-this");
        let error = folders.of(&Repository::new(Uuid::nil(), "Website", "mycompany")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert_eq!(folders.backend().unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(!folders.root.exists());
    }

    #[test]
    fn folders_go_with_their_owner() {
        let folders = Folders::new("git");
        if folders.installed().is_err() {
            println!("skipped: git is not installed");
            return;
        }
        let empty = Repository::new(Uuid::nil(), "Website", "mycompany");
        let folder = folders.of(&empty).unwrap();
        assert_eq!(folders.of(&empty).unwrap(), folder);
        assert!(folder.join("HEAD").is_file());
        folders.clear();
        assert!(!folder.exists());
        let folder = folders.of(&empty).unwrap();
        drop(folders);
        assert!(!folder.exists());
    }
}
