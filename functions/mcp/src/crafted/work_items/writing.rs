//! Creating and changing work items. Long texts are written as Markdown.

use serde_json::{Map, Value, json};

use super::fields::Fields;
use super::shown::shown;
use crate::engine::arguments::Arguments;
use crate::engine::failure::Failure;
use crate::engine::links;
use crate::engine::session::Session;
use crate::engine::show::{self, Projection};
use crate::engine::steps::Content;
use crate::tools::tool::{Call, Verb};

const CREATE: Call = Call::new(Verb::Post, "/{project}/_apis/wit/workitems/${type}");
pub(super) const UPDATE: Call = Call::new(Verb::Patch, "/_apis/wit/workitems/{id}");
const BATCH: Call = Call::new(Verb::Patch, "/_apis/wit/$batch");
// From this version on a comment may be Markdown.
const COMMENT: Call = Call::new(
    Verb::Post,
    "/{project}/_apis/wit/workItems/{id}/comments?format=markdown&api-version=7.2-preview.4",
);
const EDIT: Call = Call::new(
    Verb::Patch,
    "/{project}/_apis/wit/workItems/{id}/comments/{comment}?format=markdown&api-version=7.2-preview.4",
);

const DESCRIPTION: &str = "System.Description";
/// The text that the form of a bug shows in place of a description, in Microsoft's processes.
const REPRO_STEPS: &str = "Microsoft.VSTS.TCM.ReproSteps";
const HISTORY: &str = "System.History";

