//! The fields and types of work items: those of the process Agile that tools meet most.

use serde_json::{Value, json};

use super::call::{Call, list, ok};
use super::failure::{Answer, Failure};
use super::routes::{Level, Route};

const READ: &[&str] = &["vso.work"];

pub(crate) const ROUTES: &[Route] = &[
    Route::new("wit.fields.list", "GET", "wit/fields", Level::Either, READ, fields),
    Route::new("wit.types.list", "GET", "wit/workItemTypes", Level::Project, READ, types),
    Route::new("wit.types.get", "GET", "wit/workItemTypes/{type}", Level::Project, READ, kind),
    Route::new(
        "wit.types.fields",
        "GET",
        "wit/workItemTypes/{type}/fields",
        Level::Project,
        READ,
        fields_of_type,
    ),
];

pub(crate) const TYPES: &[&str] = &[
    "Epic",
    "Feature",
    "User Story",
    "Product Backlog Item",
    "Task",
    "Bug",
    "Issue",
    "Test Case",
    "Test Plan",
    "Test Suite",
];
/// States, and their categories.
pub(crate) const STATES: &[(&str, &str)] = &[
    ("New", "Proposed"),
    ("Design", "Proposed"),
    ("Active", "InProgress"),
    ("Resolved", "Resolved"),
    ("Closed", "Completed"),
    ("Removed", "Removed"),
];
/// Reference name, display name, type.
const FIELDS: &[(&str, &str, &str)] = &[
    ("System.Id", "ID", "integer"),
    ("System.Rev", "Rev", "integer"),
    ("System.Title", "Title", "string"),
    ("System.State", "State", "string"),
    ("System.Reason", "Reason", "string"),
    ("System.WorkItemType", "Work Item Type", "string"),
    ("System.TeamProject", "Team Project", "string"),
    ("System.AreaPath", "Area Path", "treePath"),
    ("System.IterationPath", "Iteration Path", "treePath"),
    ("System.AssignedTo", "Assigned To", "identity"),
    ("System.CreatedBy", "Created By", "identity"),
    ("System.ChangedBy", "Changed By", "identity"),
    ("System.CreatedDate", "Created Date", "dateTime"),
    ("System.ChangedDate", "Changed Date", "dateTime"),
    ("System.CommentCount", "Comment Count", "integer"),
    ("System.Parent", "Parent", "integer"),
    ("System.Tags", "Tags", "plainText"),
    ("System.Description", "Description", "html"),
    ("System.History", "History", "history"),
    ("Microsoft.VSTS.Common.Priority", "Priority", "integer"),
    ("Microsoft.VSTS.Common.StackRank", "Stack Rank", "double"),
    ("Microsoft.VSTS.Common.StateChangeDate", "State Change Date", "dateTime"),
    ("Microsoft.VSTS.Common.AcceptanceCriteria", "Acceptance Criteria", "html"),
    ("Microsoft.VSTS.Scheduling.StoryPoints", "Story Points", "double"),
    ("Microsoft.VSTS.Scheduling.RemainingWork", "Remaining Work", "double"),
    ("Microsoft.VSTS.TCM.ReproSteps", "Repro Steps", "html"),
    ("Microsoft.VSTS.TCM.SystemInfo", "System Info", "html"),
    ("Microsoft.VSTS.TCM.Steps", "Steps", "html"),
];

/// Returns the reference name of a field, in any case.
pub(crate) fn field(name: &str) -> Result<&'static str, Failure> {
    let found = FIELDS.iter().find(|(reference, _, _)| reference.eq_ignore_ascii_case(name));
    found.map(|(reference, _, _)| *reference).ok_or_else(|| Failure::field(name))
}

pub(crate) fn display_name(reference: &str) -> &str {
    let found = FIELDS.iter().find(|(known, _, _)| *known == reference);
    found.map_or(reference, |(_, name, _)| name)
}

