//! What happened in a build: its timeline, its logs, its changes, and its stages.
//!
//! A failed build has a failed step `Run tests` with log 3, and a stage that was skipped for it.

use serde_json::{Value, json};

use super::builds::{Build, find};
use super::call::{Call, list, ok, time};
use super::failure::{Answer, Failure};
use super::organizations::derived_id;
use super::routes::{Level, Route};
use crate::reply::Reply;

pub(crate) const ROUTES: &[Route] = &[
    Route::new(
        "build.timeline.get",
        "GET",
        "build/builds/{build}/timeline",
        Level::Project,
        &["vso.build"],
        timeline,
    ),
    Route::new(
        "build.logs.list",
        "GET",
        "build/builds/{build}/logs",
        Level::Project,
        &["vso.build"],
        logs,
    ),
    Route::new(
        "build.logs.get",
        "GET",
        "build/builds/{build}/logs/{log}",
        Level::Project,
        &["vso.build"],
        log,
    ),
    Route::new(
        "build.changes.list",
        "GET",
        "build/builds/{build}/changes",
        Level::Project,
        &["vso.build"],
        changes,
    ),
    Route::new(
        "build.stages.update",
        "PATCH",
        "build/builds/{build}/stages/{stage}",
        Level::Project,
        &["vso.build_execute"],
        update_stage,
    ),
];

/// The lines of the log of a failed step.
const LONG: usize = 900;
/// The stages of every build.
const STAGES: [&str; 2] = ["Build", "Deploy"];

/// Returns the lines of each log, by its id from 1 on.
fn texts(build: &Build) -> Vec<Vec<String>> {
    let at = time(build.queued_at).replace('Z', "0000Z");
    let line = |text: &str| format!("{at} {text}");
    let number = &build.number;
    let mut texts = vec![
        vec![line(&format!("Starting: {number}")), line(&format!("Finishing: {number}"))],
        vec![line("##[section]Starting: Checkout"), line("HEAD is now at main")],
    ];
    if build.result.as_deref() == Some("failed") {
        let mut output: Vec<String> =
            (1..LONG).map(|n| line(&format!("test {n} ... ok"))).collect();
        output.push(line("##[error]test sign_in ... FAILED: expected 200, found 500"));
        texts.push(output);
    }
    texts
}

fn record(build: &Build, kind: &str, name: &str, parent: Option<&str>, order: u64) -> Value {
    let id = |name: &str| derived_id(&format!("record {} {name}", build.id));
    let is_over = build.status == "completed";
    json!({
        "previousAttempts": [],
        "id": id(name),
        "parentId": parent.map(id),
        "type": kind,
        "name": name,
        "startTime": time(build.queued_at),
        "finishTime": is_over.then(|| time(build.queued_at)),
        "currentOperation": null,
        "percentComplete": null,
        "state": if is_over { "completed" } else { "pending" },
        "result": is_over.then_some("succeeded"),
        "resultCode": null,
        "changeId": 12,
        "lastModified": "0001-01-01T00:00:00",
        "workerName": null,
        "order": order,
        "details": null,
        "errorCount": 0,
        "warningCount": 0,
        "url": null,
        "log": null,
        "task": null,
        "attempt": 1,
        "identifier": if kind == "Stage" { name } else { "" },
    })
}

/// `GET …/builds/{build}/timeline`: records in no order.
fn timeline(call: &mut Call<'_>) -> Answer {
    let build = &call.organization.builds[find(call)?];
    let url = format!("{}/{}/_apis/build/builds/{}", call.base(), build.project, build.id);
    let failed = build.result.as_deref() == Some("failed");
    let log = |id: u64| json!({"id": id, "type": "Container", "url": format!("{url}/logs/{id}")});
    let mut job = record(build, "Job", "Build and test", Some("__default"), 1);
    let mut phase = record(build, "Phase", "__default", Some("Build"), 1);
    let mut stage = record(build, "Stage", "Build", None, 1);
    let mut deploy = record(build, "Stage", "Deploy", None, 2);
    let mut checkout = record(build, "Task", "Checkout", Some("Build and test"), 1);
    let mut tests = record(build, "Task", "Run tests", Some("Build and test"), 2);
    checkout["log"] = log(2);
    job["log"] = log(1);
    if failed {
        for record in [&mut job, &mut phase, &mut stage, &mut tests] {
            record["result"] = "failed".into();
        }
        tests["log"] = log(3);
        tests["errorCount"] = 1.into();
        tests["issues"] = json!([
            {"type": "warning", "category": "General", "message": "The cache is cold"},
            {"type": "error", "category": "General", "message": "test sign_in: expected 200, found 500",
             "data": {"type": "error", "logFileLineNumber": "900"}},
        ]);
        deploy["result"] = "skipped".into();
    }
    ok(&json!({
        "records": [tests, deploy, job, checkout, stage, phase],
        "lastChangedBy": "00000002-0000-8888-8000-000000000000",
        "lastChangedOn": time(build.queued_at),
        "id": derived_id(&format!("timeline {}", build.id)),
        "changeId": 12,
        "url": format!("{url}/Timeline"),
    }))
}

