//! Pages of wikis. A change needs the version that was read, so that nobody's words are lost.

use http::HeaderMap;
use http::header::ETAG;
use serde_json::{Value, json};
use url::Url;

use super::addresses;
use crate::engine::arguments::Arguments;
use crate::engine::blocks::Blocks;
use crate::engine::failure::Failure;
use crate::engine::pages::Position;
use crate::engine::session::Session;
use crate::engine::show::Projection;
use crate::engine::steps::Content;
use crate::tools::parameter::{PATH, PROJECT, URL, WIKI};
use crate::tools::tool::{Call, Verb};

const TREE: Call = Call {
    query: &[("path", "path"), ("recursionLevel", "=full")],
    ..Call::new(Verb::Get, "/{project}/_apis/wiki/wikis/{wiki}/pages")
};
const BY_PATH: Call = Call {
    query: &[("path", "path"), ("includeContent", "=true"), ("recursionLevel", "=oneLevel")],
    ..Call::new(Verb::Get, "/{project}/_apis/wiki/wikis/{wiki}/pages")
};
const BY_ID: Call = Call {
    query: &[("includeContent", "=true"), ("recursionLevel", "=oneLevel")],
    ..Call::new(Verb::Get, "/{project}/_apis/wiki/wikis/{wiki}/pages/{page}")
};
const WRITE: Call = Call {
    query: &[("path", "path")],
    ..Call::new(Verb::Put, "/{project}/_apis/wiki/wikis/{wiki}/pages")
};
/// The paths of one answer, which are short.
const PAGE_OF_PAGES: usize = 200;
const SHOWN: &str = "path id pages:subPages.*.path url:remoteUrl";

/// Lists the pages below a path, each before those below it.
pub(super) async fn list_wiki_pages(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Value, Failure> {
    let position = Position::named("list_wiki_pages", arguments)?;
    let tree = session.step(&TREE, arguments).await?.body;
    let projection = Projection::parse("path id").map_err(Failure::broken_row)?;
    let mut pages = Vec::new();
    let mut open = vec![&tree];
    while let Some(page) = open.pop() {
        pages.extend(projection.of(page));
        let below = page.get("subPages").and_then(Value::as_array);
        open.extend(below.into_iter().flatten().rev());
    }
    let rest: Vec<Value> = pages.into_iter().skip(position.skipped()).collect();
    let are_more = rest.len() > PAGE_OF_PAGES;
    Ok(position.listed(rest.into_iter().take(PAGE_OF_PAGES).collect(), are_more))
}

/// Reads a page, with its version for a change.
pub(super) async fn get_wiki_page(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Blocks, Failure> {
    let (call, named) = if let Some(url) = arguments.text(URL.name) {
        at(url, session, arguments)?
    } else {
        let missing =
            [PROJECT, WIKI, PATH].into_iter().find(|one| arguments.text(one.name).is_none());
        if let Some(missing) = missing {
            let fault = "is missing: give project, wiki and path, or the url";
            return Err(Failure::argument(missing.name, fault));
        }
        (&BY_PATH, arguments.clone())
    };
    let answer = session.step(call, &named).await?;
    let shown = shown(&answer.body, &answer.headers)?;
    let content = answer.body.get("content").and_then(Value::as_str).unwrap_or_default();
    Ok(Blocks::from(shown).and(Blocks::text("The page", content)))
}

/// Creates or replaces a page.
pub(super) async fn write_wiki_page(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Value, Failure> {
    let content = json!({"content": arguments.text("content")});
    let content = match arguments.text("version") {
        Some(version) => Content::JsonIfMatch(&content, version),
        None => Content::Json(&content),
    };
    let answer = session.step_with(&WRITE, arguments, content).await.map_err(explained)?;
    shown(&answer.body, &answer.headers)
}

/// Adds the next step to the refusals of a page that is there already, or that was changed.
fn explained(failure: Failure) -> Failure {
    match &failure {
        Failure::Refused { status, message }
            if status.as_u16() == 412 || message.contains("already exists") =>
        {
            Failure::Other(format!(
                "{failure} Read the page with get_wiki_page, and give its `version`."
            ))
        }
        _ => failure,
    }
}

fn shown(page: &Value, headers: &HeaderMap) -> Result<Value, Failure> {
    let projection = Projection::parse(SHOWN).map_err(Failure::broken_row)?;
    let mut shown = projection.of(page).unwrap_or_else(|| json!({}));
    let version = headers.get(ETAG).and_then(|version| version.to_str().ok());
    if let Some(version) = version {
        shown["version"] = version.trim_matches('"').into();
    }
    Ok(shown)
}

/// Returns the call that reads the page at an address, with the arguments that fill it.
fn at(
    url: &str,
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<(&'static Call, Arguments), Failure> {
    let organization = session.organization(arguments)?.to_string();
    let found = || {
        let segments = addresses::segments(url, &organization)?;
        let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
        let [project, "_wiki", "wikis", wiki, rest @ ..] = parts.as_slice() else { return None };
        let named = arguments.with(PROJECT.name, *project).with(WIKI.name, *wiki);
        if let Some(page) = rest.first() {
            let page: u64 = page.parse().ok()?;
            return Some((&BY_ID, named.with("page", page)));
        }
        let url = Url::parse(url).ok()?;
        let path = url.query_pairs().find(|(name, _)| name == "pagePath");
        let path = path.map_or("/".to_owned(), |(_, path)| path.into_owned());
        Some((&BY_PATH, named.with(PATH.name, path)))
    };
    found().ok_or_else(|| {
        Failure::argument(URL.name, "must be the address of a wiki page of the organization")
    })
}
