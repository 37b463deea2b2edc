//! Saying no: problem documents (RFC 9457), and the same facts as a page for people.

mod code;

use std::fmt;
use std::time::Duration;

use crate::gateway::Body;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use schemars::JsonSchema;
use serde::Serialize;
use url::Url;
use vault::integrations::Branding;

pub use code::Code;

use crate::config::PublicUrl;
use crate::page::Page;

/// The media type of problem documents.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Both ways in which a caller can present itself (RFC 9110 §11.6.1).
const CALLER_CHALLENGE: HeaderValue =
    HeaderValue::from_static(r#"Bearer realm="ado-connect", Basic realm="ado-connect""#);
/// Without Basic: another password would not help, so nobody should be asked for one.
const USER_CHALLENGE: HeaderValue = HeaderValue::from_static(r#"Bearer realm="ado-connect""#);

/// A refusal, built where it is decided and rendered in one place.
///
/// `detail`, field errors and addresses reach the caller; [`Problem::cause`] reaches only the log.
#[derive(Debug)]
pub struct Problem(Box<Facts>);

#[derive(Debug)]
struct Facts {
    code: Code,
    detail: Option<String>,
    errors: Vec<FieldError>,
    retry_after: Option<Duration>,
    reconnect_url: Option<String>,
    admin_consent_url: Option<String>,
    branding: Branding,
    headers: HeaderMap,
    cause: Option<String>,
}

/// What is wrong with one field or parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FieldError {
    /// The field's path, such as `organizations[0]`, or the parameter's name.
    pub field: String,
    /// What is wrong; never repeats the value.
    pub message: String,
}

/// A problem document as it is sent (RFC 9457 §3).
#[derive(Debug, Serialize, JsonSchema)]
pub struct Document<'a> {
    /// Identifies the kind of problem: `<public url>/problems/<code>`.
    pub r#type: String,
    /// The same sentence for every problem of this kind.
    pub title: &'a str,
    /// The HTTP status.
    pub status: u16,
    /// The stable name of the problem.
    pub code: &'a str,
    /// What is particular about this occurrence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<&'a str>,
    /// What to do next.
    pub advice: &'a str,
    /// Finds this request in the logs.
    pub request_id: &'a str,
    /// One entry for each field that is not valid.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub errors: &'a [FieldError],
    /// Where to send the user's browser to sign in again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconnect_url: Option<&'a str>,
    /// For an administrator of the user's tenant: where to consent for all of its users.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_consent_url: Option<&'a str>,
}

/// How a problem is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `application/problem+json`, for programs.
    Json,
    /// A page, for people.
    Html,
}

impl Problem {
    /// A problem with nothing to add to its code.
    #[must_use]
    pub fn new(code: Code) -> Self {
        let retry_after = match code {
            Code::ServiceUnavailable
            | Code::EntraUnavailable
            | Code::EntraThrottled
            | Code::RefreshInProgress
            | Code::RefreshRefused
            | Code::ServicePaused
            | Code::RateLimited
            | Code::ConcurrencyLimited
            | Code::DevopsThrottled => Some(DEFAULT_RETRY_AFTER),
            _ => None,
        };
        Self(Box::new(Facts {
            code,
            detail: None,
            errors: Vec::new(),
            retry_after,
            reconnect_url: None,
            admin_consent_url: None,
            branding: Branding::default(),
            headers: HeaderMap::new(),
            cause: None,
        }))
    }

    /// An [`Code::InvalidRequest`] about one field.
    #[must_use]
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Code::InvalidRequest).error(field, message)
    }

    /// Says what is particular about this occurrence. Never a secret, a code, a state or a body.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Adds what is wrong with a field.
    #[must_use]
    pub fn error(mut self, field: impl Into<String>, message: impl Into<String>) -> Self {
        self.0.errors.push(FieldError { field: field.into(), message: message.into() });
        self
    }

    /// Adds what another problem says is wrong with fields, so that all of it is told at once.
    #[must_use]
    pub fn errors_of(mut self, other: &Self) -> Self {
        self.0.errors.extend_from_slice(&other.0.errors);
        self
    }

    /// Says when trying again makes sense; sent as whole seconds, at least one.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    /// Says where the user can sign in again.
    #[must_use]
    pub fn reconnect_url(mut self, url: &Url) -> Self {
        self.0.reconnect_url = Some(url.to_string());
        self
    }

    /// Says where an administrator of the user's tenant can consent for all of its users.
    #[must_use]
    pub fn admin_consent_url(mut self, url: impl Into<String>) -> Self {
        self.0.admin_consent_url = Some(url.into());
        self
    }

    /// Shows the problem to people in the name and colours of the application that it happened under.
    #[must_use]
    pub fn branding(mut self, branding: &Branding) -> Self {
        self.0.branding = branding.clone();
        self
    }

    /// Names the methods that the address does take, such as `GET, DELETE`.
    #[must_use]
    pub fn allow(self, methods: &str) -> Self {
        match HeaderValue::from_str(methods) {
            Ok(value) => self.header(ALLOW, value),
            Err(_) => self,
        }
    }

    /// Adds a header to the answer, for example one that clears a cookie.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.append(name, value);
        self
    }

    /// Notes the real cause for the log line; the caller never sees it. Its text must hold no
    /// secret all the same.
    #[must_use]
    pub fn cause(mut self, cause: impl fmt::Display) -> Self {
        self.0.cause = Some(cause.to_string());
        self
    }

    /// The problem's code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// What is particular about this occurrence, if anything was said.
    pub fn detail_text(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// The fields that are not valid.
    pub fn errors(&self) -> &[FieldError] {
        &self.0.errors
    }

    /// The cause noted for the log.
    pub fn cause_text(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// The problem document.
    pub fn document<'a>(&'a self, public_url: &PublicUrl, request_id: &'a str) -> Document<'a> {
        let facts = &*self.0;
        Document {
            r#type: public_url.at(&format!("/problems/{}", facts.code.as_str())),
            title: facts.code.title(),
            status: facts.code.status().as_u16(),
            code: facts.code.as_str(),
            detail: facts.detail.as_deref(),
            advice: facts.code.advice(),
            request_id,
            errors: &facts.errors,
            reconnect_url: facts.reconnect_url.as_deref(),
            admin_consent_url: facts.admin_consent_url.as_deref(),
        }
    }

    /// The answer that says so.
    #[must_use]
    pub fn response(
        &self,
        format: Format,
        public_url: &PublicUrl,
        request_id: &str,
    ) -> Response<Body> {
        let document = self.document(public_url, request_id);
        let mut response = match format {
            Format::Html => Page::of_problem(self.code(), &document, &self.0.branding)
                .response(self.code().status()),
            Format::Json => {
                let mut response = Response::new(Body::from(json_text(&document)));
                *response.status_mut() = self.code().status();
                let headers = response.headers_mut();
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
                response
            }
        };
        self.add_headers(response.headers_mut());
        response
    }

    fn add_headers(&self, headers: &mut HeaderMap) {
        match self.0.code {
            Code::MissingCredentials | Code::InvalidCredentials => {
                headers.insert(WWW_AUTHENTICATE, CALLER_CHALLENGE);
            }
            Code::ConnectionReauthorizationRequired => {
                headers.insert(WWW_AUTHENTICATE, USER_CHALLENGE);
            }
            _ => {}
        }
        if let Some(after) = self.0.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(after)));
        }
        for (name, value) in &self.0.headers {
            headers.append(name, value.clone());
        }
    }
}

