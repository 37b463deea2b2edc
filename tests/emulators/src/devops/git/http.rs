//! Git over HTTP: the authorization of a request for a repository. Git itself answers.

use std::io;

use uuid::Uuid;

use super::{Repository, backend};
use crate::devops::auth::{self, challenges_of_git};
use crate::devops::failure::Failure;
use crate::devops::identity::Identity;
use crate::devops::organizations::{Access, Organization};
use crate::devops::routes::Target;
use crate::devops::throttling::Charge;
use crate::devops::{Content, State, check_scopes, no_organization};
use crate::entra::Inspection;
use crate::reply::Reply;
use crate::request::Received;

const NO_GIT: &str = "Git, or its http-backend, is not installed where the stand-in runs.\n";

/// A request of Git's smart protocol.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// `None` in `/{organization}/_git/{repository}`, where project and repository have the same name.
    project: Option<String>,
    repository: String,
    operation: Operation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    RefsToFetch,
    RefsToPush,
    UploadPack,
    ReceivePack,
}

impl Operation {
    fn of(method: &str, path: &[&str], service: Option<&str>) -> Option<Self> {
        match (method, path, service) {
            ("GET", ["info", "refs"], Some("git-upload-pack")) => Some(Self::RefsToFetch),
            ("GET", ["info", "refs"], Some("git-receive-pack")) => Some(Self::RefsToPush),
            ("POST", ["git-upload-pack"], _) => Some(Self::UploadPack),
            ("POST", ["git-receive-pack"], _) => Some(Self::ReceivePack),
            _ => None,
        }
    }

    fn writes(self) -> bool {
        matches!(self, Self::RefsToPush | Self::ReceivePack)
    }

    fn path(self) -> &'static str {
        match self {
            Self::RefsToFetch | Self::RefsToPush => "/info/refs",
            Self::UploadPack => "/git-upload-pack",
            Self::ReceivePack => "/git-receive-pack",
        }
    }
}

impl Wanted {
    /// Parses a request of Git. Returns `None` if it is another request.
    pub fn of(received: &Received, target: &Target) -> Option<Self> {
        if target.organization.is_none() || !target.site.family().is_empty() {
            return None;
        }
        let mut path: Vec<&str> =
            target.path.split('/').filter(|segment| !segment.is_empty()).collect();
        if path.first().is_some_and(|first| first.eq_ignore_ascii_case("DefaultCollection")) {
            path.remove(0);
        }
        let (project, rest) = match path.as_slice() {
            [git, rest @ ..] if git.eq_ignore_ascii_case("_git") => (None, rest),
            [project, git, rest @ ..] if git.eq_ignore_ascii_case("_git") => (Some(*project), rest),
            _ => return None,
        };
        let (repository, rest) = rest.split_first()?;
        let query = received.query();
        Some(Self {
            project: project.map(str::to_owned),
            repository: (*repository).to_owned(),
            operation: Operation::of(received.method.as_str(), rest, query.get("service"))?,
        })
    }

    /// The name for counts and faults.
    pub fn route(&self) -> &'static str {
        match self.operation {
            Operation::RefsToFetch | Operation::RefsToPush => "git.http.refs",
            Operation::UploadPack => "git.http.upload_pack",
            Operation::ReceivePack => "git.http.receive_pack",
        }
    }

    fn scopes(&self) -> &'static [&'static str] {
        if self.operation.writes() { &["vso.code_write"] } else { &["vso.code"] }
    }

    fn find<'a>(&self, organization: &'a Organization) -> Result<&'a Repository, Failure> {
        let project = self.project.as_deref().unwrap_or(&self.repository);
        let position = organization.project_position(project);
        let project = position
            .map(|position| organization.projects[position].id)
            .ok_or_else(|| Failure::project(project))?;
        named(organization, project, &self.repository)
            .ok_or_else(|| Failure::repository(&self.repository))
    }
}

/// An authorized request.
struct Allowed {
    repository: Repository,
    caller: Identity,
    charge: Option<Charge>,
}

/// A repository by name (any case) or id.
pub(crate) fn named<'a>(
    organization: &'a Organization,
    project: Uuid,
    name: &str,
) -> Option<&'a Repository> {
    let id = Uuid::parse_str(name).ok();
    organization
        .repositories
        .iter()
        .filter(|repository| repository.project == project)
        .find(|known| Some(known.id) == id || known.name.eq_ignore_ascii_case(name))
}

/// The 401 that makes Git ask its credential helpers.
pub(crate) fn unauthorized(tenant: Option<Uuid>) -> Reply {
    challenges_of_git(
        Reply::bytes(401, "text/html; charset=utf-8", "TF400813: Sign in to use this repository."),
        tenant,
    )
}

