//! Which headers pass, up to Azure DevOps and down to the caller (DESIGN's proxy rule; S-30, S-31, S-35).

use std::collections::HashSet;

use http::header::{CONNECTION, HeaderMap, HeaderName};

/// RFC 9110 section 7.6.1, and what an intermediary sets itself.
const HOP_BY_HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-length",
    "expect",
    "http2-settings",
];

/// Never sent up: who called us is not Azure DevOps' business, and nothing may change where or what we call.
const NOT_UP: &[&str] = &[
    "authorization",
    "cookie",
    "host",
    "forwarded",
    "via",
    "x-real-ip",
    "x-http-method-override",
    "x-method-override",
    "x-http-method",
    "x-original-url",
    "x-rewrite-url",
    "x-request-id",
    "x-tfs-fedauthredirect",
    "cdn-loop",
    "true-client-ip",
];
const NOT_UP_PREFIXES: &[&str] =
    &["x-forwarded-", "x-amz", "x-amzn", "proxy-", "x-ado-connect-", "cf-", "sec-"];

/// Never passed down: what would act on our origin, or tell of credentials that are not the caller's.
const NOT_DOWN: &[&str] = &[
    "set-cookie",
    "set-cookie2",
    "www-authenticate",
    "strict-transport-security",
    "alt-svc",
    "server",
    "p3p",
    "clear-site-data",
    "public-key-pins",
    "report-to",
    "nel",
    "x-request-id",
];
const NOT_DOWN_PREFIXES: &[&str] = &["access-control-", "proxy-", "x-amz", "x-amzn"];

/// The caller's headers that go up.
pub fn upstream_request(headers: &HeaderMap) -> HeaderMap {
    passing(headers, |name| {
        // Some readers take `x_forwarded_for` for `x-forwarded-for`.
        !name.contains('_') && !listed(name, NOT_UP, NOT_UP_PREFIXES)
    })
}

/// Azure DevOps' headers that go down.
pub fn downstream_response(headers: &HeaderMap) -> HeaderMap {
    passing(headers, |name| !listed(name, NOT_DOWN, NOT_DOWN_PREFIXES))
}

fn passing(headers: &HeaderMap, passes: impl Fn(&str) -> bool) -> HeaderMap {
    let named = named_in_connection(headers);
    let mut kept = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let text = name.as_str();
        if !HOP_BY_HOP.contains(&text) && !named.contains(name) && passes(text) {
            kept.append(name.clone(), value.clone());
        }
    }
    kept
}

/// The fields that `Connection` says are for this hop only.
fn named_in_connection(headers: &HeaderMap) -> HashSet<HeaderName> {
    let values = headers.get_all(CONNECTION).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse().ok()).collect()
}

fn listed(name: &str, names: &[&str], prefixes: &[&str]) -> bool {
    names.contains(&name) || prefixes.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn map(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        headers
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_a_client_says_goes_up_and_what_identifies_it_to_us_does_not() {
        let sent = map(&[
            ("Accept", "application/json;api-version=7.1"),
            ("Content-Type", "application/json-patch+json"),
            ("If-Match", "\"1\""),
            ("Range", "bytes=0-9"),
            ("Accept-Encoding", "gzip"),
            ("traceparent", "00-1-2-01"),
            ("X-TFS-Session", "1"),
            ("Git-Protocol", "version=2"),
            ("User-Agent", "x"),
            ("Authorization", "Bearer adoc_x"),
            ("Cookie", "a=b"),
            ("Host", "evil"),
            ("X-Forwarded-For", "1.2.3.4"),
            ("X_Forwarded_For", "1.2.3.4"),
            ("X-Amzn-Trace-Id", "Root=1"),
            ("X-HTTP-Method-Override", "DELETE"),
            ("Connection", "close, X-Secret"),
            ("X-Secret", "1"),
            ("Transfer-Encoding", "chunked"),
            ("Content-Length", "3"),
        ]);
        let up = upstream_request(&sent);
        let expected = [
            "accept",
            "accept-encoding",
            "content-type",
            "git-protocol",
            "if-match",
            "range",
            "traceparent",
            "user-agent",
            "x-tfs-session",
        ];
        assert_eq!(names(&up), expected);
    }

    #[test]
    fn what_clients_need_comes_down_and_what_acts_on_our_origin_does_not() {
        let received = map(&[
            ("x-ms-continuationtoken", "1"),
            ("etag", "\"1\""),
            ("last-modified", "x"),
            ("retry-after", "5"),
            ("x-ratelimit-remaining", "1"),
            ("content-disposition", "attachment"),
            ("activityid", "1"),
            ("x-vss-e2eid", "1"),
            ("content-encoding", "gzip"),
            ("content-type", "application/json"),
            ("location", "x"),
            ("x-total-count", "2"),
            ("set-cookie", "a=b"),
            ("www-authenticate", "Bearer"),
            ("strict-transport-security", "x"),
            ("alt-svc", "h3"),
            ("server", "x"),
            ("access-control-allow-origin", "*"),
            ("p3p", "x"),
            ("transfer-encoding", "chunked"),
            ("content-length", "1"),
        ]);
        let down = downstream_response(&received);
        let expected = [
            "activityid",
            "content-disposition",
            "content-encoding",
            "content-type",
            "etag",
            "last-modified",
            "location",
            "retry-after",
            "x-ms-continuationtoken",
            "x-ratelimit-remaining",
            "x-total-count",
            "x-vss-e2eid",
        ];
        assert_eq!(names(&down), expected);
    }

    prop_compose! {
        fn header_maps()(pairs in proptest::collection::vec((
            prop_oneof![
                "[a-zA-Z][a-zA-Z0-9_-]{0,20}",
                proptest::sample::select(vec!["Authorization", "COOKIE", "Connection", "X-Forwarded-Host", "Host", "set-cookie", "Server", "X-Amz-Date"]).prop_map(str::to_owned),
            ],
            "[ -~]{0,20}",
        ), 0..20)) -> HeaderMap {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&value)) {
                    headers.append(name, value);
                }
            }
            headers
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        #[test]
        fn only_what_came_passes_and_nothing_that_must_not(headers in header_maps()) {
            let named = named_in_connection(&headers);
            for (passed, forbidden) in [
                (upstream_request(&headers), NOT_UP),
                (downstream_response(&headers), NOT_DOWN),
            ] {
                for name in passed.keys() {
                    prop_assert_eq!(
                        passed.get_all(name).iter().collect::<Vec<_>>(),
                        headers.get_all(name).iter().collect::<Vec<_>>(),
                        "all values of a name pass, in order",
                    );
                    let text = name.as_str();
                    prop_assert!(!HOP_BY_HOP.contains(&text) && !forbidden.contains(&text) && !named.contains(name));
                }
            }
            prop_assert!(upstream_request(&headers).keys().all(|name| !name.as_str().contains('_') && !name.as_str().starts_with("x-forwarded-")));
        }
    }
}
