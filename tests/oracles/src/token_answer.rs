//! A second opinion on the answers of the token endpoint: tokens come out as they were sent and are shown nowhere, and a
//! refusal blames only the party that it names.

use std::time::Duration;

use entra::credential::ClientCredential;
use entra::error_class::{ErrorClass, Party, known_codes};
use entra::identifiers::ClientId;
use entra::metadata::Metadata;
use entra::token::{
    ClientCredentialsRequest, CodeRequest, RefreshRequest, TokenClient, TokenError, TokenResponse,
};
use ground::random::Random;
use http::header::RETRY_AFTER;
use http::{HeaderValue, Response};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};
use vault::schedule::{self, Lifetime, Warmth};

use crate::provider::{self, ISSUER, NOW};
use crate::run;

const CLIENT: &str = "11111111-1111-4111-8111-111111111111";
/// The members of an answer that are secrets or personal data.
const HIDDEN: [&str; 4] = ["access_token", "refresh_token", "id_token", "error_description"];
/// The members of a refusal that administrators are shown.
const SHOWN: [&str; 5] = ["error", "suberror", "claims", "correlation_id", "trace_id"];
/// Characters of a secret that would be recognised in a text.
const RECOGNISABLE: usize = 8;
/// The longest challenge that is kept, in bytes.
const LONGEST_CLAIMS: usize = 4096;

/// Judges `leg and status SEPARATOR Retry-After SEPARATOR body`, where the first part is such as `refresh 400`. Returns
/// whether there are tokens.
pub fn judge(input: &[u8]) -> bool {
    let Some([request, retry_after, body]) = crate::parts(input) else { return false };
    let (leg, status) = request.split_once(' ').unwrap_or((request, "200"));
    let status: u16 =
        status.parse().ok().filter(|status| (200..600).contains(status)).unwrap_or(200);
    let json = body.strip_prefix('\u{feff}').unwrap_or(body);
    let members: Option<Map<String, Value>> = if status == 200 {
        // What follows the tokens is overlooked, so that no rotated refresh token is lost.
        serde_json::Deserializer::from_str(json).into_iter().next().and_then(Result::ok)
    } else {
        serde_json::from_str(json).ok()
    };
    // `Value` refuses some numbers and texts that a reader may skip.
    let is_unclear = members.is_none()
        && serde_json::Deserializer::from_str(json)
            .into_iter::<IgnoredAny>()
            .any(|one| one.is_ok());
    match answered(leg, status, retry_after, body) {
        Ok(tokens) => {
            assert_eq!(status, 200);
            judge_lifetime(&tokens);
            if !is_unclear {
                judge_tokens(&tokens, &members.expect("tokens come in an object"));
            }
            true
        }
        Err(error) => {
            judge_kept(&error);
            if !is_unclear {
                judge_blamed(&error, leg, status, members.as_ref());
            }
            judge_hidden(&format!("{error} {error:?} {}", error.reason()), body, members.as_ref());
            false
        }
    }
}

fn answered(
    leg: &str,
    status: u16,
    retry_after: &str,
    body: &str,
) -> Result<TokenResponse, TokenError> {
    let (wait, body) = (HeaderValue::from_str(retry_after).ok(), body.as_bytes().to_vec());
    let transport = provider::answering(move |_| {
        let mut answer = Response::new(body.clone());
        *answer.status_mut() = status.try_into().unwrap();
        answer.headers_mut().extend(wait.clone().map(|wait| (RETRY_AFTER, wait)));
        answer
    });
    let client = TokenClient::new(transport, provider::clock());
    let metadata: Metadata = serde_json::from_value(json!({
        "issuer": ISSUER,
        "authorization_endpoint": format!("{ISSUER}/authorize"),
        "token_endpoint": format!("{ISSUER}/token"),
        "jwks_uri": format!("{ISSUER}/keys"),
    }))
    .unwrap();
    let client_id: ClientId = CLIENT.parse().unwrap();
    let (client_id, secret) = (&client_id, SecretString::from("a secret"));
    let credential = &ClientCredential::Secret(secret.clone());
    let scopes = &["scope".to_owned()];
    run(async {
        match leg {
            "code" => {
                let redirect_uri = &ISSUER.parse().unwrap();
                let (code, code_verifier) = (&secret, &secret);
                let request = CodeRequest {
                    client_id,
                    credential,
                    code,
                    redirect_uri,
                    code_verifier,
                    scopes,
                };
                client.exchange_code(&metadata, request).await
            }
            "app" => {
                let request = ClientCredentialsRequest { client_id, credential, scope: "scope" };
                client.client_credentials(&metadata, request).await
            }
            _ => {
                let refresh_token = &secret;
                let request =
                    RefreshRequest { client_id, credential, refresh_token, scopes, claims: None };
                client.refresh(&metadata, request).await
            }
        }
    })
}

