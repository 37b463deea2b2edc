//! `change_pull_request_reviewers`, `comment_on_pull_request` and `update_pull_request_thread`.

use serde_json::{Value, json};

use crate::engine::arguments::Arguments;
use crate::engine::failure::Failure;
use crate::engine::session::Session;
use crate::engine::steps::Content;
use crate::tools::tool::{Call, Verb};

const ADD: Call = Call::new(
    Verb::Post,
    "/{project}/_apis/git/repositories/{repository}/pullRequests/{pull_request}/reviewers",
);
const REMOVE: Call = Call::new(
    Verb::Delete,
    "/{project}/_apis/git/repositories/{repository}/pullRequests/{pull_request}/reviewers/{reviewer}",
);
const BEGIN: Call = Call::new(
    Verb::Post,
    "/{project}/_apis/git/repositories/{repository}/pullRequests/{pull_request}/threads",
);
const REPLY: Call = Call::new(
    Verb::Post,
    "/{project}/_apis/git/repositories/{repository}/pullRequests/{pull_request}/threads/{thread}/comments",
);
const CHANGE_THREAD: Call = Call {
    body: &[("status", "status")],
    ..Call::new(
        Verb::Patch,
        "/{project}/_apis/git/repositories/{repository}/pullRequests/{pull_request}/threads/{thread}",
    )
};
const CHANGE_COMMENT: Call = Call {
    body: &[("content", "content")],
    ..Call::new(
        Verb::Patch,
        "/{project}/_apis/git/repositories/{repository}/pullRequests/{pull_request}/threads/{thread}/comments/{comment}",
    )
};

/// Adds reviewers in one call, and removes others one by one.
pub(super) async fn change_pull_request_reviewers(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Value, Failure> {
    let (add, remove) = (arguments.texts("add"), arguments.texts("remove"));
    if add.is_empty() && remove.is_empty() {
        return Err(Failure::argument("add", "or `remove` must name somebody"));
    }
    if !add.is_empty() {
        let is_required = arguments.is_set("required");
        let reviewers: Value =
            add.iter().map(|id| json!({"id": id, "isRequired": is_required})).collect();
        session.step_with(&ADD, arguments, Content::Json(&reviewers)).await?;
    }
    for id in &remove {
        session.step(&REMOVE, &arguments.with("reviewer", *id)).await?;
    }
    Ok(json!({"added": add.len(), "removed": remove.len()}))
}

/// Replies in a thread, or begins one.
pub(super) async fn comment_on_pull_request(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Value, Failure> {
    let content = arguments.text("content").unwrap_or_default();
    if let Some(thread) = arguments.integer("thread") {
        let body = json!({"content": content, "parentCommentId": 1, "commentType": "text"});
        let made = session.step_with(&REPLY, arguments, Content::Json(&body)).await?.body;
        return Ok(json!({"thread": thread, "comment": made["id"]}));
    }
    let mut thread = json!({
        "comments": [{"content": content, "parentCommentId": 0, "commentType": "text"}],
        "status": "active",
    });
    if let Some(place) = place(arguments)? {
        thread["threadContext"] = place;
    }
    let made = session.step_with(&BEGIN, arguments, Content::Json(&thread)).await?.body;
    Ok(json!({"thread": made["id"], "comment": made["comments"][0]["id"]}))
}

/// Returns the place in a file that a comment is about.
fn place(arguments: &Arguments) -> Result<Option<Value>, Failure> {
    let Some(path) = arguments.text("path") else {
        return match arguments.integer("line") {
            Some(_) => Err(Failure::argument("path", "is missing: `line` is one of a file")),
            None => Ok(None),
        };
    };
    let mut place = json!({"filePath": format!("/{}", path.trim_start_matches('/'))});
    if let Some(line) = arguments.integer("line") {
        let end = arguments.integer("to_line").unwrap_or(line);
        if end < line {
            return Err(Failure::argument("to_line", "must not be before line"));
        }
        let side = if arguments.is_set("left") { "left" } else { "right" };
        place[format!("{side}FileStart")] = json!({"line": line, "offset": 1});
        place[format!("{side}FileEnd")] = json!({"line": end, "offset": 1});
    }
    Ok(Some(place))
}

/// Changes the state of a thread, a comment in it, or both.
pub(super) async fn update_pull_request_thread(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Value, Failure> {
    let edits = match (arguments.integer("comment"), arguments.text("content")) {
        (Some(_), Some(_)) => true,
        (None, None) => false,
        (None, Some(_)) => return Err(Failure::argument("comment", "is missing")),
        (Some(_), None) => return Err(Failure::argument("content", "is missing")),
    };
    let status = arguments.text("status");
    if !edits && status.is_none() {
        return Err(Failure::argument("status", "is missing, or `comment` and `content`"));
    }
    if edits {
        session.step(&CHANGE_COMMENT, arguments).await?;
    }
    if status.is_some() {
        session.step(&CHANGE_THREAD, arguments).await?;
    }
    Ok(json!({"thread": arguments.get("thread"), "status": status, "edited": edits}))
}
