//! `query_work_items`: by filters, by WIQL, or by a saved query.

use serde_json::{Value, json};
use uuid::Uuid;

use super::fields::Fields;
use super::shown::{LISTED, shown};
use super::wiql;
use crate::crafted::iterations;
use crate::engine::arguments::Arguments;
use crate::engine::failure::Failure;
use crate::engine::pages::{Position, limit};
use crate::engine::session::Session;
use crate::engine::steps::Content;
use crate::tools::parameter::{LIMIT, NEXT, ORGANIZATION, PROJECT, SHOW_FIELDS};
use crate::tools::tool::{Call, Verb};

const WIQL: Call = Call {
    query: &[("$top", "top"), ("timePrecision", "=true")],
    ..Call::new(Verb::Post, "/{project?}/_apis/wit/wiql")
};
const SAVED: Call = Call {
    query: &[("$top", "top"), ("timePrecision", "=true")],
    ..Call::new(Verb::Get, "/{project?}/_apis/wit/wiql/{query}")
};
const QUERY: Call = Call::new(Verb::Get, "/{project}/_apis/wit/queries/{query|segments}");
const BATCH: Call = Call {
    body: &[("ids", "ids"), ("fields", "fields"), ("errorPolicy", "=omit")],
    ..Call::new(Verb::Post, "/_apis/wit/workitemsbatch")
};

/// The most ids of one batch.
const MOST_IDS: usize = 200;

/// Finds work items, and reads the fields that are shown of each on this page.
pub(in crate::crafted) async fn query_work_items(
    session: &Session<'_>,
    arguments: &Arguments,
) -> Result<Value, Failure> {
    let position = Position::named("query_work_items", arguments)?;
    let size = usize::try_from(limit(arguments)).unwrap_or(MOST_IDS);
    // One more than the page shows whether there is another page.
    let top = position.skipped().saturating_add(size).saturating_add(1);
    let found = found(session, &arguments.with("top", top)).await?;
    let page: Vec<_> = found.iter().skip(position.skipped()).take(size).copied().collect();
    let are_more = found.len() > position.skipped() + page.len();
    let items =
        if page.is_empty() { Vec::new() } else { read(session, arguments, &page, &LISTED).await? };
    Ok(position.listed(items, are_more))
}

/// Returns the ids of the work items that are asked for, in the order of the query.
async fn found(session: &Session<'_>, arguments: &Arguments) -> Result<Vec<u64>, Failure> {
    let given = arguments.names();
    let is_other = |name: &&str| {
        let common =
            [PROJECT.name, SHOW_FIELDS.name, LIMIT.name, NEXT.name, ORGANIZATION.name, "top"];
        !common.contains(name)
    };
    let filters: Vec<_> = given.into_iter().filter(is_other).collect();
    for whole in ["wiql", "query"] {
        if filters.contains(&whole) && filters.len() > 1 {
            return Err(Failure::argument(whole, "is a whole query: leave the filters out"));
        }
    }
    let answer = if let Some(wiql) = arguments.text("wiql") {
        session.step_with(&WIQL, arguments, Content::Json(&json!({"query": wiql}))).await?
    } else if let Some(query) = arguments.text("query") {
        let id = saved(session, arguments, query).await?;
        session.step(&SAVED, &arguments.with("query", id)).await?
    } else {
        let iteration = match arguments.text("iteration") {
            Some(_) => Some(iterations::path(session, arguments).await?),
            None => None,
        };
        let wiql = wiql::of_filters(arguments, iteration.as_deref())?;
        session.step_with(&WIQL, arguments, Content::Json(&json!({"query": wiql}))).await?
    };
    Ok(ids(&answer.body))
}

/// Returns the id of a saved query that is named by id or path.
async fn saved(
    session: &Session<'_>,
    arguments: &Arguments,
    query: &str,
) -> Result<String, Failure> {
    if Uuid::parse_str(query).is_ok() {
        return Ok(query.to_owned());
    }
    if arguments.text(PROJECT.name).is_none() {
        return Err(Failure::argument(PROJECT.name, "is missing: the path of a query is in it"));
    }
    let answer = session.step(&QUERY, arguments).await?;
    let id = answer.body.get("id").and_then(Value::as_str).map(str::to_owned);
    id.ok_or_else(|| Failure::argument("query", "is no query"))
}

/// Returns the ids of a flat query, or of the targets of one with links, each once.
fn ids(answer: &Value) -> Vec<u64> {
    let list = |name: &str| answer.get(name).and_then(Value::as_array).into_iter().flatten();
    let flat = list("workItems").filter_map(|item| item.get("id")?.as_u64());
    let linked = list("workItemRelations").filter_map(|link| link.pointer("/target/id")?.as_u64());
    let mut ids = Vec::new();
    let mut seen = std::collections::HashSet::new();
    ids.extend(flat.chain(linked).filter(|id| seen.insert(*id)));
    ids
}

/// Reads work items in this order: the fields that the arguments name, or else these.
///
/// # Errors
/// [`Failure::Arguments`] for a name that no field has; also those of [`Session::step`].
pub(super) async fn read(
    session: &Session<'_>,
    arguments: &Arguments,
    ids: &[u64],
    fields: &[&str],
) -> Result<Vec<Value>, Failure> {
    let named = arguments.texts(SHOW_FIELDS.name);
    let mut wanted: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
    if !named.is_empty() {
        let known = Fields::known(session, arguments).await?;
        let named = named.iter().map(|name| known.named(SHOW_FIELDS.name, name));
        wanted = named.map(|field| Ok(field?.reference.clone())).collect::<Result<_, Failure>>()?;
    }
    let batch = arguments.with("ids", json!(ids)).with("fields", json!(wanted));
    let answer = session.step(&BATCH, &batch).await?;
    let items = crate::engine::show::items(&answer.body, "").unwrap_or_default();
    let is = |item: &&Value, id: u64| item.get("id").and_then(Value::as_u64) == Some(id);
    let ordered = ids.iter().filter_map(|id| items.iter().find(|item| is(item, *id)));
    Ok(ordered.map(short).collect())
}

/// Reads what lists show of work items, in this order.
///
/// # Errors
/// As [`Session::step`].
pub(in crate::crafted) async fn listed(
    session: &Session<'_>,
    arguments: &Arguments,
    ids: &[u64],
) -> Result<Vec<Value>, Failure> {
    if ids.is_empty() { Ok(Vec::new()) } else { read(session, arguments, ids, &LISTED).await }
}

/// Returns what is shown of a work item in a list.
fn short(item: &Value) -> Value {
    let mut shown = shown(item);
    if let Some(shown) = shown.as_object_mut() {
        shown.remove("rev");
    }
    shown
}
