//! Which headers pass, up to Azure DevOps and down to the caller (docs/reference/headers.md; S-30, S-31, S-35).
//!
//! Everything passes, all values in their order, except what is named here. Credentials, the host and
//! everything that names the proxy itself are set by the proxy afterwards.

use std::collections::HashSet;

use http::header::{CONNECTION, HeaderMap, HeaderName};

/// RFC 9110 section 7.6.1, and the framing that each hop decides for itself.
const HOP_BY_HOP: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// Meant for an intermediary, in either direction.
const FOR_INTERMEDIARIES: &[&str] = &["proxy-", "x-amz"];

/// Never sent up: credentials of ours, and what could change whom or how we call.
const NOT_UP: &[&str] = &[
    "authorization",
    "cookie",
    "host",
    "x-request-id",
    "x-tfs-fedauthredirect",
    // Azure DevOps obeys it, and it would slip past the check of the method; likewise its relatives.
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    // Some servers obey them instead of the address.
    "x-original-url",
    "x-rewrite-url",
    // Who called us is not Azure DevOps' business.
    "cdn-loop",
    "cf-connecting-ip",
    "forwarded",
    "true-client-ip",
    "via",
    "x-real-ip",
];
const NOT_UP_PREFIXES: &[&str] = &["x-forwarded-", "x-ado-connect-"];

/// Never passed down: what would act on our origin, or tells of credentials that are not the caller's.
const NOT_DOWN: &[&str] = &[
    "alt-svc",
    "clear-site-data",
    "nel",
    "p3p",
    "public-key-pins",
    "report-to",
    "server",
    "set-cookie",
    "set-cookie2",
    "strict-transport-security",
    "www-authenticate",
    "x-request-id",
];
const NOT_DOWN_PREFIXES: &[&str] = &["access-control-"];

/// The caller's headers that go up.
pub fn upstream_request(headers: &HeaderMap) -> HeaderMap {
    passing(headers, |name| {
        // Some readers take `x_forwarded_for` for `x-forwarded-for`.
        !name.contains('_') && !listed(name, NOT_UP, NOT_UP_PREFIXES)
    })
}

/// Azure DevOps' headers that go down. `x-vss-userdata` is among them: it names the connection's own user,
/// and must never be logged.
pub fn downstream_response(headers: &HeaderMap) -> HeaderMap {
    passing(headers, |name| !listed(name, NOT_DOWN, NOT_DOWN_PREFIXES))
}

fn passing(headers: &HeaderMap, passes: impl Fn(&str) -> bool) -> HeaderMap {
    let named = named_in_connection(headers);
    let mut kept = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let text = name.as_str();
        let for_us = listed(text, HOP_BY_HOP, FOR_INTERMEDIARIES) || named.contains(name);
        if !for_us && passes(text) {
            kept.append(name.clone(), value.clone());
        }
    }
    kept
}

/// The fields that `Connection` says are for this hop only. Bytes, because one unreadable name must not
/// save the others.
fn named_in_connection(headers: &HeaderMap) -> HashSet<HeaderName> {
    let values = headers.get_all(CONNECTION).into_iter();
    let names = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    names.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok()).collect()
}

fn listed(name: &str, names: &[&str], prefixes: &[&str]) -> bool {
    names.contains(&name) || prefixes.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests;
