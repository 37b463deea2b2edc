//! Work items, which are changed by JSON Patch.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::call::{Call, list, ok, time};
use super::enumerations::{ERROR_POLICY, EXPAND};
use super::failure::{Answer, Failure};
use super::organizations::seed_time;
use super::routes::{Level, Route};
use super::wiql;

/// Largest number of ids in one request.
const MOST_IDS: usize = 200;
const PATCH_TYPE: &str = "application/json-patch+json";
const TYPES: &[&str] =
    &["Epic", "Feature", "User Story", "Product Backlog Item", "Task", "Bug", "Issue"];

pub(crate) const ROUTES: &[Route] = &[
    Route::new("wit.workitems.list", "GET", "wit/workItems", Level::Either, &["vso.work"], by_ids),
    Route::new("wit.workitems.get", "GET", "wit/workItems/{id}", Level::Either, &["vso.work"], get),
    Route::new(
        "wit.workitems.create",
        "POST",
        "wit/workItems/{type}",
        Level::Project,
        &["vso.work_write"],
        create,
    ),
    Route::new(
        "wit.workitems.update",
        "PATCH",
        "wit/workItems/{id}",
        Level::Either,
        &["vso.work_write"],
        update,
    ),
    Route::new(
        "wit.workitems.delete",
        "DELETE",
        "wit/workItems/{id}",
        Level::Either,
        &["vso.work_write"],
        delete,
    ),
    Route::new(
        "wit.workitems.batch",
        "POST",
        "wit/workItemsBatch",
        Level::Either,
        &["vso.work"],
        batch,
    ),
    Route::new(
        super::batch::ROUTE,
        "PATCH",
        "wit/$batch",
        Level::Organization,
        &["vso.work_write"],
        super::batch::unhandled,
    ),
    Route::new(
        super::batch::ROUTE,
        "POST",
        "wit/$batch",
        Level::Organization,
        &["vso.work_write"],
        super::batch::unhandled,
    ),
    Route::new("wit.wiql", "POST", "wit/wiql", Level::Either, &["vso.work"], wiql::query),
];

/// A work item.
#[derive(Clone, Debug)]
pub(crate) struct WorkItem {
    pub id: u64,
    pub project: Uuid,
    rev: u64,
    /// Reference name -> value; identities are kept as their display JSON.
    pub fields: BTreeMap<String, Value>,
    relations: Vec<Value>,
}

impl WorkItem {
    fn new(id: u64, project: Uuid, project_name: &str, kind: &str, now: Timestamp) -> Self {
        let now = time(now);
        let fields = [
            ("System.AreaPath", json!(project_name)),
            ("System.TeamProject", json!(project_name)),
            ("System.IterationPath", json!(project_name)),
            ("System.WorkItemType", json!(kind)),
            ("System.State", json!("New")),
            ("System.Reason", json!("New")),
            ("System.CreatedDate", json!(now)),
            ("System.ChangedDate", json!(now)),
            ("System.CommentCount", json!(0)),
            ("Microsoft.VSTS.Common.StateChangeDate", json!(now)),
            ("Microsoft.VSTS.Common.Priority", json!(2)),
        ];
        Self {
            id,
            project,
            rev: 1,
            fields: fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            relations: Vec::new(),
        }
    }

    /// A work item that exists at the start.
    pub fn seeded(
        id: u64,
        project: Uuid,
        project_name: &str,
        kind: &str,
        title: &str,
        state: &str,
    ) -> Self {
        let mut item = Self::new(id, project, project_name, kind, seed_time());
        item.fields.insert("System.Title".into(), title.into());
        item.fields.insert("System.State".into(), state.into());
        item
    }

