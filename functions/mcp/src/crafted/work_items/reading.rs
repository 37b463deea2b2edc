//! Reading work items and their types.

use serde_json::{Value, json};

use super::query::read;
use super::shown::{LISTED, shown};
use crate::engine::arguments::Arguments;
use crate::engine::failure::Failure;
use crate::engine::links;
use crate::engine::session::Session;
use crate::engine::show::{self, Projection};
use crate::tools::parameter::SHOW_FIELDS;
use crate::tools::tool::{Call, Verb};

const ITEM: Call =
    Call { query: &[("$expand", "=all")], ..Call::new(Verb::Get, "/_apis/wit/workitems/{id}") };
const COMMENTS: Call = Call {
    query: &[("$top", "=50"), ("order", "=desc")],
    ..Call::new(Verb::Get, "/{project}/_apis/wit/workItems/{id}/comments?api-version=7.2-preview.4")
};
const TYPES: Call = Call::new(Verb::Get, "/{project}/_apis/wit/workitemtypes/{type?}");
const TYPE_FIELDS: Call = Call {
    query: &[("$expand", "=all")],
    ..Call::new(Verb::Get, "/{project}/_apis/wit/workitemtypes/{type}/fields")
};

const COMMENT: &str = "id by:createdBy.displayName at:createdDate|time text|md:format";
const TYPE: &str = "name description states[name category]";
const FIELD: &str = "name reference:referenceName required:alwaysRequired default:defaultValue values:allowedValues";
/// The fields of a linked work item.
const OF_LINKED: [&str; 3] = ["System.WorkItemType", "System.Title", "System.State"];
/// The most linked work items whose titles are shown.
const MOST_LINKED: usize = 200;

/// Shows a work item with everything that belongs to it.
pub(in crate::crafted) async fn get_work_item(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Value, Failure> {
    let item = session.step(&ITEM, arguments).await?.body;
    let mut answer = shown(&item);
    if !arguments.texts(SHOW_FIELDS.name).is_empty() {
        let id = arguments.integer("id").unwrap_or_default();
        answer = read(session, arguments, &[id], &[]).await?.pop().unwrap_or_default();
    }
    if let Some(url) = item.pointer("/_links/html/href") {
        answer["url"] = url.clone();
    }
    let links = item.get("relations").map(links::all).unwrap_or_default();
    if links.as_array().is_some_and(|links| !links.is_empty()) {
        answer["links"] = with_titles(session, arguments, links).await?;
    }
    if arguments.is_set("comments") {
        let project = item.pointer("/fields/System.TeamProject").cloned().unwrap_or_default();
        let comments = session.step(&COMMENTS, &arguments.with("project", project)).await?;
        let projection = Projection::parse(COMMENT).map_err(Failure::broken_row)?;
        let comments = show::items(&comments.body, "comments").unwrap_or_default();
        answer["comments"] = comments.iter().filter_map(|one| projection.of(one)).collect();
    }
    Ok(answer)
}

/// Adds type, title and state of the work items to which links lead.
async fn with_titles(
    session: &Session<'_>,
    arguments: &Arguments,
    mut links: Value,
) -> Result<Value, Failure> {
    let ids = links.as_array().into_iter().flatten().filter_map(|link| link.get("id")?.as_u64());
    let ids: Vec<u64> = ids.take(MOST_LINKED).collect();
    if ids.is_empty() {
        return Ok(links);
    }
    let plain = arguments.with(SHOW_FIELDS.name, json!([]));
    let linked = read(session, &plain, &ids, &OF_LINKED).await?;
    for link in links.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        let item = linked.iter().find(|item| item.get("id") == link.get("id"));
        for (name, value) in item.and_then(Value::as_object).into_iter().flatten() {
            link.insert(name.clone(), value.clone());
        }
    }
    Ok(links)
}

/// Shows work items in the order of their ids.
pub(in crate::crafted) async fn get_work_items(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Value, Failure> {
    let ids = arguments.get("ids").and_then(Value::as_array).into_iter().flatten();
    let ids: Vec<u64> = ids.filter_map(Value::as_u64).collect();
    if ids.is_empty() {
        return Err(Failure::argument("ids", "is empty"));
    }
    let items = read(session, arguments, &ids, &LISTED).await?;
    let is_there = |id: &u64| items.iter().any(|item| item.get("id") == Some(&json!(id)));
    let missing: Vec<_> = ids.iter().copied().filter(|id| !is_there(id)).collect();
    let mut answer = json!({"items": items});
    if !missing.is_empty() {
        answer["not_found"] = json!(missing);
    }
    Ok(answer)
}

/// Shows a type with its states and fields, or all types.
pub(in crate::crafted) async fn get_work_item_type(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Value, Failure> {
    let types = session.step(&TYPES, arguments).await?.body;
    let projection = Projection::parse(TYPE).map_err(Failure::broken_row)?;
    if let Some(types) = show::items(&types, "") {
        let types: Vec<_> = types.iter().filter_map(|one| projection.of(one)).collect();
        return Ok(json!({"items": types}));
    }
    let mut answer = projection.of(&types).unwrap_or_else(|| json!({}));
    let fields = session.step(&TYPE_FIELDS, arguments).await?.body;
    let projection = Projection::parse(FIELD).map_err(Failure::broken_row)?;
    let fields = show::items(&fields, "").unwrap_or_default();
    answer["fields"] = fields.iter().filter_map(|field| projection.of(field)).collect();
    Ok(answer)
}
