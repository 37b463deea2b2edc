//! The one error of handlers: a [`Problem`], with the facts of a problem document (RFC 9457).

mod code;
mod of_entra;

use std::fmt;
use std::time::Duration;

use ground::fields::Fault;
use http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Serialize;
use url::Url;
use vault::integrations::Branding;
use vault::service::NotRunning;

pub use code::Code;

use crate::config::PublicUrl;

/// The challenge for every caller (RFC 9110 §11.6.1). It leaves Basic out: a browser would ask for a password, and from
/// then on send it with the forms of other sites, too.
const CHALLENGE: HeaderValue = HeaderValue::from_static(r#"Bearer realm="ado-connect""#);
/// The challenge for programs that send a password only after it, such as Git.
const BASIC_CHALLENGE: HeaderValue =
    HeaderValue::from_static(r#"Bearer realm="ado-connect", Basic realm="ado-connect""#);

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
    offers_basic: bool,
    headers: HeaderMap,
    cause: Option<String>,
}

/// A fault of one field or parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FieldError {
    /// The field's path, such as `organizations[0]`, or the parameter's name.
    pub field: String,
    /// The fault; never repeats the value.
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
    /// The particulars of this occurrence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<&'a str>,
    /// The next step.
    pub advice: &'a str,
    /// Finds this request in the logs.
    pub request_id: &'a str,
    /// One entry for each field that is not valid.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub errors: &'a [FieldError],
    /// The address at which the user can sign in again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconnect_url: Option<&'a str>,
    /// The address at which an administrator of the user's tenant can consent for all of its users.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_consent_url: Option<&'a str>,
}

impl Problem {
    /// A problem without anything beyond its code.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self(Box::new(Facts {
            code,
            detail: None,
            errors: Vec::new(),
            retry_after: code.retry_after(),
            reconnect_url: None,
            admin_consent_url: None,
            branding: Branding::default(),
            offers_basic: false,
            headers: HeaderMap::new(),
            cause: None,
        }))
    }

    /// A [`Code::InvalidRequest`] about one field.
    #[must_use]
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Code::InvalidRequest).error(field, message)
    }

    /// Sets the particulars of this occurrence: never a secret, a code, a state or a body.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Adds a fault of one field.
    #[must_use]
    pub fn error(mut self, field: impl Into<String>, message: impl Into<String>) -> Self {
        self.0.errors.push(FieldError { field: field.into(), message: message.into() });
        self
    }

    /// Adds the field errors of another problem, so that the answer names all of them.
    #[must_use]
    pub fn errors_of(mut self, other: &Self) -> Self {
        self.0.errors.extend_from_slice(&other.0.errors);
        self
    }

    /// Sets the `Retry-After` header; sent as whole seconds, at least one.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    /// Sets the address at which the user can sign in again.
    #[must_use]
    pub fn reconnect_url(mut self, url: &Url) -> Self {
        self.0.reconnect_url = Some(url.to_string());
        self
    }

    /// Sets the address at which an administrator of the user's tenant can consent for all of its users.
    #[must_use]
    pub fn admin_consent_url(mut self, url: impl Into<String>) -> Self {
        self.0.admin_consent_url = Some(url.into());
        self
    }

    /// Sets the application whose name and colours the problem's page has.
    #[must_use]
    pub fn branding(mut self, branding: &Branding) -> Self {
        self.0.branding = branding.clone();
        self
    }

    /// Offers Basic authentication, if the problem asks for credentials.
    #[must_use]
    pub(crate) fn offering_basic(mut self) -> Self {
        self.0.offers_basic = true;
        self
    }

    /// Sets a challenge in place of the one for every caller.
    #[must_use]
    pub fn challenge(self, challenge: &str) -> Self {
        match HeaderValue::from_str(challenge) {
            Ok(value) => self.header(WWW_AUTHENTICATE, value),
            Err(_) => self,
        }
    }

    /// Sets the `Allow` header, such as `GET, DELETE`.
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

    /// Sets the cause for the log line; the caller never sees it. It must hold no secret all the same.
    #[must_use]
    pub fn cause(mut self, cause: impl fmt::Display) -> Self {
        self.0.cause = Some(cause.to_string());
        self
    }

    /// The problem's code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The particulars of this occurrence.
    pub fn detail_text(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// The field errors.
    pub fn errors(&self) -> &[FieldError] {
        &self.0.errors
    }

    /// The cause for the log.
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

    /// The application whose name and colours the problem's page has.
    pub(crate) fn shown_branding(&self) -> &Branding {
        &self.0.branding
    }

    /// The headers of the answer that belong to the problem.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = self.0.headers.clone();
        match self.0.code {
            _ if headers.contains_key(WWW_AUTHENTICATE) => {}
            Code::MissingCredentials | Code::InvalidCredentials if self.0.offers_basic => {
                headers.insert(WWW_AUTHENTICATE, BASIC_CHALLENGE);
            }
            Code::MissingCredentials
            | Code::InvalidCredentials
            | Code::ConnectionReauthorizationRequired => {
                headers.insert(WWW_AUTHENTICATE, CHALLENGE);
            }
            _ => {}
        }
        if let Some(after) = self.0.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(after)));
        }
        headers
    }
}

fn whole_seconds(duration: Duration) -> u64 {
    (duration.as_secs() + u64::from(duration.subsec_nanos() > 0)).max(1)
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

impl From<Vec<Fault>> for Problem {
    fn from(faults: Vec<Fault>) -> Self {
        let problem = Self::new(Code::InvalidRequest);
        faults.into_iter().fold(problem, |problem, fault| problem.error(fault.field, fault.message))
    }
}

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

impl From<NotRunning> for Problem {
    fn from(error: NotRunning) -> Self {
        match error {
            NotRunning::Paused => Self::new(Code::ServicePaused).retry_after(LOOK_AGAIN_AFTER),
            NotRunning::Unknown(error) => error.into(),
        }
    }
}

/// The `Retry-After` of a paused service.
const LOOK_AGAIN_AFTER: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn retry_after_is_rounded_up_to_whole_seconds() {
        assert_eq!(whole_seconds(Duration::ZERO), 1);
        assert_eq!(whole_seconds(Duration::from_millis(1_001)), 2);
        assert_eq!(whole_seconds(Duration::from_secs(30)), 30);
    }

    #[test]
    fn an_unavailable_aws_service_is_temporary_and_a_corrupt_item_is_our_fault() {
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

    #[test]
    fn a_problem_names_every_faulty_field_and_none_of_its_cause() {
        let fault = |field: &str, message: &str| Fault {
            field: field.to_owned(),
            message: message.to_owned(),
        };
        let faults = vec![fault("name", "must be a string"), fault("scopes[1]", "is unknown")];
        let problem = Problem::from(faults).detail("Two fields.").cause("the cause");
        let named =
            problem.errors().iter().map(|error| (error.field.as_str(), error.message.as_str()));
        let named: Vec<_> = named.collect();
        assert_eq!(named, [("name", "must be a string"), ("scopes[1]", "is unknown")]);
        assert_eq!(problem.to_string(), "invalid_request: Two fields.");
        let public_url: PublicUrl = "https://connect.mycompany.example".parse().unwrap();
        let document = serde_json::to_string(&problem.document(&public_url, "request")).unwrap();
        assert!(document.contains("scopes[1]") && !document.contains("the cause"), "{document}");
    }
}
