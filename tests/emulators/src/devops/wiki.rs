//! Wikis: a change of a page needs the `ETag` of the version that was read.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::call::{Call, list, ok};
use super::failure::{Answer, Failure, percent_encode};
use super::git::blob_id;
use super::organizations::{Project, derived_id};
use super::routes::{Level, Route};
use crate::reply::Reply;

const READ: &[&str] = &["vso.wiki"];
const WRITE: &[&str] = &["vso.wiki_write"];

pub(crate) const ROUTES: &[Route] = &[
    Route::new("wiki.wikis.list", "GET", "wiki/wikis", Level::Either, READ, wikis),
    Route::new("wiki.wikis.get", "GET", "wiki/wikis/{wiki}", Level::Either, READ, wiki),
    Route::new("wiki.pages.get", "GET", "wiki/wikis/{wiki}/pages", Level::Either, READ, page),
    Route::new("wiki.pages.put", "PUT", "wiki/wikis/{wiki}/pages", Level::Either, WRITE, put),
    Route::new("wiki.pages.update", "PATCH", "wiki/wikis/{wiki}/pages", Level::Either, WRITE, edit),
    Route::new(
        "wiki.pages.delete",
        "DELETE",
        "wiki/wikis/{wiki}/pages",
        Level::Either,
        WRITE,
        delete,
    ),
    Route::new(
        "wiki.pages.get",
        "GET",
        "wiki/wikis/{wiki}/pages/{*page}",
        Level::Either,
        READ,
        page,
    ),
    Route::new(
        "wiki.pages.update",
        "PATCH",
        "wiki/wikis/{wiki}/pages/{*page}",
        Level::Either,
        WRITE,
        edit,
    ),
];

/// A page of the wiki of a project.
pub(crate) struct Page {
    id: u64,
    pub project: Uuid,
    /// Begins with a slash.
    path: String,
    content: String,
    revision: u64,
}

impl Page {
    pub fn new(id: u64, project: Uuid, path: &str, content: &str) -> Self {
        Self { id, project, path: path.to_owned(), content: content.to_owned(), revision: 1 }
    }

    /// Whether a path, in any case and with blanks encoded or not, is this page's.
    fn is_at(&self, path: &str) -> bool {
        self.path.eq_ignore_ascii_case(&path.replace("%20", " "))
    }

    /// In quotes, as in headers; different after every write, even one without a change.
    fn etag(&self) -> String {
        format!("\"{}\"", blob_id(format!("{}\n{}", self.revision, self.content).as_bytes()))
    }

    fn parent(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(parent, _)| parent)
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    pub fn content(&self) -> &str {
        &self.content
    }

    fn change(&mut self, content: String) {
        self.content = content;
        self.revision += 1;
    }
}

#[derive(Deserialize)]
struct Content {
    content: String,
}

pub(crate) fn id_of(project: &Project) -> Uuid {
    derived_id(&format!("wiki {}", project.id))
}

pub(crate) fn name_of(project: &Project) -> String {
    format!("{}.wiki", project.name.replace(' ', "-"))
}

fn wiki_json(call: &Call<'_>, project: &Project) -> Value {
    let (id, base) = (id_of(project), call.base());
    json!({
        "id": id,
        "name": name_of(project),
        "type": "projectWiki",
        "projectId": project.id,
        "repositoryId": id,
        "mappedPath": "/",
        "versions": [{"version": "wikiMaster"}],
        "url": format!("{base}/_apis/wiki/wikis/{id}"),
        "remoteUrl": format!("{base}/{}/_wiki/wikis/{id}", project.id),
        "isDisabled": false,
    })
}

fn wikis(call: &mut Call<'_>) -> Answer {
    let only = call.project().map(|project| project.id);
    let projects = call.organization.projects.iter();
    let found: Vec<Value> = projects
        .filter(|project| only.is_none_or(|only| only == project.id))
        .map(|project| wiki_json(call, project))
        .collect();
    Ok(list(&found))
}

/// Returns the project whose wiki the path names, by name (any case) or id; the project's name is also valid.
fn project<'a>(call: &'a Call<'_>) -> Result<&'a Project, Failure> {
    let wanted = call.parameter("wiki");
    let id = Uuid::parse_str(wanted).ok();
    let only = call.project().map(|project| project.id);
    call.organization
        .projects
        .iter()
        .filter(|project| only.is_none_or(|only| only == project.id))
        .find(|project| {
            Some(id_of(project)) == id
                || name_of(project).eq_ignore_ascii_case(wanted)
                || project.name.eq_ignore_ascii_case(wanted)
        })
        .ok_or_else(|| Failure::wiki(wanted))
}

fn wiki(call: &mut Call<'_>) -> Answer {
    ok(&wiki_json(call, project(call)?))
}

/// Returns the requested path, from the query or the last segment of the URL, or the root if there is none.
fn path(call: &Call<'_>) -> String {
    let path = call.query.get_any_case("path").unwrap_or_else(|| call.parameter("page"));
    format!("/{}", path.trim_matches('/'))
}

/// Returns the position of the page, by id if the URL has one, otherwise by path.
fn position(call: &Call<'_>, project: Uuid) -> Option<usize> {
    let (id, path) = (call.number("page"), path(call));
    call.organization.wiki_pages.iter().position(|page| {
        page.project == project && id.map_or_else(|| page.is_at(&path), |id| page.id == id)
    })
}

