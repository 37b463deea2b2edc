//! Admin routes of the Entra stand-in; the crate documentation lists them.

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::account_actions::AccountAction;
use super::apps::{App, AppRegistration, AppStatus, ClientSecret};
use super::handle::UnknownName;
use super::{DEFAULT_CLIENT_ID, State};
use crate::control::{body, done, merged, ok};
use crate::marker;
use crate::reply::Reply;
use crate::request::Received;
use crate::server::Emulator as _;

/// Answers `/_emulator/{path}`. Returns `None` if there is no such route.
pub(crate) fn answer(state: &State, request: &Received, path: &str) -> Option<Reply> {
    let segments: Vec<&str> = path.split('/').collect();
    Some(match (&request.method, segments.as_slice()) {
        (&Method::GET, [""]) => overview(state),
        (&Method::GET, ["settings"]) => settings(state),
        (&Method::POST, ["settings"]) => change_settings(state, request),
        (&Method::GET, ["accounts"]) => accounts(state),
        (&Method::POST, ["accounts", account, action]) => {
            on_account(state, request, account, action)
        }
        (&Method::GET, ["apps"]) => apps(state),
        (&Method::POST, ["apps"]) => register(state, request),
        (&Method::POST, ["apps", client_id, "secrets"]) => add_secret(state, request, client_id),
        (&Method::POST, ["apps", client_id, "status"]) => set_status(state, request, client_id),
        (&Method::POST, ["apps", client_id, "tenants", tenant]) => {
            set_status_in(state, request, client_id, tenant)
        }
        (&Method::POST, ["tenants", tenant]) => set_tenant(state, request, tenant),
        (&Method::POST, ["keys", "rotate"]) => {
            let mut directory = state.directory();
            directory.keys.rotate();
            ok(&json!({"kid": directory.keys.current().map(|key| key.kid.clone())}))
        }
        (&Method::POST, ["keys", "retire"]) => {
            state.directory().keys.retire_old();
            done()
        }
        (&Method::POST, ["clock"]) => advance_clock(state, request),
        (&Method::GET, ["secrets"]) => ok(&json!({
            "marker": marker::MARKER,
            "marker_decoded": marker::MARKER_DECODED,
            "issued": state.directory().grants.issued,
        })),
        _ => return None,
    })
}

fn overview(state: &State) -> Reply {
    ok(&json!({
        "emulates": "Microsoft Entra ID",
        "base_url": state.base_url,
        "default_client_id": DEFAULT_CLIENT_ID,
        "marker": marker::MARKER,
        "now": state.now().to_string(),
        "counts": state.traffic().counts_json(),
    }))
}

fn settings(state: &State) -> Reply {
    ok(&json!(state.directory().settings))
}

fn change_settings(state: &State, request: &Received) -> Reply {
    let changes: Value = match body(request) {
        Ok(changes) => changes,
        Err(refusal) => return refusal,
    };
    let mut directory = state.directory();
    match merged(&directory.settings, &changes) {
        Ok(settings) => {
            directory.settings = settings;
            ok(&json!(directory.settings))
        }
        Err(error) => Reply::json(400, &json!({"error": error})),
    }
}

fn accounts(state: &State) -> Reply {
    let directory = state.directory();
    ok(&json!({"tenants": directory.tenants, "accounts": directory.accounts}))
}

/// Parameters of account actions.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct AccountDetails {
    claims: Option<String>,
    code: Option<u32>,
}

