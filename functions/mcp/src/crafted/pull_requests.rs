//! `get_pull_request` and `list_pull_request_threads`.

use futures_util::future::join_all;
use serde_json::{Map, Value, json};

use super::diffs::{ITERATIONS, PULL_REQUEST};
use crate::engine::arguments::Arguments;
use crate::engine::failure::Failure;
use crate::engine::pages::Position;
use crate::engine::session::Session;
use crate::engine::show::{Projection, items};
use crate::tools::tool::{Call, Verb};

const SHOWN: &str = "id:pullRequestId title description status draft:isDraft by:createdBy.displayName \
     created:creationDate|time closed:closedDate|time source:sourceRefName|branch target:targetRefName|branch \
     merge:mergeStatus commit:lastMergeSourceCommit.commitId base:lastMergeTargetCommit.commitId \
     merged_as:lastMergeCommit.commitId repository:repository.name auto_complete:autoCompleteSetBy.displayName \
     reviewers[name:displayName id vote|vote required:isRequired]";
const THREAD: &str = "id status path:threadContext.filePath line:threadContext.rightFileStart.line \
     left_line:threadContext.leftFileStart.line comments[id by:author.displayName at:publishedDate|time content]";
/// The most changed files that are named.
const MOST_FILES: usize = 300;

/// A part of a pull request that a call of its own has.
struct Part {
    name: &'static str,
    call: Call,
    /// What of each entry is shown; one member alone is shown without its name.
    show: &'static str,
}

const fn of_pull_request(path: &'static str) -> Call {
    Call::new(Verb::Get, path)
}

const PARTS: [Part; 4] = [
    Part {
        name: "labels",
        call: of_pull_request(
            "/{project}/_apis/git/repositories/{repository}/pullRequests/{pull_request}/labels",
        ),
        show: "name",
    },
    Part {
        name: "work_items",
        call: of_pull_request(
            "/{project}/_apis/git/repositories/{repository}/pullRequests/{pull_request}/workitems",
        ),
        show: "id",
    },
    Part {
        name: "checks",
        call: of_pull_request(
            "/{project}/_apis/git/repositories/{repository}/pullRequests/{pull_request}/statuses",
        ),
        show: "name:context.name state description url:targetUrl",
    },
    Part {
        name: "policies",
        call: Call {
            query: &[("artifactId", "artifact")],
            ..of_pull_request("/{project}/_apis/policy/evaluations?api-version=7.1-preview.1")
        },
        show: "name:configuration.type.displayName status blocking:configuration.isBlocking",
    },
];
const CHANGES: Call = Call {
    query: &[("$top", "=2000")],
    ..of_pull_request(
        "/{project}/_apis/git/repositories/{repository}/pullRequests/{pull_request}/iterations/{iteration}/changes",
    )
};
const THREADS: Call = of_pull_request(
    "/{project}/_apis/git/repositories/{repository}/pullRequests/{pull_request}/threads",
);

/// Shows a pull request with everything that a reviewer asks for first. A part that cannot be had is named as such.
pub(super) async fn get_pull_request(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Value, Failure> {
    let found = session.step(&PULL_REQUEST, arguments).await?.body;
    let repository = &found["repository"];
    let artifact = format!(
        "vstfs:///CodeReview/CodeReviewId/{}/{}",
        repository["project"]["id"].as_str().unwrap_or_default(),
        found["pullRequestId"]
    );
    let arguments =
        arguments.with("repository", repository["id"].clone()).with("artifact", artifact);
    let mut shown = projected(SHOWN, &found)?;
    if let (Some(url), Some(id)) = (repository["webUrl"].as_str(), found["pullRequestId"].as_u64())
    {
        shown["url"] = format!("{url}/pullrequest/{id}").into();
    }
    let mut missing = Map::new();
    let mut note = |name: &str, failure: &Failure| {
        missing.insert(name.to_owned(), session.sentence_of(failure).into());
    };
    for few in PARTS.chunks(session.at_once()) {
        let answers = few.iter().map(|part| session.step(&part.call, &arguments));
        for (part, answer) in few.iter().zip(join_all(answers).await) {
            match answer {
                Ok(answer) => put(&mut shown, part, &answer.body)?,
                Err(failure) => note(part.name, &failure),
            }
        }
    }
    match files(session, &arguments).await {
        Ok((iteration, files)) => {
            shown["iteration"] = iteration;
            let left_out = files.len().saturating_sub(MOST_FILES);
            shown["files"] = files.into_iter().take(MOST_FILES).collect();
            if left_out > 0 {
                shown["files_left_out"] = left_out.into();
            }
        }
        Err(failure) => note("files", &failure),
    }
    if !missing.is_empty() {
        shown["missing"] = missing.into();
    }
    Ok(shown)
}

fn put(shown: &mut Value, part: &Part, answer: &Value) -> Result<(), Failure> {
    let entries = items(answer, "").unwrap_or_default();
    let entries = entries.iter().map(|entry| projected(part.show, entry));
    let entries: Vec<Value> = entries.collect::<Result<_, _>>()?;
    let plain = |entry: Value| match entry {
        Value::Object(mut members) if members.len() == 1 && !part.show.contains(' ') => {
            members.remove(part.show).unwrap_or_default()
        }
        other => other,
    };
    if !entries.is_empty() {
        shown[part.name] = entries.into_iter().map(plain).collect();
    }
    Ok(())
}

/// Returns the last iteration, and each changed file behind the kind of its change.
async fn files(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<(Value, Vec<String>), Failure> {
    let iterations = session.step(&ITERATIONS, arguments).await?.body;
    let iterations = items(&iterations, "").unwrap_or_default();
    let Some(last) = iterations.last() else { return Ok((Value::Null, Vec::new())) };
    let asked = arguments.with("iteration", last["id"].clone());
    let changes = session.step(&CHANGES, &asked).await?.body;
    let named = |entry: &Value| {
        let path = entry["item"]["path"].as_str().or_else(|| entry["originalPath"].as_str())?;
        Some(format!("{} {path}", entry["changeType"].as_str().unwrap_or_default()))
    };
    let entries = items(&changes, "changeEntries").unwrap_or_default();
    let files = entries.iter().filter(|entry| entry["item"]["isFolder"] != true);
    Ok((last["id"].clone(), files.filter_map(named).collect()))
}

/// Shows what people wrote: comments of the system, and threads of nothing else, are left out.
pub(super) async fn list_pull_request_threads(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Value, Failure> {
    let position = Position::named("list_pull_request_threads", arguments)?;
    let threads = session.step(&THREADS, arguments).await?.body;
    let is_wanted = |thread: &Value| {
        let is_open = ["active", "pending"].iter().any(|status| thread["status"] == *status);
        thread["isDeleted"] != true && (is_open || arguments.is_set("all"))
    };
    let mut shown = Vec::new();
    for mut thread in items(&threads, "").unwrap_or_default() {
        let is_said =
            |comment: &Value| comment["commentType"] != "system" && comment["isDeleted"] != true;
        if let Some(comments) = thread["comments"].as_array_mut() {
            comments.retain(is_said);
        }
        let is_empty = thread["comments"].as_array().is_none_or(Vec::is_empty);
        if !is_empty && is_wanted(&thread) {
            shown.push(projected(THREAD, &thread)?);
        }
    }
    let rest = shown.split_off(position.skipped().min(shown.len()));
    Ok(position.listed(rest, false))
}

fn projected(show: &str, thing: &Value) -> Result<Value, Failure> {
    let projection = Projection::parse(show).map_err(Failure::broken_row)?;
    Ok(projection.of(thing).unwrap_or_else(|| json!({})))
}
