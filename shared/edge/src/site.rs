//! Requests that browsers send for a page, and the origins whose pages may change something (Fetch Metadata,
//! <https://www.w3.org/TR/fetch-metadata/>).
//!
//! A browser attaches its cookies and its cached passwords for an origin to every request for that origin, even if another
//! site's page causes it. Other programs send none of the headers of Fetch Metadata.

use http::header::ORIGIN;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::config::PublicUrl;
use crate::cors_origins::CorsOrigins;
use crate::problem::{Code, Problem};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Whether a page of another site caused a request. Sibling hosts of the same site count as other sites.
pub fn is_of_another_site(headers: &HeaderMap) -> bool {
    let mut sites = headers.get_all(SEC_FETCH_SITE).iter();
    sites.any(|site| site != "same-origin" && site != "none")
}

/// Whether a browser sent a request, and not another program.
pub(crate) fn is_of_a_browser(headers: &HeaderMap) -> bool {
    headers.contains_key(SEC_FETCH_MODE) || headers.contains_key(SEC_FETCH_SITE)
}

/// Refuses a request that may change something and that a page of another site sent, unless its origin is allowed.
///
/// # Errors
/// [`Code::CrossSiteRequest`].
pub(crate) fn require_allowed(
    method: &Method,
    headers: &HeaderMap,
    allowed: &CorsOrigins,
) -> Result<(), Problem> {
    let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok()).unwrap_or_default();
    if method.is_safe() || !is_of_another_site(headers) || allowed.allow(origin) {
        return Ok(());
    }
    Err(Problem::new(Code::CrossSiteRequest))
}

/// Refuses a request from a page whose origin is neither the service's own nor allowed, whatever it does. A page that
/// leads its own name to the service's address has such an origin, too.
///
/// # Errors
/// [`Code::CrossSiteRequest`].
pub fn require_origin(
    headers: &HeaderMap,
    own: &PublicUrl,
    allowed: &CorsOrigins,
) -> Result<(), Problem> {
    let is_known = |origin: &HeaderValue| {
        origin.to_str().is_ok_and(|origin| origin == own.as_str() || allowed.allow(origin))
    };
    if headers.get_all(ORIGIN).iter().all(is_known) {
        return Ok(());
    }
    Err(Problem::new(Code::CrossSiteRequest))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn refused(method: &Method, site: &str, origin: &str, allowed: &str) -> bool {
        let allowed = match allowed {
            "" => CorsOrigins::default(),
            list => list.parse().unwrap(),
        };
        let headers = [(SEC_FETCH_SITE, site), (ORIGIN, origin)];
        let headers = headers.into_iter().filter(|(_, value)| !value.is_empty());
        let headers = headers.map(|(name, value)| (name, value.parse().unwrap())).collect();
        require_allowed(method, &headers, &allowed).is_err()
    }

    #[test]
    fn only_a_page_of_an_allowed_origin_changes_something_from_another_site() {
        const PAGE: &str = "https://page.mycompany.example";
        for (site, origin, allowed, expected) in [
            ("", "", "", false),
            ("", PAGE, "", false),
            ("none", "", "", false),
            ("same-origin", PAGE, "", false),
            ("cross-site", PAGE, "", true),
            ("same-site", PAGE, "", true),
            ("a-site-of-the-future", PAGE, "", true),
            ("cross-site", "", PAGE, true),
            ("cross-site", PAGE, "https://other.example", true),
            ("cross-site", "https://evil.example", PAGE, true),
            ("cross-site", "https://page.mycompany.example.evil.example", PAGE, true),
            ("cross-site", PAGE, "https://other.example, https://page.mycompany.example/", false),
            ("same-site", PAGE, PAGE, false),
            ("cross-site", PAGE, "https://*", false),
            ("cross-site", "http://page.mycompany.example", "https://*", true),
            ("cross-site", PAGE, "*", false),
            ("cross-site", "null", "*", true),
        ] {
            for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                assert_eq!(refused(&method, site, origin, allowed), expected, "{site} {origin}");
            }
            assert!(!refused(&Method::GET, site, origin, allowed));
        }
    }

    #[test]
    fn only_the_service_s_own_and_allowed_origins_are_let_in() {
        let own: PublicUrl = "https://gateway.example".parse().unwrap();
        let allowed: CorsOrigins = "https://page.example".parse().unwrap();
        for (origins, expected) in [
            (&[][..], true),
            (&["https://gateway.example"], true),
            (&["https://page.example"], true),
            (&["https://evil.example"], false),
            (&["http://gateway.example"], false),
            (&["https://gateway.example.evil.example"], false),
            (&["null"], false),
            (&[""], false),
            (&["https://gateway.example", "https://evil.example"], false),
        ] {
            let headers = origins.iter().map(|origin| (ORIGIN, origin.parse().unwrap())).collect();
            assert_eq!(require_origin(&headers, &own, &allowed).is_ok(), expected, "{origins:?}");
        }
    }

    #[test]
    fn a_second_header_hides_nothing() {
        let headers =
            ["same-origin", "cross-site"].map(|site| (SEC_FETCH_SITE, site.parse().unwrap()));
        assert!(is_of_another_site(&HeaderMap::from_iter(headers)));
    }
}
