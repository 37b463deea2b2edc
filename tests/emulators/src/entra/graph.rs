//! Microsoft Graph, as far as an app renews its own client secret:
//! `POST /v1.0/applications(appId='…')/addPassword` and `…/removePassword`.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::State;
use super::apps::{App, ClientSecret};
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

/// Days for which a password is valid unless its end is asked for: two years.
const USUAL_DAYS: i64 = 730;

/// The app's id in a path segment `applications(appId='…')`.
pub(crate) fn app_id(segment: &str) -> Option<Uuid> {
    segment.strip_prefix("applications(appId='")?.strip_suffix("')")?.parse().ok()
}

/// Answers an action on an app registration.
pub(crate) fn answer(state: &State, request: &Received, app: Uuid, action: &str) -> Reply {
    let bearer = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let Some(caller) = bearer.and_then(|bearer| caller(state, bearer)) else {
        return refusal(
            401,
            "InvalidAuthenticationToken",
            "Access token is empty or not for Microsoft Graph.",
        );
    };
    let mut directory = state.directory();
    let Some(registration) = directory.apps.get(&app).map(|app| app.registration.clone()) else {
        return refusal(404, "Request_ResourceNotFound", "The application does not exist.");
    };
    if caller != app || !registration.owns_itself {
        return refusal(
            403,
            "Authorization_RequestDenied",
            "Insufficient privileges to complete the operation.",
        );
    }
    let mut registration = registration;
    let reply = match action {
        "addPassword" => add(&mut registration.secrets, &request.body, state.now()),
        _ => remove(&mut registration.secrets, &request.body),
    };
    if let Ok(app) = App::new(registration) {
        directory.add_app(app);
    }
    reply
}

/// The app to which a token for Graph was issued.
fn caller(state: &State, bearer: &str) -> Option<Uuid> {
    let now = state.now();
    let directory = state.directory();
    let token = directory.grants.access_tokens.get(bearer)?;
    let is_good = token.resource == Resource::Graph && !token.revoked && token.expires_at > now;
    (is_good && token.account.is_none()).then_some(token.client_id)
}

fn add(secrets: &mut Vec<ClientSecret>, body: &[u8], now: Timestamp) -> Reply {
    let Ok(AddPassword { password_credential: wish }) = serde_json::from_slice(body) else {
        return refusal(400, "Request_BadRequest", "The body is not what it should be.");
    };
    let usual = now + jiff::SignedDuration::from_hours(USUAL_DAYS * 24);
    let expires_at = wish.end_date_time.unwrap_or(usual);
    let value = marker::opaque("adO8Q~", 15);
    let key_id = Uuid::new_v4();
    secrets.push(ClientSecret { value: value.clone(), expires_at: Some(expires_at), key_id });
    Reply::json(
        200,
        &json!({
            "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#microsoft.graph.passwordCredential",
            "customKeyIdentifier": null,
            "displayName": wish.display_name,
            "endDateTime": expires_at.to_string(),
            "hint": value.get(..3),
            "keyId": key_id,
            "secretText": value,
            "startDateTime": now.to_string(),
        }),
    )
}

fn remove(secrets: &mut Vec<ClientSecret>, body: &[u8]) -> Reply {
    let before = secrets.len();
    let Ok(RemovePassword { key_id }) = serde_json::from_slice(body) else {
        return refusal(400, "Request_BadRequest", "The body is not what it should be.");
    };
    secrets.retain(|secret| secret.key_id != key_id);
    if secrets.len() == before {
        return refusal(
            404,
            "Request_ResourceNotFound",
            "No password credential found with keyId.",
        );
    }
    Reply::empty(204)
}

fn refusal(status: u16, code: &str, message: &str) -> Reply {
    let body: Value = json!({"error": {"code": code, "message": message}});
    Reply::json(status, &body)
}