/// Creates a work item.
pub(in crate::crafted) async fn create_work_item(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Value, Failure> {
    let fields = Fields::known(session, arguments).await?;
    let mut operations = Vec::new();
    let text = |name: &str| arguments.text(name).unwrap_or_default();
    operations.extend(fields.named("title", "System.Title")?.set(text("title").into()));
    if let Some(description) = arguments.text("description") {
        let is_bug = text("type").eq_ignore_ascii_case("bug");
        let steps = fields.referenced(REPRO_STEPS).filter(|_| is_bug);
        let field = match steps {
            Some(field) => field,
            None => fields.named("description", DESCRIPTION)?,
        };
        operations.extend(field.set(description.into()));
    }
    let none = Map::new();
    let values = arguments.get("fields").and_then(Value::as_object).unwrap_or(&none);
    operations.extend(fields.operations("fields", values, session, arguments).await?);
    if let Some(parent) = arguments.integer("parent") {
        operations.push(link(session, arguments, "parent", &parent.to_string())?);
    }
    let patch = Value::Array(operations);
    let answer = session.step_with(&CREATE, arguments, Content::Patch(&patch)).await?;
    Ok(written(&answer.body))
}

/// Changes fields of a work item.
pub(in crate::crafted) async fn update_work_item(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Value, Failure> {
    let fields = Fields::known(session, arguments).await?;
    let mut operations = Vec::new();
    if let Some(rev) = arguments.integer("expect_rev") {
        operations.push(json!({"op": "test", "path": "/rev", "value": rev}));
    }
    let none = Map::new();
    let values = arguments.get("fields").and_then(Value::as_object).unwrap_or(&none);
    operations.extend(fields.operations("fields", values, session, arguments).await?);
    if let Some(comment) = arguments.text("comment") {
        operations.extend(fields.named("comment", HISTORY)?.set(comment.into()));
    }
    let patch = Value::Array(operations);
    let answer = session.step_with(&UPDATE, arguments, Content::Patch(&patch)).await?;
    Ok(written(&answer.body))
}

/// Changes fields of several work items: each change succeeds or fails by itself.
pub(in crate::crafted) async fn update_work_items(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Value, Failure> {
    let fields = Fields::known(session, arguments).await?;
    let updates = arguments.get("updates").and_then(Value::as_array);
    let mut batch = Vec::new();
    for (index, update) in updates.into_iter().flatten().enumerate() {
        let id = update.get("id").and_then(Value::as_u64).unwrap_or_default();
        let none = Map::new();
        let values = update.get("fields").and_then(Value::as_object).unwrap_or(&none);
        let argument = format!("updates[{index}].fields");
        batch.push(json!({
            "method": "PATCH",
            "uri": format!("/_apis/wit/workitems/{id}?api-version=7.1"),
            "headers": {"Content-Type": "application/json-patch+json"},
            "body": fields.operations(&argument, values, session, arguments).await?,
        }));
    }
    if batch.is_empty() {
        return Err(Failure::argument("updates", "is empty"));
    }
    let answer = session.step_with(&BATCH, arguments, Content::Json(&json!(batch))).await?;
    let answers = show::items(&answer.body, "").unwrap_or_default();
    let ids = updates.into_iter().flatten().map(|update| update.get("id"));
    let items: Vec<_> = ids.zip(&answers).map(|(id, answer)| of_batch(id, answer)).collect();
    Ok(json!({"items": items}))
}

/// Returns the answer to one change of a batch, whose body is JSON in a text.
fn of_batch(id: Option<&Value>, answer: &Value) -> Value {
    let body = answer.get("body").and_then(Value::as_str).unwrap_or_default();
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let code = answer.get("code").and_then(Value::as_u64).unwrap_or_default();
    if (200..300).contains(&code) {
        written(&body)
    } else {
        let message = body.get("message").or_else(|| body.pointer("/value/Message"));
        json!({"id": id, "error": message.cloned().unwrap_or_else(|| code.into())})
    }
}

/// Comments on a work item, or edits a comment.
pub(in crate::crafted) async fn comment_on_work_item(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Value, Failure> {
    let body = json!({"text": arguments.text("content")});
    let call = if arguments.integer("comment").is_some() { &EDIT } else { &COMMENT };
    let answer = session.step_with(call, arguments, Content::Json(&body)).await?;
    let projection = Projection::parse("id version").map_err(Failure::broken_row)?;
    Ok(projection.of(&answer.body).unwrap_or_else(|| json!({})))
}

/// A work item that operations are for.
pub(in crate::crafted) enum Target {
    /// A new one of this type.
    New(&'static str),
    /// The one whose id is an argument.
    Existing,
}

/// Returns the operations that set fields to these values.
///
/// # Errors
/// As [`Fields::operations`].
pub(in crate::crafted) async fn operations(
    session: &Session<'_>,
    arguments: &Arguments,
    values: &Map<String, Value>,
) -> Result<Vec<Value>, Failure> {
    if values.is_empty() {
        return Ok(Vec::new());
    }
    let fields = Fields::known(session, arguments).await?;
    fields.operations("fields", values, session, arguments).await
}

/// Creates or changes a work item by these operations.
///
/// # Errors
/// As [`Session::step`].
pub(in crate::crafted) async fn patched(
    session: &Session<'_>,
    arguments: &Arguments,
    target: Target,
    operations: Vec<Value>,
) -> Result<Value, Failure> {
    let (call, named) = match target {
        Target::New(kind) => (&CREATE, arguments.with("type", kind)),
        Target::Existing => (&UPDATE, arguments.clone()),
    };
    let patch = Value::Array(operations);
    Ok(written(&session.step_with(call, &named, Content::Patch(&patch)).await?.body))
}

/// Returns the operation that links to another work item.
///
/// # Errors
/// As [`Session::organization`].
pub(super) fn link(
    session: &Session<'_>,
    arguments: &Arguments,
    kind: &str,
    id: &str,
) -> Result<Value, Failure> {
    let organization = session.organization(arguments)?;
    let url = format!("https://dev.azure.com/{organization}/_apis/wit/workItems/{id}");
    let value = json!({"rel": links::relation(kind), "url": url});
    Ok(json!({"op": "add", "path": "/relations/-", "value": value}))
}

/// Returns what is shown of a work item after a change.
pub(super) fn written(item: &Value) -> Value {
    let shown = shown(item);
    let mut answer = Map::new();
    for name in ["id", "rev", "type", "title", "state", "assigned"] {
        if let Some(value) = shown.get(name) {
            answer.insert(name.to_owned(), value.clone());
        }
    }
    Value::Object(answer)
}