    /// Returns the value of a field, also of one that is not stored as a field.
    pub fn field(&self, name: &str) -> Option<Value> {
        if name.eq_ignore_ascii_case("System.Id") {
            return Some(self.id.into());
        }
        if name.eq_ignore_ascii_case("System.Rev") {
            return Some(self.rev.into());
        }
        self.fields
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.clone())
    }

    fn to_json(&self, call: &Call<'_>, only: Option<&[String]>, expand: bool) -> Value {
        let base = call.base();
        let url = format!("{base}/{}/_apis/wit/workItems/{}", self.project, self.id);
        let mut fields: BTreeMap<String, Value> = match only {
            Some(names) => {
                names.iter().filter_map(|name| Some((name.clone(), self.field(name)?))).collect()
            }
            None => self.fields.clone(),
        };
        if expand {
            fields.insert("System.Id".into(), self.id.into());
            fields.insert("System.Rev".into(), self.rev.into());
        }
        let mut body = json!({"id": self.id, "rev": self.rev, "fields": fields, "url": url});
        if only.is_none() {
            let link = |path: &str| json!({"href": format!("{url}/{path}")});
            body["multilineFieldsFormat"] = json!({});
            body["_links"] = json!({
                "self": {"href": url},
                "workItemUpdates": link("updates"),
                "workItemRevisions": link("revisions"),
                "workItemComments": link("comments"),
                "html": {"href": format!("{base}/{}/_workitems/edit/{}", self.project, self.id)},
                "workItemType": {"href": format!(
                    "{base}/{}/_apis/wit/workItemTypes/{}",
                    self.project,
                    self.fields["System.WorkItemType"].as_str().unwrap_or_default()
                )},
                "fields": {"href": format!("{base}/{}/_apis/wit/fields", self.project)},
            });
        }
        if !self.relations.is_empty() {
            body["relations"] = json!(self.relations);
        }
        body
    }

    /// Applies one operation. If a later one fails, the whole patch is dropped.
    fn apply(&mut self, operation: &Operation) -> Result<(), Failure> {
        let path = operation.path.as_str();
        if operation.op == "test" {
            let actual = match path.strip_prefix("/fields/") {
                Some(name) => self.field(name).unwrap_or_default(),
                None if path == "/rev" => self.rev.into(),
                None => Value::Null,
            };
            return if actual == operation.value {
                Ok(())
            } else {
                Err(Failure::test_operation(path))
            };
        }
        if let Some(name) = path.strip_prefix("/fields/") {
            match operation.op.as_str() {
                "add" | "replace" => self.fields.insert(name.to_owned(), operation.value.clone()),
                "remove" => self.fields.remove(name),
                _ => return Err(unknown_operation(operation)),
            };
            return Ok(());
        }
        match (operation.op.as_str(), path.strip_prefix("/relations/")) {
            ("add", Some("-")) => {
                self.relations.push(operation.value.clone());
                Ok(())
            }
            ("remove", Some(index)) => {
                let index = index.parse().ok().filter(|index| *index < self.relations.len());
                let index: usize = index.ok_or_else(|| unknown_operation(operation))?;
                self.relations.remove(index);
                Ok(())
            }
            _ => Err(unknown_operation(operation)),
        }
    }
}

/// One operation of a JSON Patch document (RFC 6902).
#[derive(Deserialize)]
struct Operation {
    op: String,
    path: String,
    #[serde(default)]
    value: Value,
}

fn unknown_operation(operation: &Operation) -> Failure {
    Failure::argument(format!(
        "The operation '{}' is not supported for the path '{}'.",
        operation.op, operation.path
    ))
}

fn patch(call: &Call<'_>) -> Result<Vec<Operation>, Failure> {
    let given = call.received.header("content-type").unwrap_or_default();
    let media_type = given.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case(PATCH_TYPE) {
        return Err(Failure::content_type(media_type, call.received.method.as_str(), PATCH_TYPE));
    }
    call.json()
}

fn find<'a>(call: &'a Call<'_>) -> Result<&'a WorkItem, Failure> {
    let project = call.project().map(|project| project.id);
    call.number("id")
        .and_then(|id| call.organization.work_items.get(&id))
        .filter(|item| project.is_none_or(|project| project == item.project))
        .ok_or_else(|| Failure::work_item(call.parameter("id")))
}

