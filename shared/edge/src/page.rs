//! Pages for people: what a browser route shows when it does not redirect.
//!
//! A page is one request: its stylesheet is inline and allowed by its hash, and it loads and runs nothing unless
//! [`Allowed`] says so (S-08).

use std::fmt::Write as _;
use std::sync::LazyLock;

use crate::gateway::Body;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Response, StatusCode};
use url::Url;

mod person;
mod texts;

pub(crate) use person::is_of_the_web;
pub use person::{Connected, Link, Page, PassOn};

/// The one stylesheet of all pages, as it stands inline in each: a page is one request.
pub const STYLE: &str = include_str!("page/style.css");

/// What a page may do beyond showing text in the one stylesheet; by default nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Allowed<'a> {
    /// One more inline style: exactly this text.
    pub style: Option<&'a str>,
    /// One inline script: exactly this text.
    pub script: Option<&'a str>,
    /// One image, at exactly this address.
    pub image: Option<&'a Url>,
    /// Where its forms go.
    pub forms: Forms,
}

/// Where a page's forms may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Forms {
    /// It has none.
    #[default]
    None,
    /// To this service.
    Own,
}

/// A page of ours as an answer. Its policy (CSP) lets it load and run what `allowed` says, by hash or address, and it
/// is neither stored, sniffed, framed nor named to where its links lead (S-08).
#[must_use]
pub fn response(status: StatusCode, html: String, allowed: &Allowed<'_>) -> Response<Body> {
    let mut response = Response::new(Body::from(html));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, allowed.policy());
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

impl Allowed<'_> {
    fn policy(&self) -> HeaderValue {
        static STYLE_SOURCE: LazyLock<String> = LazyLock::new(|| source(STYLE));
        let mut policy = format!("default-src 'none'; style-src {}", *STYLE_SOURCE);
        // Writing to a String cannot fail, here and below.
        if let Some(style) = self.style {
            let _ = write!(policy, " {}", source(style));
        }
        if let Some(script) = self.script {
            let _ = write!(policy, "; script-src {}", source(script));
        }
        if let Some(image) = self.image {
            // A policy's sources end at `;` and `,`, and know no query.
            let origin = image.origin().ascii_serialization();
            let path = image.path().replace(';', "%3B").replace(',', "%2C");
            let _ = write!(policy, "; img-src {origin}{path}");
        }
        let forms = match self.forms {
            Forms::None => "'none'",
            Forms::Own => "'self'",
        };
        let _ = write!(policy, "; base-uri 'none'; form-action {forms}; frame-ancestors 'none'");
        // Hashes and addresses are visible ASCII, so this cannot fail; without them only looks would be lost.
        HeaderValue::from_str(&policy)
            .unwrap_or(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"))
    }
}

/// An inline text as a policy names it.
fn source(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(digest(&SHA256, text.as_bytes())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn policy(allowed: &Allowed<'_>) -> String {
        let response = response(StatusCode::OK, String::new(), allowed);
        response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned()
    }

    #[test]
    fn a_page_is_closed_to_everything_but_its_own_style() {
        let response = response(StatusCode::OK, String::new(), &Allowed::default());
        let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"));
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("form-action 'none'"));
        assert!(!policy.contains("unsafe") && !policy.contains("img-src"));
        assert_eq!(response.headers()[REFERRER_POLICY], "no-referrer");
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        assert_eq!(response.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff");
    }

    #[test]
    fn an_image_is_allowed_by_its_address_and_ends_no_directive() {
        let image: Url = "https://app.example:8443/a;script-src *,b/logo.svg?x#y".parse().unwrap();
        let policy = policy(&Allowed { image: Some(&image), ..Allowed::default() });
        assert!(
            policy.contains("; img-src https://app.example:8443/a%3Bscript-src%20*%2Cb/logo.svg; "),
            "{policy}"
        );
    }
}
