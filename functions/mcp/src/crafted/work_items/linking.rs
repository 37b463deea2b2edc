//! `link_work_item`: adds links, or removes them.

use serde_json::{Value, json};

use super::artifacts::Artifact;
use super::writing::{UPDATE, link, written};
use crate::engine::arguments::Arguments;
use crate::engine::failure::Failure;
use crate::engine::links::{self, ARTIFACT, HYPERLINK, relation};
use crate::engine::session::Session;
use crate::engine::steps::Content;
use crate::tools::tool::{Call, Verb};

const ITEM: Call = Call {
    query: &[("$expand", "=relations")],
    ..Call::new(Verb::Get, "/_apis/wit/workitems/{id}")
};

/// Links a work item to each end, or removes the links to them.
pub(in crate::crafted) async fn link_work_item(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Value, Failure> {
    let kind = arguments.text("kind").unwrap_or_default();
    let mut wanted = Vec::new();
    for end in arguments.texts("to") {
        wanted.push(operation(session, arguments, kind, end).await?);
    }
    if wanted.is_empty() {
        return Err(Failure::argument("to", "is empty"));
    }
    let operations = if arguments.is_set("remove") {
        removals(session, arguments, &wanted).await?
    } else {
        wanted
    };
    let patch = Value::Array(operations);
    let answer = session.step_with(&UPDATE, arguments, Content::Patch(&patch)).await?;
    let mut answer_shown = written(&answer.body);
    answer_shown["links"] = answer.body.get("relations").map(links::all).unwrap_or_default();
    Ok(answer_shown)
}

/// Returns the operation that adds one link.
async fn operation(
    session: &Session<'_>,
    arguments: &Arguments,
    kind: &str,
    end: &str,
) -> Result<Value, Failure> {
    let mut operation = match relation(kind) {
        ARTIFACT => {
            let Artifact { address, name } = Artifact::at(end, session, arguments).await?;
            let value = json!({"rel": ARTIFACT, "url": address, "attributes": {"name": name}});
            json!({"op": "add", "path": "/relations/-", "value": value})
        }
        HYPERLINK => {
            let value = json!({"rel": HYPERLINK, "url": end});
            json!({"op": "add", "path": "/relations/-", "value": value})
        }
        _ => {
            let id = end.trim_start_matches('#').parse::<u64>().map_err(|_| {
                Failure::argument("to", "must be ids of work items for this kind of link")
            })?;
            link(session, arguments, kind, &id.to_string())?
        }
    };
    if let Some(comment) = arguments.text("comment") {
        operation["value"]["attributes"]["comment"] = comment.into();
    }
    Ok(operation)
}

/// Returns the operations that remove these links: by their positions, from the last to the first, and only as long as the
/// work item is as it was read.
async fn removals(
    session: &Session<'_>,
    arguments: &Arguments,
    wanted: &[Value],
) -> Result<Vec<Value>, Failure> {
    let item = session.step(&ITEM, arguments).await?.body;
    let relations = item.get("relations").and_then(Value::as_array);
    let is_same = |there: &Value, wanted: &Value| {
        let text = |link: &Value, name: &str| {
            link.get(name).and_then(Value::as_str).unwrap_or_default().to_lowercase()
        };
        let same_end = match (links::work_item(there), links::work_item(wanted)) {
            (Some(there), Some(wanted)) => there == wanted,
            _ => text(there, "url") == text(wanted, "url"),
        };
        same_end && text(there, "rel") == text(wanted, "rel")
    };
    let mut positions = Vec::new();
    for operation in wanted {
        let link = operation.get("value").unwrap_or(&Value::Null);
        let position = relations.and_then(|all| all.iter().position(|one| is_same(one, link)));
        positions.push(position.ok_or_else(|| {
            let end = link.get("url").and_then(Value::as_str).unwrap_or_default();
            Failure::argument("to", format!("there is no such link to {end}"))
        })?);
    }
    positions.sort_unstable();
    positions.dedup();
    let mut operations = vec![json!({"op": "test", "path": "/rev", "value": item.get("rev")})];
    operations.extend(
        positions
            .iter()
            .rev()
            .map(|position| json!({"op": "remove", "path": format!("/relations/{position}")})),
    );
    Ok(operations)
}
