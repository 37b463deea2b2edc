//! `__Host-` cookies: sent to this origin only, never readable by scripts (S-05).

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra::authorization::State;
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use crate::problem::{Code, Problem};

/// A cookie of ours, by name.
///
/// The prefix makes browsers insist on `Secure`, `Path=/` and no `Domain`, so that no other host,
/// not even a sibling under the same domain, can set it (RFC 6265bis §4.1.3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostCookie {
    /// The whole name, `__Host-` included.
    name: String,
}

/// The cookie that binds the authorization request with this `state` to the browser that started
/// it. Each request has its own, so that two tabs do not undo each other; its name has the digest of the
/// state, because a cookie's name is no secret.
#[must_use]
pub fn binding(state: &State) -> HostCookie {
    let digest = URL_SAFE_NO_PAD.encode(digest(&SHA256, state.secret().expose_secret().as_bytes()));
    HostCookie { name: format!("__Host-ado-connect-{}", digest.get(..16).unwrap_or(&digest)) }
}

/// The cookie with the claims for the browser's next sign-in.
#[must_use]
pub fn claims() -> HostCookie {
    HostCookie { name: "__Host-ado-connect-claims".to_owned() }
}

/// The cookie of the page on which a user lets an MCP client in.
#[must_use]
pub fn consent() -> HostCookie {
    HostCookie { name: "__Host-ado-connect-consent".to_owned() }
}

/// The cookie of an operator's session in the portal.
#[must_use]
pub fn portal() -> HostCookie {
    HostCookie { name: "__Host-ado-connect-portal".to_owned() }
}

impl HostCookie {
    /// The whole name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value that the browser sent, if it sent the cookie.
    ///
    /// # Errors
    /// [`Code::DuplicateParameter`] when there are two: another site has set one of them, and nothing shows which.
    pub fn read(&self, headers: &HeaderMap) -> Result<Option<SecretString>, Problem> {
        let mut found = None;
        for header in headers.get_all(COOKIE) {
            for pair in header.as_bytes().split(|byte| *byte == b';') {
                let Some(value) = self.value_in(pair) else { continue };
                if found.replace(value).is_some() {
                    return Err(Problem::new(Code::DuplicateParameter)
                        .detail("The browser sent the same cookie twice."));
                }
            }
        }
        Ok(found)
    }

    /// The `Set-Cookie` value that stores `value` for `max_age` (whole seconds).
    ///
    /// # Errors
    /// [`Code::InternalError`] when the value has characters that a cookie cannot hold.
    pub fn set(&self, value: &SecretString, max_age: Duration) -> Result<HeaderValue, Problem> {
        let value = value.expose_secret();
        if !value.bytes().all(is_cookie_octet) {
            return Err(Problem::new(Code::InternalError).cause("unusable cookie value"));
        }
        Ok(self.header(value, max_age.as_secs()))
    }

    /// The `Set-Cookie` value that makes the browser forget the cookie.
    pub fn clear(&self) -> HeaderValue {
        self.header("", 0)
    }

    /// `value` consists of cookie octets.
    #[expect(clippy::expect_used, reason = "names and values are visible ASCII")]
    fn header(&self, value: &str, seconds: u64) -> HeaderValue {
        let text = format!(
            "{}={value}; Max-Age={seconds}; Path=/; Secure; HttpOnly; SameSite=Lax",
            self.name
        );
        let mut header = HeaderValue::from_str(&text).expect("visible ASCII");
        header.set_sensitive(true);
        header
    }

    fn value_in(&self, pair: &[u8]) -> Option<SecretString> {
        // The blanks of RFC 6265 and no others: with one before it, `__Host-` protects no name.
        let pair = std::str::from_utf8(pair).ok()?.trim_matches(BLANKS);
        let (name, value) = pair.split_once('=')?;
        let value = || SecretString::from(value.trim_start_matches(BLANKS).to_owned());
        (name.trim_end_matches(BLANKS) == self.name).then(value)
    }
}

/// RFC 6265 §5.2, `WSP`.
const BLANKS: [char; 2] = [' ', '\t'];

/// RFC 6265 §4.1.1, `cookie-octet`.
fn is_cookie_octet(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn cookie() -> HostCookie {
        HostCookie { name: "__Host-ado-connect".to_owned() }
    }

    fn sent(cookies: &[&str]) -> HeaderMap {
        cookies.iter().map(|text| (COOKIE, HeaderValue::from_str(text).unwrap())).collect()
    }

    fn read(cookies: &[&str]) -> Option<String> {
        let value = cookie().read(&sent(cookies)).unwrap();
        value.map(|value| value.expose_secret().to_owned())
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        assert_eq!(read(&["a=b; __Host-ado-connect=x=y; c"]).as_deref(), Some("x=y"));
        assert_eq!(read(&["a=b", "__Host-ado-connect="]).as_deref(), Some(""));
        assert_eq!(read(&["ado-connect=x; __host-ado-connect=x; x__Host-ado-connect=x"]), None);
        for blank in ['\u{a0}', '\u{2000}', '\u{3000}'] {
            assert_eq!(read(&[&format!("{blank}__Host-ado-connect=x")]), None);
        }
        assert_eq!(read(&[]), None);
    }

    #[test]
    fn each_authorization_request_has_a_cookie_of_its_own() {
        let (one, two) = (binding(&"state-1".into()), binding(&"state-2".into()));
        assert_ne!(one, two);
        assert_eq!(one, binding(&"state-1".into()));
        assert!(one.name().starts_with("__Host-ado-connect-") && !one.name().contains("state"));
        assert!(one.set(&"value".into(), Duration::ZERO).is_ok());
    }

    #[test]
    fn a_duplicate_cookie_is_refused_even_with_the_same_value() {
        for cookies in [
            &["__Host-ado-connect=x; __Host-ado-connect=y"][..],
            &["__Host-ado-connect=x;__Host-ado-connect=x"],
            &["__Host-ado-connect=x", "__Host-ado-connect=y"],
        ] {
            let problem = cookie().read(&sent(cookies)).unwrap_err();
            assert_eq!(problem.code(), Code::DuplicateParameter);
        }
    }

    #[test]
    fn a_cookie_is_set_with_every_protection_and_cleared_with_the_same() {
        let set = cookie().set(&"value".into(), Duration::from_mins(10)).unwrap();
        assert_eq!(
            set,
            "__Host-ado-connect=value; Max-Age=600; Path=/; Secure; HttpOnly; SameSite=Lax"
        );
        assert_eq!(
            cookie().clear(),
            "__Host-ado-connect=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax"
        );
        assert!(set.is_sensitive());
    }

    proptest! {
        #[test]
        fn no_value_adds_an_attribute_or_a_header(value in any::<String>()) {
            if let Ok(header) = cookie().set(&value.clone().into(), Duration::ZERO) {
                prop_assert_eq!(header.to_str().unwrap().matches(';').count(), 5);
                let echoed = header.to_str().unwrap().split(';').next().unwrap().to_owned();
                prop_assert_eq!(read(&[&echoed]), Some(value));
            }
        }
    }
}
