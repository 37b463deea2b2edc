//! A work item as it is shown: short names for the fields of every process, and the others by reference name.

use serde_json::{Map, Value};

use crate::engine::changes::is_noise;
use crate::engine::markdown;
use crate::engine::show::whole_seconds;

/// The fields with short names, in the order of answers.
pub(super) const NAMES: [(&str, &str); 17] = [
    ("System.WorkItemType", "type"),
    ("System.Title", "title"),
    ("System.State", "state"),
    ("System.Reason", "reason"),
    ("System.AssignedTo", "assigned"),
    ("System.TeamProject", "project"),
    ("System.AreaPath", "area"),
    ("System.IterationPath", "iteration"),
    ("Microsoft.VSTS.Common.Priority", "priority"),
    ("System.Tags", "tags"),
    ("System.Parent", "parent"),
    ("System.CreatedBy", "by"),
    ("System.CreatedDate", "created"),
    ("System.ChangedDate", "changed"),
    ("System.ChangedBy", "changed_by"),
    ("System.CommentCount", "comments"),
    ("System.Description", "description"),
];
/// The fields of a work item in a list.
pub(super) const LISTED: [&str; 8] = [
    "System.WorkItemType",
    "System.Title",
    "System.State",
    "System.AssignedTo",
    "System.IterationPath",
    "System.Tags",
    "Microsoft.VSTS.Common.Priority",
    "System.ChangedDate",
];
/// Fields of texts without a format.
const PLAIN: [&str; 7] = [
    "System.Title",
    "System.Tags",
    "System.AreaPath",
    "System.IterationPath",
    "System.State",
    "System.Reason",
    "System.WorkItemType",
];

/// Returns what is shown of a work item.
pub(super) fn shown(item: &Value) -> Value {
    let mut shown = Map::new();
    let mut others = Map::new();
    if let Some(id) = item.get("id") {
        shown.insert("id".to_owned(), id.clone());
    }
    let fields = item.get("fields").and_then(Value::as_object);
    for (name, value) in
        fields.into_iter().flatten().filter(|(name, _)| name.as_str() != "System.Id")
    {
        let Some(value) = field(item, name, value) else { continue };
        match NAMES.iter().find(|(reference, _)| reference == name) {
            Some((_, short)) => shown.insert((*short).to_owned(), value),
            None if is_noise(name) => None,
            None => others.insert(name.clone(), value),
        };
    }
    if let Some(rev) = item.get("rev") {
        shown.insert("rev".to_owned(), rev.clone());
    }
    if !others.is_empty() {
        shown.insert("fields".to_owned(), Value::Object(others));
    }
    Value::Object(shown)
}

/// Returns the value of a field as it is shown: people by name, long texts as Markdown, whole seconds.
fn field(item: &Value, name: &str, value: &Value) -> Option<Value> {
    match value {
        Value::Null | Value::Bool(false) => None,
        Value::Object(person) => person.get("displayName").cloned(),
        Value::String(text) if text.is_empty() => None,
        Value::String(text) if PLAIN.contains(&name) => Some(text.as_str().into()),
        Value::String(text) if name.ends_with("Date") => Some(whole_seconds(text).into()),
        Value::String(text) => {
            let formats = item.get("multilineFieldsFormat");
            let format = formats.and_then(|formats| formats.get(name)?.as_str());
            Some(markdown::of_text(text, format).into())
        }
        other => Some(other.clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_work_item_is_shown_with_short_names_and_without_noise() {
        let item = json!({
            "id": 5, "rev": 3,
            "fields": {
                "System.Id": 5, "System.WorkItemType": "Bug", "System.Title": "<b>A</b> &lt; B",
                "System.AssignedTo": {"displayName": "Ada", "uniqueName": "ada@mycompany.example"},
                "System.ChangedDate": "2026-11-01T16:30:31.123Z", "System.Watermark": 17,
                "System.Description": "<div>One</div>", "Custom.Notes": "**a** < b",
                "Microsoft.VSTS.Scheduling.StoryPoints": 3,
            },
            "multilineFieldsFormat": {"System.Description": "html", "Custom.Notes": "markdown"},
        });
        assert_eq!(
            shown(&item),
            json!({
                "id": 5, "rev": 3, "type": "Bug", "title": "<b>A</b> &lt; B", "assigned": "Ada",
                "changed": "2026-11-01T16:30:31Z", "description": "One",
                "fields": {"Custom.Notes": "**a** < b", "Microsoft.VSTS.Scheduling.StoryPoints": 3},
            })
        );
    }
}
