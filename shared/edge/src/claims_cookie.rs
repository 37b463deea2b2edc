//! The claims that Entra asked for when it refused to redeem a code, kept by the browser for its next sign-in under the
//! same integration and at the same tenant: without them Entra would refuse that one, too.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra::identifiers::Tenant;
use http::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use vault::ids::IntegrationId;
use vault::sessions::SESSION_LIFETIME;

use crate::cookies;

const KEPT_FOR: Duration = SESSION_LIFETIME.unsigned_abs();
/// The longest value, in bytes: browsers drop a cookie whose name and value have more than 4,096 (RFC 6265bis section 5.7).
const LONGEST: usize = 3900;

/// The sign-ins that claims belong to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignIn {
    /// The integration.
    pub integration: IntegrationId,
    /// The tenant that the browser is sent to.
    pub tenant: Tenant,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    sign_in: SignIn,
    claims: String,
}

/// Returns the `Set-Cookie` that keeps these claims (JSON) as long as a connect link lives, or `None` if they are too long.
pub fn keep(sign_in: &SignIn, claims: &str) -> Option<HeaderValue> {
    let kept = Kept { sign_in: sign_in.clone(), claims: claims.to_owned() };
    let value = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&kept).ok()?);
    if value.len() > LONGEST {
        return None;
    }
    cookies::claims().set(&SecretString::from(value), KEPT_FOR).ok()
}

/// Returns the claims that are kept for such a sign-in. The browser may have changed them, so nothing may depend on them.
pub fn kept(headers: &HeaderMap, sign_in: &SignIn) -> Option<String> {
    let value = cookies::claims().read(headers).ok()??;
    let kept = URL_SAFE_NO_PAD.decode(value.expose_secret()).ok()?;
    let kept: Kept = serde_json::from_slice(&kept).ok()?;
    (kept.sign_in == *sign_in).then_some(kept.claims)
}

/// Returns the `Set-Cookie` that forgets the claims, if the browser keeps some for such a sign-in.
pub fn forget(headers: &HeaderMap, sign_in: &SignIn) -> Option<HeaderValue> {
    kept(headers, sign_in).map(|_| cookies::claims().clear())
}

#[cfg(test)]
mod tests {
    use http::header::COOKIE;

    use super::*;

    fn sign_in(integration: &str, tenant: &str) -> SignIn {
        let tenant = tenant.to_owned().try_into().unwrap();
        SignIn { integration: integration.parse().unwrap(), tenant }
    }

    fn sent(cookie: &str) -> HeaderMap {
        HeaderMap::from_iter([(COOKIE, cookie.parse().unwrap())])
    }

    #[test]
    fn claims_come_back_as_they_were_kept_and_for_no_other_sign_in() {
        let claims = r#"{"access_token":{"polids":{"essential":true,"values":["é"]}}}"#;
        let tenant = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";
        let ours = sign_in("one", tenant);
        let cookie = keep(&ours, claims).unwrap();
        let sent = sent(cookie.to_str().unwrap().split(';').next().unwrap());
        assert_eq!(kept(&sent, &ours).as_deref(), Some(claims));
        assert!(forget(&sent, &ours).unwrap().to_str().unwrap().contains("Max-Age=0"));
        for other in [sign_in("two", tenant), sign_in("one", "organizations")] {
            assert_eq!(kept(&sent, &other), None);
            assert_eq!(forget(&sent, &other), None);
        }
    }

    #[test]
    fn no_cookie_is_longer_than_browsers_keep() {
        let ours = sign_in("one", "organizations");
        for claims in ["x", "\"", "é"].map(|one| (0..4000).map(move |length| one.repeat(length))) {
            let cookies: Vec<_> = claims.map_while(|claims| keep(&ours, &claims)).collect();
            assert!(cookies.len() > 1000);
            assert!(cookies.iter().all(|cookie| cookie.len() <= 4096));
        }
    }

    #[test]
    fn an_unusable_cookie_keeps_nothing() {
        for cookie in ["a=b", "__Host-ado-connect-claims=%", "__Host-ado-connect-claims=_w"] {
            assert_eq!(kept(&sent(cookie), &sign_in("one", "organizations")), None, "{cookie}");
        }
    }
}
