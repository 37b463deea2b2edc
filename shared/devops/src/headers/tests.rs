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
fn a_client_s_headers_go_up_except_those_that_identify_it_to_us() {
    let passing = [
        "accept",
        "accept-encoding",
        "accept-language",
        "content-encoding",
        "content-range",
        "content-type",
        "git-protocol",
        "if-match",
        "if-none-match",
        "prefer",
        "range",
        "traceparent",
        "user-agent",
        "x-ms-client-request-id",
        "x-tfs-session",
        "x-vss-e2eid",
    ];
    let refused = [
        "Authorization",
        "Proxy-Authorization",
        "Proxy-Connection",
        "Cookie",
        "Host",
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X_Forwarded_For",
        "X-Forwarded_Proto",
        "X-Real-IP",
        "X-Original-URL",
        "X-Amzn-Trace-Id",
        "X-Amz-Date",
        "X-Ado-Connect-User",
        "X-HTTP-Method-Override",
        "X-Request-Id",
        "X-TFS-FedAuthRedirect",
        "Keep-Alive",
        "Upgrade",
        "TE",
        "Trailer",
        "Expect",
        "Transfer-Encoding",
        "Content-Length",
        "X-Secret",
        "X-Second",
    ];
    let all: Vec<_> = passing.iter().chain(&refused).map(|name| (*name, "1")).collect();
    let mut sent = map(&all);
    sent.append(CONNECTION, "close, X-Secret".parse().unwrap());
    // A value that is not text still names a field of this hop.
    sent.append(CONNECTION, HeaderValue::from_bytes(b"\xff,\t x-SECOND ,").unwrap());
    assert_eq!(names(&upstream_request(&sent)), passing);
}

#[test]
fn headers_for_clients_come_down_and_headers_that_act_on_our_origin_do_not() {
    let passing = [
        "activityid",
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-range",
        "content-type",
        "etag",
        "last-modified",
        "link",
        "location",
        "request-context",
        "retry-after",
        "vary",
        "x-cache",
        "x-frame-options",
        "x-ms-continuationtoken",
        "x-msedge-ref",
        "x-ratelimit-delay",
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
        "x-ratelimit-resource",
        "x-tfs-processid",
        "x-tfs-serviceerror",
        "x-tfs-session",
        "x-total-count",
        "x-vss-e2eid",
        "x-vss-resourcetenant",
        "x-vss-userdata",
    ];
    let refused = [
        "Set-Cookie",
        "Set-Cookie2",
        "WWW-Authenticate",
        "Proxy-Authenticate",
        "Strict-Transport-Security",
        "Alt-Svc",
        "Server",
        "Access-Control-Allow-Origin",
        "Access-Control-Expose-Headers",
        "P3P",
        "Clear-Site-Data",
        "Transfer-Encoding",
        "Content-Length",
        "Keep-Alive",
        "Connection",
    ];
    let all: Vec<_> = passing.iter().chain(&refused).map(|name| (*name, "1")).collect();
    assert_eq!(names(&downstream_response(&map(&all))), passing);
}

#[test]
fn all_values_of_a_name_pass_in_their_order() {
    let headers = map(&[("Link", "a"), ("etag", "\"1\""), ("LINK", "b"), ("link", "a")]);
    for passed in [upstream_request(&headers), downstream_response(&headers)] {
        assert_eq!(passed.get_all("link").iter().collect::<Vec<_>>(), ["a", "b", "a"]);
    }
}

/// The tables of docs/reference/headers.md, written a second time.
fn may_go_up(name: &str) -> bool {
    let by_name = "authorization cookie host forwarded x-real-ip x-http-method-override content-length \
        transfer-encoding te trailer upgrade expect connection keep-alive proxy-connection";
    !by_name.split_whitespace().any(|other| other == name)
        && !name.starts_with("x-forwarded-")
        && !name.starts_with("x-amz")
        && !name.starts_with("proxy-")
        && !name.starts_with("x-ado-connect-")
        && !name.contains('_')
}

fn may_come_down(name: &str) -> bool {
    let by_name = "set-cookie www-authenticate strict-transport-security alt-svc server p3p content-length edge-control \
        transfer-encoding te trailer upgrade connection keep-alive proxy-connection";
    !by_name.split_whitespace().any(|other| other == name)
        && !name.ends_with("-cache-control")
        && !["access-control-", "surrogate-", "x-accel-"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

const NAMES: &[&str] = &[
    "Accept",
    "Access-Control-Allow-Origin",
    "Authorization",
    "CDN-Cache-Control",
    "COOKIE",
    "Content-Length",
    "ETag",
    "Host",
    "Link",
    "Server",
    "Transfer-Encoding",
    "TE",
    "X-Amz-Date",
    "X-Forwarded-Host",
    "x_forwarded_host",
    "x-a",
    "x-b",
    "set-cookie",
];

fn header_maps() -> impl Strategy<Value = HeaderMap> {
    let field = prop_oneof![
        2 => ("[a-zA-Z][a-zA-Z0-9_-]{0,16}", "[ -~]{0,20}"),
        4 => (proptest::sample::select(NAMES).prop_map(str::to_owned), "[ -~]{0,20}"),
        1 => (Just("Connection".to_owned()), "(x-[abc]|close|ETag|é| ){0,3}(, ?x-[abc]){0,2}"),
    ];
    proptest::collection::vec(field, 0..20).prop_map(|fields| {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let value = HeaderValue::from_bytes(value.as_bytes());
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value) {
                headers.append(name, value);
            }
        }
        headers
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn passing_headers_are_allowed_and_unchanged(headers in header_maps()) {
        let connection = headers.get_all(CONNECTION).iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase())
            .collect::<Vec<_>>()
            .join(",");
        let named: Vec<_> = connection.split(',').map(str::trim).collect();
        for (passed, may_pass) in [
            (upstream_request(&headers), may_go_up as fn(&str) -> bool),
            (downstream_response(&headers), may_come_down),
        ] {
            for name in passed.keys() {
                let values = |map: &HeaderMap| map.get_all(name).iter().cloned().collect::<Vec<_>>();
                prop_assert_eq!(values(&passed), values(&headers));
                prop_assert!(may_pass(name.as_str()) && !named.contains(&name.as_str()), "{}", name);
            }
        }
        // A header is lost only if `Connection` names it.
        for name in headers.keys().filter(|name| matches!(name.as_str(), "accept" | "etag" | "link" | "x-a")) {
            let expected = !named.contains(&name.as_str());
            prop_assert_eq!(upstream_request(&headers).contains_key(name), expected);
            prop_assert_eq!(downstream_response(&headers).contains_key(name), expected);
        }
    }
}
