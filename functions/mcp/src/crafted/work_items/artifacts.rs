//! The artifacts to which work items are linked: from an address as in the browser to the address that Azure DevOps keeps.

use serde_json::Value;
use url::Url;

use crate::crafted::addresses::segments;
use crate::engine::arguments::Arguments;
use crate::engine::failure::Failure;
use crate::engine::session::Session;
use crate::tools::tool::{Call, Verb};

const REPOSITORY: Call = Call::new(Verb::Get, "/{project}/_apis/git/repositories/{repository}");
const WIKI_PAGE: Call = Call::new(Verb::Get, "/{project}/_apis/wiki/wikis/{wiki}/pages/{page}");
const WIKI: Call = Call::new(Verb::Get, "/{project}/_apis/wiki/wikis/{wiki}");

/// An artifact, as a link names it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Artifact {
    /// The address that begins with `vstfs:`.
    pub(super) address: String,
    /// The name of the kind of link, which Azure DevOps demands.
    pub(super) name: &'static str,
}

/// What an address in the browser shows.
#[derive(Debug, PartialEq, Eq)]
enum Page {
    OfRepository { project: String, repository: String, part: Part },
    Build(u64),
    Wiki { project: String, wiki: String, page: String },
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    PullRequest(String),
    Commit(String),
    Branch(String),
}

impl Artifact {
    /// Finds the artifact of an address: that of a page of the organization, or one that begins with `vstfs:` already.
    ///
    /// # Errors
    /// [`Failure::Arguments`] for another address; also those of [`Session::step`].
    pub(super) async fn at(
        address: &str,
        session: &Session<'_>,
        arguments: &Arguments,
    ) -> Result<Self, Failure> {
        if let Some(name) = name_of(address) {
            return Ok(Self { address: address.to_owned(), name });
        }
        let organization = session.organization(arguments)?.to_string();
        let page = Page::at(address, &organization).ok_or_else(|| {
            let fault = "must be addresses of pull requests, branches, commits, builds or wiki pages of the \
                organization, as in the browser";
            Failure::argument("to", fault)
        })?;
        let address = match page {
            Page::Build(build) => format!("vstfs:///Build/Build/{build}"),
            Page::OfRepository { project, repository, part } => {
                let named = arguments.with("project", project).with("repository", repository);
                let repository = session.step(&REPOSITORY, &named).await?.body;
                let id = |path: &str| text(&repository, path);
                let (kind, part) = match part {
                    Part::PullRequest(id) => ("PullRequestId", id),
                    Part::Commit(id) => ("Commit", id),
                    Part::Branch(name) => ("Ref", format!("GB{}", name.replace('/', "%2F"))),
                };
                format!("vstfs:///Git/{kind}/{}%2F{}%2F{part}", id("/project/id"), id("/id"))
            }
            Page::Wiki { project, wiki, page } => {
                let named = arguments.with("project", project).with("wiki", wiki);
                let wiki = session.step(&WIKI, &named).await?.body;
                let page = session.step(&WIKI_PAGE, &named.with("page", page)).await?.body;
                let path = text(&page, "/path");
                let path = path.trim_start_matches('/').replace('/', "%2F");
                let (project, wiki) = (text(&wiki, "/projectId"), text(&wiki, "/id"));
                format!("vstfs:///Wiki/WikiPage/{project}%2F{wiki}%2F{path}")
            }
        };
        let name = name_of(&address).unwrap_or_default();
        Ok(Self { address, name })
    }
}

fn text(value: &Value, path: &str) -> String {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Returns the name of the kind of link to an artifact, or `None` if the address is none of an artifact.
fn name_of(address: &str) -> Option<&'static str> {
    let rest = address.strip_prefix("vstfs:///")?;
    let kinds = [
        ("Git/PullRequestId/", "Pull Request"),
        ("Git/Commit/", "Fixed in Commit"),
        ("Git/Ref/", "Branch"),
        ("Build/Build/", "Build"),
        ("Wiki/WikiPage/", "Wiki Page"),
    ];
    kinds.iter().find(|(begin, _)| rest.starts_with(begin)).map(|(_, name)| *name)
}

