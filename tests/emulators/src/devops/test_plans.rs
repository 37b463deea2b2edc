//! Test plans, suites and cases, and the test runs of builds.

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::call::{Call, list, ok};
use super::failure::{Answer, Failure};
use super::routes::{Level, Route};

const READ: &[&str] = &["vso.test"];
const WRITE: &[&str] = &["vso.test_write"];

pub(crate) const ROUTES: &[Route] = &[
    Route::new("testplan.plans.list", "GET", "testplan/plans", Level::Project, READ, plans),
    Route::new(
        "testplan.plans.create",
        "POST",
        "testplan/plans",
        Level::Project,
        WRITE,
        create_plan,
    ),
    Route::new(
        "testplan.suites.list",
        "GET",
        "testplan/Plans/{plan}/suites",
        Level::Project,
        READ,
        suites,
    ),
    Route::new(
        "testplan.suites.create",
        "POST",
        "testplan/Plans/{plan}/suites",
        Level::Project,
        WRITE,
        create_suite,
    ),
    Route::new(
        "testplan.cases.list",
        "GET",
        "testplan/Plans/{plan}/Suites/{suite}/TestCase",
        Level::Project,
        READ,
        cases,
    ),
    Route::new(
        "testplan.cases.add",
        "POST",
        "testplan/Plans/{plan}/Suites/{suite}/TestCase",
        Level::Project,
        WRITE,
        add_cases,
    ),
    Route::new("test.runs.list", "GET", "test/runs", Level::Project, READ, runs),
    Route::new(
        "test.results.list",
        "GET",
        "test/runs/{run}/results",
        Level::Project,
        READ,
        results,
    ),
];

/// A test plan.
pub(crate) struct Plan {
    id: u64,
    project: Uuid,
    body: Value,
    suites: Vec<Suite>,
}

struct Suite {
    id: u64,
    name: String,
    parent: Option<u64>,
    cases: Vec<u64>,
}

fn plan<'a>(call: &'a mut Call<'_>) -> Result<&'a mut Plan, Failure> {
    let (id, project) = (call.number("plan"), call.project().map(|project| project.id));
    let mut plans = call.organization.test_plans.iter_mut();
    let found = plans.find(|plan| Some(plan.id) == id && Some(plan.project) == project);
    found.ok_or_else(|| Failure::not_found("The test plan"))
}

fn suite<'a>(call: &'a mut Call<'_>) -> Result<&'a mut Suite, Failure> {
    let id = call.number("suite");
    let found = plan(call)?.suites.iter_mut().find(|suite| Some(suite.id) == id);
    found.ok_or_else(|| Failure::not_found("The test suite"))
}