/// Asserts that the tokens are those of the answer, and that none of them is shown.
fn judge_tokens(tokens: &TokenResponse, members: &Map<String, Value>) {
    let text = |name: &str| {
        members.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty())
    };
    let optional = [("refresh_token", &tokens.refresh_token), ("id_token", &tokens.id_token)];
    for (name, token) in optional {
        assert_eq!(token.as_ref().map(ExposeSecret::expose_secret), text(name), "{name}");
    }
    assert_eq!(text("access_token"), Some(tokens.access_token.secret().expose_secret()));
    let granted = text("scope").map(|scopes| scopes.split_whitespace().collect());
    assert_eq!(tokens.scopes, granted.unwrap_or_else(|| vec!["scope"]));
    let shown = format!("{tokens:?}");
    for name in HIDDEN {
        if let Some(secret) = text(name).filter(|text| text.len() >= RECOGNISABLE) {
            let is_elsewhere = tokens.scopes.iter().any(|scope| scope.contains(secret));
            let is_of_the_form = format!("{:?}", without_tokens(tokens)).contains(secret);
            assert!(
                is_elsewhere || is_of_the_form || !shown.contains(secret),
                "{shown} has {name}"
            );
        }
    }
}

/// Asserts that a renewal can be planned, whatever the lifetime.
fn judge_lifetime(tokens: &TokenResponse) {
    let now = Timestamp::from_second(NOW).unwrap();
    let lifetime = Lifetime::of(tokens);
    for warmth in [Warmth::Always, Warmth::WhileUsed(None)] {
        let due = schedule::next_renewal(lifetime, warmth, now, &mut Random::seeded(1));
        assert!(due > now && due < now + SignedDuration::from_hours(8 * 24), "{due}");
    }
}

/// Returns how an answer with other tokens is shown.
fn without_tokens(tokens: &TokenResponse) -> TokenResponse {
    let other = || Some(SecretString::from("-"));
    TokenResponse {
        access_token: SecretString::from("-").try_into().unwrap(),
        refresh_token: tokens.refresh_token.as_ref().and_then(|_| other()),
        id_token: tokens.id_token.as_ref().and_then(|_| other()),
        expires_in: tokens.expires_in,
        refresh_in: tokens.refresh_in,
        scopes: tokens.scopes.clone(),
        received_at: tokens.received_at,
    }
}

/// Asserts that a refusal blames the party that its numbers name.
fn judge_blamed(error: &TokenError, leg: &str, status: u16, members: Option<&Map<String, Value>>) {
    let code =
        members.and_then(|members| members.get("error")?.as_str()).filter(|text| is_code(text));
    let has_decided = (201..500).contains(&status) && status != 429 && code.is_some();
    match status {
        429 => assert_eq!(error.class, ErrorClass::Throttled),
        _ if !has_decided => assert_eq!(error.class, ErrorClass::Transient, "{status}"),
        _ => {}
    }
    let is_known = error.codes.iter().any(|code| known_codes().any(|known| known == *code));
    let names_tenant = error.error.as_deref() == Some("invalid_tenant");
    match error.class.party() {
        Party::Integration => assert!(is_known, "{error:?} blames the credential"),
        Party::Tenant => assert!(is_known || names_tenant, "{error:?} blames the tenant"),
        Party::Connection => assert_ne!(leg, "app", "{error:?} blames a connection for the app"),
        Party::Nobody => {}
    }
}

/// Returns whether a text is an error code: short, and of the characters of RFC 6749 section 5.2 or their like.
fn is_code(text: &str) -> bool {
    let is_blank = text.chars().all(char::is_whitespace);
    !is_blank && text.len() <= 128 && text.chars().all(|c| c == ' ' || c.is_ascii_graphic())
}

/// Asserts that a refusal keeps little of the answer, and waits no longer than an hour.
fn judge_kept(error: &TokenError) {
    let TokenError { error: code, suberror, claims, retry_after, correlation_id, trace_id, .. } =
        error;
    for text in [code, suberror, correlation_id, trace_id].into_iter().flatten() {
        assert!(is_code(text), "{text:?} is kept");
    }
    assert!(retry_after.is_none_or(|wait| wait <= Duration::from_hours(1)), "{error:?}");
    if let Some(claims) = claims {
        assert!(claims.len() <= LONGEST_CLAIMS, "{} bytes of claims", claims.len());
        assert!(
            serde_json::from_str::<Map<String, Value>>(claims).is_ok(),
            "{claims} are no claims"
        );
    }
}

/// Asserts that an error shows nothing of the answer but what administrators look up.
fn judge_hidden(shown: &str, body: &str, members: Option<&Map<String, Value>>) {
    let Some(members) = members else {
        // Some page: a part of it would be recognised.
        let word = body.split_whitespace().find(|word| word.len() >= 4 * RECOGNISABLE);
        assert!(word.is_none_or(|word| !shown.contains(word)), "{shown} quotes a page");
        return;
    };
    let looked_up: Vec<String> = SHOWN
        .iter()
        .filter_map(|name| members.get(*name))
        .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        .collect();
    for name in HIDDEN {
        let Some(secret) = members.get(name).and_then(Value::as_str) else { continue };
        let is_elsewhere = looked_up.iter().any(|text| text.contains(secret));
        if secret.len() >= 2 * RECOGNISABLE && !is_elsewhere {
            assert!(!shown.contains(secret), "{shown} has {name}");
        }
    }
}
