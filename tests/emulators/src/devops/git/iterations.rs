//! Iterations of a pull request, and what is attached to it.

use serde_json::{Value, json};

use super::changes::{self, between, of_iteration};
use super::pull_requests::{find, label};
use crate::devops::call::{self, Call, ok, time};
use crate::devops::failure::{Answer, Failure};

/// The commits of an iteration: where the source began, and where it ended.
fn commits(call: &Call<'_>, position: usize, iteration: usize) -> Option<(String, String)> {
    let pull_request = &call.organization.pull_requests[position];
    let source = pull_request.iterations.get(iteration.checked_sub(1)?)?;
    let repositories = &call.organization.repositories;
    let repository = repositories.iter().find(|known| known.id == pull_request.repository)?;
    let common = repository.common(&pull_request.target_commit, source).unwrap_or_default();
    Some((common, source.clone()))
}

/// `GET …/pullRequests/{id}/iterations`
pub(crate) fn list(call: &mut Call<'_>) -> Answer {
    let position = find(call)?;
    let pull_request = &call.organization.pull_requests[position];
    let at = time(pull_request.created_at);
    let iteration = |number: usize| {
        let (common, source) = commits(call, position, number)?;
        Some(json!({
            "id": number,
            "description": pull_request.title,
            "author": call.caller.reference(call),
            "createdDate": at,
            "updatedDate": at,
            "sourceRefCommit": {"commitId": source},
            "targetRefCommit": {"commitId": pull_request.target_commit},
            "commonRefCommit": {"commitId": common},
            "hasMoreCommits": false,
            "reason": if number == 1 { "create" } else { "push" },
        }))
    };
    let iterations: Vec<Value> =
        (1..=pull_request.iterations.len()).filter_map(iteration).collect();
    Ok(call::list(&iterations))
}

/// `GET …/pullRequests/{id}/iterations/{iteration}/changes`
pub(crate) fn changes(call: &mut Call<'_>) -> Answer {
    let position = find(call)?;
    let number = |value: Option<&str>| value.and_then(|value| value.parse::<usize>().ok());
    let iteration = number(Some(call.parameter("iteration"))).unwrap_or_default();
    let unknown = || Failure::argument("The iteration does not exist.");
    let (common, source) = commits(call, position, iteration).ok_or_else(unknown)?;
    let base = match number(call.query.get_any_case("$compareTo")) {
        None | Some(0) => common,
        Some(earlier) => commits(call, position, earlier).ok_or_else(unknown)?.1,
    };
    let of = call.organization.pull_requests[position].repository;
    let repositories = &call.organization.repositories;
    let Some(repository) = repositories.iter().find(|known| known.id == of) else {
        return Err(unknown());
    };
    let changes = between(&repository.files(&base), &repository.files(&source));
    let entries = of_iteration(&changes);
    let (all, skipped) = (entries.len(), number(call.query.get_any_case("$skip")));
    let (entries, is_last) = changes::page(call, entries, ["$top", "$skip"]);
    let mut body = json!({"changeEntries": entries});
    if !is_last {
        let next = skipped.unwrap_or_default() + entries.len();
        body["nextSkip"] = next.into();
        body["nextTop"] = (all - next).into();
    }
    ok(&body)
}

/// `GET …/pullRequests/{id}/labels`
pub(crate) fn labels(call: &mut Call<'_>) -> Answer {
    let position = find(call)?;
    let labels = &call.organization.pull_requests[position].labels;
    Ok(call::list(&labels.iter().map(|name| label(name)).collect::<Vec<_>>()))
}

/// `GET …/pullRequests/{id}/workitems`
pub(crate) fn work_items(call: &mut Call<'_>) -> Answer {
    let position = find(call)?;
    let base = call.base();
    let items = call.organization.pull_requests[position].work_items.iter();
    let items =
        items.map(|id| json!({"id": id, "url": format!("{base}/_apis/wit/workItems/{id}")}));
    Ok(call::list(&items.collect::<Vec<_>>()))
}

/// `GET …/pullRequests/{id}/statuses`: one, of the pipeline.
pub(crate) fn statuses(call: &mut Call<'_>) -> Answer {
    let position = find(call)?;
    let at = time(call.organization.pull_requests[position].created_at);
    Ok(call::list(&[json!({
        "id": 1,
        "state": "succeeded",
        "description": "All tests passed",
        "context": {"name": "tests", "genre": "continuous-integration"},
        "creationDate": at,
        "updatedDate": at,
        "createdBy": call.caller.reference(call),
        "targetUrl": format!("{}/_build", call.base()),
    })]))
}

/// `GET …/policy/evaluations?artifactId=vstfs:///CodeReview/CodeReviewId/{project}/{pull request}`
pub(crate) fn evaluations(call: &mut Call<'_>) -> Answer {
    let artifact = call.query.get_any_case("artifactId").unwrap_or_default();
    let project = call.project().map(|project| project.id.to_string()).unwrap_or_default();
    if !artifact.starts_with(&format!("vstfs:///CodeReview/CodeReviewId/{project}/")) {
        return Err(Failure::argument(
            "The artifact id is not that of a pull request of the project.",
        ));
    }
    Ok(call::list(&[json!({
        "artifactId": artifact,
        "evaluationId": project,
        "startedDate": time(call.now),
        "status": "queued",
        "configuration": {
            "id": 1, "isEnabled": true, "isBlocking": true,
            "type": {"id": "fa4e907d-c16b-4a4c-9dfa-4906e5d171dd", "displayName": "Minimum number of reviewers"},
        },
    })]))
}
