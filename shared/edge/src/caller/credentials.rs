//! The `Authorization` header: one secret, in one of two schemes.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use secrecy::SecretString;

use crate::problem::{Code, Problem};

/// The longest `Authorization` header, in bytes; a token of that size is none of ours.
const LIMIT: usize = 8 * 1024;

/// Git sends two headers when `http.extraHeader` holds the key and a credential helper or the address has a password.
const SEVERAL: &str = "The request has several Authorization headers, and nothing shows which one counts. Send one. \
    With Git, use either http.extraHeader or a password, not both.";

/// The scheme of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// RFC 6750: the key or token itself.
    Bearer,
    /// RFC 7617: the key as the password of any user, or as a user without a password, as tools for personal access tokens
    /// send it.
    Basic,
}

/// The content of the header.
#[derive(Debug)]
pub(super) struct Presented {
    pub scheme: Scheme,
    pub secret: SecretString,
}

/// Some clients omit the padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads the one `Authorization` header.
///
/// API Gateway joins repeated headers by commas, and no credential has a comma outside of its
/// base64: a comma means that there were several, and nothing shows which one counts.
pub(super) fn presented(headers: &HeaderMap) -> Result<Presented, Problem> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Err(Problem::new(Code::MissingCredentials));
    };
    if value.len() > LIMIT {
        return Err(Problem::new(Code::HeaderTooLarge));
    }
    if values.next().is_some() || value.as_bytes().contains(&b',') {
        return Err(Problem::new(Code::InvalidCredentials).detail(SEVERAL));
    }
    parse(value).ok_or_else(|| {
        Problem::new(Code::InvalidCredentials)
            .detail("The Authorization header is neither `Bearer <key>` nor Basic with the key as password.")
    })
}

fn parse(value: &HeaderValue) -> Option<Presented> {
    let (scheme, rest) = value.to_str().ok()?.trim().split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") && !rest.is_empty() {
        let secret = SecretString::from(rest.to_owned());
        return Some(Presented { scheme: Scheme::Bearer, secret });
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let pair = BASE64.decode(rest).ok()?;
        let colon = pair.iter().position(|byte| *byte == b':')?;
        // The user may be in any encoding. Tools that know only a token send it as the user.
        let (user, password) = (pair.get(..colon)?, pair.get(colon + 1..)?);
        let secret = if password.is_empty() { user } else { password };
        let secret = str::from_utf8(secret).ok().filter(|secret| !secret.is_empty())?;
        return Some(Presented { scheme: Scheme::Basic, secret: secret.into() });
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|text| (AUTHORIZATION, HeaderValue::from_str(text).unwrap())).collect()
    }

    fn code(values: &[&str]) -> Code {
        presented(&headers(values)).unwrap_err().code()
    }

    #[test]
    fn the_secret_is_found_in_either_scheme() {
        for (value, scheme, secret) in [
            ("Bearer adoc_1_s", Scheme::Bearer, "adoc_1_s"),
            ("bEARER  a.b.c ", Scheme::Bearer, "a.b.c"),
            ("Basic OmFkb2NfMV9z", Scheme::Basic, "adoc_1_s"),
            ("basic YWRhOmFkb2NfMV9z", Scheme::Basic, "adoc_1_s"),
            ("Basic YWRhOmE6Yg==", Scheme::Basic, "a:b"),
            ("Basic YWRhOmE6Yg", Scheme::Basic, "a:b"),
            ("Basic YWRvY18xX3M6", Scheme::Basic, "adoc_1_s"),
            ("Basic Wm/rOmFkb2NfMV9z", Scheme::Basic, "adoc_1_s"),
        ] {
            let presented = presented(&headers(&[value])).unwrap();
            assert_eq!((presented.scheme, presented.secret.expose_secret()), (scheme, secret));
        }
    }

    #[test]
    fn no_header_is_missing_and_anything_else_is_invalid() {
        assert_eq!(code(&[]), Code::MissingCredentials);
        for value in [
            "",
            "Bearer",
            "Bearer ",
            "Digest x",
            "adoc_1_s",
            "Basic !",
            "Basic YWRh",
            "Basic Og==",
            "Basic /zo=",
            "Basic YWRhOv8=",
        ] {
            assert_eq!(code(&[value]), Code::InvalidCredentials, "{value}");
        }
    }

    #[test]
    fn several_headers_are_refused_joined_or_not() {
        assert_eq!(code(&["Bearer a", "Bearer a"]), Code::InvalidCredentials);
        assert_eq!(code(&["Bearer a,Bearer b"]), Code::InvalidCredentials);
        assert_eq!(code(&["Basic YTpi, Bearer b"]), Code::InvalidCredentials);
    }

    #[test]
    fn an_oversized_header_is_refused_as_such() {
        let longest = format!("Bearer {}", "a".repeat(LIMIT - "Bearer ".len()));
        assert!(presented(&headers(&[&longest])).is_ok());
        assert_eq!(code(&[&format!("{longest}a")]), Code::HeaderTooLarge);
    }

    proptest! {
        #[test]
        fn any_password_without_control_characters_arrives(user in "[^:]{0,12}", password in ".{1,40}") {
            let value = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
            let presented = presented(&headers(&[&value])).unwrap();
            prop_assert_eq!(presented.secret.expose_secret(), password.as_str());
            let shown = format!("{presented:?}");
            prop_assert!(!shown.contains(&password) || password.len() < 8);
        }
    }
}
