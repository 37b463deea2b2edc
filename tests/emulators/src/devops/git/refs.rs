//! Branches and tags.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{NO_OBJECT, position};
use crate::devops::call::{self, Call};
use crate::devops::failure::Answer;

/// `GET …/refs?filter=heads/…`
pub(crate) fn list(call: &mut Call<'_>) -> Answer {
    let repository = &call.organization.repositories[position(call)?];
    let prefix = call.query.get_any_case("filter").unwrap_or_default();
    let containing = call.query.get_any_case("filterContains").unwrap_or_default();
    let url = repository.url(&call.base());
    let refs: Vec<Value> = repository
        .refs
        .iter()
        .filter(|(name, _)| {
            let short = name.trim_start_matches("refs/");
            short.starts_with(prefix) && short.contains(containing)
        })
        .map(|(name, id)| {
            let short: String =
                url::form_urlencoded::byte_serialize(name.trim_start_matches("refs/").as_bytes())
                    .collect();
            json!({
                "name": name,
                "objectId": id,
                "creator": call.caller.reference(call),
                "url": format!("{url}/refs?filter={short}"),
            })
        })
        .collect();
    call.page(&refs)
}

/// One change of a ref.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RefUpdate {
    pub name: String,
    pub old_object_id: String,
    #[serde(default)]
    pub new_object_id: Option<String>,
}

/// `POST …/refs`: each change succeeds or fails on its own, the status is 200 either way.
pub(crate) fn update(call: &mut Call<'_>) -> Answer {
    let updates: Vec<RefUpdate> = call.json()?;
    let position = position(call)?;
    let repository = &mut call.organization.repositories[position];
    let results: Vec<Value> = updates
        .iter()
        .map(|update| {
            let new = update.new_object_id.as_deref().unwrap_or(NO_OBJECT);
            let current = repository.refs.get(&update.name).map_or(NO_OBJECT, String::as_str);
            let status = if current != update.old_object_id {
                "staleOldObjectId"
            } else if new == NO_OBJECT {
                repository.refs.remove(&update.name);
                "succeeded"
            } else if repository.commits.contains_key(new) {
                repository.refs.insert(update.name.clone(), new.to_owned());
                "succeeded"
            } else {
                "unresolvableToCommit"
            };
            json!({
                "repositoryId": repository.id,
                "name": update.name,
                "oldObjectId": update.old_object_id,
                "newObjectId": new,
                "isLocked": false,
                "updateStatus": status,
                "success": status == "succeeded",
            })
        })
        .collect();
    Ok(call::list(&results))
}
