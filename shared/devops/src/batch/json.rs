//! Batches in JSON. A member is accepted in one spelling and once, and an unknown one is refused, because servers disagree
//! about a second `Method`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::{BatchError, BatchedCall, Form, Written, refuse_headers};
use crate::address::Address;

/// A call of `wit/$batch`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WorkItemCall {
    method: String,
    uri: String,
    headers: Option<BTreeMap<String, Value>>,
    #[serde(rename = "body")]
    _body: Option<IgnoredAny>,
}

/// A call of an `OData` batch.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ODataCall {
    method: String,
    url: String,
    headers: Option<BTreeMap<String, Value>>,
    #[serde(rename = "id")]
    _id: Option<IgnoredAny>,
    #[serde(rename = "atomicityGroup")]
    _atomicity_group: Option<IgnoredAny>,
    #[serde(rename = "dependsOn")]
    _depends_on: Option<IgnoredAny>,
    #[serde(rename = "body")]
    _body: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ODataCalls {
    requests: Vec<ODataCall>,
}

pub(super) fn calls(text: &str, batch: &Address) -> Result<Vec<BatchedCall>, BatchError> {
    const UNREADABLE: BatchError =
        BatchError::Unreadable("is not JSON with the known members of a call, each once");
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().starts_with('[') {
        let calls: Vec<WorkItemCall> = serde_json::from_str(text).map_err(|_| UNREADABLE)?;
        let read = |call: WorkItemCall| {
            refuse_headers(names(call.headers.as_ref()))?;
            Written { method: &call.method, uri: &call.uri, form: Form::WorkItems }.read(batch)
        };
        return calls.into_iter().map(read).collect();
    }
    let calls: ODataCalls = serde_json::from_str(text).map_err(|_| UNREADABLE)?;
    let read = |call: ODataCall| {
        refuse_headers(names(call.headers.as_ref()))?;
        Written { method: &call.method, uri: &call.url, form: Form::OData }.read(batch)
    };
    calls.requests.into_iter().map(read).collect()
}

fn names(headers: Option<&BTreeMap<String, Value>>) -> impl Iterator<Item = &str> {
    headers.into_iter().flat_map(|headers| headers.keys().map(String::as_str))
}
