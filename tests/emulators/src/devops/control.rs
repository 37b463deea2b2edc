//! Admin routes of the Azure DevOps stand-in; the crate documentation lists them.

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::State;
use super::organizations::Access;
use crate::control::{body, done, merged, ok};
use crate::reply::Reply;
use crate::request::Received;
use crate::server::Emulator as _;

/// Answers `/_emulator/{path}`, `None` if there is no such route.
pub(crate) fn answer(state: &State, request: &Received, path: &str) -> Option<Reply> {
    let segments: Vec<&str> = path.split('/').collect();
    Some(match (&request.method, segments.as_slice()) {
        (&Method::GET, [""]) => ok(&json!({
            "emulates": "Azure DevOps",
            "entra": state.entra.base_url,
            "organizations": organizations(state),
            "counts": state.traffic().counts_json(),
        })),
        (&Method::GET, ["settings"]) => ok(&json!(state.content().settings)),
        (&Method::POST, ["settings"]) => change_settings(state, request),
        (&Method::GET, ["organizations"]) => ok(&organizations(state)),
        (&Method::POST, ["organizations", name, "members"]) => add_member(state, request, name),
        (&Method::DELETE, ["organizations", name, "members", account]) => {
            with_organization(state, name, |organization| {
                organization.members.remove(*account);
            })
        }
        (&Method::POST, ["organizations", name, "stop"]) => {
            with_organization(state, name, |organization| organization.stopped = true)
        }
        (&Method::POST, ["organizations", name, "start"]) => {
            with_organization(state, name, |organization| organization.stopped = false)
        }
        _ => return None,
    })
}

fn organizations(state: &State) -> Value {
    let content = state.content();
    content
        .organizations
        .iter()
        .map(|organization| {
            json!({
                "name": organization.name,
                "id": organization.id,
                "tenant": organization.tenant,
                "members": organization.members,
                "stopped": organization.stopped,
                "projects": organization.projects.iter().map(|project| &project.name).collect::<Vec<_>>(),
            })
        })
        .collect()
}

fn change_settings(state: &State, request: &Received) -> Reply {
    let changes: Value = match body(request) {
        Ok(changes) => changes,
        Err(refusal) => return refusal,
    };
    let mut content = state.content();
    match merged(&content.settings, &changes) {
        Ok(settings) => {
            content.settings = settings;
            ok(&json!(content.settings))
        }
        Err(error) => Reply::json(400, &json!({"error": error})),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Member {
    account: String,
    #[serde(default)]
    access: Access,
}

fn add_member(state: &State, request: &Received, name: &str) -> Reply {
    let member: Member = match body(request) {
        Ok(member) => member,
        Err(refusal) => return refusal,
    };
    let reply = with_organization(state, name, |organization| {
        organization.members.insert(member.account.clone(), member.access);
    });
    state.introduce(name, &member.account);
    reply
}

fn with_organization(
    state: &State,
    name: &str,
    change: impl FnOnce(&mut super::organizations::Organization),
) -> Reply {
    match state.content().organization(name) {
        Some(organization) => {
            change(organization);
            done()
        }
        None => Reply::json(404, &json!({"error": "no such organization"})),
    }
}
