//! Claims requests and claims challenges
//! (<https://learn.microsoft.com/entra/identity-platform/claims-challenge>).
//!
//! We declare the client capability `cp1`: Entra then issues tokens that live for up to 28 hours and are revoked as
//! soon as the tenant requires it, and Azure DevOps answers with a challenge that names the missing claims.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// The longest accepted challenge, in bytes; it travels through a URL.
const LONGEST: usize = 4096;

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
/// or `None` if there are none. One header may hold several challenges.
pub fn challenge(www_authenticate: &str) -> Option<String> {
    if !www_authenticate.contains("insufficient_claims") {
        return None;
    }
    let at = www_authenticate.find("claims=\"")? + "claims=\"".len();
    let encoded = www_authenticate.get(at..)?.split('"').next()?;
    let json = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let is_object = serde_json::from_str::<Map<String, Value>>(&json).is_ok();
    (json.len() <= LONGEST && is_object).then_some(json)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

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