impl Page {
    fn at(address: &str, organization: &str) -> Option<Self> {
        let segments = segments(address, organization)?;
        let url = Url::parse(address).ok()?;
        let parameter = |name: &str| {
            url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
        };
        let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
        // The repository of a project's own name has an address without the project.
        let parts = match parts.as_slice() {
            ["_git", repository, rest @ ..] => {
                [&[*repository, "_git", repository][..], rest].concat()
            }
            other => other.to_vec(),
        };
        let of_repository = |project: &str, repository: &str, part| {
            let (project, repository) = (project.to_owned(), repository.to_owned());
            Some(Self::OfRepository { project, repository, part })
        };
        match parts.as_slice() {
            [project, "_git", repository, "pullrequest", id] => {
                of_repository(project, repository, Part::PullRequest(digits(id)?))
            }
            [project, "_git", repository, "commit", id] => {
                let is_hash = id.len() == 40 && id.bytes().all(|b| b.is_ascii_hexdigit());
                of_repository(project, repository, Part::Commit(is_hash.then(|| (*id).to_owned())?))
            }
            [project, "_git", repository] => {
                let version = parameter("version")?;
                of_repository(
                    project,
                    repository,
                    Part::Branch(version.strip_prefix("GB")?.to_owned()),
                )
            }
            [_, "_build", "results"] => parameter("buildId")?.parse().ok().map(Self::Build),
            [project, "_wiki", "wikis", wiki, page, ..] => Some(Self::Wiki {
                project: (*project).to_owned(),
                wiki: (*wiki).to_owned(),
                page: digits(page)?,
            }),
            _ => None,
        }
    }
}

fn digits(text: &str) -> Option<String> {
    let number: u64 = text.parse().ok()?;
    Some(number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_organization_s_pages_are_understood_and_no_others() {
        let of_repository = |project: &str, part| {
            let (project, repository) = (project.to_owned(), "Website".to_owned());
            Some(Page::OfRepository { project, repository, part })
        };
        let hash = "b60280bc6e62e2f880f1b63c1e24987664d3bda3";
        let commit = format!("https://dev.azure.com/mycompany/My%20Web/_git/Website/commit/{hash}");
        for (address, expected) in [
            (
                "https://dev.azure.com/mycompany/My%20Web/_git/Website/pullrequest/22",
                of_repository("My Web", Part::PullRequest("22".to_owned())),
            ),
            (
                "https://mycompany.visualstudio.com/_git/Website/pullrequest/22?_a=files",
                of_repository("Website", Part::PullRequest("22".to_owned())),
            ),
            (
                "https://dev.azure.com/MyCompany/My%20Web/_git/Website?version=GBtopic%2Fa",
                of_repository("My Web", Part::Branch("topic/a".to_owned())),
            ),
            (&commit, of_repository("My Web", Part::Commit(hash.to_owned()))),
            (
                "https://dev.azure.com/mycompany/Website/_build/results?buildId=41&view=results",
                Some(Page::Build(41)),
            ),
            (
                "https://dev.azure.com/mycompany/Website/_wiki/wikis/Website.wiki/2/Guide",
                Some(Page::Wiki {
                    project: "Website".to_owned(),
                    wiki: "Website.wiki".to_owned(),
                    page: "2".to_owned(),
                }),
            ),
            ("https://dev.azure.com/contoso/My%20Web/_git/Website/pullrequest/22", None),
            ("https://evil.example/mycompany/My%20Web/_git/Website/pullrequest/22", None),
            ("https://dev.azure.com/mycompany/Website/_git/Website/pullrequest/x", None),
            ("https://dev.azure.com/mycompany/Website/_git/Website/commit/main", None),
            ("https://dev.azure.com/mycompany", None),
            ("22", None),
        ] {
            assert_eq!(Page::at(address, "mycompany"), expected, "{address}");
        }
    }
}
