//! Headers of passed-through answers, which programs ignore and browsers and caches obey.

use ground::media_type;
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue};

/// The headers that decide whose answer it is: those of the credentials, and [`super::INTEGRATION`].
const VARIES: HeaderValue = HeaderValue::from_static("authorization, x-ado-connect-integration");

/// Directives of `Cache-Control` that only restrict a cache (RFC 9111 section 5.2.2, RFC 8246).
const RESTRICTIONS: &[&str] =
    &["immutable", "must-revalidate", "no-cache", "no-store", "no-transform"];

/// Directives with a number of seconds for which a cache may use what it holds (RFC 9111 section 5.2.2, RFC 5861).
const TIMES: &[&str] = &["max-age", "stale-if-error", "stale-while-revalidate"];

/// A file from a repository must not act as a page of this origin when a browser opens it (S-33), and no cache may give one
/// caller's answer to another (S-40).
pub(super) fn confine(headers: &mut HeaderMap) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("sandbox; default-src 'none'; frame-ancestors 'none'"),
    );
    if is_document(headers) {
        // A browser saves what it would otherwise show under the gateway's address.
        headers.entry(CONTENT_DISPOSITION).or_insert(HeaderValue::from_static("attachment"));
    }
    headers.insert(CACHE_CONTROL, for_private_caches(headers));
    headers.append(VARY, VARIES);
}

/// Returns whether a browser could run scripts of a body: HTML, SVG and every other XML.
fn is_document(headers: &HeaderMap) -> bool {
    let kind = media_type::of(headers);
    kind == "text/html" || kind.ends_with("/xml") || kind.ends_with("+xml")
}

/// Returns `Cache-Control` without what it allows to shared caches, such as `public` and `s-maxage`, which would hold for
/// an answer to a request with credentials, too (RFC 9111 section 3.5). Without the header nothing is stored.
fn for_private_caches(headers: &HeaderMap) -> HeaderValue {
    const NOTHING: HeaderValue = HeaderValue::from_static("no-store");
    if !headers.contains_key(CACHE_CONTROL) {
        return NOTHING;
    }
    let mut kept = "private".to_owned();
    for value in headers.get_all(CACHE_CONTROL) {
        let Ok(value) = value.to_str() else { return NOTHING };
        for directive in value.split(',').filter_map(of_any_cache) {
            kept.push_str(", ");
            kept.push_str(&directive);
        }
    }
    HeaderValue::from_str(&kept).unwrap_or(NOTHING)
}

/// Returns a directive as a private cache reads it, or `None` if it is for shared caches or unknown. A restriction of some
/// fields (`no-cache="etag"`) becomes one of the whole answer.
fn of_any_cache(directive: &str) -> Option<String> {
    let (name, argument) = directive.split_once('=').unwrap_or((directive, ""));
    let name = name.trim().to_ascii_lowercase();
    if RESTRICTIONS.contains(&name.as_str()) {
        return Some(name);
    }
    let seconds: u32 = argument.trim().trim_matches('"').parse().ok()?;
    TIMES.contains(&name.as_str()).then(|| format!("{name}={seconds}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn confined(sent: &[(&'static str, &[u8])]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        confine(&mut headers);
        headers
    }

    #[test]
    fn no_answer_may_be_given_from_one_caller_to_another() {
        for (sent, expected) in [
            (&[][..], "no-store"),
            (&["public"], "private"),
            (&[""], "private"),
            (&["public, max-age=3600, s-maxage=7200"], "private, max-age=3600"),
            (&["PUBLIC,S-MaxAge=5,Max-Age=\"60\""], "private, max-age=60"),
            (&["must-revalidate, max-age=0"], "private, must-revalidate, max-age=0"),
            (&["private=\"set-cookie\", max-age=5"], "private, max-age=5"),
            (&["private=\"a, public\", max-age=5"], "private, max-age=5"),
            (&["no-cache=\"etag, set-cookie\""], "private, no-cache"),
            (&["no-store, public"], "private, no-store"),
            (&["max-age=5", "public", "immutable"], "private, max-age=5, immutable"),
            (
                &["max-age=5, stale-while-revalidate=9"],
                "private, max-age=5, stale-while-revalidate=9",
            ),
            (&["max-age=-1, max-age=x, max-age"], "private"),
            (&["proxy-revalidate, must-understand, x=\"max-age=5\""], "private"),
            (&["max-age=5, \u{e9}"], "no-store"),
        ] {
            let sent: Vec<_> =
                sent.iter().map(|value| ("cache-control", value.as_bytes())).collect();
            let headers = confined(&sent);
            assert_eq!(headers[CACHE_CONTROL], expected, "{sent:?}");
            assert_eq!(headers.get_all(CACHE_CONTROL).iter().count(), 1);
        }
    }

    #[test]
    fn an_answer_names_everything_that_decides_whose_it_is() {
        let headers = confined(&[("vary", b"accept-encoding")]);
        let varies: Vec<_> = headers.get_all(VARY).iter().collect();
        assert_eq!(varies, ["accept-encoding", "authorization, x-ado-connect-integration"]);
        assert!(VARIES.to_str().unwrap().ends_with(super::super::INTEGRATION.as_str()));
    }

    #[test]
    fn a_browser_saves_documents_and_shows_the_rest() {
        for (kind, saved) in [
            ("text/html", true),
            ("Text/HTML; charset=utf-8", true),
            ("image/svg+xml", true),
            ("application/xhtml+xml", true),
            ("text/xml", true),
            ("text/plain", false),
            ("image/png", false),
            ("application/json", false),
        ] {
            let headers = confined(&[("content-type", kind.as_bytes())]);
            assert_eq!(headers.contains_key(CONTENT_DISPOSITION), saved, "{kind}");
        }
    }
}
