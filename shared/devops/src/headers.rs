//! The headers that pass up to Azure DevOps and down to the caller (docs/reference/headers.md; S-30, S-31, S-35).
//!
//! All headers pass, with all values in their order, except those named here. The proxy itself sets credentials, the
//! host and everything that names the proxy afterwards.

use std::collections::HashSet;

use http::header::{CONNECTION, HeaderMap, HeaderName};

use crate::method_override;

/// Hop-by-hop fields (RFC 9110 section 7.6.1), and the framing that each hop decides for itself.
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
/// Fields for an intermediary, in either direction.
const FOR_INTERMEDIARIES: &[&str] = &["proxy-", "x-amz"];

/// Never sent up: our own credentials, and fields that could change the target or the method of a call.
const NOT_UP: &[&str] = &[
    "authorization",
    "cookie",
    "host",
    "x-request-id",
    "x-tfs-fedauthredirect",
    // Some servers obey these instead of the address.
    "x-original-url",
    "x-rewrite-url",
    // The caller of the proxy is none of Azure DevOps' business.
    "cdn-loop",
    "cf-connecting-ip",
    "forwarded",
    "true-client-ip",
    "via",
    "x-real-ip",
];
const NOT_UP_PREFIXES: &[&str] = &["x-forwarded-", "x-ado-connect-"];

/// Never passed down: fields that would act on our origin or on a shared cache in front of it (RFC 9213), or that are
/// about credentials other than the caller's.
const NOT_DOWN: &[&str] = &[
    "alt-svc",
    "clear-site-data",
    "edge-control",
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
const NOT_DOWN_PREFIXES: &[&str] = &["access-control-", "surrogate-", "x-accel-"];
/// The end of the names by which each shared cache has a `Cache-Control` of its own.
const NOT_DOWN_SUFFIX: &str = "-cache-control";

/// Returns the caller's headers that are sent up.
pub fn upstream_request(headers: &HeaderMap) -> HeaderMap {
    passing(headers, may_go_up)
}

/// Returns whether a header, named in lower case, may be sent up. Hop-by-hop headers are not judged here.
pub(crate) fn may_go_up(name: &str) -> bool {
    // Some readers treat `x_forwarded_for` as `x-forwarded-for`.
    !name.contains('_')
        && !listed(name, NOT_UP, NOT_UP_PREFIXES)
        && !method_override::HEADERS.contains(&name)
}

/// Returns Azure DevOps' headers that are passed down. `x-vss-userdata` is among them: it names the connection's own
/// user and must never be logged.
pub fn downstream_response(headers: &HeaderMap) -> HeaderMap {
    passing(headers, |name| {
        !listed(name, NOT_DOWN, NOT_DOWN_PREFIXES) && !name.ends_with(NOT_DOWN_SUFFIX)
    })
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

/// Returns the fields that `Connection` limits to this hop. Reads bytes, so that one unreadable name cannot let the
/// others pass.
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
