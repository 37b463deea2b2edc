//! Detects an answer by which Azure DevOps rejects the token, which it rarely does plainly.
//!
//! | answer | cause |
//! | --- | --- |
//! | 401 | with `X-TFS-FedAuthRedirect: Suppress`, and for resources that the user may not see |
//! | 203 with a sign-in page | a bad token, without that header |
//! | 302 to a sign-in page | a request that looks like a browser's |
//! | 2xx with HTML on `/_apis/` | the same, from some services |
//!
//! A 401 that names the user (`TF400813: The user '…' is not authorized`) is not a rejection: the token is good, and
//! its user lacks access. With a bad token the name is empty. A claims challenge is always a rejection.

use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};

use crate::address::Address;
use crate::host::SharedHost;

/// A rejected token. Nothing of the request was processed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    challenge: Option<String>,
}

impl Rejection {
    /// Returns the rejection in an answer, or `None` if the token was accepted. `wants_html` is whether the caller
    /// accepts HTML; `body` may be compressed, and then names no user.
    pub fn detect(
        address: &Address,
        wants_html: bool,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Option<Self> {
        let html = text(headers, &CONTENT_TYPE)
            .is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"));
        // A sign-in page is displayed, never offered as a file.
        let page = html && !headers.contains_key(CONTENT_DISPOSITION);
        let rejected = match status {
            StatusCode::UNAUTHORIZED => asks_for_claims(headers) || !names_its_user(body),
            StatusCode::NON_AUTHORITATIVE_INFORMATION => page,
            status if status.is_redirection() => {
                text(headers, &LOCATION).is_some_and(leads_to_sign_in)
            }
            status if status.is_success() => page && address.api().is_some() && !wants_html,
            _ => false,
        };
        let challenge = challenges(headers).collect::<Vec<_>>().join(", ");
        rejected.then(|| Self { challenge: Some(challenge).filter(|text| !text.is_empty()) })
    }

    /// Returns the `WWW-Authenticate` of the answer, which may hold a claims challenge.
    pub fn challenge(&self) -> Option<&str> {
        self.challenge.as_deref()
    }
}

fn challenges(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok())
}

fn asks_for_claims(headers: &HeaderMap) -> bool {
    challenges(headers).any(|challenge| challenge.contains("insufficient_claims"))
}

fn names_its_user(body: &[u8]) -> bool {
    // The name can be at any place in JSON or HTML, but always after this sentence.
    const SENTENCE: &[u8] = b"TF400813: The user '";
    let found = body.windows(SENTENCE.len()).position(|window| window == SENTENCE);
    found.and_then(|at| body.get(at + SENTENCE.len())).is_some_and(|next| *next != b'\'')
}

fn leads_to_sign_in(location: &str) -> bool {
    let location = location.to_ascii_lowercase();
    let before_query = location.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = match before_query.split_once("://") {
        Some((_, rest)) => rest.split_once('/').unwrap_or((rest, "")),
        None => ("", before_query.trim_start_matches('/')),
    };
    let signs_in = |segment: &str| matches!(segment, "_signin" | "_signedin");
    authority.starts_with("login.")
        || path.split('/').any(signs_in)
        || authority == SharedHost::Profiles.host() && path.ends_with("signin")
}

