//! Attachments: uploads and downloads of the same bytes.

use serde_json::json;
use uuid::Uuid;

use super::call::{Call, created};
use super::failure::{Answer, Failure};
use super::large::LargeContent;
use super::organizations::{Attachment, AttachmentContent};
use super::ranges::Asked;
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
    let content = AttachmentContent::Uploaded(call.body().clone());
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
    let AttachmentContent::Uploaded(content) = &mut attachment.content else {
        return Err(Failure::argument("The attachment is complete."));
    };
    if start.is_some_and(|start| start != content.len()) {
        return Err(Failure::argument("The content range does not follow the previous chunk."));
    }
    *content = [content.as_ref(), chunk.as_ref()].concat().into();
    let file_name = attachment.file_name.clone();
    created(&json!({"id": id, "url": url(call, id, &file_name)}))
}

fn download(call: &mut Call<'_>) -> Answer {
    let id = id(call)?;
    let attachment = call.organization.attachments.get(&id);
    let attachment = attachment.ok_or_else(|| Failure::not_found("The attachment"))?;
    let name = attachment.file_name.replace(['"', '\r', '\n'], "_");
    let length = attachment.length();
    let reply = match Asked::of(call.received.header("range"), length) {
        Asked::All => part(attachment, 200, 0, length),
        Asked::Part { start, end } => part(attachment, 206, start, end)
            .header("content-range", format!("bytes {start}-{}/{length}", end - 1)),
        Asked::Unsatisfiable => {
            return Ok(Reply::empty(416).header("content-range", format!("bytes */{length}")));
        }
    };
    Ok(reply
        .header("accept-ranges", "bytes")
        .header("content-disposition", format!("attachment; filename=\"{name}\"")))
}

/// Returns an answer with the bytes from `start` up to `end`.
fn part(attachment: &Attachment, status: u16, start: u64, end: u64) -> Reply {
    let media_type = "application/octet-stream";
    match &attachment.content {
        AttachmentContent::Uploaded(content) => {
            let position = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(content.len());
            Reply::bytes(status, media_type, content.slice(position(start)..position(end)))
        }
        AttachmentContent::Made { gate, .. } => {
            let pieces = LargeContent::part(start, end).pieces(gate.clone());
            Reply::pieces(status, media_type, pieces, Some(end - start))
        }
    }
}

fn id(call: &Call<'_>) -> Result<Uuid, Failure> {
    Uuid::parse_str(call.parameter("id")).map_err(|_| Failure::not_found("The attachment"))
}

fn url(call: &Call<'_>, id: Uuid, file_name: &str) -> String {
    public_url(&call.base(), id, file_name)
}

/// Returns the address of an attachment below `base`, an organization or a project in it.
pub(crate) fn public_url(base: &str, id: Uuid, file_name: &str) -> String {
    let file_name: String = url::form_urlencoded::byte_serialize(file_name.as_bytes()).collect();
    format!("{base}/_apis/wit/attachments/{id}?fileName={file_name}")
}
