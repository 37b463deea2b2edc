//! `get_file`, `push_files` and `create_branch`.

use futures_util::future::join_all;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Value, json};

use super::lines::{self, Lines};
use crate::engine::arguments::Arguments;
use crate::engine::blocks::{Blocks, Kind, LARGEST_IMAGE};
use crate::engine::failure::Failure;
use crate::engine::fill::Version;
use crate::engine::session::Session;
use crate::engine::steps::Content;
use crate::tools::tool::{Call, Verb};

const NO_OBJECT: &str = "0000000000000000000000000000000000000000";
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");
const FILE: Call = Call {
    query: &[
        ("path", "path"),
        ("versionDescriptor.version", "at|version"),
        ("versionDescriptor.versionType", "at|version_type"),
        ("$format", "=octetStream"),
    ],
    ..Call::new(Verb::Get, "/{project}/_apis/git/repositories/{repository}/items")
};
const ITEM: Call = Call {
    query: &[
        ("path", "path"),
        ("versionDescriptor.version", "at|version"),
        ("versionDescriptor.versionType", "at|version_type"),
    ],
    ..Call::new(Verb::Get, "/{project}/_apis/git/repositories/{repository}/items")
};
const BRANCHES: Call = Call {
    query: &[("filter", "filter"), ("$top", "top")],
    ..Call::new(Verb::Get, "/{project}/_apis/git/repositories/{repository}/refs")
};
const PUSH: Call = Call::new(Verb::Post, "/{project}/_apis/git/repositories/{repository}/pushes");
const UPDATE: Call = Call::new(Verb::Post, "/{project}/_apis/git/repositories/{repository}/refs");

/// Shows an image as an image, and a text as far as it fits.
pub(super) async fn get_file(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Blocks, Failure> {
    let raw = session.raw_step(&FILE, arguments, Content::OfCall, BYTES).await?;
    let path = arguments.text("path").unwrap_or_default();
    let media_type = raw.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if media_type.is_some_and(|media_type| media_type.starts_with("application/json")) {
        return Err(Failure::argument("path", "is a folder: list_files has its files"));
    }
    let size = raw.body.len();
    let text = match Kind::of(&raw.body) {
        Kind::Image(media_type) if size <= LARGEST_IMAGE => {
            return Ok(Blocks::image(media_type, &raw.body));
        }
        Kind::Image(_) | Kind::Binary => {
            return Ok(json!({"path": path, "size": size, "binary": true}).into());
        }
        Kind::Text(text) => text,
    };
    let wanted = Lines::of(arguments)?;
    let at = arguments.text("at").map(|at| format!(" at {at}")).unwrap_or_default();
    Ok(lines::shown(&format!("{path}{at}"), &text, wanted))
}

/// Commits to a branch as it is now: if it moves meanwhile, Azure DevOps refuses.
pub(super) async fn push_files(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Value, Failure> {
    let branch = branch_name(arguments, "branch");
    let old = match tip(session, arguments, &branch).await? {
        Some(old) => old,
        // The first commit of a repository makes its branch.
        None if is_empty(session, arguments).await? => NO_OBJECT.to_owned(),
        None => return Err(Failure::argument("branch", "does not exist: create_branch makes it")),
    };
    let changes: Vec<Value> =
        arguments.get("changes").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut made = Vec::new();
    for few in changes.chunks(session.at_once()) {
        let few = few.iter().map(|change| made_of(change, &old, session, arguments));
        for change in join_all(few).await {
            made.push(change?);
        }
    }
    let body = json!({
        "refUpdates": [{"name": format!("refs/heads/{branch}"), "oldObjectId": old}],
        "commits": [{"comment": arguments.text("message"), "changes": made}],
    });
    let pushed = session.step_with(&PUSH, arguments, Content::Json(&body)).await?.body;
    let commit = &pushed["commits"][0]["commitId"];
    Ok(json!({"branch": branch, "commit": commit, "before": old, "changes": made.len()}))
}

/// Returns a change as Azure DevOps wants it: it asks whether a file is new.
async fn made_of(
    change: &Value,
    tip: &str,
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Value, Failure> {
    let absolute = |path: &str| format!("/{}", path.trim_start_matches('/'));
    let path = absolute(change["path"].as_str().unwrap_or_default());
    let content = change["content"].as_str();
    let new = content.map(|content| json!({"content": content, "contentType": "rawtext"}));
    let item = json!({"path": path});
    if change["delete"] == true {
        return Ok(json!({"changeType": "delete", "item": item}));
    }
    if let Some(from) = change["rename_from"].as_str() {
        // Kinds of changes are joined, as in lists of changes.
        let kind = if new.is_some() { "edit, rename" } else { "rename" };
        let mut made =
            json!({"changeType": kind, "sourceServerItem": absolute(from), "item": item});
        if let Some(new) = new {
            made["newContent"] = new;
        }
        return Ok(made);
    }
    let Some(new) = new else {
        let fault = format!("{path} has neither content nor delete nor rename_from");
        return Err(Failure::argument("changes", fault));
    };
    let exists = tip != NO_OBJECT && {
        let asked = arguments.with("path", path.as_str()).with("at", tip);
        match session.step(&ITEM, &asked).await {
            Ok(_) => true,
            Err(failure) if failure.is_not_found() => false,
            Err(failure) => return Err(failure),
        }
    };
    let kind = if exists { "edit" } else { "add" };
    Ok(json!({"changeType": kind, "item": item, "newContent": new}))
}

/// Begins a branch where another one ends, or at a commit.
pub(super) async fn create_branch(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Value, Failure> {
    let branch = branch_name(arguments, "branch");
    let from = arguments.text("from").unwrap_or_default();
    let commit = if Version::of(from).kind == "commit" {
        from.to_owned()
    } else {
        let found = tip(session, arguments, &branch_name(arguments, "from")).await?;
        found
            .ok_or_else(|| Failure::argument("from", "is neither a branch nor a whole commit id"))?
    };
    let update = json!([{
        "name": format!("refs/heads/{branch}"), "oldObjectId": NO_OBJECT, "newObjectId": commit,
    }]);
    let updated = session.step_with(&UPDATE, arguments, Content::Json(&update)).await?.body;
    let result = &updated["value"][0];
    if result["success"] == true {
        return Ok(json!({"branch": branch, "commit": commit}));
    }
    // Azure DevOps answers 200 also if nothing was updated.
    let status = result["updateStatus"].as_str().unwrap_or("unknown");
    Err(Failure::Other(format!("Azure DevOps did not create the branch: {status}.")))
}

fn branch_name(arguments: &Arguments, name: &str) -> String {
    Version::of(arguments.text(name).unwrap_or_default()).name.to_owned()
}

/// Returns the last commit of a branch, or `None` if there is no such branch.
async fn tip(
    session: &Session<'_>,
    arguments: &Arguments,
    branch: &str,
) -> Result<Option<String>, Failure> {
    let asked = arguments.with("filter", format!("heads/{branch}"));
    let refs = session.step(&BRANCHES, &asked).await?.body;
    let name = format!("refs/heads/{branch}");
    // The filter finds every branch that begins so.
    let found =
        refs["value"].as_array().into_iter().flatten().find(|one| one["name"] == name.as_str());
    Ok(found.and_then(|one| one["objectId"].as_str()).map(str::to_owned))
}

async fn is_empty(session: &Session<'_>, arguments: &Arguments) -> Result<bool, Failure> {
    let asked = arguments.with("filter", "heads/").with("top", 1);
    let refs = session.step(&BRANCHES, &asked).await?.body;
    Ok(refs["value"].as_array().is_none_or(Vec::is_empty))
}
