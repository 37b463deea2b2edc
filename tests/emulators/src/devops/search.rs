//! The search service `almsearch`. It searches what the stand-in has, by words in any case.
//!
//! A filter of repositories needs one project, and one of paths or branches one repository.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::call::{Call, ok};
use super::failure::{Answer, Failure};
use super::git::{Commit, Repository};
use super::organizations::Project;
use super::routes::{Level, Route};

pub(crate) const ROUTES: &[Route] = &[
    Route::new(
        "search.code",
        "POST",
        "search/codeSearchResults",
        Level::Either,
        &["vso.code"],
        code,
    ),
    Route::new(
        "search.workitems",
        "POST",
        "search/workItemSearchResults",
        Level::Either,
        &["vso.work"],
        work_items,
    ),
    Route::new(
        "search.wiki",
        "POST",
        "search/wikiSearchResults",
        Level::Either,
        &["vso.wiki"],
        wiki,
    ),
    Route::new(
        "search.commits",
        "POST",
        "search/commitSearchResults",
        Level::Either,
        &["vso.code"],
        commits,
    ),
];

/// The largest page.
const MOST: u64 = 1_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    search_text: String,
    #[serde(rename = "$skip", default)]
    skip: u64,
    #[serde(rename = "$top")]
    top: u64,
    #[serde(default)]
    filters: Option<Map<String, Value>>,
}

impl Request {
    fn read(call: &Call<'_>) -> Result<Self, Failure> {
        let request: Self = call.json()?;
        if request.top == 0 || request.top > MOST {
            return Err(Failure::argument("The value of $top must be between 1 and 1000."));
        }
        Ok(request)
    }

