//! `get_build`, `get_build_log` and `change_build`.

use std::collections::HashMap;

use http::header::HeaderValue;
use serde_json::{Value, json};

use super::lines::{self, Lines};
use crate::engine::arguments::Arguments;
use crate::engine::blocks::Blocks;
use crate::engine::failure::Failure;
use crate::engine::session::Session;
use crate::engine::show::{Projection, items};
use crate::engine::steps::Content;
use crate::tools::tool::{Call, Verb};

const TEXT: HeaderValue = HeaderValue::from_static("text/plain");
const SHOWN: &str = "id number:buildNumber pipeline:definition.name branch:sourceBranch|branch commit:sourceVersion \
     status result reason for:requestedFor.displayName queued:queueTime|time started:startTime|time \
     finished:finishTime|time tags url:_links.web.href";
const STEP: &str = "name result log:log.id errors:issues";
/// The failed steps whose log is shown.
const MOST_LOGS: usize = 3;
/// The lines at the end of a failed step's log that are shown.
const END_OF_FAILED: usize = 40;
/// The lines at the end of a log that are shown if no others are asked for.
const END: usize = 200;
/// The errors of a step that are shown.
const MOST_ERRORS: usize = 10;

const BUILD: Call = Call::new(Verb::Get, "/{project}/_apis/build/builds/{build}");
const TIMELINE: Call = Call::new(Verb::Get, "/{project}/_apis/build/builds/{build}/timeline");
const LOGS: Call = Call::new(Verb::Get, "/{project}/_apis/build/builds/{build}/logs");
const LOG: Call = Call {
    query: &[("startLine", "first"), ("endLine", "last")],
    ..Call::new(Verb::Get, "/{project}/_apis/build/builds/{build}/logs/{log}")
};
const CANCEL: Call = Call {
    body: &[("status", "=cancelling")],
    ..Call::new(Verb::Patch, "/{project}/_apis/build/builds/{build}")
};
const RETRY: Call = Call::new(Verb::Patch, "/{project}/_apis/build/builds/{build}?retry=true");
const STAGE: Call = Call {
    body: &[("state", "do")],
    ..Call::new(Verb::Patch, "/{project}/_apis/build/builds/{build}/stages/{stage}")
};

/// Shows the stages and jobs, and the reason of a failure.
pub(super) async fn get_build(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Blocks, Failure> {
    let build = session.step(&BUILD, arguments).await?.body;
    let mut shown = projected(SHOWN, &build)?;
    let records = match session.step(&TIMELINE, arguments).await {
        Ok(answer) => items(&answer.body, "records").unwrap_or_default(),
        // A build that has not begun has none.
        Err(failure) if failure.is_not_found() => Vec::new(),
        Err(failure) => return Err(failure),
    };
    let stages = stages(&records);
    if !stages.is_empty() {
        shown["stages"] = stages.into();
    }
    let failed: Vec<&Value> = sorted(&records, "Task")
        .into_iter()
        .filter(|record| record["result"] == "failed")
        .collect();
    let mut steps = Vec::new();
    for record in &failed {
        steps.push(step(record)?);
    }
    if !steps.is_empty() {
        shown["failed"] = steps.into();
    }
    let mut blocks = Blocks::from(shown);
    let counts =
        if failed.is_empty() { HashMap::new() } else { counts(session, arguments).await? };
    for record in failed.iter().take(MOST_LOGS) {
        let Some(log) = record["log"]["id"].as_u64() else { continue };
        let Some(count) = counts.get(&log).copied() else { continue };
        let name = record["name"].as_str().unwrap_or_default();
        blocks = blocks.and(end(session, arguments, (log, count), END_OF_FAILED, name).await?);
    }
    Ok(blocks)
}

/// Returns the stages with their jobs: `succeeded`, or else the state.
fn stages(records: &[Value]) -> Vec<Value> {
    let result = |record: &Value| {
        let result = record["result"].as_str().or_else(|| record["state"].as_str());
        result.unwrap_or_default().to_owned()
    };
    let parents: HashMap<&str, &str> = records
        .iter()
        .filter_map(|record| Some((record["id"].as_str()?, record["parentId"].as_str()?)))
        .collect();
    // A job is in a phase, which is in a stage.
    let is_below = |record: &Value, stage: &Value| {
        let mut id = record["id"].as_str();
        for _ in 0..4 {
            id = id.and_then(|id| parents.get(id).copied());
            if id.is_some() && id == stage["id"].as_str() {
                return true;
            }
        }
        false
    };
    let jobs = sorted(records, "Job");
    let stage = |stage: &Value| {
        let jobs = jobs.iter().filter(|job| is_below(job, stage));
        let jobs: Vec<String> = jobs
            .map(|job| format!("{}: {}", job["name"].as_str().unwrap_or_default(), result(job)))
            .collect();
        json!({"stage": stage["identifier"].as_str().or(stage["name"].as_str()), "result": result(stage), "jobs": jobs})
    };
    sorted(records, "Stage").into_iter().map(stage).collect()
}

fn sorted<'a>(records: &'a [Value], kind: &str) -> Vec<&'a Value> {
    let mut found: Vec<&Value> = records.iter().filter(|record| record["type"] == kind).collect();
    found.sort_by_key(|record| record["order"].as_u64());
    found
}

