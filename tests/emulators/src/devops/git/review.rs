//! Reviewers of a pull request, and threads of comments.

use serde_json::{Value, json};

use super::position;
use super::pull_requests::find;
use crate::devops::call::{self, Call, ok, time};
use crate::devops::failure::{Answer, Failure};
use crate::reply::Reply;

/// Returns a reviewer who has not voted.
pub(super) fn reviewer(call: &Call<'_>, wanted: &Value) -> Value {
    let id = wanted["id"].as_str().unwrap_or_default();
    let known = call.organization.identities.iter().find(|known| known.id.to_string() == id);
    let mut reviewer = match known {
        Some(known) => known.reference(call),
        None => json!({"id": id}),
    };
    reviewer["vote"] = 0.into();
    reviewer["hasDeclined"] = false.into();
    reviewer["isFlagged"] = false.into();
    reviewer["isRequired"] = (wanted["isRequired"] == true).into();
    reviewer
}

/// `POST …/reviewers`: adds each, or changes whether it is required.
pub(crate) fn add(call: &mut Call<'_>) -> Answer {
    let wanted: Vec<Value> = call.json()?;
    let position = find(call)?;
    for wanted in &wanted {
        let new = reviewer(call, wanted);
        let reviewers = &mut call.organization.pull_requests[position].reviewers;
        match reviewers.iter_mut().find(|known| known["id"] == new["id"]) {
            Some(known) => known["isRequired"] = new["isRequired"].clone(),
            None => reviewers.push(new),
        }
    }
    Ok(call::list(&call.organization.pull_requests[position].reviewers))
}

/// `PUT …/reviewers/{reviewer}`: the vote.
pub(crate) fn set(call: &mut Call<'_>) -> Answer {
    let wanted: Value = call.json()?;
    let position = find(call)?;
    let vote = wanted["vote"].as_i64().unwrap_or_default();
    if ![10, 5, 0, -5, -10].contains(&vote) {
        return Err(Failure::argument("The vote is not valid."));
    }
    let mut named = wanted.clone();
    named["id"] = call.parameter("reviewer").into();
    let new = reviewer(call, &named);
    let reviewers = &mut call.organization.pull_requests[position].reviewers;
    let at = reviewers.iter().position(|known| known["id"] == new["id"]).unwrap_or_else(|| {
        reviewers.push(new);
        reviewers.len() - 1
    });
    reviewers[at]["vote"] = vote.into();
    let body = reviewers[at].clone();
    ok(&body)
}

/// `DELETE …/reviewers/{reviewer}`
pub(crate) fn remove(call: &mut Call<'_>) -> Answer {
    let position = find(call)?;
    let id = call.parameter("reviewer").to_owned();
    call.organization.pull_requests[position].reviewers.retain(|known| known["id"] != id);
    Ok(Reply::empty(200))
}

/// `POST …/pullrequestquery`: for each query, an object with the pull requests of each commit.
pub(crate) fn query(call: &mut Call<'_>) -> Answer {
    let wanted: Value = call.json()?;
    let repository = &call.organization.repositories[position(call)?];
    let queries = wanted["queries"].as_array().cloned().unwrap_or_default();
    let result = |query: &Value| -> Value {
        let is_merge = query["type"] == "lastMergeCommit";
        let commits = query["items"].as_array().cloned().unwrap_or_default();
        let of = |commit: &str| -> Vec<Value> {
            let all = call.organization.pull_requests.iter();
            let all = all.filter(|one| one.repository == repository.id);
            let found = all.filter(|one| {
                let contains = || {
                    let base = repository.common(&one.target_commit, &one.source_commit);
                    base.as_deref() != Some(commit)
                        && repository.common(commit, &one.source_commit).as_deref() == Some(commit)
                        && repository.common(commit, &one.target_commit).as_deref() != Some(commit)
                };
                if is_merge { one.merge_commit.as_deref() == Some(commit) } else { contains() }
            });
            found.map(|one| one.to_json(call, true)).collect()
        };
        let found = commits.iter().filter_map(Value::as_str).filter_map(|commit| {
            let found = of(commit);
            (!found.is_empty()).then(|| (commit.to_owned(), Value::from(found)))
        });
        Value::Object(found.collect())
    };
    let results: Vec<Value> = queries.iter().map(result).collect();
    ok(&json!({"queries": queries, "results": results}))
}