fn found(call: &Call<'_>, project: Uuid) -> Result<usize, Failure> {
    position(call, project).ok_or_else(|| {
        let name = call.number("page").map_or_else(|| path(call), |id| id.to_string());
        Failure::wiki_page(&name)
    })
}

fn page(call: &mut Call<'_>) -> Answer {
    let project = project(call)?;
    if call.number("page").is_none() && path(call) == "/" {
        return ok(&root(call, project));
    }
    let page = &call.organization.wiki_pages[found(call, project.id)?];
    let accept = call.received.header("accept").unwrap_or_default();
    if accept.contains("text/plain") {
        let content = Bytes::from(page.content.clone());
        return Ok(
            Reply::bytes(200, "text/plain; charset=utf-8", content).header("etag", page.etag())
        );
    }
    let mut body = page_json(call, project, page);
    body["subPages"] = below(call, project, &page.path, depth(call)).into();
    let is = |value: &str| value.eq_ignore_ascii_case("true");
    if call.query.get_any_case("includeContent").is_some_and(is) {
        body["content"] = page.content.as_str().into();
    }
    Ok(Reply::json(200, &body).header("etag", page.etag()))
}

fn root(call: &Call<'_>, project: &Project) -> Value {
    let pages = call.organization.wiki_pages.iter();
    let is_parent = pages.clone().any(|page| page.project == project.id);
    let below = below(call, project, "", depth(call));
    json!({"path": "/", "order": 0, "isParentPage": is_parent, "gitItemPath": "/", "subPages": below})
}

fn page_json(call: &Call<'_>, project: &Project, page: &Page) -> Value {
    let (wiki, base) = (id_of(project), call.base());
    // As a page's own `url` has it: the blanks are encoded, and then the whole.
    let encoded = percent_encode(&page.path.replace(' ', "%20"));
    json!({
        "path": page.path,
        "order": 0,
        "isParentPage": call.organization.wiki_pages.iter().any(|other| other.parent() == page.path),
        "gitItemPath": format!("{}.md", page.path.replace(' ', "-")),
        "subPages": [],
        "url": format!("{base}/{}/_apis/wiki/wikis/{wiki}/pages/{encoded}", project.id),
        "remoteUrl": format!("{base}/{}/_wiki/wikis/{wiki}?pagePath={encoded}", project.id),
        "id": page.id,
    })
}

/// Returns the levels below a page that the request wants; `recursionLevel` is in any case.
fn depth(call: &Call<'_>) -> usize {
    match call
        .query
        .get_any_case("recursionLevel")
        .unwrap_or_default()
        .to_ascii_lowercase()
        .as_str()
    {
        "onelevel" => 1,
        "full" => usize::MAX,
        _ => 0,
    }
}

fn below(call: &Call<'_>, project: &Project, path: &str, depth: usize) -> Vec<Value> {
    if depth == 0 {
        return Vec::new();
    }
    let pages = call.organization.wiki_pages.iter();
    let pages = pages.filter(|page| page.project == project.id && page.parent() == path);
    let shown = pages.map(|page| {
        let mut shown = page_json(call, project, page);
        shown["subPages"] = below(call, project, &page.path, depth - 1).into();
        shown
    });
    shown.collect()
}

/// `PUT …/pages?path=/x`: creates the page; with `If-Match`, changes it.
fn put(call: &mut Call<'_>) -> Answer {
    let Content { content } = call.json()?;
    let (project, path) = (project(call)?.id, path(call));
    if path == "/" {
        return Err(Failure::argument("The path of a page is needed."));
    }
    match (position(call, project), call.received.header("if-match")) {
        (None, None) => {
            let id = call.organization.next_id();
            call.organization.wiki_pages.push(Page::new(id, project, &path, &content));
            changed(call, call.organization.wiki_pages.len() - 1, 201)
        }
        (None, Some(_)) => Err(Failure::wiki_page(&path)),
        (Some(_), None) => Err(Failure::wiki_page_exists(&path)),
        (Some(at), Some(_)) => change(call, at, content),
    }
}

/// `PATCH`: changes an existing page.
fn edit(call: &mut Call<'_>) -> Answer {
    let Content { content } = call.json()?;
    let at = found(call, project(call)?.id)?;
    change(call, at, content)
}

fn change(call: &mut Call<'_>, at: usize, content: String) -> Answer {
    let given = call.received.header("if-match").map(|tag| tag.trim().trim_matches('"').to_owned());
    let page = &mut call.organization.wiki_pages[at];
    match given {
        None => return Err(Failure::argument("The request has no If-Match header.")),
        Some(given) if page.etag().trim_matches('"') != given => {
            return Err(Failure::wiki_conflict(&page.path));
        }
        Some(_) => page.change(content),
    }
    changed(call, at, 200)
}

fn changed(call: &Call<'_>, at: usize, status: u16) -> Answer {
    let page = &call.organization.wiki_pages[at];
    let mut body = page_json(call, project(call)?, page);
    body["content"] = page.content.as_str().into();
    Ok(Reply::json(status, &body).header("etag", page.etag()))
}

fn delete(call: &mut Call<'_>) -> Answer {
    let at = found(call, project(call)?.id)?;
    let page = call.organization.wiki_pages.remove(at);
    let mut body = page_json(call, project(call)?, &page);
    body["content"] = page.content.into();
    ok(&body)
}
