//! The Entra stand-in over HTTP.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod assertions;
mod refreshing;
mod signing_in;

use serde_json::Value;
use tokio::net::TcpListener;
use url::Url;

use super::*;
use crate::AZURE_DEVOPS;

pub(crate) const REDIRECT: &str = "http://localhost:9/integration-callback";
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub(crate) fn http() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

pub(crate) async fn start() -> Entra {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Entra::start(listener, EntraOptions::redirecting_to(REDIRECT)).unwrap()
}

/// Returns a valid authorize URL; `change` edits its parameters.
pub(crate) fn authorize_url(entra: &Entra, tenant: &str, changes: &[(&str, &str)]) -> Url {
    let client_id = DEFAULT_CLIENT_ID.to_string();
    let scope =
        format!("openid profile offline_access {AZURE_DEVOPS}/vso.code {AZURE_DEVOPS}/vso.profile");
    let mut parameters = vec![
        ("client_id", client_id.as_str()),
        ("response_type", "code"),
        ("redirect_uri", REDIRECT),
        ("scope", scope.as_str()),
        ("state", "a state & more"),
        ("nonce", "a-nonce"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    for change in changes {
        parameters.retain(|(name, _)| name != &change.0);
        if !change.1.is_empty() {
            parameters.push(*change);
        }
    }
    let base = format!("{}/{tenant}/oauth2/v2.0/authorize", entra.base_url());
    Url::parse_with_params(&base, parameters).unwrap()
}

/// Presses a button of the sign-in page. Returns the status and the parameters of the redirect.
pub(crate) async fn decide(
    url: &Url,
    fields: &[(&str, &str)],
) -> (u16, HashMap<String, String>, String) {
    let decision = url.as_str().replacen("/authorize?", "/authorize/decision?", 1);
    let answer = http().post(decision).form(fields).send().await.unwrap();
    let status = answer.status().as_u16();
    let location = answer.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
    let parameters = location
        .map(|location| Url::parse(&location).unwrap().query_pairs().into_owned().collect())
        .unwrap_or_default();
    (status, parameters, answer.text().await.unwrap())
}

pub(crate) async fn code(
    entra: &Entra,
    tenant: &str,
    account: &str,
    changes: &[(&str, &str)],
) -> String {
    let url = authorize_url(entra, tenant, changes);
    let (status, parameters, page) =
        decide(&url, &[("account", account), ("action", "approve")]).await;
    assert_eq!(status, 302, "{page}");
    parameters["code"].clone()
}

/// Sends a token request. Returns status, body and headers.
pub(crate) async fn token(
    entra: &Entra,
    tenant: &str,
    fields: &[(&str, &str)],
) -> (u16, Value, reqwest::header::HeaderMap) {
    let client_id = DEFAULT_CLIENT_ID.to_string();
    let mut form =
        vec![("client_id", client_id.as_str()), ("client_secret", DEFAULT_CLIENT_SECRET)];
    for field in fields {
        form.retain(|(name, _)| name != &field.0);
        if !field.1.is_empty() {
            form.push(*field);
        }
    }
    let url = format!("{}/{tenant}/oauth2/v2.0/token", entra.base_url());
    let answer = http().post(url).form(&form).send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    (status, answer.json().await.unwrap_or_default(), headers)
}

pub(crate) async fn redeem(entra: &Entra, tenant: &str, code: &str) -> Value {
    let (status, body, _) = token(
        entra,
        tenant,
        &[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ],
    )
    .await;
    assert_eq!(status, 200, "{body}");
    body
}

pub(crate) async fn sign_in(entra: &Entra, tenant: &str, account: &str) -> Value {
    let code = code(entra, tenant, account, &[]).await;
    redeem(entra, tenant, &code).await
}

pub(crate) async fn refresh(
    entra: &Entra,
    tenant: &str,
    refresh_token: &str,
    more: &[(&str, &str)],
) -> (u16, Value) {
    let mut fields = vec![("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
    fields.extend_from_slice(more);
    let (status, body, _) = token(entra, tenant, &fields).await;
    (status, body)
}

pub(crate) fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().unwrap_or_default()
}

pub(crate) fn codes(body: &Value) -> Vec<u64> {
    body["error_codes"].as_array().unwrap().iter().map(|code| code.as_u64().unwrap()).collect()
}

pub(crate) fn claims_of(token: &str) -> Value {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(
        &base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap(),
    )
    .unwrap()
}

pub(crate) fn tenant_a() -> String {
    TENANT_A.to_string()
}