fn step(record: &Value) -> Result<Value, Failure> {
    let mut record = record.clone();
    let errors = items(&record, "issues").unwrap_or_default();
    let errors = errors.iter().filter(|issue| issue["type"] == "error");
    record["issues"] = errors.take(MOST_ERRORS).map(|issue| issue["message"].clone()).collect();
    projected(STEP, &record)
}

/// Returns the number of lines of each log.
async fn counts(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<HashMap<u64, u64>, Failure> {
    let logs = session.step(&LOGS, arguments).await?.body;
    let count = |log: &Value| Some((log["id"].as_u64()?, log["lineCount"].as_u64()?));
    Ok(items(&logs, "").unwrap_or_default().iter().filter_map(count).collect())
}

/// Shows the last lines of a log that has so many.
async fn end(
    session: &Session<'_>,
    arguments: &Arguments,
    (log, count): (u64, u64),
    most: usize,
    name: &str,
) -> Result<Blocks, Failure> {
    let first = count.saturating_sub(most as u64) + 1;
    let text = text(session, &arguments.with("log", log), Some(first), None).await?;
    let name = if name.is_empty() { String::new() } else { format!(" ({name})") };
    let about = format!("Log {log}{name}, lines {first} to {count}");
    Ok(Blocks::text(about, last_that_fit(&text)))
}

/// Returns the end of a text that leaves room for two more such texts in an answer.
fn last_that_fit(text: &str) -> &str {
    const ROOM: usize = 10_000;
    let mut begin = text.len().saturating_sub(ROOM);
    while !text.is_char_boundary(begin) {
        begin += 1;
    }
    text.get(begin..).unwrap_or_default()
}

/// Returns lines of a log, without the time at the beginning of each.
async fn text(
    session: &Session<'_>,
    arguments: &Arguments,
    first: Option<u64>,
    last: Option<u64>,
) -> Result<String, Failure> {
    let mut asked = arguments.clone();
    for (name, line) in [("first", first), ("last", last)] {
        if let Some(line) = line {
            asked = asked.with(name, line);
        }
    }
    let raw = session.raw_step(&LOG, &asked, Content::OfCall, TEXT).await?;
    let text = String::from_utf8_lossy(&raw.body);
    Ok(text.lines().flat_map(|line| [without_time(line), "\n"]).collect())
}

/// Returns a line without a time as `2026-01-05T08:00:00.0000000Z` and the blank behind it.
fn without_time(line: &str) -> &str {
    let Some((time, rest)) = line.split_once(' ') else { return line };
    let is_time = (20..=30).contains(&time.len())
        && time.ends_with('Z')
        && time.bytes().all(|byte| byte.is_ascii_digit() || b"-:.TZ".contains(&byte));
    if is_time { rest } else { line }
}

/// Shows the end, the lines that are asked for, or those that contain a text, with their numbers.
pub(super) async fn get_build_log(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Blocks, Failure> {
    let log = arguments.integer("log").unwrap_or_default();
    let wanted = Lines::of(arguments)?;
    let (first, last) = (arguments.integer("from_line"), arguments.integer("to_line"));
    if let Some(words) = arguments.text("text") {
        let text = text(session, arguments, first, last).await?;
        let words = words.to_lowercase();
        let found = text.lines().zip(wanted.from..);
        let found = found.filter(|(line, _)| line.to_lowercase().contains(&words));
        let found: Vec<_> = found.map(|(line, number)| format!("{number}: {line}\n")).collect();
        return Ok(lines::shown(
            &format!("Log {log}, the lines with the text, by number"),
            &found.concat(),
            Lines { from: 1, to: None },
        ));
    }
    if first.is_none() && last.is_none() {
        let counts = counts(session, arguments).await?;
        let Some(count) = counts.get(&log) else {
            return Err(Failure::argument("log", "is none of the build: get_build names them"));
        };
        return end(session, arguments, (log, *count), END, "").await;
    }
    let text = text(session, arguments, first, last).await?;
    let about = format!("Log {log} from line {}", wanted.from);
    Ok(lines::shown(&about, &text, Lines { from: 1, to: None }))
}

/// Cancels or retries a build, or one of its stages.
pub(super) async fn change_build(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Value, Failure> {
    let (action, stage) = (arguments.text("do").unwrap_or_default(), arguments.text("stage"));
    match (action, stage) {
        (_, Some(_)) => session.step(&STAGE, arguments).await?,
        ("cancel", None) => session.step(&CANCEL, arguments).await?,
        // Azure DevOps wants a body, which is a build without changes.
        (_, None) => session.step_with(&RETRY, arguments, Content::Json(&json!({}))).await?,
    };
    let build = session.step(&BUILD, arguments).await?.body;
    projected("id status result", &build)
}

fn projected(show: &str, thing: &Value) -> Result<Value, Failure> {
    let projection = Projection::parse(show).map_err(Failure::broken_row)?;
    Ok(projection.of(thing).unwrap_or_else(|| json!({})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_log_s_line_is_left_out_and_nothing_else() {
        for (line, expected) in [
            ("2026-01-05T08:00:00.0000000Z ##[error]It failed", "##[error]It failed"),
            ("2026-01-05T08:00:00Z  indented", " indented"),
            ("2026-01-05 was a Monday", "2026-01-05 was a Monday"),
            ("error: no such file", "error: no such file"),
            ("", ""),
        ] {
            assert_eq!(without_time(line), expected);
        }
    }
}
