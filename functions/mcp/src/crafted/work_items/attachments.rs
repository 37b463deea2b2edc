//! Attachments of work items and pull requests.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use serde_json::{Value, json};
use uuid::Uuid;

use super::writing::{UPDATE, written};
use crate::crafted::addresses::segments;
use crate::engine::arguments::Arguments;
use crate::engine::blocks::{Blocks, Kind as FileKind, LARGEST_IMAGE};
use crate::engine::failure::Failure;
use crate::engine::links::ATTACHED_FILE;
use crate::engine::session::Session;
use crate::engine::steps::Content;
use crate::tools::tool::{Call, Verb};

const UPLOAD: Call = Call {
    query: &[("fileName", "name")],
    ..Call::new(Verb::Post, "/{project}/_apis/wit/attachments")
};

const OF_WORK_ITEM: Call = Call::new(Verb::Get, "/{project}/_apis/wit/attachments/{attachment}");
const OF_PULL_REQUEST: Call = Call::new(
    Verb::Get,
    "/{project}/_apis/git/repositories/{repository}/pullRequests/{pull_request}/attachments/{attachment}\
     ?api-version=7.1-preview.1",
);

/// Shows an attachment: an image as an image, a text as a text, and of anything else the size.
pub(in crate::crafted) async fn get_attachment(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Blocks, Failure> {
    let organization = session.organization(arguments)?.to_string();
    let url = arguments.text("url").unwrap_or_default();
    let (call, named) = at(url, &organization, arguments).ok_or_else(|| {
        let fault =
            "must be the address of an attachment of the organization, as in a work item's links";
        Failure::argument("url", fault)
    })?;
    let any = HeaderValue::from_static("*/*");
    let raw = session.raw_step(call, &named, Content::OfCall, any).await?;
    let about = json!({"size": raw.body.len()});
    Ok(match FileKind::of(&raw.body) {
        FileKind::Image(media_type) if raw.body.len() <= LARGEST_IMAGE => {
            Blocks::from(about).and(Blocks::image(media_type, &raw.body))
        }
        FileKind::Text(text) => Blocks::from(about).and(Blocks::text("The attachment", text)),
        FileKind::Image(_) | FileKind::Binary => {
            let size = raw.body.len();
            Blocks::from(
                json!({"size": size, "left_out": "It is neither a text nor a small image."}),
            )
        }
    })
}

/// Returns the call that reads the attachment at an address, with the arguments that fill it.
fn at(url: &str, organization: &str, arguments: &Arguments) -> Option<(&'static Call, Arguments)> {
    let segments = segments(url, organization)?;
    let mut parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    let mut named = arguments.clone();
    if !parts.first()?.eq_ignore_ascii_case("_apis") {
        named = named.with("project", parts.remove(0));
    }
    let lower: Vec<String> = parts.iter().map(|part| part.to_ascii_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    match (lower.as_slice(), parts.last()) {
        (["_apis", "wit", "attachments", id], _) => {
            let id = Uuid::parse_str(id).ok()?;
            Some((&OF_WORK_ITEM, named.with("attachment", id.to_string())))
        }
        (
            ["_apis", "git", "repositories", repository, "pullrequests", id, "attachments", _],
            Some(name),
        ) => {
            let named = named.with("repository", *repository).with("pull_request", *id);
            Some((&OF_PULL_REQUEST, named.with("attachment", *name)))
        }
        _ => None,
    }
}

/// Uploads a file and links it to a work item.
pub(in crate::crafted) async fn add_attachment(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Value, Failure> {
    let content = arguments.text("content").unwrap_or_default();
    let content = if arguments.is_set("base64") {
        let fault = |_| Failure::argument("content", "is no base64");
        STANDARD.decode(content).map_err(fault)?
    } else {
        content.as_bytes().to_vec()
    };
    let uploaded = session.step_with(&UPLOAD, arguments, Content::Bytes(content)).await?.body;
    let url = uploaded.get("url").cloned().unwrap_or_default();
    let attributes = json!({"name": arguments.text("name")});
    let link = json!({"rel": ATTACHED_FILE, "url": url, "attributes": attributes});
    let patch = json!([{"op": "add", "path": "/relations/-", "value": link}]);
    let answer = session.step_with(&UPDATE, arguments, Content::Patch(&patch)).await?;
    let mut shown = written(&answer.body);
    shown["url"] = url;
    Ok(shown)
}
