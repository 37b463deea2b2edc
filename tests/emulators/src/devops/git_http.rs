//! Git over HTTP: clone, fetch and push, by `git http-backend` (a CGI program that comes with Git).
//!
//! Repositories are bare folders below a temporary one, empty until something is put into them; the Git routes of
//! the REST API know nothing of them.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use bytes::BytesMut;
use futures_util::stream::{self, StreamExt as _};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::failure::Failure;
use super::headers::finish;
use super::identity::Identity;
use super::organizations::Access;
use super::routes::Target;
use super::{State, admitted, check_scopes};
use crate::reply::{Pieces, Reply};
use crate::request::Received;

/// One request of Git's smart HTTP protocol.
pub(crate) struct Exchange {
    organization: String,
    project: String,
    repository: String,
    /// What follows the repository: `info/refs`, `git-upload-pack`, `git-receive-pack`.
    service: String,
    writes: bool,
}

impl Exchange {
    /// `None` for everything that is not Git's.
    pub fn of(target: &Target, received: &Received) -> Option<Self> {
        let organization = target.organization.clone()?;
        let path = target.path.trim_start_matches('/');
        let path = path.strip_prefix("DefaultCollection/").unwrap_or(path);
        let (project, rest) = path.split_once("_git/")?;
        let (repository, service) = rest.split_once('/')?;
        let query = received.query();
        let writes = match service {
            "info/refs" => query.get("service") == Some("git-receive-pack"),
            "git-upload-pack" => false,
            "git-receive-pack" => true,
            _ => return None,
        };
        // Without a project the repository's own name is the project's.
        let project = if project.is_empty() { repository } else { project.trim_end_matches('/') };
        Some(Self {
            organization,
            project: project.to_owned(),
            repository: repository.to_owned(),
            service: service.to_owned(),
            writes,
        })
    }

    /// The name for counts and faults.
    pub fn route(&self) -> &'static str {
        match self.service.as_str() {
            "info/refs" => "git.http.refs",
            "git-upload-pack" => "git.http.upload_pack",
            _ => "git.http.receive_pack",
        }
    }

    async fn run(&self, folder: &Path, received: &Received, user: &str) -> io::Result<Reply> {
        let header = |name: &str| received.header(name).unwrap_or_default().to_owned();
        let mut child = Command::new("git")
            .arg("http-backend")
            .env("GIT_PROJECT_ROOT", folder)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("PATH_INFO", format!("/{}", self.service))
            .env("REQUEST_METHOD", received.method.as_str())
            .env("QUERY_STRING", received.uri.query().unwrap_or_default())
            .env("CONTENT_TYPE", header("content-type"))
            .env("CONTENT_LENGTH", received.body.len().to_string())
            .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
            .env("GIT_PROTOCOL", header("git-protocol"))
            .env("REMOTE_USER", user)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (mut input, output) = input.zip(output).ok_or(io::ErrorKind::BrokenPipe)?;
        let body = received.body.clone();
        tokio::spawn(async move {
            // Git may end without having read everything, which is its right.
            let _unread = input.write_all(&body).await;
        });
        answer(child, BufReader::new(output)).await
    }
}

/// Reads the CGI answer (RFC 3875 section 6): header lines, an empty one, the body.
async fn answer(child: Child, mut output: BufReader<ChildStdout>) -> io::Result<Reply> {
    let (mut status, mut headers) = (200, Vec::new());
    loop {
        let mut line = String::new();
        if output.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        if name.eq_ignore_ascii_case("status") {
            status = value.split(' ').next().and_then(|code| code.parse().ok()).unwrap_or(500);
        } else {
            headers.push((name.to_owned(), value.to_owned()));
        }
    }
    let reply = Reply::pieces(status, "application/octet-stream", pieces(child, output), None);
    Ok(headers.into_iter().fold(reply, |reply, (name, value)| reply.header(&name, value)))
}

fn pieces(child: Child, output: BufReader<ChildStdout>) -> Pieces {
    stream::unfold((child, output), |(child, mut output)| async move {
        let mut piece = BytesMut::with_capacity(64 * 1024);
        match output.read_buf(&mut piece).await {
            Ok(0) => None,
            Ok(_) => Some((Ok(piece.freeze()), (child, output))),
            Err(error) => Some((Err(error), (child, output))),
        }
    })
    .boxed()
}

