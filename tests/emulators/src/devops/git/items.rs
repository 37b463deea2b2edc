//! Files and folders at a version.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Commit, Repository, archive, blob_id, position};
use crate::devops::call::{self, Call, ok};
use crate::devops::enumerations::RECURSION;
use crate::devops::failure::{Answer, Failure};
use crate::reply::Reply;

/// `GET …/items`: one file as JSON or as its own bytes, or a listing.
pub(crate) fn get(call: &mut Call<'_>) -> Answer {
    let repository = &call.organization.repositories[position(call)?];
    let commit = resolve(repository, call)?;
    let url = repository.url(&call.base());
    let wanted = ["path", "scopePath"].iter().find_map(|name| call.query.get_any_case(name));
    let path = format!("/{}", wanted.unwrap_or_default().trim_matches('/'));
    let recursion = RECURSION.name(call.query.get_any_case("recursionLevel").unwrap_or("none"));
    if wants_zip(call) {
        return zipped(repository, commit, &path);
    }
    if let Some(content) = commit.files.get(&path) {
        return file(call, commit, &url, &path, content);
    }
    let folder = if path == "/" { path.clone() } else { format!("{path}/") };
    if !commit.files.keys().any(|file| file.starts_with(&folder)) {
        return Err(Failure::git_item(&path, &commit.id));
    }
    let mut items = vec![folder_json(commit, &url, &path)];
    let mut folders = BTreeSet::new();
    for (file, content) in commit.files.iter().filter(|(file, _)| file.starts_with(&folder)) {
        let below = &file[folder.len()..];
        match below.split_once('/') {
            Some((name, _)) if recursion != "full" => {
                folders.insert(format!("{folder}{name}"));
            }
            _ => items.push(file_json(commit, &url, file, content)),
        }
    }
    if recursion == "none" {
        items.truncate(1);
    } else {
        items.extend(folders.iter().map(|name| folder_json(commit, &url, name)));
    }
    Ok(call::list(&items))
}

/// Whether the request asks for an archive: `$format=zip`, the same by `Accept`, or the download of a folder.
fn wants_zip(call: &Call<'_>) -> bool {
    let query = |name: &str| call.query.get_any_case(name).unwrap_or_default().to_ascii_lowercase();
    let (format, path) = (query("$format"), query("path"));
    let accept = call.received.header("accept").unwrap_or_default();
    let whole = path.is_empty() || path.ends_with('/');
    match format.as_str() {
        "zip" => true,
        "" => {
            accept.contains("application/zip")
                || (whole && query("download") == "true" && !accept.contains("json"))
        }
        _ => false,
    }
}

/// A file, or a folder with its whole content.
fn zipped(repository: &Repository, commit: &Commit, path: &str) -> Answer {
    let folder = if path == "/" { path.to_owned() } else { format!("{path}/") };
    let files = commit.files.iter().filter(|(file, _)| *file == path || file.starts_with(&folder));
    let mut files = files.map(|(file, content)| (file.trim_start_matches('/'), content)).peekable();
    if files.peek().is_none() {
        return Err(Failure::git_item(path, &commit.id));
    }
    let archive =
        archive::zip(files).ok_or_else(|| Failure::argument("The folder is too large."))?;
    let name = path.rsplit('/').next().filter(|name| !name.is_empty());
    let name = name.unwrap_or(&repository.name);
    Ok(Reply::bytes(200, "application/zip", archive)
        .header("content-disposition", format!("attachment; filename=\"{name}.zip\"")))
}

/// Returns the commit of `versionDescriptor` (or of the default branch).
fn resolve<'a>(repository: &'a Repository, call: &Call<'_>) -> Result<&'a Commit, Failure> {
    let parameter = |names: [&str; 2]| names.iter().find_map(|name| call.query.get_any_case(name));
    let version = parameter(["versionDescriptor.version", "version"]);
    let kind = parameter(["versionDescriptor.versionType", "versionType"]);
    repository.version(version, kind)
}

fn file(call: &Call<'_>, commit: &Commit, url: &str, path: &str, content: &bytes::Bytes) -> Answer {
    let accept = call.received.header("accept").unwrap_or_default();
    let format = call.query.get_any_case("$format").unwrap_or_default().to_ascii_lowercase();
    let is = |name: &str| {
        call.query.get_any_case(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    };
    if format == "json" || (format.is_empty() && accept.contains("application/json")) {
        let mut body = file_json(commit, url, path, content);
        if is("includeContent") {
            match std::str::from_utf8(content) {
                Ok(text) => body["content"] = text.into(),
                Err(_) => body["content"] = STANDARD.encode(content).into(),
            }
        }
        return ok(&body);
    }
    let text = format == "text" || accept.contains("text/plain");
    let content_type = if text { "text/plain; charset=utf-8" } else { "application/octet-stream" };
    let mut reply = Reply::bytes(200, content_type, content.clone())
        .header("etag", format!("\"{}\"", blob_id(content)));
    if is("download") {
        let name = path.rsplit('/').next().unwrap_or_default();
        reply = reply.header(
            "content-disposition",
            format!("attachment; filename=\"{name}\"; filename*=UTF-8''{name}"),
        );
    }
    Ok(reply)
}

fn file_json(commit: &Commit, url: &str, path: &str, content: &[u8]) -> Value {
    json!({
        "objectId": blob_id(content),
        "gitObjectType": "blob",
        "commitId": commit.id,
        "path": path,
        "url": item_url(commit, url, path),
    })
}

fn folder_json(commit: &Commit, url: &str, path: &str) -> Value {
    json!({
        "objectId": commit.tree_id,
        "gitObjectType": "tree",
        "commitId": commit.id,
        "path": path,
        "isFolder": true,
        "url": item_url(commit, url, path),
    })
}

fn item_url(commit: &Commit, url: &str, path: &str) -> String {
    let path: String = url::form_urlencoded::byte_serialize(path.as_bytes()).collect();
    format!("{url}/items?path={path}&versionType=Commit&version={}&versionOptions=None", commit.id)
}
