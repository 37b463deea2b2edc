//! Pages for people: what a browser route shows when it does not redirect.
//!
//! A page is one request: its stylesheet is inline and allowed by its hash, and it loads and runs nothing unless
//! [`Allowed`] says so (S-08).

use std::fmt::Write as _;
use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Response, StatusCode};
use lambda_http::Body;
use url::Url;

use crate::problem::{Document, FieldError};

/// The one stylesheet of all pages, as it stands inline in each: a page is one request.
pub const STYLE: &str = include_str!("page/style.css");

/// A page with one message and at most one way on.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The document's title.
    pub title: String,
    /// The heading: the message in a few words.
    pub heading: String,
    /// The message in sentences.
    pub paragraphs: Vec<String>,
    /// Where to go from here.
    pub link: Option<Link>,
    /// Small print: names and values, such as the request id.
    pub facts: Vec<(&'static str, String)>,
}

/// A link with its text.
#[derive(Debug, Clone)]
pub struct Link {
    /// Where it leads. Anything but `http` and `https` is shown as text only.
    pub to: Url,
    /// What it says.
    pub text: String,
}

impl Page {
    /// The page that states what a problem document states.
    pub(crate) fn of_problem(problem: &Document<'_>) -> Self {
        let mut paragraphs = Vec::new();
        paragraphs.extend(problem.detail.map(str::to_owned));
        paragraphs.extend(
            problem
                .errors
                .iter()
                .map(|FieldError { field, message }| format!("{field}: {message}")),
        );
        paragraphs.push(problem.advice.to_owned());
        let reconnect = problem.reconnect_url.and_then(|url| Url::parse(url).ok());
        Self {
            title: problem.title.to_owned(),
            heading: problem.title.to_owned(),
            paragraphs,
            link: reconnect.map(|to| Link { to, text: "Sign in again".to_owned() }),
            facts: vec![
                ("Code", problem.code.to_owned()),
                ("Status", problem.status.to_string()),
                ("Request id", problem.request_id.to_owned()),
            ],
        }
    }

    /// The page as HTML.
    pub fn html(&self) -> String {
        let mut body = format!("<h1>{}</h1>", escape(&self.heading));
        for paragraph in &self.paragraphs {
            body.push_str("<p>");
            body.push_str(&escape(paragraph));
            body.push_str("</p>");
        }
        if let Some(link) = &self.link {
            let text = escape(&link.text);
            let _ = if matches!(link.to.scheme(), "http" | "https") {
                write!(body, r#"<p><a href="{}">{text}</a></p>"#, escape(link.to.as_str()))
            } else {
                write!(body, "<p>{text}</p>")
            };
        }
        if !self.facts.is_empty() {
            body.push_str("<dl>");
            for (name, value) in &self.facts {
                let _ = write!(body, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(value));
            }
            body.push_str("</dl>");
        }
        format!(
            r#"<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex"><title>{}</title><style>{STYLE}</style></head><body class="person"><main>{body}</main></body></html>"#,
            escape(&self.title),
        )
    }

    /// The page as an answer, with headers that keep it from loading, leaking or being framed.
    #[must_use]
    pub fn response(&self, status: StatusCode) -> Response<Body> {
        response(status, self.html(), &Allowed::default())
    }
}

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
    let mut response = Response::new(Body::Text(html));
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

/// Makes text safe inside an element and inside a quoted attribute.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn page(text: &str) -> Page {
        Page {
            title: text.to_owned(),
            heading: text.to_owned(),
            paragraphs: vec![text.to_owned()],
            link: Some(Link {
                to: "https://app.mycompany.example/back?a=1&b=2".parse().unwrap(),
                text: text.to_owned(),
            }),
            facts: vec![("Code", text.to_owned())],
        }
    }

    #[test]
    fn a_page_is_closed_to_everything_but_its_own_style() {
        let response = page("Connected").response(StatusCode::OK);
        let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"));
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("form-action 'none'"));
        assert!(!policy.contains("unsafe"));
        assert_eq!(response.headers()[REFERRER_POLICY], "no-referrer");
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        assert_eq!(response.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff");
    }

    #[test]
    fn a_page_can_be_read_by_assistive_technology() {
        let html = page("Connected").html();
        for part in [r#"<html lang="en">"#, "<title>Connected</title>", "<main><h1>Connected</h1>"]
        {
            assert!(html.contains(part), "{part}");
        }
        assert!(html.contains(r#"href="https://app.mycompany.example/back?a=1&amp;b=2""#));
    }

    #[test]
    fn a_link_that_is_not_of_the_web_is_only_text() {
        let mut page = page("back");
        page.link = Some(Link { to: "javascript:alert(1)".parse().unwrap(), text: "x".to_owned() });
        assert!(!page.html().contains("javascript"));
    }

    proptest! {
        #[test]
        fn no_text_adds_markup(text in any::<String>()) {
            let count = |html: &str, c: char| html.matches(c).count();
            let (plain, html) = (page("").html(), page(&text).html());
            for c in ['<', '>', '"', '\''] {
                prop_assert_eq!(count(&plain, c), count(&html, c));
            }
        }

        #[test]
        fn escaping_loses_nothing(text in any::<String>()) {
            let unescaped = escape(&text)
                .replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&quot;", "\"")
                .replace("&#39;", "'")
                .replace("&amp;", "&");
            prop_assert_eq!(unescaped, text);
        }
    }
}
