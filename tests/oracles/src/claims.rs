//! A second opinion on claims challenges: in `WWW-Authenticate`, in requests to Entra, and in the browser's cookie.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use edge::claims_cookie::{self, SignIn};
use entra::claims::{challenge, with_capability};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use serde_json::{Map, Value, json};

/// The longest challenge that is kept, in bytes: with our own parameters it must fit into an address.
const LONGEST: usize = 4096;
/// The longest cookie that browsers keep, by name and value (RFC 6265bis section 5.7).
const LONGEST_COOKIE: usize = 4096;
/// A tenant other than that of the sign-in.
const OTHER_TENANT: &str = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";

/// Judges a `WWW-Authenticate` header. Returns whether it has a challenge.
pub fn judge(input: &[u8]) -> bool {
    let Ok(header) = std::str::from_utf8(input) else { return false };
    judge_requested(header);
    judge_forged_cookie(input);
    judge_cookie(header);
    let Some(claims) = challenge(header) else { return false };
    assert!(claims.len() <= LONGEST, "{} bytes", claims.len());
    assert!(object(&claims).is_some(), "{claims:?} is no object");
    // They stand in the header in either alphabet; the bits that are left over may differ.
    let sent = header.replace('-', "+").replace('_', "/");
    let encoded = STANDARD_NO_PAD.encode(&claims);
    assert!(sent.contains(&encoded[..encoded.len() - 1]), "{claims:?} were not sent");
    assert!(header.to_ascii_lowercase().contains("insufficient_claims"), "nothing asks for claims");
    judge_requested(&claims);
    judge_cookie(&claims);
    true
}

fn object(text: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(text).ok()
}

/// Asserts that a request to Entra asks for everything in a challenge, and for our capability.
fn judge_requested(claims: &str) {
    let mut expected = object(claims).unwrap_or_default();
    let access_token = expected.remove("access_token");
    let mut access_token: Map<_, _> = match access_token {
        Some(Value::Object(members)) => members,
        _ => Map::new(),
    };
    access_token.insert("xms_cc".to_owned(), json!({"values": ["cp1"]}));
    expected.insert("access_token".to_owned(), Value::Object(access_token));
    // As texts, because a number may not come back as it was.
    assert_eq!(with_capability(Some(claims)), Value::Object(expected).to_string());
}

fn sign_in(integration: &str, tenant: &str) -> SignIn {
    SignIn {
        integration: integration.parse().unwrap(),
        tenant: tenant.to_owned().try_into().unwrap(),
    }
}

/// Asserts that the cookie gives the claims back as they were, to their own sign-in only.
fn judge_cookie(claims: &str) {
    let ours = sign_in("one", "organizations");
    let Some(cookie) = claims_cookie::keep(&ours, claims) else {
        let escaped = Value::from(claims).to_string();
        assert!(escaped.len() > 2500, "{} bytes fit into a cookie", escaped.len());
        return;
    };
    let text = cookie.to_str().unwrap();
    assert_eq!(text.matches(';').count(), 5, "{text}");
    let (pair, _) = text.split_once(';').unwrap();
    assert!(pair.len() - 1 <= LONGEST_COOKIE, "{} bytes", pair.len());
    let sent = HeaderMap::from_iter([(COOKIE, pair.parse().unwrap())]);
    assert_eq!(claims_cookie::kept(&sent, &ours).as_deref(), Some(claims));
    for other in [sign_in("two", "organizations"), sign_in("one", OTHER_TENANT)] {
        assert_eq!(claims_cookie::kept(&sent, &other), None);
    }
}

/// Asserts that a cookie which the browser made up yields nothing but a request for our capability.
fn judge_forged_cookie(value: &[u8]) {
    let cookie = [b"__Host-ado-connect-claims=", value].concat();
    let Ok(cookie) = HeaderValue::from_bytes(&cookie) else { return };
    let sent = HeaderMap::from_iter([(COOKIE, cookie)]);
    if let Some(claims) = claims_cookie::kept(&sent, &sign_in("one", "organizations")) {
        judge_requested(&claims);
    }
}
