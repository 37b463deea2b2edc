//! Work items, which are changed by JSON Patch.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::call::{Call, list, ok, time};
use super::comments::Comment;
use super::enumerations::{ERROR_POLICY, EXPAND};
use super::failure::{Answer, Failure};
use super::organizations::seed_time;
use super::routes::{Level, Route};
use super::wiql;
use super::work_item_fields::{STATES, TYPES, display_name, field, is_long_text, is_person};

/// Largest number of ids in one request.
const MOST_IDS: usize = 200;
const PATCH_TYPE: &str = "application/json-patch+json";

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
    Route::new(
        "wit.wiql.saved",
        "GET",
        "wit/wiql/{query}",
        Level::Either,
        &["vso.work"],
        wiql::saved,
    ),
    Route::new(
        "wit.updates.list",
        "GET",
        "wit/workItems/{id}/updates",
        Level::Either,
        &["vso.work"],
        updates,
    ),
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
    /// Reference name -> format, of long texts that are no HTML.
    formats: BTreeMap<String, String>,
    updates: Vec<Value>,
    pub comments: Vec<Comment>,
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
            formats: BTreeMap::new(),
            updates: Vec::new(),
            comments: Vec::new(),
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
            body["multilineFieldsFormat"] = self.formats_of(&self.fields);
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

    /// Returns the format of each long text. That the names are in lower case is not certain.
    fn formats_of(&self, fields: &BTreeMap<String, Value>) -> Value {
        let long = fields.keys().filter(|name| is_long_text(name));
        let format = |name: &String| self.formats.get(name).cloned().unwrap_or("html".to_owned());
        long.map(|name| (name.clone(), json!(format(name)))).collect()
    }

    /// Adds what an update changed to the history.
    fn record(&mut self, before: &Self, who: &Value, now: Timestamp) {
        let names: BTreeSet<_> = before.fields.keys().chain(self.fields.keys()).cloned().collect();
        let mut fields = json!({});
        for name in names {
            let (old, new) = (before.fields.get(&name), self.fields.get(&name));
            if old != new {
                let mut change = json!({});
                for (side, value) in [("oldValue", old), ("newValue", new)] {
                    if let Some(value) = value {
                        change[side] = value.clone();
                    }
                }
                fields[name] = change;
            }
        }
        fields["System.Rev"] = json!({"oldValue": before.rev, "newValue": self.rev});
        let only = |these: &[Value], those: &[Value]| -> Vec<Value> {
            these.iter().filter(|link| !those.contains(link)).cloned().collect()
        };
        let added = only(&self.relations, &before.relations);
        let removed = only(&before.relations, &self.relations);
        let mut update = json!({
            "id": self.updates.len() + 1,
            "workItemId": self.id,
            "rev": self.rev,
            "revisedBy": who,
            "revisedDate": "9999-01-01T00:00:00Z",
            "fields": fields,
        });
        for (name, links) in [("added", added), ("removed", removed)] {
            if !links.is_empty() {
                update["relations"][name] = links.into();
            }
        }
        if let Some(last) = self.updates.last_mut() {
            last["revisedDate"] = time(now).into();
        }
        self.updates.push(update);
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
        if let Some(name) = path.strip_prefix("/multilineFieldsFormat/") {
            let format = operation.value.as_str().unwrap_or_default().to_ascii_lowercase();
            self.formats.insert(field(name)?.to_owned(), format);
            return Ok(());
        }
        if let Some(name) = path.strip_prefix("/fields/") {
            let name = field(name)?;
            match operation.op.as_str() {
                "add" | "replace" => self.fields.insert(name.to_owned(), operation.value.clone()),
                "remove" => self.fields.remove(name),
                _ => return Err(unknown_operation(operation)),
            };
            return Ok(());
        }
        match (operation.op.as_str(), path.strip_prefix("/relations/")) {
            ("add", Some("-")) => {
                let link = operation.value.clone();
                if self
                    .relations
                    .iter()
                    .any(|there| (&there["rel"], &there["url"]) == (&link["rel"], &link["url"]))
                {
                    return Err(Failure::link("it exists already."));
                }
                self.relations.push(link);
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

/// Replaces the values of operations by those that are kept, and refuses those that no item may have.
fn checked(call: &Call<'_>, mut operation: Operation) -> Result<Operation, Failure> {
    if let (Some(name), Value::String(text)) =
        (operation.path.strip_prefix("/fields/"), &operation.value)
    {
        let name = field(name)?;
        if is_person(name) && !text.is_empty() {
            let member = call.organization.identities.iter().find(|member| {
                member.name.eq_ignore_ascii_case(text) || member.username.eq_ignore_ascii_case(text)
            });
            let member =
                member.ok_or_else(|| Failure::unknown_identity(text, display_name(name)))?;
            operation.value = member.reference(call);
        } else if name == "System.State" && !STATES.iter().any(|(state, _)| state == text) {
            return Err(Failure::not_in_list("State"));
        } else if ["System.AreaPath", "System.IterationPath"].contains(&name)
            && !call.organization.knows_tree_path(text)
        {
            return Err(Failure::tree_path(text, display_name(name)));
        }
    }
    let is_link = operation.op == "add" && operation.path == "/relations/-";
    if is_link && operation.value["rel"].as_str().unwrap_or_default().contains("LinkTypes") {
        let url = operation.value["url"].as_str().unwrap_or_default();
        let id = url.rsplit('/').next().and_then(|id| id.parse().ok());
        let target = id.and_then(|id: u64| call.organization.work_items.get(&id));
        if target.is_none() {
            return Err(Failure::link(&format!("there is no work item at {url}.")));
        }
    }
    Ok(operation)
}

/// Makes a comment of a text that an update gives as history, which is no field that is kept.
fn take_history(item: &mut WorkItem, call: &Call<'_>) {
    let Some(text) = item.fields.remove("System.History") else { return };
    let format = item.formats.remove("System.History").unwrap_or("html".to_owned());
    let id = item.comments.len() as u64 + 1;
    let text = text.as_str().unwrap_or_default();
    item.comments.push(Comment::new(id, text, &format, call));
    item.fields.insert("System.CommentCount".into(), item.comments.len().into());
}

/// Adds to the end of each new link to another work item the link back, and takes away that of each removed one.
fn mirror(call: &mut Call<'_>, before: &[Value], item: &WorkItem) {
    let base = call.base();
    let ends = |links: &[Value]| -> Vec<(u64, Value)> {
        let end = |link: &Value| {
            let id = link["url"].as_str()?.rsplit_once("/workItems/")?.1.parse().ok()?;
            let relation = opposite(link["rel"].as_str()?)?;
            let url = format!("{base}/_apis/wit/workItems/{}", item.id);
            Some((id, json!({"rel": relation, "url": url, "attributes": {"isLocked": false}})))
        };
        links.iter().filter_map(end).collect()
    };
    let (old, new) = (ends(before), ends(&item.relations));
    for (id, back) in old.iter().filter(|end| !new.contains(end)) {
        if let Some(other) = call.organization.work_items.get_mut(id) {
            other
                .relations
                .retain(|link| (&link["rel"], &link["url"]) != (&back["rel"], &back["url"]));
        }
    }
    for (id, back) in new.into_iter().filter(|end| !old.contains(end)) {
        if let Some(other) = call.organization.work_items.get_mut(&id) {
            other.relations.push(back);
        }
    }
}

/// Returns the relation in the other direction, or `None` for one that leads to no work item.
fn opposite(relation: &str) -> Option<String> {
    match relation.rsplit_once('-') {
        Some((kind, "Forward")) => Some(format!("{kind}-Reverse")),
        Some((kind, "Reverse")) => Some(format!("{kind}-Forward")),
        _ => (relation == "System.LinkTypes.Related").then(|| relation.to_owned()),
    }
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
    if fields.is_some() && call.query.get_any_case("$expand").is_some() {
        return Err(Failure::argument(
            "The expand parameter can not be used with the fields parameter.",
        ));
    }
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
    for name in fields.into_iter().flatten() {
        field(name)?;
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
    let operations = patch(call)?.into_iter().map(|operation| checked(call, operation));
    let operations = operations.collect::<Result<Vec<_>, _>>()?;
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
        take_history(&mut item, call);
        let empty =
            WorkItem { fields: BTreeMap::new(), relations: Vec::new(), rev: 0, ..item.clone() };
        let who = item.fields["System.CreatedBy"].clone();
        item.record(&empty, &who, call.now);
        call.organization.work_items.insert(item.id, item.clone());
        mirror(call, &[], &item);
    }
    ok(&item.to_json(call, None, false))
}

fn update(call: &mut Call<'_>) -> Answer {
    let operations = patch(call)?.into_iter().map(|operation| checked(call, operation));
    let operations = operations.collect::<Result<Vec<_>, _>>()?;
    let before = find(call)?.clone();
    let mut item = before.clone();
    for operation in &operations {
        item.apply(operation)?;
    }
    item.rev += 1;
    let who = call.caller.reference(call);
    item.fields.insert("System.ChangedDate".into(), time(call.now).into());
    item.fields.insert("System.ChangedBy".into(), who.clone());
    take_history(&mut item, call);
    item.record(&before, &who, call.now);
    call.organization.work_items.insert(item.id, item.clone());
    mirror(call, &before.relations, &item);
    ok(&item.to_json(call, None, false))
}

/// `GET …/updates`, oldest first, with `$top` of at most 200 and `$skip`.
fn updates(call: &mut Call<'_>) -> Answer {
    let number = |name: &str| call.query.get_any_case(name).and_then(|value| value.parse().ok());
    let (top, skip) = (number("$top").unwrap_or(200_usize), number("$skip").unwrap_or(0));
    if top > 200 {
        return Err(Failure::argument("The value of $top must be between 1 and 200."));
    }
    let updates = &find(call)?.updates;
    let page: Vec<Value> = updates.iter().skip(skip).take(top).cloned().collect();
    Ok(list(&page))
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
