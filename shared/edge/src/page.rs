//! Pages for people: the answers of browser routes that do not redirect.
//!
//! A page is one request: its stylesheet is inline and allowed by its hash, and it loads and runs only what
//! [`Allowed`] lists (S-08). The portal's own pages are in `functions/manage/templates`.

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

mod consent;
mod person;
mod texts;

pub use consent::{ClientOf, ConsentPage, RefusedClientPage};
pub(crate) use person::is_of_the_web;
pub use person::{Connected, Link, Page, PassOn};

/// The one stylesheet of all pages, inline in each.
pub const STYLE: &str = include_str!("page/style.css");

/// The resources that a page may use beside the one stylesheet; none by default.
#[derive(Debug, Clone, Copy, Default)]
pub struct Allowed<'a> {
    /// One more inline style: exactly this text.
    pub style: Option<&'a str>,
    /// One inline script: exactly this text.
    pub script: Option<&'a str>,
    /// One image, at exactly this address.
    pub image: Option<&'a Url>,
    /// The target of its forms.
    pub forms: Forms,
}

/// The target of a page's forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Forms {
    /// No forms.
    #[default]
    None,
    /// This service.
    Own,
    /// This service, which may lead on to any other.
    Anywhere,
}

/// One of our pages as an answer. Its policy (CSP) lets it load and run what `allowed` lists, by hash or address; it
/// is not stored, sniffed or framed, and its links send no referrer (S-08).
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
            // A source in a policy ends at `;` and `,`, and has no query.
            let origin = image.origin().ascii_serialization();
            let path = image.path().replace(';', "%3B").replace(',', "%2C");
            let _ = write!(policy, "; img-src {origin}{path}");
        }
        let forms = match self.forms {
            Forms::None => "; form-action 'none'",
            Forms::Own => "; form-action 'self'",
            Forms::Anywhere => "",
        };
        let _ = write!(policy, "; base-uri 'none'{forms}; frame-ancestors 'none'");
        // Hashes and addresses are visible ASCII, so this cannot fail; without them the page would lose its style only.
        HeaderValue::from_str(&policy)
            .unwrap_or(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"))
    }
}

/// An inline text as a source of a policy.
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
    fn a_page_loads_its_own_style_and_nothing_else() {
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
