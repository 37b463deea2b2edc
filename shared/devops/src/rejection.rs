//! Detects an answer by which Azure DevOps rejects the token: it did not learn from the token who calls.
//!
//! | answer | rejected |
//! | --- | --- |
//! | 401 with a claims challenge | always |
//! | 401 | unless it names a person, whose rights it is about |
//! | 403 and 404 that refuse the anonymous identity in words of their own | for reads |
//! | a redirect to a sign-in page | always |
//! | 2xx with a sign-in page, 203 with any page in place of data | for reads |
//! | 200 and 203 with the title of a sign-in page | for writes, which are not sent again for it |
//! | another 2xx with another page in place of data, 203 with one elsewhere | for reads: probably a sign-in page |
//!
//! Calls of `/_apis/` expect data unless their caller accepts HTML.
//! Words that the request brought along, such as an id in its path, may be repeated in any answer.
//!
//! The caller's name is read in every form that Azure DevOps uses: JSON, HTML, the headers `X-TFS-ServiceError`
//! and `X-VSS-UserData`, with escapes, compressed, in every language. The anonymous identity counts as nobody.

mod person;
mod sign_in;
mod text;

use ground::media_type;
use http::header::{CONTENT_DISPOSITION, LOCATION, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, StatusCode};

use crate::address::Address;
pub(crate) use person::ANONYMOUS;
use person::Named;

/// The error of a challenge that asks for claims (Continuous access evaluation).
const INSUFFICIENT_CLAIMS: &str = "insufficient_claims";

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

/// A rejected token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    challenge: Option<String>,
    form: Form,
    may_be_processed: bool,
}

/// The form of a rejection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A refusal in words.
    Refusal,
    /// A refusal without a word about the caller or anything else.
    Silence,
    /// A sign-in page, or the way to one.
    SignIn,
    /// A page that is only probably a sign-in page.
    Page,
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
        let form = asked.form(status, headers, text.as_deref())?;
        let challenge = challenges(headers).collect::<Vec<_>>().join(", ");
        let challenge = Some(challenge).filter(|text| !text.is_empty());
        let may_be_processed = status.is_success() && !asked.method.is_safe();
        Some(Self { challenge, form, may_be_processed })
    }

    /// Returns the `WWW-Authenticate` of the answer, which may hold a claims challenge.
    pub fn challenge(&self) -> Option<&str> {
        self.challenge.as_deref()
    }

    /// Returns whether only claims in the next token help.
    pub fn asks_for_claims(&self) -> bool {
        self.challenge().is_some_and(|challenge| challenge.contains(INSUFFICIENT_CLAIMS))
    }

    /// Returns whether the answer cannot be the requested resource. `false` for a page that is only probably a sign-in
    /// page: it has neither such a page's content nor, in place of data, its status 203.
    pub fn is_certain(&self) -> bool {
        self.form != Form::Page
    }

    /// Returns whether the answer is a sign-in page or the way to one, which only a browser understands.
    pub fn is_sign_in(&self) -> bool {
        self.form == Form::SignIn
    }

    /// Returns whether the answer has neither a word nor a name, as where a scope is lacking.
    pub fn is_silent(&self) -> bool {
        self.form == Form::Silence
    }

    /// Returns whether the call may have had its effect, so that it must not be sent again: a write with a successful
    /// status.
    pub fn may_be_processed(&self) -> bool {
        self.may_be_processed
    }
}

impl Asked<'_> {
    /// Returns the form in which an answer rejects the token, or `None` if it does not.
    fn form(&self, status: StatusCode, headers: &HeaderMap, text: Option<&str>) -> Option<Form> {
        match status {
            StatusCode::UNAUTHORIZED => {
                let named = person::named(headers, text);
                let is_rejected = asks_for_claims(headers) || named != Named::Person;
                is_rejected.then(|| self.form_of_refusal(named, headers, text))
            }
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
                let url = self.address.url();
                let is_rejected =
                    self.method.is_safe() && person::is_nobody_refused(headers, text, url);
                is_rejected.then(|| self.form_of_refusal(Named::Nobody, headers, text))
            }
            status if status.is_redirection() => {
                let location = headers.get(LOCATION).and_then(|location| location.to_str().ok())?;
                sign_in::is_sign_in(self.address.url(), location).then_some(Form::SignIn)
            }
            status if status.is_success() && is_page(headers) => self.form_of_page(status, text),
            _ => None,
        }
    }

    fn form_of_refusal(&self, named: Named, headers: &HeaderMap, text: Option<&str>) -> Form {
        let is_page = is_page(headers);
        match text {
            Some(page) if is_page && sign_in::is_sign_in_page(self.address.url(), page) => {
                Form::SignIn
            }
            Some("") if named == Named::Unnamed && !headers.contains_key("x-tfs-serviceerror") => {
                Form::Silence
            }
            _ => Form::Refusal,
        }
    }

    /// A read may be sent again for a page that is only probably a sign-in page. A write may have had its effect: only
    /// the title of the sign-in page, with a status that it has, is enough.
    fn form_of_page(&self, status: StatusCode, text: Option<&str>) -> Option<Form> {
        let page = text.unwrap_or_default();
        let is_203 = status == StatusCode::NON_AUTHORITATIVE_INFORMATION;
        if !self.method.is_safe() {
            let is_sign_in = (status == StatusCode::OK || is_203) && sign_in::has_title(page);
            return is_sign_in.then_some(Form::SignIn);
        }
        let is_data = self.address.api().is_some() && !self.wants_html;
        if sign_in::is_sign_in_page(self.address.url(), page) || (is_203 && is_data) {
            return Some(Form::SignIn);
        }
        (is_203 || is_data).then_some(Form::Page)
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
    matches!(media_type::of(headers).as_str(), "text/html" | "application/xhtml+xml")
        && !headers.contains_key(CONTENT_DISPOSITION)
}

fn challenges(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok())
}

fn asks_for_claims(headers: &HeaderMap) -> bool {
    challenges(headers).any(|challenge| challenge.contains(INSUFFICIENT_CLAIMS))
}

#[cfg(test)]
mod tests;