fn get(call: &mut Call<'_>) -> Answer {
    let fields = names(call.query.get_any_case("fields"));
    let expand =
        call.query.get_any_case("$expand").is_some_and(|value| EXPAND.name(value) == "all");
    ok(&find(call)?.to_json(call, fields.as_deref(), expand))
}

fn names(list: Option<&str>) -> Option<Vec<String>> {
    list.map(|list| list.split(',').map(|name| name.trim().to_owned()).collect())
}

fn by_ids(call: &mut Call<'_>) -> Answer {
    let ids = call.query.get_any_case("ids").unwrap_or_default();
    let ids: Vec<u64> = ids.split(',').filter_map(|id| id.trim().parse().ok()).collect();
    let fields = names(call.query.get_any_case("fields"));
    several(call, &ids, fields.as_deref(), false)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Batch {
    ids: Vec<u64>,
    #[serde(default)]
    fields: Option<Vec<String>>,
    #[serde(default)]
    error_policy: Value,
}

fn batch(call: &mut Call<'_>) -> Answer {
    let batch: Batch = call.json()?;
    let omit = ERROR_POLICY.name_in(&batch.error_policy) == "omit";
    several(call, &batch.ids, batch.fields.as_deref(), omit)
}

fn several(call: &Call<'_>, ids: &[u64], fields: Option<&[String]>, omit_missing: bool) -> Answer {
    if ids.is_empty() || ids.len() > MOST_IDS {
        return Err(Failure::argument(format!(
            "Between 1 and {MOST_IDS} work item ids must be given."
        )));
    }
    let mut found = Vec::new();
    for id in ids {
        match call.organization.work_items.get(id) {
            Some(item) => found.push(item.to_json(call, fields, false)),
            None if omit_missing => {}
            None => return Err(Failure::work_item(&id.to_string())),
        }
    }
    Ok(list(&found))
}

fn create(call: &mut Call<'_>) -> Answer {
    let operations = patch(call)?;
    let kind = call.parameter("type").trim_start_matches('$').to_owned();
    let kind = TYPES
        .iter()
        .find(|known| known.eq_ignore_ascii_case(&kind))
        .ok_or_else(|| Failure::work_item_type(&kind))?;
    let (project, project_name) = call
        .project()
        .map(|project| (project.id, project.name.clone()))
        .ok_or_else(|| Failure::project(""))?;
    let mut item = WorkItem::new(0, project, &project_name, kind, call.now);
    let who = call.caller.reference(call);
    item.fields.insert("System.CreatedBy".into(), who.clone());
    item.fields.insert("System.ChangedBy".into(), who);
    for operation in &operations {
        item.apply(operation)?;
    }
    if item
        .field("System.Title")
        .and_then(|title| title.as_str().map(str::is_empty))
        .unwrap_or(true)
    {
        return Err(Failure::rule("Title"));
    }
    let validate_only = call
        .query
        .get_any_case("validateOnly")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if !validate_only {
        item.id = call.organization.next_id();
        call.organization.work_items.insert(item.id, item.clone());
    }
    ok(&item.to_json(call, None, false))
}

fn update(call: &mut Call<'_>) -> Answer {
    let operations = patch(call)?;
    let mut item = find(call)?.clone();
    for operation in &operations {
        item.apply(operation)?;
    }
    item.rev += 1;
    item.fields.insert("System.ChangedDate".into(), time(call.now).into());
    item.fields.insert("System.ChangedBy".into(), call.caller.reference(call));
    call.organization.work_items.insert(item.id, item.clone());
    ok(&item.to_json(call, None, false))
}

fn delete(call: &mut Call<'_>) -> Answer {
    let item = find(call)?.clone();
    call.organization.work_items.remove(&item.id);
    let base = call.base();
    ok(&json!({
        "id": item.id,
        "type": item.field("System.WorkItemType"),
        "name": item.field("System.Title"),
        "project": item.field("System.TeamProject"),
        "deletedDate": time(call.now),
        "deletedBy": call.caller.name,
        "code": 200,
        "url": format!("{base}/{}/_apis/wit/recyclebin/{}", item.project, item.id),
    }))
}