fn logs(call: &mut Call<'_>) -> Answer {
    let build = &call.organization.builds[find(call)?];
    let url = format!("{}/{}/_apis/build/builds/{}/logs", call.base(), build.project, build.id);
    let at = time(build.queued_at);
    let log = |(index, lines): (usize, Vec<String>)| {
        let id = index + 1;
        json!({
            "lineCount": lines.len(), "createdOn": at, "lastChangedOn": at, "id": id, "type": "Container",
            "url": format!("{url}/{id}"),
        })
    };
    Ok(list(&texts(build).into_iter().enumerate().map(log).collect::<Vec<_>>()))
}

/// `GET …/logs/{log}?startLine&endLine`: lines from 1 on, both included. (Whether Azure DevOps counts from 1 is uncertain.)
fn log(call: &mut Call<'_>) -> Answer {
    let build = &call.organization.builds[find(call)?];
    let wanted = call.number("log").and_then(|id| usize::try_from(id).ok()).unwrap_or_default();
    let mut texts = texts(build);
    if !(1..=texts.len()).contains(&wanted) {
        return Err(Failure::not_found(&format!("The log {wanted}")));
    }
    let lines = texts.swap_remove(wanted - 1);
    let number = |name: &str| call.query.get_any_case(name).and_then(|value| value.parse().ok());
    let first = number("startLine").unwrap_or(1_usize).max(1);
    let last = number("endLine").unwrap_or(lines.len()).min(lines.len());
    let lines = lines.get(first - 1..last).unwrap_or_default();
    if call.received.header("accept").unwrap_or_default().contains("application/json") {
        return Ok(list(&lines.iter().map(|line| line.as_str().into()).collect::<Vec<_>>()));
    }
    Ok(Reply::bytes(200, "text/plain", lines.join("\r\n")))
}

/// `GET …/changes`: the commits of the build's branch.
fn changes(call: &mut Call<'_>) -> Answer {
    let build = &call.organization.builds[find(call)?];
    let repositories = call.organization.repositories.iter();
    let mut repositories = repositories.filter(|repository| repository.project == build.project);
    let mut changes = Vec::new();
    if let Some(repository) = repositories.next() {
        let mut next = repository.refs.get(&build.branch);
        while let Some(commit) = next.and_then(|id| repository.commits.get(id)) {
            changes.push(json!({
                "id": commit.id,
                "message": commit.comment,
                "type": "TfsGit",
                "author": {"displayName": commit.author.name, "uniqueName": commit.author.email},
                "timestamp": time(commit.at),
                "location": format!("{}/commits/{}", repository.url(&call.base()), commit.id),
            }));
            next = commit.parents.first();
        }
    }
    call.page(&changes)
}

/// `PATCH …/stages/{stage}`: 200 without a body.
fn update_stage(call: &mut Call<'_>) -> Answer {
    let update: Value = call.json()?;
    let position = find(call)?;
    let stage = call.parameter("stage");
    if !STAGES.contains(&stage) {
        return Err(Failure::not_found(&format!("The stage {stage}")));
    }
    let build = &mut call.organization.builds[position];
    match update["state"].as_str() {
        Some("cancel") => build.cancel(),
        Some("retry") => build.retry(),
        _ => return Err(Failure::argument("The state of the stage is not valid.")),
    }
    Ok(Reply::empty(200))
}
