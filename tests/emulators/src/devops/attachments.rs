//! Attachments: bytes up, the same bytes down.

use bytes::Bytes;
use serde_json::json;
use uuid::Uuid;

use super::call::{Call, created};
use super::failure::{Answer, Failure};
use super::organizations::Attachment;
use super::routes::{Level, Route};
use crate::reply::Reply;

pub(crate) const ROUTES: &[Route] = &[
    Route::new(
        "wit.attachments.create",
        "POST",
        "wit/attachments",
        Level::Either,
        &["vso.work_write"],
        upload,
    ),
    Route::new(
        "wit.attachments.chunk",
        "PUT",
        "wit/attachments/{id}",
        Level::Either,
        &["vso.work_write"],
        chunk,
    ),
    Route::new(
        "wit.attachments.get",
        "GET",
        "wit/attachments/{id}",
        Level::Either,
        &["vso.work"],
        download,
    ),
];

/// `POST …/wit/attachments?fileName=…`; with `uploadType=chunked` the body is empty and chunks follow.
fn upload(call: &mut Call<'_>) -> Answer {
    let id = Uuid::new_v4();
    let file_name = call.query.get_any_case("fileName").unwrap_or("attachment").to_owned();
    let content = call.body().clone();
    let url = url(call, id, &file_name);
    call.organization.attachments.insert(id, Attachment { file_name, content });
    created(&json!({"id": id, "url": url}))
}

/// `PUT …/wit/attachments/{id}` with `Content-Range`: chunks come in order.
fn chunk(call: &mut Call<'_>) -> Answer {
    let id = id(call)?;
    let chunk = call.body().clone();
    let range = call.received.header("content-range").unwrap_or_default();
    let start: Option<usize> =
        range.trim_start_matches("bytes ").split('-').next().and_then(|start| start.parse().ok());
    let attachment = call.organization.attachments.get_mut(&id);
    let attachment = attachment.ok_or_else(|| Failure::not_found("The attachment"))?;
    if start.is_some_and(|start| start != attachment.content.len()) {
        return Err(Failure::argument("The content range does not follow the previous chunk."));
    }
    attachment.content = [attachment.content.as_ref(), chunk.as_ref()].concat().into();
    let file_name = attachment.file_name.clone();
    created(&json!({"id": id, "url": url(call, id, &file_name)}))
}

fn download(call: &mut Call<'_>) -> Answer {
    let id = id(call)?;
    if let Some(large) = call.organization.large_attachments.get(&id) {
        return Ok(Reply::pieces(
            200,
            "application/octet-stream",
            large.pieces(),
            Some(large.bytes()),
        ));
    }
    let attachment = call.organization.attachments.get(&id);
    let attachment = attachment.ok_or_else(|| Failure::not_found("The attachment"))?;
    let name = attachment.file_name.replace(['"', '\r', '\n'], "_");
    let reply = match call.received.header("range") {
        None => Reply::bytes(200, "application/octet-stream", attachment.content.clone()),
        Some(range) => part(&attachment.content, range),
    };
    Ok(reply
        .header("accept-ranges", "bytes")
        .header("content-disposition", format!("attachment; filename=\"{name}\"")))
}

/// One range of bytes (RFC 9110 section 14).
fn part(content: &Bytes, range: &str) -> Reply {
    let length = content.len();
    let bounds = range.strip_prefix("bytes=").and_then(|bounds| bounds.split_once('-'));
    let (first, last) = match bounds {
        Some(("", suffix)) => {
            (suffix.parse().ok().map(|suffix| length.saturating_sub(suffix)), Some(length))
        }
        Some((first, "")) => (first.parse().ok(), Some(length)),
        Some((first, last)) => {
            (first.parse().ok(), last.parse().ok().map(|last: usize| last.saturating_add(1)))
        }
        None => (None, None),
    };
    match (first, last.map(|last| last.min(length))) {
        (Some(first), Some(end)) if first < end => {
            Reply::bytes(206, "application/octet-stream", content.slice(first..end))
                .header("content-range", format!("bytes {first}-{}/{length}", end - 1))
        }
        _ => Reply::empty(416).header("content-range", format!("bytes */{length}")),
    }
}

fn id(call: &Call<'_>) -> Result<Uuid, Failure> {
    Uuid::parse_str(call.parameter("id")).map_err(|_| Failure::not_found("The attachment"))
}

fn url(call: &Call<'_>, id: Uuid, file_name: &str) -> String {
    let file_name: String = url::form_urlencoded::byte_serialize(file_name.as_bytes()).collect();
    format!("{}/_apis/wit/attachments/{id}?fileName={file_name}", call.base())
}