/// When nothing better is known: AWS and Entra recover from most hiccups within this time.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(2);

fn whole_seconds(duration: Duration) -> u64 {
    (duration.as_secs() + u64::from(duration.subsec_nanos() > 0)).max(1)
}

fn json_text(document: &Document<'_>) -> String {
    // A document of texts and numbers always serialises; an empty object is still well-formed.
    serde_json::to_string(document).unwrap_or_else(|_| "{}".to_owned())
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.code.as_str())?;
        match &self.0.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

impl From<vault::Error> for Problem {
    fn from(error: vault::Error) -> Self {
        let code = match error {
            vault::Error::Unavailable { .. } | vault::Error::Contended { .. } => {
                Code::ServiceUnavailable
            }
            _ => Code::InternalError,
        };
        Self::new(code).cause(error)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;

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
        let response = problem.response(Format::Json, &public_url(), "req-1");
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
    fn both_formats_state_the_same_facts_and_never_the_cause() {
        for code in Code::ALL {
            let problem = Problem::new(*code)
                .detail("a <particular> detail")
                .cause("table connections-7f3 timed out");
            let json = problem.response(Format::Json, &public_url(), "req-1");
            let html = problem.response(Format::Html, &public_url(), "req-1");
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
        let json = problem.response(Format::Json, &public_url(), "req-1");
        let document: Value = serde_json::from_str(text(&json)).unwrap();
        assert_eq!(document["admin_consent_url"], link);
        assert!(!text(&json).contains("Fabrikam"));
        let html = problem.response(Format::Html, &public_url(), "req-1");
        assert!(text(&html).contains(&link.replace('&', "&#38;")));
        assert!(text(&html).contains("go back to Fabrikam"), "{}", text(&html));
    }

    #[test]
    fn unauthenticated_callers_learn_how_to_authenticate() {
        for code in Code::ALL.iter().filter(|code| code.status() == 401) {
            let response = Problem::new(*code).response(Format::Json, &public_url(), "r");
            assert!(response.headers().contains_key(WWW_AUTHENTICATE), "{code:?}");
        }
    }

    #[test]
    fn every_503_and_what_is_too_much_for_now_says_when_to_try_again() {
        let too_much = [Code::RateLimited, Code::ConcurrencyLimited, Code::DevopsThrottled];
        let busy = Code::ALL.iter().filter(|code| code.status() == 503);
        for code in busy.chain(&too_much) {
            let response = Problem::new(*code).response(Format::Json, &public_url(), "r");
            assert!(response.headers().contains_key(RETRY_AFTER), "{code:?}");
        }
    }

    #[test]
    fn retry_after_is_rounded_up_to_whole_seconds() {
        assert_eq!(whole_seconds(Duration::ZERO), 1);
        assert_eq!(whole_seconds(Duration::from_millis(1_001)), 2);
        assert_eq!(whole_seconds(Duration::from_secs(30)), 30);
    }

    #[test]
    fn trouble_in_aws_is_temporary_and_a_corrupt_item_is_ours() {
        let unavailable = Problem::from(vault::Error::Unavailable {
            service: "dynamodb",
            operation: "GetItem",
            message: "timeout".to_owned(),
        });
        assert_eq!(unavailable.code(), Code::ServiceUnavailable);
        assert!(unavailable.cause_text().unwrap().contains("dynamodb"));
        let contended = Problem::from(vault::Error::Contended { what: "connection" });
        assert_eq!(contended.code(), Code::ServiceUnavailable);
        let corrupt = Problem::from(vault::Error::Corrupt { what: "key", reason: String::new() });
        assert_eq!(corrupt.code(), Code::InternalError);
        let altered = Problem::from(vault::Error::Unsealable { field: "refresh_token" });
        assert_eq!(altered.code(), Code::InternalError);
    }
}