fn on_account(state: &State, request: &Received, account: &str, action: &str) -> Reply {
    let details: AccountDetails = match body(request) {
        Ok(details) => details,
        Err(refusal) => return refusal,
    };
    let now = state.now().as_second();
    let claims = details.claims.unwrap_or_else(|| {
        format!(r#"{{"access_token":{{"nbf":{{"essential":true,"value":"{now}"}}}}}}"#)
    });
    let action = match action {
        "revoke-grants" => AccountAction::RevokeGrants,
        "revoke-access-tokens" => AccountAction::RevokeAccessTokens,
        "expire-refresh-tokens" => AccountAction::ExpireRefreshTokens,
        "kill-refresh-tokens" => AccountAction::KillRefreshTokens(details.code.unwrap_or(50173)),
        "require-interaction" => AccountAction::RequireInteraction(claims),
        "challenge" => AccountAction::Challenge(claims),
        "remove-consent" => AccountAction::RemoveConsent,
        "disable" => AccountAction::SetDisabled(true),
        "enable" => AccountAction::SetDisabled(false),
        _ => return Reply::json(404, &json!({"error": "no such action"})),
    };
    result(state.act(account, action))
}

fn apps(state: &State) -> Reply {
    let directory = state.directory();
    let apps: Vec<Value> = directory
        .apps
        .values()
        .map(|app| json!({"registration": app.registration, "status": app.status}))
        .collect();
    ok(&json!(apps))
}

fn register(state: &State, request: &Received) -> Reply {
    let registration: AppRegistration = match body(request) {
        Ok(registration) => registration,
        Err(refusal) => return refusal,
    };
    match App::new(registration) {
        Ok(app) => {
            state.directory().add_app(app);
            Reply::empty(201)
        }
        Err(error) => Reply::json(400, &json!({"error": error})),
    }
}

fn add_secret(state: &State, request: &Received, client_id: &str) -> Reply {
    let secret: ClientSecret = match body(request) {
        Ok(secret) => secret,
        Err(refusal) => return refusal,
    };
    let mut directory = state.directory();
    let app = Uuid::parse_str(client_id).ok().and_then(|id| directory.apps.get(&id).cloned());
    match app {
        Some(mut app) => {
            app.registration.secrets.push(secret);
            directory.add_app(app);
            Reply::empty(201)
        }
        None => result(Err(UnknownName(format!("the app {client_id}")))),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Status {
    status: AppStatus,
}

fn set_status(state: &State, request: &Received, client_id: &str) -> Reply {
    let Status { status } = match body(request) {
        Ok(status) => status,
        Err(refusal) => return refusal,
    };
    let mut directory = state.directory();
    let app = Uuid::parse_str(client_id).ok().and_then(|id| directory.apps.get_mut(&id));
    match app {
        Some(app) => {
            app.status = status;
            done()
        }
        None => result(Err(UnknownName(format!("the app {client_id}")))),
    }
}

fn set_status_in(state: &State, request: &Received, client_id: &str, tenant: &str) -> Reply {
    let Status { status } = match body(request) {
        Ok(status) => status,
        Err(refusal) => return refusal,
    };
    let (Ok(client_id), Ok(tenant)) = (Uuid::parse_str(client_id), Uuid::parse_str(tenant)) else {
        return result(Err(UnknownName(format!("the app {client_id} in {tenant}"))));
    };
    state.directory().set_app_status_in(client_id, tenant, status);
    done()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Found {
    found: bool,
}

fn set_tenant(state: &State, request: &Received, tenant: &str) -> Reply {
    let Found { found } = match body(request) {
        Ok(found) => found,
        Err(refusal) => return refusal,
    };
    let Ok(tenant) = Uuid::parse_str(tenant) else {
        return result(Err(UnknownName(format!("the tenant {tenant}"))));
    };
    state.directory().set_tenant_found(tenant, found);
    done()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_seconds: i64,
}

fn advance_clock(state: &State, request: &Received) -> Reply {
    match body::<Advance>(request) {
        Ok(advance) => {
            state.advance_clock(advance.advance_seconds);
            ok(&json!({"now": state.now().to_string()}))
        }
        Err(refusal) => refusal,
    }
}

fn result(result: Result<(), UnknownName>) -> Reply {
    match result {
        Ok(()) => done(),
        Err(error) => Reply::json(404, &json!({"error": error.to_string()})),
    }
}