fn plans(call: &mut Call<'_>) -> Answer {
    let project = call.project().map(|project| project.id);
    let plans = call.organization.test_plans.iter().filter(|plan| Some(plan.project) == project);
    let plans: Vec<Value> = plans.map(|plan| plan.body.clone()).collect();
    call.page(&plans)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewPlan {
    name: String,
    iteration: String,
    area_path: Option<String>,
    description: Option<String>,
    start_date: Option<String>,
    end_date: Option<String>,
}

fn create_plan(call: &mut Call<'_>) -> Answer {
    let new: NewPlan = call.json()?;
    if !call.organization.knows_tree_path(&new.iteration) {
        return Err(Failure::tree_path(&new.iteration, "Iteration Path"));
    }
    let (id, root) = (call.organization.next_id(), call.organization.next_id());
    let (project, name) = call.project().map(|one| (one.id, one.name.clone())).unwrap_or_default();
    let body = json!({
        "id": id,
        "name": new.name,
        "description": new.description,
        "areaPath": new.area_path.unwrap_or(name),
        "iteration": new.iteration,
        "startDate": new.start_date,
        "endDate": new.end_date,
        "state": "Active",
        "revision": 1,
        "owner": call.caller.reference(call),
        "rootSuite": {"id": root, "name": new.name},
        "_links": {"_self": {"href": format!("{}/_apis/testplan/Plans/{id}", call.base())}},
    });
    let suite = Suite { id: root, name: new.name, parent: None, cases: Vec::new() };
    call.organization.test_plans.push(Plan {
        id,
        project,
        body: body.clone(),
        suites: vec![suite],
    });
    ok(&body)
}

fn suite_json(suite: &Suite, plan: u64) -> Value {
    let mut body = json!({
        "id": suite.id,
        "name": suite.name,
        "suiteType": "staticTestSuite",
        "plan": {"id": plan},
        "revision": 1,
        "hasChildren": false,
        "inheritDefaultConfigurations": true,
    });
    if let Some(parent) = suite.parent {
        body["parentSuite"] = json!({"id": parent});
    }
    body
}

fn suites(call: &mut Call<'_>) -> Answer {
    let plan = plan(call)?;
    let shown: Vec<Value> = plan.suites.iter().map(|suite| suite_json(suite, plan.id)).collect();
    call.page(&shown)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewSuite {
    suite_type: String,
    name: String,
    parent_suite: Id,
}

#[derive(Deserialize)]
struct Id {
    id: u64,
}

fn create_suite(call: &mut Call<'_>) -> Answer {
    let new: NewSuite = call.json()?;
    let id = call.organization.next_id();
    let plan = plan(call)?;
    if !plan.suites.iter().any(|suite| suite.id == new.parent_suite.id) {
        return Err(Failure::not_found("The parent suite"));
    }
    if new.suite_type != "staticTestSuite" {
        return Err(Failure::argument("The suite type is not supported."));
    }
    let suite = Suite { id, name: new.name, parent: Some(new.parent_suite.id), cases: Vec::new() };
    let body = suite_json(&suite, plan.id);
    plan.suites.push(suite);
    ok(&body)
}

fn case_json(call: &Call<'_>, id: u64) -> Value {
    let item = call.organization.work_items.get(&id);
    let field = |name: &str| item.and_then(|item| item.field(name)).unwrap_or_default();
    json!({
        "testPlan": {"id": call.number("plan")},
        "testSuite": {"id": call.number("suite")},
        "workItem": {
            "id": id,
            "name": field("System.Title"),
            // A list of objects with one field each.
            "workItemFields": [
                {"System.Id": id},
                {"System.State": field("System.State")},
                {"Microsoft.VSTS.TCM.Steps": field("Microsoft.VSTS.TCM.Steps")},
            ],
        },
        "pointAssignments": [{
            "id": 1,
            "configurationName": "Windows 10",
            "configurationId": 1,
            "tester": call.caller.reference(call),
        }],
        "order": 0,
    })
}

fn cases(call: &mut Call<'_>) -> Answer {
    let ids = suite(call)?.cases.clone();
    let shown: Vec<Value> = ids.iter().map(|id| case_json(call, *id)).collect();
    call.page(&shown)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewCase {
    work_item: Id,
}

fn add_cases(call: &mut Call<'_>) -> Answer {
    let new: Vec<NewCase> = call.json()?;
    let ids: Vec<u64> = new.iter().map(|case| case.work_item.id).collect();
    for id in &ids {
        let item = call.organization.work_items.get(id);
        let kind = item.and_then(|item| item.field("System.WorkItemType"));
        if kind != Some(json!("Test Case")) {
            return Err(Failure::argument(format!("The work item {id} is not a test case.")));
        }
    }
    suite(call)?.cases.extend(&ids);
    let shown: Vec<Value> = ids.iter().map(|id| case_json(call, *id)).collect();
    Ok(list(&shown))
}

/// Each build has one run, of which one test failed.
fn runs(call: &mut Call<'_>) -> Answer {
    let build = call.query.get_any_case("buildUri").unwrap_or_default();
    let build = build.strip_prefix("vstfs:///Build/Build/").and_then(|id| id.parse::<u64>().ok());
    let build = build.ok_or_else(|| Failure::argument("The build URI is not valid."))?;
    let run = json!({
        "id": build + 1000,
        "name": "unit tests",
        "url": format!("{}/_apis/test/Runs/{}", call.base(), build + 1000),
        "isAutomated": true,
        "state": "Completed",
        "totalTests": 2,
        "incompleteTests": 0,
        "notApplicableTests": 0,
        "passedTests": 1,
        "unanalyzedTests": 1,
        "revision": 2,
        "webAccessUrl": format!("{}/_TestManagement/Runs?runId={}", call.base(), build + 1000),
    });
    Ok(list(&[run]))
}

fn results(call: &mut Call<'_>) -> Answer {
    let run = call.number("run").ok_or_else(|| Failure::not_found("The run"))?;
    let result = |id: u64, name: &str, outcome: &str, error: Option<&str>| {
        json!({
            "id": 100_000 + id,
            "project": {"name": "Website"},
            "startedDate": "2026-01-05T08:00:00.12Z",
            "completedDate": "2026-01-05T08:00:01.12Z",
            "durationInMs": 12.5,
            "outcome": outcome,
            "revision": 1,
            "state": "Completed",
            "testCase": {"name": name},
            "testRun": {"id": run.to_string(), "name": "unit tests"},
            "lastUpdatedDate": "2026-01-05T08:00:01.12Z",
            "priority": 0,
            "computerName": "agent",
            "testCaseTitle": name,
            "automatedTestName": format!("website.{name}"),
            "automatedTestStorage": "website.dll",
            "errorMessage": error,
            "stackTrace": error.map(|_| "at website.signsOut() line 7"),
            "url": "https://dev.azure.com/mycompany/_apis/test/Runs/1/Results/1",
        })
    };
    let all = [
        result(0, "signsIn", "Passed", None),
        result(1, "signsOut", "Failed", Some("Expected no cookie")),
    ];
    let wanted = call.query.get_any_case("outcomes");
    let is_wanted = |result: &&Value| {
        let outcome = result["outcome"].as_str().unwrap_or_default();
        wanted.is_none_or(|wanted| wanted.split(',').any(|one| one.eq_ignore_ascii_case(outcome)))
    };
    Ok(list(&all.iter().filter(is_wanted).cloned().collect::<Vec<_>>()))
}