impl State {
    /// Answers a request of Git to `organization`. Also returns the caller.
    pub(crate) async fn serve_git(
        &self,
        received: &Received,
        organization: &str,
        wanted: &Wanted,
    ) -> (Reply, Option<Identity>) {
        let allowed = self.allow_git(received, organization, wanted, &mut self.content());
        let Allowed { repository, caller, charge } = match allowed {
            Ok(allowed) => allowed,
            Err(refusal) => return (*refusal, None),
        };
        let reply = match self.run_git(received, wanted, repository, &caller.username).await {
            Ok(reply) => reply,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Reply::bytes(501, "text/plain; charset=utf-8", NO_GIT)
            }
            Err(error) => {
                tracing::warn!(%error, "git failed");
                Failure::of_status(500).into_reply()
            }
        };
        let reply = match charge {
            Some(charge) => charge.mark(reply),
            None => reply,
        };
        (reply, Some(caller))
    }

    fn allow_git(
        &self,
        received: &Received,
        name: &str,
        wanted: &Wanted,
        content: &mut Content,
    ) -> Result<Allowed, Box<Reply>> {
        let refuse = |failure: Failure| Box::new(failure.into_reply());
        let organization = content.organization(name).ok_or_else(|| Box::new(no_organization()))?;
        let tenant = organization.tenant;
        if organization.stopped {
            return Err(refuse(Failure::stopped(name)));
        }
        let token = auth::bearer(received);
        let bearer = match token.map(|token| self.entra.inspect(&token)) {
            Some(Inspection::Valid(bearer)) => bearer,
            Some(Inspection::Challenged(claims)) => {
                return Err(Box::new(auth::challenge(&claims, &content.settings)));
            }
            Some(Inspection::Refused | Inspection::Unreadable) | None => {
                return Err(Box::new(unauthorized(Some(tenant))));
            }
        };
        let caller = Identity::of(&bearer);
        let settings = content.settings.clone();
        let charge = self.charge(&bearer, &settings);
        if let Some(charge) = &charge {
            let blocked = |failure: Failure| Box::new(charge.mark(failure.into_reply()));
            charge.check().map_err(blocked)?;
        }
        let organization = content.organization(name).ok_or_else(|| Box::new(no_organization()))?;
        let access = organization.admit(&bearer, &caller, &settings).map_err(refuse)?;
        check_scopes(wanted.scopes(), &bearer, &settings).map_err(refuse)?;
        let repository = wanted.find(organization).map_err(refuse)?.clone();
        if wanted.operation.writes() && access == Access::Reader {
            return Err(refuse(Failure::needs_permission()));
        }
        Ok(Allowed { repository, caller, charge })
    }

    async fn run_git(
        &self,
        received: &Received,
        wanted: &Wanted,
        repository: Repository,
        user: &str,
    ) -> io::Result<Reply> {
        let folders = std::sync::Arc::clone(&self.git);
        // Creating a folder waits for other programs, which must not block the runtime.
        let found = tokio::task::spawn_blocking(move || {
            Ok::<_, io::Error>((folders.backend()?, folders.of(&repository)?))
        });
        let (program, folder) = found.await.map_err(io::Error::other)??;
        backend::ask(&program, &folder, wanted.operation.path(), user, received).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use http::{HeaderMap, HeaderValue, Method};

    use super::*;

    fn wanted(method: Method, host: &'static str, target: &'static str) -> Option<Wanted> {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static(host));
        let received =
            Received { method, uri: target.parse().unwrap(), headers, body: bytes::Bytes::new() };
        Wanted::of(&received, &Target::of(&received)?)
    }

    #[test]
    fn all_forms_of_a_repository_url_are_understood() {
        let refs = "/mycompany/Payments%20Service/_git/Web/info/refs?service=git-receive-pack";
        let found = wanted(Method::GET, "dev.azure.com", refs).unwrap();
        assert_eq!(found.project.as_deref(), Some("Payments Service"));
        assert_eq!((found.repository.as_str(), found.route()), ("Web", "git.http.refs"));
        assert_eq!(found.scopes(), ["vso.code_write"]);
        let host = "mycompany.visualstudio.com";
        for path in ["/_git/Web/git-upload-pack", "/DefaultCollection/_git/Web/git-upload-pack"] {
            let found = wanted(Method::POST, host, path).unwrap();
            assert_eq!((found.project.as_deref(), found.route()), (None, "git.http.upload_pack"));
        }
        assert_eq!(wanted(Method::GET, host, "/_git/Web/info/refs"), None);
        assert_eq!(
            wanted(Method::POST, "vssps.dev.azure.com", "/o/_git/Web/git-upload-pack"),
            None
        );
        assert_eq!(wanted(Method::GET, "dev.azure.com", "/mycompany/_git/Web"), None);
    }
}