    fn filter(&self, name: &str) -> Vec<String> {
        let values = self.filters.as_ref().and_then(|filters| filters.get(name)?.as_array());
        values.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// Whether a filter allows a value; one that is absent allows all.
    fn allows(&self, name: &str, value: &str) -> bool {
        let values = self.filter(name);
        values.is_empty() || values.iter().any(|one| one.eq_ignore_ascii_case(value))
    }

    fn finds(&self, text: &str) -> bool {
        text.to_lowercase().contains(&self.search_text.to_lowercase())
    }

    fn answered(&self, found: &[Value]) -> Answer {
        let (skip, top) =
            (usize::try_from(self.skip).unwrap_or(0), usize::try_from(self.top).unwrap_or(0));
        let page: Vec<Value> = found.iter().skip(skip).take(top).cloned().collect();
        ok(&json!({"count": found.len(), "results": page, "infoCode": 0, "facets": {}}))
    }

    /// Refuses a filter whose broader filter has not exactly one value.
    fn require(&self, narrow: &str, broad: &str) -> Result<(), Failure> {
        if !self.filter(narrow).is_empty() && self.filter(broad).len() != 1 {
            return Err(Failure::argument(format!(
                "The filter {narrow} needs exactly one value of the filter {broad}."
            )));
        }
        Ok(())
    }
}

/// Returns the repositories in reach that the filters of these names, of projects and of repositories, allow.
fn repositories<'a>(
    call: &'a Call<'_>,
    request: &'a Request,
    filters: [&'a str; 2],
) -> impl Iterator<Item = (&'a Project, &'a Repository)> {
    let [projects, repositories] = filters;
    let only = call.project().map(|project| project.id);
    let known = call.organization.repositories.iter();
    known
        .filter_map(|repository| {
            Some((call.organization.project_by_id(repository.project)?, repository))
        })
        .filter(move |(project, repository)| {
            only.is_none_or(|only| only == project.id)
                && request.allows(projects, &project.name)
                && request.allows(repositories, &repository.name)
        })
}

/// Returns the last commit of the default branch.
fn head(repository: &Repository) -> Option<&Commit> {
    repository.commits.get(repository.refs.get(repository.default_branch()?)?)
}

/// Returns a text around the hits, each marked.
fn highlighted(text: &str, wanted: &str) -> String {
    match text.to_lowercase().find(&wanted.to_lowercase()) {
        Some(at) if text.is_char_boundary(at) && text.is_char_boundary(at + wanted.len()) => {
            let (before, rest) = text.split_at(at);
            let (hit, after) = rest.split_at(wanted.len());
            format!("{before}<highlighthit>{hit}</highlighthit>{after}")
        }
        _ => text.to_owned(),
    }
}

fn code(call: &mut Call<'_>) -> Answer {
    let request = Request::read(call)?;
    request.require("Repository", "Project")?;
    request.require("Path", "Repository")?;
    request.require("Branch", "Repository")?;
    let mut found = Vec::new();
    for (project, repository) in repositories(call, &request, ["Project", "Repository"]) {
        // Only the default branch is indexed.
        for (path, content) in head(repository).into_iter().flat_map(|commit| &commit.files) {
            let text = String::from_utf8_lossy(content).into_owned();
            let below = request.filter("Path");
            let is_below =
                below.is_empty() || below.iter().any(|folder| path.starts_with(folder.as_str()));
            if !is_below || !request.finds(&text) {
                continue;
            }
            let hits = text.lines().enumerate().filter(|(_, line)| request.finds(line));
            let hits: Vec<Value> = hits
                .map(|(index, line)| {
                    json!({
                        "charOffset": 0, "length": request.search_text.len(), "line": index + 1, "column": 1,
                        "codeSnippet": line, "type": null,
                    })
                })
                .collect();
            found.push(json!({
                "fileName": path.rsplit('/').next(),
                "path": path,
                "matches": {"content": hits, "fileName": []},
                "collection": {"name": call.organization.name},
                "project": {"name": project.name, "id": project.id},
                "repository": {"name": repository.name, "id": repository.id, "type": "git"},
                "versions": [{"branchName": "main", "changeId": "b60280bc6e62e2f880f1b63c1e24987664d3bda3"}],
                "contentId": "d8c4d4dc5ff0e5d3c5b1f3f8b9c6b2d4a2ad2cd1",
            }));
        }
    }
    request.answered(&found)
}

fn work_items(call: &mut Call<'_>) -> Answer {
    let request = Request::read(call)?;
    let only = call.project().map(|project| project.id);
    let mut found = Vec::new();
    for item in call.organization.work_items.values() {
        let text = |name: &str| match item.field(name) {
            Some(Value::String(text)) => text,
            Some(Value::Object(person)) => {
                format!(
                    "{} <{}>",
                    person["displayName"].as_str().unwrap_or_default(),
                    person["uniqueName"].as_str().unwrap_or_default()
                )
            }
            _ => String::new(),
        };
        let allows = |name: &str| request.allows(name, &text(name));
        let is_allowed = [
            "System.TeamProject",
            "System.WorkItemType",
            "System.State",
            "System.AssignedTo",
            "System.AreaPath",
        ]
        .into_iter()
        .all(allows);
        let title = text("System.Title");
        let is_here = only.is_none_or(|only| only == item.project);
        if !is_here || !is_allowed || !request.finds(&title) {
            continue;
        }
        found.push(json!({
            "project": {"name": text("System.TeamProject"), "id": item.project},
            // The names are in lower case, and all values are texts.
            "fields": {
                "system.id": item.id.to_string(),
                "system.workitemtype": text("System.WorkItemType"),
                "system.title": title,
                "system.assignedto": text("System.AssignedTo"),
                "system.state": text("System.State"),
                "system.tags": text("System.Tags"),
                "system.rev": "1",
                "system.createddate": text("System.CreatedDate"),
                "system.changeddate": text("System.ChangedDate"),
            },
            "hits": [{
                "fieldReferenceName": "system.title",
                "highlights": [highlighted(&title, &request.search_text)],
            }],
            "url": format!("{}/_apis/wit/workItems/{}", call.base(), item.id),
        }));
    }
    request.answered(&found)
}

fn wiki(call: &mut Call<'_>) -> Answer {
    let request = Request::read(call)?;
    let only = call.project().map(|project| project.id);
    let mut found = Vec::new();
    for page in &call.organization.wiki_pages {
        let Some(project) = call.organization.project_by_id(page.project) else { continue };
        let wiki = super::wiki::name_of(project);
        let is_here = only.is_none_or(|only| only == project.id);
        let text = page.content();
        if !is_here
            || !request.allows("Project", &project.name)
            || !request.allows("Wiki", &wiki)
            || !request.finds(text)
        {
            continue;
        }
        found.push(json!({
            "fileName": format!("{}.md", page.path().rsplit('/').next().unwrap_or_default()),
            "path": format!("{}.md", page.path()),
            "collection": {"name": call.organization.name},
            "project": {"name": project.name, "id": project.id, "visibility": null},
            "wiki": {"name": wiki, "id": super::wiki::id_of(project), "mappedPath": "/", "version": "wikiMaster"},
            "contentId": "d8c4d4dc5ff0e5d3c5b1f3f8b9c6b2d4a2ad2cd1",
            "hits": [{"fieldReferenceName": "content", "highlights": [highlighted(text, &request.search_text)]}],
        }));
    }
    request.answered(&found)
}

/// A preview without a reference: names of members are those that Microsoft's own server uses, and not certain.
fn commits(call: &mut Call<'_>) -> Answer {
    call.require_preview()?;
    let request = Request::read(call)?;
    let mut found = Vec::new();
    for (project, repository) in repositories(call, &request, ["projectName", "repositoryName"]) {
        let mut next = head(repository);
        while let Some(commit) = next {
            next = commit.parents.first().and_then(|parent| repository.commits.get(parent));
            if !request.finds(&commit.comment) || !request.allows("authorName", &commit.author.name)
            {
                continue;
            }
            found.push(json!({
                "commitId": commit.id,
                "comment": commit.comment,
                "authorName": commit.author.name,
                "authorEmail": commit.author.email,
                "authorDate": super::call::time(commit.at),
                "projectName": project.name,
                "repositoryName": repository.name,
                "repositoryId": repository.id,
            }));
        }
    }
    request.answered(&found)
}