/// `GET …/pullRequests/{id}/threads`: people's, and behind them the system's own.
pub(crate) fn threads(call: &mut Call<'_>) -> Answer {
    let position = find(call)?;
    let pull_request = &call.organization.pull_requests[position];
    let (at, author) = (time(pull_request.created_at), call.caller.reference(call));
    let system = pull_request.reviewers.iter().map(|reviewer| {
        json!({
            "id": 90_000,
            "publishedDate": at,
            "lastUpdatedDate": at,
            "comments": [{
                "id": 1, "parentCommentId": 0, "author": author, "publishedDate": at, "commentType": "system",
                "content": format!("{} joined as a reviewer", reviewer["displayName"]),
            }],
            "properties": {"CodeReviewThreadType": {"$type": "System.String", "$value": "ReviewersUpdate"}},
            "isDeleted": false,
        })
    });
    let all: Vec<Value> = pull_request.threads.iter().cloned().chain(system).collect();
    Ok(call::list(&all))
}

/// `POST …/pullRequests/{id}/threads`
pub(crate) fn create_thread(call: &mut Call<'_>) -> Answer {
    let mut thread: Value = call.json()?;
    let position = find(call)?;
    let author = call.caller.reference(call);
    let now = time(call.now);
    let id = call.organization.next_id();
    thread["id"] = id.into();
    thread["publishedDate"] = now.as_str().into();
    thread["lastUpdatedDate"] = now.as_str().into();
    thread["isDeleted"] = false.into();
    if let Some(comments) = thread["comments"].as_array_mut() {
        for (index, comment) in comments.iter_mut().enumerate() {
            comment["id"] = (index + 1).into();
            comment["author"] = author.clone();
            comment["publishedDate"] = now.as_str().into();
        }
    }
    call.organization.pull_requests[position].threads.push(thread.clone());
    ok(&thread)
}

/// Returns the thread of the path.
fn thread<'a>(call: &'a mut Call<'_>) -> Result<&'a mut Value, Failure> {
    let position = find(call)?;
    let id = call.number("thread");
    let threads = &mut call.organization.pull_requests[position].threads;
    let found = threads.iter_mut().find(|thread| thread["id"].as_u64() == id);
    found.ok_or_else(|| Failure::not_found("The thread"))
}

/// `PATCH …/threads/{thread}`: its status.
pub(crate) fn update_thread(call: &mut Call<'_>) -> Answer {
    let update: Value = call.json()?;
    let thread = thread(call)?;
    thread["status"] = update["status"].clone();
    ok(thread)
}

/// `POST …/threads/{thread}/comments`
pub(crate) fn reply(call: &mut Call<'_>) -> Answer {
    let mut comment: Value = call.json()?;
    comment["author"] = call.caller.reference(call);
    comment["publishedDate"] = time(call.now).into();
    let thread = thread(call)?;
    let comments = thread["comments"].as_array_mut();
    let comments = comments.ok_or_else(|| Failure::not_found("The comment"))?;
    comment["id"] = (comments.len() + 1).into();
    comments.push(comment.clone());
    ok(&comment)
}

/// `PATCH …/threads/{thread}/comments/{comment}`: its content.
pub(crate) fn update_comment(call: &mut Call<'_>) -> Answer {
    let update: Value = call.json()?;
    let id = call.number("comment");
    let thread = thread(call)?;
    let comments = thread["comments"].as_array_mut().into_iter().flatten();
    let found = comments.into_iter().find(|comment| comment["id"].as_u64() == id);
    let comment = found.ok_or_else(|| Failure::not_found("The comment"))?;
    comment["content"] = update["content"].clone();
    ok(comment)
}
