//! OAuth errors in Entra's shape, at the token endpoint and in redirects from the authorize endpoint.

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::reply::Reply;

/// One OAuth error.
#[derive(Clone, Debug)]
pub(crate) struct OAuthError {
    pub status: u16,
    pub error: Box<str>,
    pub codes: Vec<u32>,
    pub text: Box<str>,
    pub suberror: Option<String>,
    pub claims: Option<String>,
}

impl OAuthError {
    /// An error with this AADSTS number; the status follows from the error (`invalid_client`: 401, others 400).
    pub fn new(error: &str, code: u32, text: impl Into<Box<str>>) -> Self {
        Self {
            status: if error == "invalid_client" { 401 } else { 400 },
            error: error.into(),
            codes: vec![code],
            text: text.into(),
            suberror: None,
            claims: None,
        }
    }

    pub fn suberror(mut self, suberror: &str) -> Self {
        self.suberror = Some(suberror.to_owned());
        self
    }

    pub fn claims(mut self, claims: &str) -> Self {
        self.claims = Some(claims.to_owned());
        self
    }

    /// Returns `AADSTS<number>: <text>` with the trace lines that follow it at Entra.
    pub fn description(&self, trace: &Trace) -> String {
        let code = self.codes.first().copied().unwrap_or_default();
        format!(
            "AADSTS{code}: {}\r\nTrace ID: {}\r\nCorrelation ID: {}\r\nTimestamp: {}",
            self.text, trace.id, trace.correlation, trace.timestamp
        )
    }

    fn body(&self, trace: &Trace) -> Value {
        let mut body = json!({
            "error": self.error,
            "error_description": self.description(trace),
            "error_codes": self.codes,
            "timestamp": trace.timestamp,
            "trace_id": trace.id,
            "correlation_id": trace.correlation,
        });
        if let Some(code) = self.codes.first() {
            body["error_uri"] = self.uri(*code).into();
        }
        if let Some(suberror) = &self.suberror {
            body["suberror"] = suberror.as_str().into();
        }
        if let Some(claims) = &self.claims {
            body["claims"] = claims.as_str().into();
        }
        body
    }

    #[expect(clippy::unused_self, reason = "reads as a property of the error")]
    fn uri(&self, code: u32) -> String {
        format!("https://login.microsoftonline.com/error?code={code}")
    }

    /// Returns the answer of the token endpoint.
    pub fn into_reply(self, trace: &Trace) -> Reply {
        protocol_headers(Reply::json(self.status, &self.body(trace)), trace)
    }

    /// Returns the parameters for the redirect back to the application.
    pub fn redirect_parameters(&self, trace: &Trace) -> Vec<(String, String)> {
        let mut parameters = vec![("error".to_owned(), self.error.to_string())];
        if let Some(suberror) = &self.suberror {
            // The authorize endpoint returns the user's own refusal as a subcode.
            let name = if suberror == "cancel" { "error_subcode" } else { "suberror" };
            parameters.push((name.into(), suberror.clone()));
        }
        parameters.push(("error_description".into(), self.description(trace)));
        if let Some(code) = self.codes.first() {
            parameters.push(("error_uri".into(), self.uri(*code)));
        }
        if let Some(claims) = &self.claims {
            parameters.push(("claims".into(), claims.clone()));
        }
        parameters
    }
}

/// The identifiers in every answer of Entra's protocol endpoints.
pub(crate) struct Trace {
    pub id: Uuid,
    pub correlation: String,
    pub timestamp: String,
}

impl Trace {
    /// `correlation` is the request's own `client-request-id`, if it sent one.
    pub fn new(now: Timestamp, correlation: Option<&str>) -> Self {
        Self {
            id: Uuid::new_v4(),
            correlation: correlation
                .and_then(|text| Uuid::parse_str(text).ok())
                .unwrap_or_else(Uuid::new_v4)
                .to_string(),
            timestamp: now.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        }
    }
}

/// Adds the headers of the token endpoint.
pub(crate) fn protocol_headers(reply: Reply, trace: &Trace) -> Reply {
    reply
        .header("cache-control", "no-store, no-cache")
        .header("pragma", "no-cache")
        .header("expires", "-1")
        .header("strict-transport-security", "max-age=31536000; includeSubDomains")
        .header("x-content-type-options", "nosniff")
        .header("p3p", "CP=\"DSP CUR OTPi IND OTRi ONL FIN\"")
        .header("x-ms-request-id", trace.id)
        .header("x-ms-ests-server", "2.1.11787.14 - SCUS ProdSlices")
        .header("x-ms-clitelem", "1,0,0,,")
        .header("client-request-id", &trace.correlation)
        .another_header(
            "set-cookie",
            "fpc=emulated; expires=Thu, 01-Jan-2099 00:00:00 GMT; path=/; secure; HttpOnly; SameSite=None",
        )
        .another_header("set-cookie", "x-ms-gateway-slice=estsfd; path=/; secure; httponly")
        .another_header("set-cookie", "stsservicecookie=estsfd; path=/; secure; httponly")
}

/// Returns the text of a number, for errors that a fault or the sign-in form requests by number alone.
pub(crate) fn text(code: u32) -> &'static str {
    match code {
        50020 => "The account is not known in this tenant and cannot use the application there.",
        50034 => "The account does not exist in this directory.",
        50053 => "The account is locked.",
        50057 => "The account is disabled.",
        50058 => "Nobody is signed in, and the request does not allow asking.",
        50074 | 50076 => {
            "Because of the administrator's configuration, multifactor authentication is needed for this resource."
        }
        50079 => "The user must enrol in multifactor authentication.",
        50105 => "The administrator has not assigned the user to this application.",
        50173 => "The grant was revoked; a new sign-in is needed.",
        50196 => "The server stopped the request because it found a client request loop.",
        53003 => "Access is blocked by Conditional Access policies.",
        65001 => "The user or administrator has not consented to use the application.",
        65004 => "The user declined to consent to the application.",
        70000 => "The grant is invalid or malformed.",
        70008 => "The grant has expired because of inactivity.",
        70043 => {
            "The refresh token has expired because of sign-in frequency checks by Conditional Access."
        }
        90014 => "A required field is missing.",
        90033 => "A transient error has occurred. Please try again.",
        90055 => "The tenant sent too many requests.",
        90094 => "An administrator must consent to the application.",
        90095 => "An administrator was asked to approve the application.",
        700_016 => "The application was not found in the directory.",
        700_027 => "The client assertion failed signature validation.",
        700_082 => "The refresh token has expired because of inactivity.",
        7_000_112 => "The application is disabled.",
        7_000_215 => "An invalid client secret was provided.",
        7_000_222 => "The client secret keys provided are expired.",
        _ => "The request was not accepted.",
    }
}
