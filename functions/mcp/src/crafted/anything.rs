//! `get_anything` and `send_anything`: every other call, under the same rules as that of the proxy.

use devops::host::Family;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method};
use serde_json::{Value, json};
use url::Url;

use crate::engine::arguments::Arguments;
use crate::engine::blocks::{Blocks, Kind};
use crate::engine::failure::Failure;
use crate::engine::pages::{Page, Position};
use crate::engine::session::{Outgoing, Raw, Session};
use crate::engine::show::{self, Projection};
use crate::tools::tool::{Call, Paging, Verb};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const JSON_PATCH: HeaderValue = HeaderValue::from_static("application/json-patch+json");
const LISTED: Call = Call { paging: Paging::Token, ..Call::new(Verb::Get, "/") };
const VERSION: &str = "api-version=7.1";

/// A place below an organization.
struct Place {
    host: Family,
    /// Percent-encoded.
    path: String,
    query: String,
}

/// Makes a `GET`. Shows JSON by the parts that are asked for, or whole, and other texts as they are.
pub(super) async fn get_anything(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Blocks, Failure> {
    let position = Position::named("get_anything", arguments)?;
    let shown = arguments.text("show").unwrap_or("*");
    let projection = Projection::parse(shown).map_err(|fault| Failure::argument("show", fault))?;
    let mut place = Place::read(session, arguments)?;
    if let Some(token) = position.token() {
        let token: String = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
        place.query = format!("{}&continuationToken={token}", place.query);
    }
    let raw = place.call(session, arguments, Method::GET, None).await?;
    let body: Value = match serde_json::from_slice(&raw.body) {
        Ok(body) => body,
        Err(_) => return Ok(of_file(&raw)),
    };
    Ok(match show::items(&body, "") {
        Some(items) => {
            let page = Page { items, headers: &raw.headers, body: &body };
            position.shown(&LISTED, &page, &projection, arguments).into()
        }
        None => projection.of(&body).unwrap_or_else(|| json!({})).into(),
    })
}

/// Makes a call that changes something.
pub(super) async fn send_anything(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Blocks, Failure> {
    let method = match arguments.text("method") {
        Some("PUT") => Method::PUT,
        Some("PATCH") => Method::PATCH,
        Some("DELETE") => Method::DELETE,
        _ => Method::POST,
    };
    let place = Place::read(session, arguments)?;
    let raw = place.call(session, arguments, method, arguments.get("body")).await?;
    if raw.body.is_empty() {
        return Ok(json!({}).into());
    }
    match serde_json::from_slice::<Value>(&raw.body) {
        Ok(body) => {
            let projection = Projection::parse("*").map_err(Failure::broken_row)?;
            Ok(projection.of(&body).unwrap_or_else(|| json!({})).into())
        }
        Err(_) => Ok(of_file(&raw)),
    }
}

fn of_file(raw: &Raw) -> Blocks {
    match Kind::of(&raw.body) {
        Kind::Text(text) => Blocks::text("The answer", text),
        Kind::Image(_) | Kind::Binary => {
            json!({"size": raw.body.len(), "left_out": "It is neither JSON nor a text."}).into()
        }
    }
}

impl Place {
    /// Reads the path of the arguments: from the organization on, or an address of one of its hosts.
    fn read(session: &Session<'_>, arguments: &Arguments) -> Result<Self, Failure> {
        let organization = session.organization(arguments)?.to_string();
        let path = arguments.text("path").unwrap_or_default();
        Self::at(path, &organization).ok_or_else(|| {
            let fault = "must be a path with `_apis` below the organization, or its address at a host of Azure DevOps";
            Failure::argument("path", fault)
        })
    }

    fn at(path: &str, organization: &str) -> Option<Self> {
        let address = if path.starts_with('/') {
            format!("https://dev.azure.com/{organization}{path}")
        } else {
            path.to_owned()
        };
        let url = Url::parse(&address).ok().filter(|url| url.scheme() == "https")?;
        let host =
            Family::ALL.iter().copied().find(|family| Some(family.host()) == url.host_str())?;
        let (first, rest) = url.path().strip_prefix('/')?.split_once('/')?;
        let is_api = rest.split('/').any(|segment| segment.eq_ignore_ascii_case("_apis"));
        if !first.eq_ignore_ascii_case(organization) || !is_api || rest.starts_with('/') {
            return None;
        }
        let query = match url.query() {
            None | Some("") => VERSION.to_owned(),
            Some(query) if query.to_ascii_lowercase().contains("api-version=") => query.to_owned(),
            Some(query) => format!("{query}&{VERSION}"),
        };
        Some(Self { host, path: format!("/{rest}"), query })
    }

    async fn call(
        &self,
        session: &Session<'_>,
        arguments: &Arguments,
        method: Method,
        body: Option<&Value>,
    ) -> Result<Raw, Failure> {
        let outgoing = Outgoing {
            organization: session.organization(arguments)?,
            host: self.host,
            method,
            path: &self.path,
            query: &self.query,
            body: None,
        };
        let mut headers = HeaderMap::from_iter([(ACCEPT, JSON)]);
        // Of the bodies of Azure DevOps, only JSON Patch is a list of operations.
        let is_patch = body.and_then(|body| body.get(0)?.get("op")).is_some();
        if body.is_some() {
            headers.insert(CONTENT_TYPE, if is_patch { JSON_PATCH } else { JSON });
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        session.exchange(&outgoing, headers, body.into()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_in_its_organization_and_at_azure_devops() {
        for (path, expected) in [
            ("/_apis/projects", Some(("dev.azure.com", "/_apis/projects", VERSION))),
            (
                "/My Web/_apis/x?a=b",
                Some(("dev.azure.com", "/My%20Web/_apis/x", "a=b&api-version=7.1")),
            ),
            (
                "https://vsrm.dev.azure.com/MyCompany/p/_apis/release?api-version=7.2-preview",
                Some(("vsrm.dev.azure.com", "/p/_apis/release", "api-version=7.2-preview")),
            ),
            ("/../contoso/_apis/projects", None),
            ("/x/../../contoso/_apis/projects", None),
            ("https://dev.azure.com/contoso/_apis/projects", None),
            ("https://evil.example/mycompany/_apis/projects", None),
            ("http://dev.azure.com/mycompany/_apis/projects", None),
            ("//evil.example/_apis/projects", None),
            ("/_git/Website", None),
            ("_apis/projects", None),
            ("", None),
        ] {
            let place = Place::at(path, "mycompany");
            let place = place
                .as_ref()
                .map(|place| (place.host.host(), place.path.as_str(), place.query.as_str()));
            assert_eq!(place, expected, "{path}");
        }
    }
}
