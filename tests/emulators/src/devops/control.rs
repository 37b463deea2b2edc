//! Admin routes of the Azure DevOps stand-in; the crate documentation lists them.

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::State;
use super::handle::Missing;
use super::large::{Gate, LargeContent};
use super::organizations::Access;
use crate::control::{body, done, merged, ok};
use crate::reply::Reply;
use crate::request::Received;
use crate::server::Emulator as _;

/// Answers `/_emulator/{path}`. Returns `None` if there is no such route.
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
        (&Method::POST, ["usage", "reset"]) => {
            state.usage.clear();
            done()
        }
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
        (&Method::POST, ["organizations", name, "projects"]) => add_projects(state, request, name),
        (&Method::POST, ["organizations", name, "work-items"]) => {
            add_work_items(state, request, name)
        }
        (&Method::POST, ["organizations", name, "attachments"]) => {
            add_attachment(state, request, name)
        }
        (&Method::POST, ["attachments", id, "release"]) => release(state, id),
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewProjects {
    prefix: String,
    count: usize,
}

fn add_projects(state: &State, request: &Received, name: &str) -> Reply {
    match body::<NewProjects>(request) {
        Ok(new) => with_organization(state, name, |organization| {
            organization.add_projects(&new.prefix, new.count);
        }),
        Err(refusal) => refusal,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewWorkItems {
    project: String,
    count: usize,
}

fn add_work_items(state: &State, request: &Received, name: &str) -> Reply {
    match body::<NewWorkItems>(request) {
        Ok(new) => match state.add_work_items(name, &new.project, new.count) {
            Ok(ids) => Reply::json(201, &json!({"ids": ids})),
            Err(missing) => not_there(&missing),
        },
        Err(refusal) => refusal,
    }
}

fn not_there(missing: &Missing) -> Reply {
    Reply::json(404, &json!({"error": missing.to_string()}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewAttachment {
    project: String,
    file_name: String,
    bytes: u64,
    #[serde(default)]
    gated: bool,
}

fn add_attachment(state: &State, request: &Received, name: &str) -> Reply {
    let new: NewAttachment = match body(request) {
        Ok(new) => new,
        Err(refusal) => return refusal,
    };
    let gate = new.gated.then(Gate::closed);
    match state.add_large_attachment(name, &new.project, &new.file_name, new.bytes, gate) {
        Ok(added) => {
            let sha256 = LargeContent::new(new.bytes).sha256();
            Reply::json(201, &json!({"id": added.id, "url": added.url, "sha256": sha256}))
        }
        Err(missing) => not_there(&missing),
    }
}

fn release(state: &State, id: &str) -> Reply {
    if Uuid::parse_str(id).is_ok_and(|id| state.open_gate(id)) {
        done()
    } else {
        Reply::json(404, &json!({"error": "no attachment has this id"}))
    }
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
