//! Protection from cross-site request forgery: forms carry a token that only pages of the same browser session contain.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use secrecy::{ExposeSecret as _, SecretString};

use crate::problem::{Code, Problem};
use crate::site;

/// Returns the token of the forms of a session, which the secret in the browser's cookie names.
pub fn token(session: &SecretString) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, session.expose_secret().as_bytes());
    URL_SAFE_NO_PAD.encode(hmac::sign(&key, b"form"))
}

/// Returns whether a form's token is that of a session.
pub fn is_token_of(token_of_form: &str, session: &SecretString) -> bool {
    verify_slices_are_equal(token(session).as_bytes(), token_of_form.as_bytes()).is_ok()
}

/// Refuses forms of another site's page, whatever its origin. `Origin` cannot replace Fetch Metadata: our pages send no
/// referrer, so their `Origin` is `null`.
///
/// # Errors
/// [`Code::FormRefused`].
pub fn require_same_site(headers: &HeaderMap) -> Result<(), Problem> {
    if site::is_of_another_site(headers) {
        return Err(Problem::new(Code::FormRefused).cause("sent from another site"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_passes_only_with_the_token_of_its_own_session() {
        let (mine, other) = (SecretString::from("mine"), SecretString::from("other"));
        assert!(is_token_of(&token(&mine), &mine));
        assert!(!is_token_of(&token(&mine), &other));
        assert!(!is_token_of("", &mine));
    }

    #[test]
    fn a_form_of_another_site_is_refused() {
        let sent_from = |site: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("sec-fetch-site", http::HeaderValue::from_static(site));
            require_same_site(&headers)
        };
        assert!(sent_from("same-origin").is_ok() && sent_from("none").is_ok());
        assert!(sent_from("same-site").is_err() && sent_from("cross-site").is_err());
        assert!(require_same_site(&HeaderMap::new()).is_ok());
    }
}
