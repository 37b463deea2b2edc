//! A second opinion on the tokens of callers and of Entra: only tokens that the provider signed verify, with the claims
//! that they were signed with.

use std::sync::LazyLock;

use edge::caller::jwt::JwtVerifier;
use edge::config::JwtConfig;
use entra::id_token::{IdTokenExpectations, Identity, unverified_tenant, validate};
use entra::identifiers::ClientId;
use entra::jwks::KeyCache;
use entra::metadata::Metadata;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey};
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use vault::ids::UserId;

use crate::edit::edited_text;
use crate::provider::{self, EC, ISSUER, KEYS, NOW, OTHER_RSA, RSA};
use crate::run;

const AUDIENCE: &str = "ado-connect";
const CLIENT: &str = "11111111-1111-4111-8111-111111111111";
const NONCE: &str = "the-nonce";
/// The tolerated differences of clocks, in seconds: of the caller's provider, and of Entra.
const SKEWS: [f64; 2] = [60.0, 300.0];
/// Headers that consist of an algorithm and the id of its key.
const PLAIN_HEADERS: [&str; 2] =
    [r#"{"alg":"RS256","kid":"rsa"}"#, r#"{"alg":"ES256","kid":"ec"}"#];

static CALLERS: LazyLock<JwtVerifier> = LazyLock::new(|| {
    let config = JwtConfig {
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        user_claim: "sub".to_owned(),
    };
    let documents = provider::transport(|address| {
        if address == KEYS { provider::key_set() } else { provider::discovery() }
    });
    JwtVerifier::new(config, documents, provider::clock())
});
static ENTRA: LazyLock<(Metadata, KeyCache)> = LazyLock::new(|| {
    let metadata = json!({
        "issuer": format!("{ISSUER}/{{tenantid}}/v2.0"),
        "authorization_endpoint": format!("{ISSUER}/authorize"),
        "token_endpoint": format!("{ISSUER}/token"),
        "jwks_uri": KEYS,
    });
    let keys = KeyCache::new(provider::transport(|_| provider::key_set()), provider::clock());
    (serde_json::from_value(metadata).unwrap(), keys)
});

/// Judges `header SEPARATOR claims SEPARATOR edit`: the input itself as a token, then a token with this header and these
/// claims, then the same one edited, and one of another key. Returns whether the second one is accepted.
pub fn judge(input: &[u8]) -> bool {
    let Some([header, claims, edit]) = crate::parts(input) else { return false };
    let whole = String::from_utf8_lossy(input);
    judge_forged(&whole);
    let (key, algorithm) =
        if header.contains("ES256") { (&*EC, Algorithm::ES256) } else { (&*RSA, Algorithm::RS256) };
    let token = provider::signed(header, claims, key, algorithm);
    let caller = judge_caller(&token, header, claims);
    let user = judge_user(&token, header, claims);
    let changed = edited_text(&token, edit);
    if changed != token {
        judge_forged(&changed);
    }
    if caller || user {
        judge_forged(&of_another_key(header, claims, &OTHER_RSA));
    }
    caller || user
}

fn of_another_key(header: &str, claims: &str, key: &EncodingKey) -> String {
    provider::signed(header, claims, key, Algorithm::RS256)
}

fn caller(token: &str) -> Option<UserId> {
    run(CALLERS.verify(&SecretString::from(token))).ok()
}

fn user(token: &str) -> Option<Identity> {
    let (metadata, keys) = &*ENTRA;
    let client_id: ClientId = CLIENT.parse().unwrap();
    let expected =
        IdTokenExpectations { client_id: &client_id, nonce: &NONCE.into(), tenants: &[] };
    let now = Timestamp::from_second(NOW).unwrap();
    run(validate(&expected, &SecretString::from(token), metadata, keys, now)).ok()
}

/// Asserts that nothing verifies which the provider did not sign.
fn judge_forged(token: &str) {
    assert_eq!(caller(token), None, "{token:?} is accepted of a caller");
    assert!(user(token).is_none(), "{token:?} is accepted of Entra");
}

/// Asserts that a caller's token is accepted if and only if its claims are for us. Returns whether it is.
fn judge_caller(token: &str, header: &str, claims: &str) -> bool {
    let accepted = caller(token);
    let expected = object(claims).and_then(|claims| of_caller(&claims));
    if let Some(user) = &accepted {
        judge_header(header);
        let named = expected.as_deref();
        assert_eq!((user.issuer(), Some(user.name())), (Some(ISSUER), named), "{claims}");
    } else if PLAIN_HEADERS.contains(&header) {
        assert_eq!(expected, None, "{claims} are refused");
    }
    accepted.is_some()
}

fn object(text: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(text).ok()
}

/// Asserts what the header of an accepted token must have.
fn judge_header(header: &str) {
    // `Value` refuses numbers and texts that a reader may skip.
    let Some(header) = object(header) else { return };
    let text = |name: &str| header.get(name).and_then(Value::as_str);
    assert!(matches!(text("alg"), Some("RS256" | "ES256")), "{header:?}");
    assert!(header.get("crit").is_none_or(Value::is_null), "{header:?}");
    assert!(matches!(text("kid"), None | Some("rsa" | "ec")), "{header:?}");
}

/// Returns the user that the claims of a caller's token name, if they are for us.
fn of_caller(claims: &Map<String, Value>) -> Option<String> {
    let is = |name: &str, expected: &str| claims.get(name) == Some(&json!(expected));
    let is_for_us = match claims.get("aud") {
        None => is("token_use", "access") && is("client_id", AUDIENCE),
        Some(Value::Array(several)) => several.contains(&json!(AUDIENCE)),
        Some(one) => *one == json!(AUDIENCE),
    };
    let user = claims.get("sub")?.as_str()?;
    let is_name = !user.is_empty() && user.len() <= 256 && !user.chars().any(char::is_control);
    let valid = is("iss", ISSUER) && is_for_us && is_current(claims, SKEWS[0]) && is_name;
    valid.then(|| user.to_owned())
}

#[expect(clippy::cast_precision_loss, reason = "a time of this century")]
fn is_current(claims: &Map<String, Value>, skew: f64) -> bool {
    let now = NOW as f64;
    let has_begun = match claims.get("nbf") {
        None => true,
        Some(from) => from.as_f64().is_some_and(|from| from - skew <= now),
    };
    let ends = claims.get("exp").and_then(Value::as_f64);
    has_begun && ends.is_some_and(|until| until + skew > now)
}

/// Asserts that the user of an accepted ID token is the one in its claims. Returns whether it is accepted.
fn judge_user(token: &str, header: &str, claims: &str) -> bool {
    let Some(user) = user(token) else { return false };
    judge_header(header);
    let Some(claims) = object(claims) else { return true };
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let lower = |name: &str| text(name).map(str::to_ascii_lowercase);
    assert!(object(header).is_none_or(|header| header["alg"] == "RS256"));
    let tenant = user.tenant_id.to_string();
    assert_eq!(lower("tid").as_deref(), Some(tenant.as_str()));
    assert_eq!(lower("oid"), Some(user.object_id.to_string()));
    assert_eq!(text("iss"), Some(format!("{ISSUER}/{tenant}/v2.0").as_str()));
    assert_eq!((text("aud"), text("nonce")), (Some(CLIENT), Some(NONCE)));
    let nbf_is_absent = claims.get("nbf").is_none_or(Value::is_null);
    let mut timed = claims.clone();
    timed.retain(|name, _| name != "nbf" || !nbf_is_absent);
    assert!(is_current(&timed, SKEWS[1]), "{claims:?}");
    assert_eq!(
        (user.name.as_deref(), user.username.as_deref()),
        (text("name"), text("preferred_username"))
    );
    assert_eq!(unverified_tenant(&SecretString::from(token)), Some(user.tenant_id));
    true
}
