//! Microsoft Graph, as far as an app needs it to renew its own client secret: `/v1.0/applications(appId='…')` with its
//! passwords, and its actions `addPassword` and `removePassword`.

use http::Method;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::State;
use super::apps::ClientSecret;
use super::scopes::Resource;
use crate::marker;
use crate::reply::Reply;
use crate::request::Received;
use crate::server::Emulator as _;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AddPassword {
    #[serde(default)]
    password_credential: Wish,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wish {
    display_name: Option<String>,
    end_date_time: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RemovePassword {
    key_id: Uuid,
}

/// Default validity of a password in days: two years.
const USUAL_DAYS: i64 = 730;

/// Returns the app's id in a path segment `applications(appId='…')`.
pub(crate) fn app_id(segment: &str) -> Option<Uuid> {
    segment.strip_prefix("applications(appId='")?.strip_suffix("')")?.parse().ok()
}

/// Answers a request about an app registration.
pub(crate) fn answer(state: &State, request: &Received, app: Uuid, action: Option<&str>) -> Reply {
    let bearer = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let Some(caller) = bearer.and_then(|bearer| caller(state, bearer)) else {
        return refusal(
            401,
            "InvalidAuthenticationToken",
            "Access token is empty or not for Microsoft Graph.",
        );
    };
    let now = state.now();
    let mut directory = state.directory();
    let Some(known) = directory.apps.get_mut(&app) else {
        return refusal(404, "Request_ResourceNotFound", "The application does not exist.");
    };
    let registration = &mut known.registration;
    if caller != app || !registration.owns_itself {
        return refusal(
            403,
            "Authorization_RequestDenied",
            "Insufficient privileges to complete the operation.",
        );
    }
    let secrets = &mut registration.secrets;
    match (&request.method, action) {
        (&Method::GET, None) => list(app, secrets),
        (&Method::POST, Some("addPassword")) => match added(&request.body, now) {
            Some(secret) => {
                let mut shown = credential(&secret);
                shown["secretText"] = json!(secret.value);
                secrets.push(secret.clone());
                directory.grants.issued.push(secret.value);
                Reply::json(200, &shown)
            }
            None => refusal(400, "Request_BadRequest", "The body is not what it should be."),
        },
        (&Method::POST, Some("removePassword")) => remove(secrets, &request.body),
        _ => refusal(404, "Request_ResourceNotFound", "There is nothing of this name."),
    }
}

/// Returns the app to which a token for Graph was issued.
fn caller(state: &State, bearer: &str) -> Option<Uuid> {
    let now = state.now();
    let directory = state.directory();
    let token = directory.grants.access_tokens.get(bearer)?;
    let is_good = token.resource == Resource::Graph && !token.revoked && token.expires_at > now;
    (is_good && token.account.is_none()).then_some(token.client_id)
}

fn list(app: Uuid, secrets: &[ClientSecret]) -> Reply {
    let passwords: Vec<Value> = secrets.iter().map(credential).collect();
    Reply::json(200, &json!({"appId": app, "passwordCredentials": passwords}))
}

/// Returns a `passwordCredential` without its secret.
fn credential(secret: &ClientSecret) -> Value {
    let for_ever = Timestamp::UNIX_EPOCH;
    json!({
        "customKeyIdentifier": null,
        "displayName": secret.display_name,
        "endDateTime": secret.expires_at.map(|expires_at| expires_at.to_string()),
        "hint": secret.value.get(..3),
        "keyId": secret.key_id,
        "secretText": null,
        "startDateTime": secret.starts_at.unwrap_or(for_ever).to_string(),
    })
}

fn added(body: &[u8], now: Timestamp) -> Option<ClientSecret> {
    let AddPassword { password_credential: wish } = serde_json::from_slice(body).ok()?;
    let usual = now + jiff::SignedDuration::from_hours(USUAL_DAYS * 24);
    Some(ClientSecret {
        expires_at: Some(wish.end_date_time.unwrap_or(usual)),
        display_name: wish.display_name,
        starts_at: Some(now),
        ..ClientSecret::new(marker::opaque("adO8Q~", 15))
    })
}

fn remove(secrets: &mut Vec<ClientSecret>, body: &[u8]) -> Reply {
    let before = secrets.len();
    let Ok(RemovePassword { key_id }) = serde_json::from_slice(body) else {
        return refusal(400, "Request_BadRequest", "The body is not what it should be.");
    };
    secrets.retain(|secret| secret.key_id != key_id);
    if secrets.len() == before {
        return refusal(400, "Request_BadRequest", "No password credential found with keyId.");
    }
    Reply::empty(204)
}

fn refusal(status: u16, code: &str, message: &str) -> Reply {
    let body: Value = json!({"error": {"code": code, "message": message}});
    Reply::json(status, &body)
}