pub(crate) fn is_long_text(reference: &str) -> bool {
    is_of(reference, "html")
}

pub(crate) fn is_person(reference: &str) -> bool {
    is_of(reference, "identity")
}

fn is_of(reference: &str, wanted: &str) -> bool {
    FIELDS.iter().any(|(known, _, kind)| *known == reference && *kind == wanted)
}

fn fields(call: &mut Call<'_>) -> Answer {
    let base = call.base();
    let shown = FIELDS.iter().map(|(reference, name, kind)| {
        let is_identity = *kind == "identity";
        json!({
            "name": name,
            "referenceName": reference,
            "description": null,
            // A person's field is a text that is marked as an identity.
            "type": if is_identity { "string" } else { kind },
            "usage": "workItem",
            "readOnly": (["System.Id", "System.Rev", "System.CommentCount"].contains(reference)),
            "canSortBy": true,
            "isQueryable": true,
            "supportedOperations": [{"referenceName": "SupportedOperations.Equals", "name": "="}],
            "isIdentity": is_identity,
            "isPicklist": false,
            "isPicklistSuggested": false,
            "url": format!("{base}/_apis/wit/fields/{reference}"),
        })
    });
    Ok(list(&shown.collect::<Vec<_>>()))
}

fn type_json(call: &Call<'_>, name: &str) -> Value {
    let (base, project) = (call.base(), call.project().map(|project| project.id));
    let instances: Vec<Value> = FIELDS
        .iter()
        .map(|(reference, name, _)| {
            json!({
                "defaultValue": null,
                "alwaysRequired": (["System.Title", "System.State"].contains(reference)),
                "dependentFields": [],
                "referenceName": reference,
                "name": name,
                "url": format!("{base}/_apis/wit/fields/{reference}"),
            })
        })
        .collect();
    let states: Vec<Value> = STATES
        .iter()
        .map(|(name, category)| json!({"name": name, "color": "b2b2b2", "category": category}))
        .collect();
    json!({
        "name": name,
        "referenceName": format!("Microsoft.VSTS.WorkItemTypes.{}", name.replace(' ', "")),
        "description": format!("Tracks work of the type {name}."),
        "color": "CC293D",
        "icon": {"id": "icon_insect", "url": format!("{base}/_apis/wit/workItemIcons/icon_insect")},
        "isDisabled": false,
        "xmlForm": "<FORM></FORM>",
        "fields": instances,
        "fieldInstances": instances,
        "transitions": {"": [{"to": "New", "actions": null}]},
        "states": states,
        "url": format!("{base}/{project:?}/_apis/wit/workItemTypes/{name}"),
    })
}

fn types(call: &mut Call<'_>) -> Answer {
    let types: Vec<Value> = TYPES.iter().map(|name| type_json(call, name)).collect();
    Ok(list(&types))
}

fn named(call: &Call<'_>) -> Result<&'static str, Failure> {
    let wanted = call.parameter("type");
    let found = TYPES.iter().find(|name| name.eq_ignore_ascii_case(wanted)).copied();
    found.ok_or_else(|| Failure::work_item_type(wanted))
}

fn kind(call: &mut Call<'_>) -> Answer {
    ok(&type_json(call, named(call)?))
}

/// With `$expand=all`, or `allowedValues`, each field has its allowed values.
fn fields_of_type(call: &mut Call<'_>) -> Answer {
    let mut kind = type_json(call, named(call)?);
    let has_values = call.query.get_any_case("$expand").is_some();
    let states: Vec<&str> = STATES.iter().map(|(name, _)| *name).collect();
    let mut fields = kind["fields"].take();
    for field in fields.as_array_mut().into_iter().flatten().filter(|_| has_values) {
        let is_state = field["referenceName"] == "System.State";
        field["allowedValues"] = if is_state { json!(states) } else { json!([]) };
    }
    Ok(list(fields.as_array().map(Vec::as_slice).unwrap_or_default()))
}
