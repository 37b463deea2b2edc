//! The claims that Entra asked for when it refused to redeem a code, kept by the browser for its next sign-in: without
//! them Entra would refuse that one, too.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use vault::sessions::SESSION_LIFETIME;

use crate::cookies;

const KEPT_FOR: Duration = SESSION_LIFETIME.unsigned_abs();
/// The longest claims that a cookie takes, in bytes.
const LONGEST: usize = 2048;

/// Returns the `Set-Cookie` that keeps these claims (JSON) as long as a connect link lives, or `None` if they are too long.
pub fn keep(claims: &str) -> Option<HeaderValue> {
    if claims.len() > LONGEST {
        return None;
    }
    let value = SecretString::from(URL_SAFE_NO_PAD.encode(claims));
    cookies::claims().set(&value, KEPT_FOR).ok()
}

/// Returns the kept claims. The browser may have changed them, so nothing may depend on them.
pub fn kept(headers: &HeaderMap) -> Option<String> {
    let value = cookies::claims().read(headers).ok()??;
    let claims = URL_SAFE_NO_PAD.decode(value.expose_secret()).ok()?;
    String::from_utf8(claims).ok().filter(|claims| claims.len() <= LONGEST)
}

/// Returns the `Set-Cookie` that forgets the claims, if the browser keeps some.
pub fn forget(headers: &HeaderMap) -> Option<HeaderValue> {
    kept(headers).map(|_| cookies::claims().clear())
}

#[cfg(test)]
mod tests {
    use http::header::COOKIE;

    use super::*;

    fn sent(cookie: &str) -> HeaderMap {
        HeaderMap::from_iter([(COOKIE, cookie.parse().unwrap())])
    }

    #[test]
    fn claims_come_back_as_they_were_kept() {
        let claims = r#"{"access_token":{"polids":{"essential":true,"values":["é"]}}}"#;
        let cookie = keep(claims).unwrap();
        let pair = cookie.to_str().unwrap().split(';').next().unwrap();
        assert_eq!(kept(&sent(pair)).as_deref(), Some(claims));
        assert!(forget(&sent(pair)).unwrap().to_str().unwrap().contains("Max-Age=0"));
        assert_eq!(keep(&"x".repeat(LONGEST + 1)), None);
    }

    #[test]
    fn an_unusable_cookie_keeps_nothing() {
        for cookie in ["a=b", "__Host-ado-connect-claims=%", "__Host-ado-connect-claims=_w"] {
            assert_eq!(kept(&sent(cookie)), None, "{cookie}");
            assert_eq!(forget(&sent(cookie)), None, "{cookie}");
        }
    }
}
