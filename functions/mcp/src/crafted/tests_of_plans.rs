//! Test results of builds, and test cases with their steps.

use serde_json::{Map, Value, json};

use super::work_items::{self, Target};
use crate::engine::arguments::Arguments;
use crate::engine::failure::Failure;
use crate::engine::pages::Position;
use crate::engine::session::Session;
use crate::engine::show::{self, Projection};
use crate::engine::test_steps;
use crate::tools::tool::{Call, Verb};

const RUNS: Call = Call {
    query: &[("buildUri", "build_uri"), ("includeRunDetails", "=true")],
    ..Call::new(Verb::Get, "/{project}/_apis/test/runs")
};
const RESULTS: Call = Call {
    query: &[("outcomes", "outcomes"), ("$top", "=1000")],
    ..Call::new(Verb::Get, "/{project}/_apis/test/runs/{run}/results")
};
const RUN: &str = "id name total:totalTests passed:passedTests failed:unanalyzedTests";
const RESULT: &str = "id test:automatedTestName title:testCaseTitle outcome run:testRun.name ms:durationInMs \
    error:errorMessage stack:stackTrace";
/// The most runs of a build that are read.
const MOST_RUNS: usize = 20;
/// The results of one answer.
const PAGE: usize = 50;

/// Lists a build's test runs, and their results with these outcomes.
pub(super) async fn list_test_results(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Value, Failure> {
    let position = Position::named("list_test_results", arguments)?;
    let build = arguments.integer("build").unwrap_or_default();
    let of_build = arguments.with("build_uri", format!("vstfs:///Build/Build/{build}"));
    let runs = session.step(&RUNS, &of_build).await?.body;
    let runs = show::items(&runs, "").unwrap_or_default();
    let outcomes = match arguments.texts("outcomes").as_slice() {
        [] => "Failed,Aborted,Timeout,Error".to_owned(),
        outcomes => outcomes.join(","),
    };
    let (run, result) = (projection(RUN)?, projection(RESULT)?);
    let mut results = Vec::new();
    for id in runs.iter().take(MOST_RUNS).filter_map(|run| run.get("id")) {
        let named = arguments.with("run", id.clone()).with("outcomes", outcomes.as_str());
        let answer = session.step(&RESULTS, &named).await?.body;
        let items = show::items(&answer, "").unwrap_or_default();
        results.extend(items.iter().filter_map(|item| result.of(item)));
    }
    let rest: Vec<Value> = results.into_iter().skip(position.skipped()).collect();
    let are_more = rest.len() > PAGE;
    let mut answer = position.listed(rest.into_iter().take(PAGE).collect(), are_more);
    if position.skipped() == 0 {
        answer["runs"] = runs.iter().filter_map(|one| run.of(one)).collect();
    }
    Ok(answer)
}

fn projection(text: &str) -> Result<Projection, Failure> {
    Projection::parse(text).map_err(Failure::broken_row)
}

/// Creates a test case, or replaces the steps of one.
pub(super) async fn write_test_case(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Value, Failure> {
    let steps = arguments.get("steps").and_then(Value::as_array).map(Vec::as_slice);
    let steps = test_steps::written(steps.unwrap_or_default());
    let mut operations =
        vec![json!({"op": "add", "path": "/fields/Microsoft.VSTS.TCM.Steps", "value": steps})];
    let mut fields = Map::new();
    if let Some(title) = arguments.text("title") {
        fields.insert("System.Title".to_owned(), title.into());
    }
    let others = arguments.get("fields").and_then(Value::as_object);
    fields.extend(others.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
    operations.extend(work_items::operations(session, arguments, &fields).await?);
    let target = match arguments.integer("id") {
        Some(_) => Target::Existing,
        None if arguments.text("title").is_none() => {
            return Err(Failure::argument("title", "is missing: a new test case needs one"));
        }
        None => Target::New("Test Case"),
    };
    work_items::patched(session, arguments, target, operations).await
}
