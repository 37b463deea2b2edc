//! A [`Problem`] as an answer: a problem document for programs, or the same facts as a page for people.

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};

use crate::config::PublicUrl;
use crate::gateway::Body;
use crate::page::Page;
use crate::problem::{Document, Problem};

/// The media type of problem documents.
const MEDIA_TYPE: &str = "application/problem+json";

/// How a problem is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// A problem document, for programs.
    Json,
    /// A page, for people.
    Html,
}

/// The answer of a problem.
pub(crate) fn response(
    problem: &Problem,
    format: Format,
    public_url: &PublicUrl,
    request_id: &str,
) -> Response<Body> {
    let (code, document) = (problem.code(), problem.document(public_url, request_id));
    let mut response = match format {
        Format::Html => {
            Page::of_problem(code, &document, problem.shown_branding()).response(code.status())
        }
        Format::Json => json(code.status(), &document),
    };
    response.headers_mut().extend(problem.headers());
    response
}

fn json(status: StatusCode, document: &Document<'_>) -> Response<Body> {
    // A document of texts and numbers always serialises; an empty object is still well-formed.
    let text = serde_json::to_string(document).unwrap_or_else(|_| "{}".to_owned());
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
    use serde_json::{Value, json};
    use vault::integrations::Branding;

    use super::*;
    use crate::problem::Code;

    fn public_url() -> PublicUrl {
        "https://gateway.mycompany.example".parse().unwrap()
    }

    fn text(response: &Response<Body>) -> &str {
        str::from_utf8(response.body()).unwrap()
    }

    #[test]
    fn a_problem_document_has_the_members_of_the_contract() {
        let problem = Problem::new(Code::InvalidRequest)
            .detail("two things are wrong")
            .error("user", "is missing")
            .cause("only for us");
        let response = response(&problem, Format::Json, &public_url(), "req-1");
        assert_eq!(response.status(), 400);
        assert_eq!(response.headers()[CONTENT_TYPE], MEDIA_TYPE);
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        assert_eq!(
            serde_json::from_str::<Value>(text(&response)).unwrap(),
            json!({
                "type": "https://gateway.mycompany.example/problems/invalid_request",
                "title": "The request is not valid",
                "status": 400,
                "code": "invalid_request",
                "detail": "two things are wrong",
                "advice": "Correct the fields listed under errors and send the request again.",
                "request_id": "req-1",
                "errors": [{"field": "user", "message": "is missing"}],
            })
        );
    }

    #[test]
    fn both_formats_have_the_same_facts_and_never_the_cause() {
        for code in Code::ALL {
            let problem = Problem::new(*code)
                .detail("a <particular> detail")
                .cause("table connections-7f3 timed out");
            let json = response(&problem, Format::Json, &public_url(), "req-1");
            let html = response(&problem, Format::Html, &public_url(), "req-1");
            assert_eq!(json.status(), html.status());
            assert_eq!(json.headers().get(RETRY_AFTER), html.headers().get(RETRY_AFTER));
            assert_eq!(json.headers().get(WWW_AUTHENTICATE), html.headers().get(WWW_AUTHENTICATE));
            assert!(text(&html).contains(code.as_str()) && text(&html).contains("req-1"));
            assert!(text(&html).contains("a &#60;particular&#62; detail"));
            assert!(!text(&html).contains("7f3") && !text(&json).contains("7f3"));
        }
    }

    #[test]
    fn the_link_for_an_administrator_is_in_both_formats_and_the_branding_only_on_the_page() {
        let branding: Branding = serde_json::from_value(json!({"name": "Fabrikam"})).unwrap();
        let link =
            "https://login.example/organizations/v2.0/adminconsent?client_id=1&state=consent";
        let problem =
            Problem::new(Code::AdminApprovalRequired).branding(&branding).admin_consent_url(link);
        let json = response(&problem, Format::Json, &public_url(), "req-1");
        let document: Value = serde_json::from_str(text(&json)).unwrap();
        assert_eq!(document["admin_consent_url"], link);
        assert!(!text(&json).contains("Fabrikam"));
        let html = response(&problem, Format::Html, &public_url(), "req-1");
        assert!(text(&html).contains(&link.replace('&', "&#38;")));
        assert!(text(&html).contains("go back to Fabrikam"), "{}", text(&html));
    }

    #[test]
    fn a_401_names_the_ways_to_authenticate() {
        for code in Code::ALL.iter().filter(|code| code.status() == 401) {
            let response = response(&Problem::new(*code), Format::Json, &public_url(), "r");
            assert!(response.headers().contains_key(WWW_AUTHENTICATE), "{code:?}");
        }
    }

    #[test]
    fn an_answer_has_the_default_retry_after_of_its_code() {
        for code in Code::ALL {
            let response = response(&Problem::new(*code), Format::Json, &public_url(), "r");
            let expected = code.retry_after().map(|after| HeaderValue::from(after.as_secs()));
            assert_eq!(response.headers().get(RETRY_AFTER), expected.as_ref(), "{code:?}");
        }
    }
}