fn text<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const API: &str = "/mycompany/_apis/projects";
    const HTML: (&str, &str) = ("content-type", "text/html; charset=utf-8");
    const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8; api-version=7.1");

    fn detect(
        path: &str,
        wants_html: bool,
        status: u16,
        pairs: &[(&str, &str)],
    ) -> Option<Rejection> {
        let allowed = ["mycompany".parse().unwrap()];
        let address = Address::parse("dev.azure.com", path, None, &allowed).unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap());
        }
        let status = StatusCode::from_u16(status).unwrap();
        Rejection::detect(&address, wants_html, status, &headers, b"")
    }

    #[test]
    fn sign_in_pages_in_disguise_are_rejections() {
        let rejected = |status, header| {
            assert!(detect(API, false, status, &[header]).is_some(), "{status} {header:?}");
        };
        rejected(401, JSON);
        rejected(401, HTML);
        rejected(203, HTML);
        rejected(203, ("content-type", "Text/HTML"));
        rejected(200, HTML);
        for location in [
            "https://spsprodcus1.vssps.visualstudio.com/_signin?realm=dev.azure.com",
            "https://login.microsoftonline.com/common/oauth2/authorize?x",
            "https://login.windows.net",
            "https://app.vssps.visualstudio.com/_signin",
            "https://app.vssps.visualstudio.com/signin?x",
            "https://dev.azure.com/_signin",
            "/_signin?reply_to=x",
        ] {
            for status in [301, 302, 303, 307, 308] {
                rejected(status, ("location", location));
            }
        }
        assert!(detect("/mycompany/p/_git/repo/info/refs", true, 203, &[HTML]).is_some());
        assert!(detect("/mycompany/p/_git/repo/info/refs", false, 401, &[]).is_some());
    }

    #[test]
    fn a_401_that_names_the_user_is_no_rejection() {
        let allowed = ["mycompany".parse().unwrap()];
        let address =
            Address::parse("dev.azure.com", "/mycompany/_apis/x", None, &allowed).unwrap();
        let is_rejection = |challenge: &'static str, body: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.append(WWW_AUTHENTICATE, "TFS-Federated".parse().unwrap());
            headers.append(WWW_AUTHENTICATE, challenge.parse().unwrap());
            Rejection::detect(&address, false, StatusCode::UNAUTHORIZED, &headers, body).is_some()
        };
        let nobody =
            br#"{"message":"TF400813: The user '' is not authorized to access this resource."}"#;
        let ada =
            br#"{"message":"TF400813: The user 'ada' is not authorized to access this resource."}"#;
        assert!(is_rejection("Bearer", b""));
        assert!(is_rejection("Bearer", b"TF400813: The user '"));
        assert!(is_rejection("Bearer", nobody));
        assert!(!is_rejection("Bearer", ada));
        // Only new claims help here, even if the user is named.
        assert!(is_rejection(r#"Bearer error="insufficient_claims", claims="e30=""#, ada));
    }

    #[test]
    fn other_answers_pass_to_the_caller() {
        let passed = |path, wants_html, status, pairs: &[_]| {
            assert_eq!(detect(path, wants_html, status, pairs), None, "{status} {path} {pairs:?}");
        };
        let challenge =
            ("www-authenticate", "Bearer authorization_uri=https://login.microsoftonline.com/x");
        passed(API, false, 200, &[JSON, challenge]);
        passed(API, false, 200, &[]);
        passed(API, false, 204, &[]);
        passed(API, false, 203, &[JSON]);
        passed(API, true, 200, &[HTML]);
        passed("/mycompany/p/_wiki/x", false, 200, &[HTML]);
        passed(
            "/mycompany/p/_apis/git/repositories/r/items",
            false,
            200,
            &[HTML, ("content-disposition", "attachment")],
        );
        for status in [400, 403, 404, 409, 429, 500, 503] {
            passed(API, false, status, &[HTML, challenge]);
        }
        for location in [
            "https://dev.azure.com/mycompany/other?u=https://login.x/_signin",
            "https://dev.azure.com/mycompany/p#/_signin",
            "https://mycompany.blob.core.windows.net/login.html?sig=1",
            "https://dev.azure.com/mycompany/login.microsoftonline.com",
            "/mycompany/_signing",
            "",
        ] {
            passed(API, false, 302, &[("location", location)]);
        }
        passed(API, false, 304, &[]);
    }

    #[test]
    fn all_challenges_are_handed_on_together() {
        let challenge =
            |pairs| detect(API, false, 401, pairs).unwrap().challenge().map(str::to_owned);
        let claims = r#"Bearer realm="", error="insufficient_claims", claims="e30=""#;
        let pairs = [("www-authenticate", claims), ("www-authenticate", "TFS-Federated")];
        assert_eq!(challenge(&pairs).unwrap(), format!("{claims}, TFS-Federated"));
        assert_eq!(challenge(&[]), None);
    }
}
