//! Whether an answer means that Azure DevOps rejects the token: it rarely says so plainly.
//!
//! | what comes | when |
//! | --- | --- |
//! | 401 | with `X-TFS-FedAuthRedirect: Suppress`, and for what the user may not see |
//! | 203 with a sign-in page | a bad token, without that header |
//! | 302 to a sign-in page | a request that looks like a browser's |
//! | 2xx with HTML on `/_apis/` | the same, from some services |
//!
//! A 401 that names the user (`TF400813: The user '…' is not authorized`) is none: the token was good, and
//! its user lacks access. With a bad token the name is empty.

use http::header::{CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};

use crate::address::Address;

/// A rejected token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    challenge: Option<String>,
}

impl Rejection {
    /// Looks for a rejection. `wants_html` says whether the caller asked for HTML.
    pub fn detect(
        address: &Address,
        wants_html: bool,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Option<Self> {
        let html = text(headers, &CONTENT_TYPE)
            .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("text/html"));
        let api = address.path().to_ascii_lowercase().contains("/_apis");
        let rejected = match status {
            StatusCode::UNAUTHORIZED => !names_its_user(body),
            StatusCode::NON_AUTHORITATIVE_INFORMATION => html,
            status if status.is_redirection() => {
                text(headers, &LOCATION).is_some_and(leads_to_sign_in)
            }
            status if status.is_success() => html && api && !wants_html,
            _ => false,
        };
        let challenges = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|v| v.to_str().ok());
        let challenge = challenges.collect::<Vec<_>>().join(", ");
        rejected.then(|| Self { challenge: Some(challenge).filter(|text| !text.is_empty()) })
    }

    /// The `WWW-Authenticate` of the answer, which may hold a claims challenge.
    pub fn challenge(&self) -> Option<&str> {
        self.challenge.as_deref()
    }
}

fn names_its_user(body: &[u8]) -> bool {
    // The name may stand anywhere in JSON or HTML; a sentence of fixed words is enough to find it.
    const SENTENCE: &[u8] = b"TF400813: The user '";
    let found = body.windows(SENTENCE.len()).position(|window| window == SENTENCE);
    found.and_then(|at| body.get(at + SENTENCE.len())).is_some_and(|next| *next != b'\'')
}

fn leads_to_sign_in(location: &str) -> bool {
    let location = location.to_ascii_lowercase();
    let host = location.split("://").nth(1).unwrap_or_default().split(['/', '?']).next();
    let path = location.split('?').next().unwrap_or_default();
    path.contains("/_signin")
        || host.is_some_and(|host| {
            host.starts_with("login.")
                || host == "app.vssps.visualstudio.com" && path.ends_with("/signin")
        })
}

fn text<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn detect(path: &str, wants_html: bool, status: u16, pairs: &[(&str, &str)]) -> bool {
        let allowed = ["mycompany".parse().unwrap()];
        let address = Address::parse("dev.azure.com", path, None, &allowed).unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap());
        }
        let status = StatusCode::from_u16(status).unwrap();
        Rejection::detect(&address, wants_html, status, &headers, b"")
            .is_some()
    }

    #[test]
    fn sign_in_pages_in_disguise_are_rejections() {
        let html = ("content-type", "text/html; charset=utf-8");
        let api = "/mycompany/_apis/projects";
        assert!(detect(api, false, 401, &[]));
        assert!(detect(api, false, 203, &[html]));
        assert!(detect(
            api,
            false,
            302,
            &[(
                "location",
                "https://spsprodcus1.vssps.visualstudio.com/_signin?realm=dev.azure.com"
            )]
        ));
        assert!(detect(
            api,
            false,
            302,
            &[("location", "https://login.microsoftonline.com/common/oauth2/authorize?x")]
        ));
        assert!(detect(api, false, 200, &[html]));
    }

    #[test]
    fn a_401_that_names_the_user_is_about_access() {
        let allowed = ["mycompany".parse().unwrap()];
        let address = Address::parse("dev.azure.com", "/mycompany/_apis/x", None, &allowed).unwrap();
        let is_rejection = |body: &[u8]| {
            let headers = HeaderMap::new();
            Rejection::detect(&address, false, StatusCode::UNAUTHORIZED, &headers, body).is_some()
        };
        assert!(is_rejection(b""));
        assert!(is_rejection(br#"{"message":"TF400813: The user '' is not authorized to access this resource."}"#));
        assert!(!is_rejection(br#"{"message":"TF400813: The user 'ada' is not authorized to access this resource."}"#));
    }

    #[test]
    fn other_answers_are_the_caller_s() {
        let html = ("content-type", "text/html");
        let json = ("content-type", "application/json");
        let api = "/mycompany/_apis/projects";
        assert!(!detect(
            api,
            false,
            200,
            &[
                json,
                (
                    "www-authenticate",
                    "Bearer authorization_uri=https://login.microsoftonline.com/x"
                )
            ]
        ));
        assert!(!detect(api, false, 203, &[json]));
        assert!(!detect(api, true, 200, &[html]));
        assert!(!detect("/mycompany/p/_wiki/x", false, 200, &[html]));
        assert!(!detect(
            api,
            false,
            302,
            &[("location", "https://dev.azure.com/mycompany/other?u=https://login.x/")]
        ));
        assert!(!detect(api, false, 403, &[html]));
        assert!(!detect(api, false, 404, &[html]));
        assert!(!detect(api, false, 503, &[html]));
    }
}
