//! Detects an answer by which Azure DevOps rejects the token: it did not learn from the token who calls.
//!
//! | answer | rejected |
//! | --- | --- |
//! | 401 with a claims challenge | always |
//! | 401 | unless it names a person, whose rights it is about |
//! | 403 and 404 that name the anonymous identity | for calls that change nothing |
//! | a redirect to a sign-in page | always |
//! | 2xx with a sign-in page | always |
//! | 203 with another page, 2xx with one on `/_apis/` | for calls that change nothing: probably a sign-in page |
//!
//! The caller's name is read in every form that Azure DevOps uses: JSON, HTML, the headers `X-TFS-ServiceError`
//! and `X-VSS-UserData`, with escapes, compressed, in every language. The anonymous identity counts as nobody.

mod person;
mod sign_in;
mod text;

use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, StatusCode};

use crate::address::Address;
pub(crate) use person::ANONYMOUS;
use person::Named;

/// The call that was answered.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its address.
    pub address: &'a Address,
    /// Whether its caller accepts HTML.
    pub wants_html: bool,
}

/// A rejected token. Nothing of the request was processed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    challenge: Option<String>,
    is_certain: bool,
}

impl Rejection {
    /// Returns the rejection in an answer, or `None` if the token was accepted. `body` is the beginning of the body, as
    /// long as it was read.
    pub fn detect(
        asked: &Asked<'_>,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Option<Self> {
        let is_read = is_read_in_body(status, headers);
        let text = is_read.then(|| text::of_body(headers, body)).flatten();
        let text = text.as_deref();
        let named = || person::named(headers, text);
        let is_certain = match status {
            StatusCode::UNAUTHORIZED => asks_for_claims(headers) || named() != Named::Person,
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
                asked.method.is_safe() && named() == Named::Nobody
            }
            status if status.is_redirection() => {
                let location = headers.get(LOCATION).and_then(|location| location.to_str().ok());
                location.is_some_and(|to| sign_in::is_sign_in(asked.address.url(), to))
            }
            status if status.is_success() && is_page(headers) => {
                text.is_some_and(|page| sign_in::is_sign_in_page(asked.address.url(), page))
            }
            _ => false,
        };
        let is_rejected = is_certain || asked.probably_met_sign_in_page(status, headers);
        let challenge = challenges(headers).collect::<Vec<_>>().join(", ");
        let challenge = Some(challenge).filter(|text| !text.is_empty());
        is_rejected.then_some(Self { challenge, is_certain })
    }

    /// Returns the `WWW-Authenticate` of the answer, which may hold a claims challenge.
    pub fn challenge(&self) -> Option<&str> {
        self.challenge.as_deref()
    }

    /// Returns whether the answer cannot be the requested resource. `false` for a page in place of data that has no mark
    /// of a sign-in page.
    pub fn is_certain(&self) -> bool {
        self.is_certain
    }
}

impl Asked<'_> {
    /// Returns whether the answer is a page where the caller expects data. Only a call that changes nothing may be sent
    /// again for it.
    fn probably_met_sign_in_page(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        let is_data = self.address.api().is_some() && !self.wants_html;
        let is_suspect = status == StatusCode::NON_AUTHORITATIVE_INFORMATION || is_data;
        self.method.is_safe() && status.is_success() && is_suspect && is_page(headers)
    }
}

/// Returns whether a refusal without a word describes its caller in `X-VSS-UserData`: the token was read, and lacks a
/// scope.
pub fn is_about_scopes(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> bool {
    status == StatusCode::UNAUTHORIZED
        && body.is_empty()
        && person::named(headers, None) == Named::Person
}

/// Returns whether the beginning of the body decides whether an answer is a rejection.
pub fn is_read_in_body(status: StatusCode, headers: &HeaderMap) -> bool {
    let refuses =
        [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::NOT_FOUND].contains(&status);
    refuses || (status.is_success() && is_page(headers))
}

/// Returns whether a body is HTML to be displayed. A sign-in page is never offered as a file.
fn is_page(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(kind.as_str(), "text/html" | "application/xhtml+xml")
        && !headers.contains_key(CONTENT_DISPOSITION)
}

fn challenges(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok())
}

fn asks_for_claims(headers: &HeaderMap) -> bool {
    challenges(headers).any(|challenge| challenge.contains("insufficient_claims"))
}

#[cfg(test)]
mod tests;