impl State {
    /// The answer to Git.
    pub async fn git(&self, received: &Received, exchange: &Exchange) -> Reply {
        let user = match self.git_user(received, exchange) {
            Ok(user) => user,
            Err(refusal) => return finish(refusal, received, &self.ids, None, None),
        };
        let (organization, project) = (&exchange.organization, &exchange.project);
        let folder = self.git_folders.folder(organization, project, &exchange.repository).await;
        let answered = match folder {
            Ok(folder) => exchange.run(&folder, received, &user.username).await,
            Err(error) => Err(error),
        };
        let reply = answered.unwrap_or_else(|error| {
            Reply::bytes(501, "text/plain", format!("Git cannot be run: {error}"))
        });
        finish(reply, received, &self.ids, Some(&user), None)
    }

    fn git_user(&self, received: &Received, exchange: &Exchange) -> Result<Identity, Reply> {
        let mut content = self.content();
        let settings = content.settings.clone();
        let tenant = content.organization(&exchange.organization).map(|known| known.tenant);
        let bearer = self.authenticate(received, &content, tenant)?;
        let organization = content.organization(&exchange.organization);
        let organization =
            organization.ok_or_else(|| Failure::not_found("The organization").into_reply())?;
        let access = admitted(organization, &bearer, &settings).map_err(Failure::into_reply)?;
        let scopes = if exchange.writes { ["vso.code_write"] } else { ["vso.code"] };
        check_scopes(&scopes, &bearer, &settings).map_err(Failure::into_reply)?;
        if exchange.writes && access == Access::Reader {
            return Err(Failure::needs_permission().into_reply());
        }
        let project = organization
            .project_position(&exchange.project)
            .map(|position| organization.projects[position].id)
            .ok_or_else(|| Failure::project(&exchange.project).into_reply())?;
        let known = organization.repositories.iter().any(|repository| {
            repository.project == project
                && repository.name.eq_ignore_ascii_case(&exchange.repository)
        });
        if !known {
            return Err(Failure::repository(&exchange.repository).into_reply());
        }
        Ok(Identity::of(&bearer))
    }
}

/// The folders of the repositories that Git has been asked for.
#[derive(Default)]
pub(crate) struct Folders(Mutex<Made>);

#[derive(Default)]
struct Made {
    root: Option<Root>,
    folders: HashMap<String, PathBuf>,
}

/// A temporary folder that goes when the emulator goes.
struct Root(PathBuf);

impl Drop for Root {
    fn drop(&mut self) {
        // What cannot be removed is left to the operating system.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Made {
    fn root(&mut self) -> io::Result<PathBuf> {
        if let Some(root) = &self.root {
            return Ok(root.0.clone());
        }
        let root = std::env::temp_dir().join(format!("azure-devops-{}", Uuid::new_v4()));
        std::fs::create_dir_all(&root)?;
        self.root = Some(Root(root.clone()));
        Ok(root)
    }
}

impl Folders {
    pub async fn folder(
        &self,
        organization: &str,
        project: &str,
        repository: &str,
    ) -> io::Result<PathBuf> {
        let key = format!("{organization}/{project}/{repository}").to_lowercase();
        let mut made = self.0.lock().await;
        if let Some(folder) = made.folders.get(&key) {
            return Ok(folder.clone());
        }
        let root = made.root()?;
        let folder = root.join(Uuid::new_v4().to_string());
        initialize(&folder).await?;
        made.folders.insert(key, folder.clone());
        Ok(folder)
    }
}

async fn initialize(folder: &Path) -> io::Result<()> {
    let status = Command::new("git")
        .args(["init", "--quiet", "--bare", "--initial-branch=main"])
        .arg(folder)
        .status()
        .await?;
    // Azure DevOps accepts pushes from everybody who may; the check is ours.
    let allowed = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(["config", "http.receivepack", "true"])
        .status()
        .await?;
    if status.success() && allowed.success() {
        Ok(())
    } else {
        Err(io::Error::other("git init failed"))
    }
}
