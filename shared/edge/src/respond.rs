//! Successful answers.
//!
//! Header values that come from stored or received text go through [`HeaderValue::from_str`],
//! never through concatenation into a header block (S-39).

use crate::gateway::Body;
use http::header::{CONTENT_TYPE, LINK, LOCATION};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;
use url::Url;

use crate::page::{Page, is_of_the_web};
use crate::problem::{Code, Problem};

/// Marks an answer of Azure DevOps that is passed through: its headers stay as they are, except
/// for the few that keep it from acting as one of our pages in a browser.
#[derive(Debug, Clone, Copy)]
pub struct PassedThrough;

/// A JSON body.
///
/// # Errors
/// [`Code::InternalError`] when the value does not serialise.
pub fn json(status: StatusCode, value: &impl Serialize) -> Result<Response<Body>, Problem> {
    let text = serde_json::to_string(value)
        .map_err(|error| Problem::new(Code::InternalError).cause(error))?;
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// 200 with one JSON object a line, and the address of the next page (RFC 8288), if there is one.
///
/// # Errors
/// [`Code::InternalError`] if a value does not serialise.
pub fn json_lines<T: Serialize>(
    values: &[T],
    next: Option<&Url>,
) -> Result<Response<Body>, Problem> {
    let fault = |error: &dyn std::fmt::Display| Problem::new(Code::InternalError).cause(error);
    let mut text = String::new();
    for value in values {
        text.push_str(&serde_json::to_string(value).map_err(|error| fault(&error))?);
        text.push('\n');
    }
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    if let Some(next) = next {
        let link = HeaderValue::from_str(&format!("<{next}>; rel=\"next\""));
        response.headers_mut().insert(LINK, link.map_err(|error| fault(&error))?);
    }
    Ok(response)
}

/// 204: done, without a body.
#[must_use]
pub fn no_content() -> Response<Body> {
    let mut response = Response::new(Body::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// 302 to the sign-in, with an HTML body for clients that do not follow redirects.
///
/// # Errors
/// [`Code::InternalError`] when the address cannot be a header value.
pub fn found(to: &Url) -> Result<Response<Body>, Problem> {
    redirect(StatusCode::FOUND, to, Page::connecting)
}

/// 303, which the browser follows with a GET after any method, with an HTML body for clients that do not follow
/// redirects.
///
/// # Errors
/// [`Code::InternalError`] when the address cannot be a header value.
pub fn see_other(to: &Url) -> Result<Response<Body>, Problem> {
    redirect(StatusCode::SEE_OTHER, to, Page::returning)
}

/// An answer of Azure DevOps, with its own status, headers and body.
#[must_use]
pub fn passed_through<B>(mut response: Response<B>) -> Response<B> {
    response.extensions_mut().insert(PassedThrough);
    response
}

fn redirect(
    status: StatusCode,
    to: &Url,
    page: fn(&Url) -> Page,
) -> Result<Response<Body>, Problem> {
    // The address can contain a state or a confirmation, so the error does not repeat it.
    let mut location = HeaderValue::from_str(to.as_str())
        .map_err(|_| Problem::new(Code::InternalError).cause("unusable redirect address"))?;
    location.set_sensitive(true);
    let mut response = if is_of_the_web(to) {
        page(to).response(status)
    } else {
        let mut response = Response::new(Body::new());
        *response.status_mut() = status;
        response
    };
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn json_is_labelled_as_such() {
        let response = json(StatusCode::CREATED, &serde_json::json!({"id": 1})).unwrap();
        assert_eq!(response.status(), 201);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
        assert_eq!(response.body(), r#"{"id":1}"#);
    }

    #[test]
    fn a_page_of_lines_names_the_next_one() {
        let next: Url = "https://gateway.example/audit?cursor=a%3E".parse().unwrap();
        let response = json_lines(&[1, 2], Some(&next)).unwrap();
        assert_eq!(response.body(), "1\n2\n");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/x-ndjson");
        assert_eq!(response.headers()[LINK], format!("<{next}>; rel=\"next\""));
        assert!(!json_lines(&[1], None).unwrap().headers().contains_key(LINK));
    }

    #[test]
    fn a_value_that_does_not_serialise_is_our_fault() {
        let unserialisable = std::collections::HashMap::from([((1, 2), 3)]);
        let problem = json(StatusCode::OK, &unserialisable).unwrap_err();
        assert_eq!(problem.code(), Code::InternalError);
    }

    #[test]
    fn a_redirect_has_a_page_with_the_same_address() {
        let url: Url = "https://login.example/authorize?state=s&nonce=n".parse().unwrap();
        for (response, heading) in
            [(found(&url).unwrap(), "Connecting"), (see_other(&url).unwrap(), "Going back")]
        {
            assert_eq!(response.headers()[LOCATION], url.as_str());
            assert!(response.headers()[LOCATION].is_sensitive());
            assert_eq!(response.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
            assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
            let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
            assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
            let html = str::from_utf8(response.body()).unwrap();
            assert!(html.contains(heading), "{html}");
            let href = r#"href="https://login.example/authorize?state=s&#38;nonce=n""#;
            assert!(html.contains(href), "{html}");
        }
    }

    #[test]
    fn an_address_that_is_not_http_is_on_no_page() {
        let response = see_other(&"com.example.app:/back".parse().unwrap()).unwrap();
        assert_eq!(response.headers()[LOCATION], "com.example.app:/back");
        assert!(response.body().is_empty());
    }

    proptest! {
        #[test]
        fn nothing_in_an_address_adds_a_header(value in any::<String>()) {
            let mut url: Url = "https://app.mycompany.example/back".parse().unwrap();
            url.query_pairs_mut().append_pair("state", &value);
            url.set_fragment(Some(&value));
            let response = see_other(&url).unwrap();
            prop_assert_eq!(response.status(), 303);
            // Its own and a page's five.
            prop_assert_eq!(response.headers().len(), 6);
            let location = response.headers()[LOCATION].as_bytes();
            prop_assert!(location.iter().all(|b| (0x21..0x7f).contains(b)));
        }
    }
}
