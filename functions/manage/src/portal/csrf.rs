//! Protection from cross-site request forgery: forms carry a token that only pages of the same session contain.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use edge::problem::{Code, Problem};
use edge::site;
use http::HeaderMap;
use secrecy::{ExposeSecret as _, SecretString};

use super::form::Form;

/// Returns the token of a session's forms.
pub(super) fn token(session: &SecretString) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, session.expose_secret().as_bytes());
    URL_SAFE_NO_PAD.encode(hmac::sign(&key, b"form"))
}

/// Returns whether a form was sent from a page of this session, which may have expired.
pub(super) fn is_of_session(form: &Form, session: &SecretString) -> bool {
    let expected = token(session);
    verify_slices_are_equal(expected.as_bytes(), form.text("csrf").as_bytes()).is_ok()
}

/// Refuses forms of another site's page, whatever its origin. `Origin` cannot replace Fetch Metadata: our pages send no
/// referrer, so their `Origin` is `null`.
///
/// # Errors
/// [`Code::FormRefused`].
pub(super) fn require_same_site(headers: &HeaderMap) -> Result<(), Problem> {
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
        let form = Form::parsed(format!("csrf={}", token(&mine)).as_bytes());
        assert!(is_of_session(&form, &mine));
        assert!(!is_of_session(&form, &other));
        assert!(!is_of_session(&Form::parsed(b"name=x"), &mine));
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
