//! Claims requests and claims challenges
//! (<https://learn.microsoft.com/entra/identity-platform/claims-challenge>).
//!
//! We declare the client capability `cp1`: Entra then issues tokens that live for up to 28 hours and are revoked as
//! soon as the tenant requires it, and Azure DevOps answers with a challenge that names the missing claims.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// The longest accepted challenge, in bytes; it travels through a URL.
const LONGEST: usize = 4096;
/// Without padding; bits that are left over do not matter.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// Returns the value of the `claims` parameter: our capability, merged into the challenge. A challenge that is not a
/// JSON object counts as absent.
pub fn with_capability(challenge: Option<&str>) -> String {
    let mut claims: Map<String, Value> =
        challenge.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let access_token = claims.entry("access_token").or_insert_with(|| json!({}));
    if !access_token.is_object() {
        *access_token = json!({});
    }
    access_token["xms_cc"] = json!({"values": ["cp1"]});
    Value::Object(claims).to_string()
}

/// Returns the claims of a `WWW-Authenticate: Bearer …, error="insufficient_claims", claims="<base64>"` as JSON text,
/// or `None` if there are none. The header may hold several challenges, joined by commas, and their values may lack quotes;
/// the base64 may be of either alphabet, with padding or without.
pub fn challenge(www_authenticate: &str) -> Option<String> {
    let challenges = challenges(www_authenticate);
    let mut asking = challenges.iter().filter(|challenge| {
        challenge.get("error").is_some_and(|error| error == "insufficient_claims")
    });
    asking.find_map(|challenge| claims(challenge.get("claims")?))
}

fn claims(encoded: &str) -> Option<String> {
    let standard = encoded.trim().trim_end_matches('=').replace('-', "+").replace('_', "/");
    usable(String::from_utf8(BASE64.decode(standard).ok()?).ok()?)
}

/// Returns claims that can be kept and sent to Entra: a JSON object of at most 4,096 bytes.
pub(crate) fn usable(claims: String) -> Option<String> {
    let is_object = serde_json::from_str::<Map<String, Value>>(&claims).is_ok();
    (claims.len() <= LONGEST && is_object).then_some(claims)
}

/// Returns the parameters of each challenge (RFC 9110 section 11.6.1), by names in lower case.
fn challenges(header: &str) -> Vec<HashMap<String, String>> {
    let mut challenges = Vec::new();
    for item in outside_quotes(header) {
        let (name, value) = item.split_once('=').unwrap_or((item, ""));
        // A scheme comes before the first parameter of its challenge, or alone.
        let name = match name.trim().rsplit_once(char::is_whitespace) {
            Some((_scheme, name)) => {
                challenges.push(HashMap::new());
                name
            }
            None if !item.contains('=') => {
                challenges.push(HashMap::new());
                continue;
            }
            None => name.trim(),
        };
        if let Some(challenge) = challenges.last_mut() {
            challenge.entry(name.to_ascii_lowercase()).or_insert_with(|| unquoted(value));
        }
    }
    challenges
}

/// Splits at commas that are not in a quoted text.
fn outside_quotes(header: &str) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let items = header.split(move |character| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match character {
            '\\' if is_quoted && !was_escaped => is_escaped = true,
            '"' if !was_escaped => is_quoted = !is_quoted,
            _ => {}
        }
        character == ',' && !is_quoted
    });
    items.map(str::trim).filter(|item| !item.is_empty())
}

fn unquoted(value: &str) -> String {
    let value = value.trim();
    let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    quoted.map_or_else(|| value.to_owned(), |text| text.replace("\\\"", "\""))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    #[test]
    fn a_challenge_is_read_in_every_spelling() {
        // Its base64 has both characters that the alphabets write differently, and needs padding.
        let claims = r#"{"access_token":{"x":"???>>>~"},"y":"ûÿ"}"#;
        assert!(
            STANDARD.encode(claims).contains(['+', '/']) && STANDARD.encode(claims).ends_with('=')
        );
        let encoded =
            [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD].map(|e| e.encode(claims));
        for encoded in encoded {
            for header in [
                format!(r#"Bearer error="insufficient_claims", claims="{encoded}""#),
                format!("Bearer error=insufficient_claims, claims={encoded}"),
                format!(r#"Bearer realm="", Error = "insufficient_claims" , CLAIMS = "{encoded}""#),
                format!(r#"bearer claims={encoded},error="insufficient_claims""#),
                format!(
                    r#"Bearer authorization_uri=https://login.windows.net/x, Basic realm="a, b=\"c\"", TFS-Federated, Bearer realm="", error="insufficient_claims", claims="{encoded}""#
                ),
                format!(
                    r#"Bearer claims="e30", error="invalid_token", Bearer error="insufficient_claims", claims="{encoded}", Basic realm="x""#
                ),
            ] {
                assert_eq!(challenge(&header).as_deref(), Some(claims), "{header}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_header_is_read_without_panic(header in ".*", inside in "[ -~]*") {
            let _ = challenge(&header);
            let _ = challenge(&format!("Bearer error=insufficient_claims, {inside}"));
        }
    }

    #[test]
    fn the_capability_joins_a_challenge_and_keeps_it() {
        assert_eq!(with_capability(None), r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#);
        let merged =
            with_capability(Some(r#"{"access_token":{"nbf":{"essential":true,"value":"1"}}}"#));
        let merged: Value = serde_json::from_str(&merged).unwrap();
        assert_eq!(merged["access_token"]["nbf"]["value"], "1");
        assert_eq!(merged["access_token"]["xms_cc"]["values"][0], "cp1");
        assert_eq!(with_capability(Some("nonsense")), with_capability(None));
        assert_eq!(with_capability(Some(r#"{"access_token":7}"#)), with_capability(None));
    }

    #[test]
    fn only_insufficient_claims_are_read_as_a_challenge() {
        let claims = r#"{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}"#;
        let header = format!(
            r#"Basic realm="x", Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", error="insufficient_claims", claims="{}""#,
            STANDARD.encode(claims),
        );
        assert_eq!(challenge(&header).unwrap(), claims);
        for none in [
            "",
            "Bearer",
            r#"Bearer claims="e30=""#,
            r#"Bearer error="insufficient_claims""#,
            r#"Bearer error="insufficient_claims", claims="%%""#,
            r#"Bearer error="insufficient_claims", claims="WzFd""#,
        ] {
            assert_eq!(challenge(none), None, "{none}");
        }
    }
}
