//! API Gateway's table of headers that a REST API drops or renames, for Lambda integrations.
//!
//! Source: "Important notes" for REST APIs, Amazon API Gateway developer guide; hop-by-hop headers that the table does
//! not name (RFC 9110 section 7.6.1) are dropped as well.

use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Not in the event. `content-length` is missing in events of requests over HTTP/2.
const DROPPED_FROM_REQUESTS: [&str; 13] = [
    "connection",
    "content-length",
    "content-md5",
    "expect",
    "keep-alive",
    "max-forwards",
    "proxy-authenticate",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "www-authenticate",
];

/// Not sent to the client.
const DROPPED_FROM_ANSWERS: [&str; 9] = [
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

/// Sent to the client with the prefix.
const RENAMED_IN_ANSWERS: [&str; 8] = [
    "authorization",
    "connection",
    "content-md5",
    "date",
    "max-forwards",
    "server",
    "user-agent",
    "www-authenticate",
];

/// The prefix of renamed headers.
const REMAPPED: &str = "x-amzn-remapped-";

/// Whether a header of a request reaches the function.
pub(super) fn is_in_event(name: &HeaderName) -> bool {
    !DROPPED_FROM_REQUESTS.contains(&name.as_str())
}

/// Returns the name under which a header of an answer reaches the client, or `None` if it does not.
pub(super) fn sent_as(name: HeaderName) -> Option<HeaderName> {
    if DROPPED_FROM_ANSWERS.contains(&name.as_str()) {
        return None;
    }
    if RENAMED_IN_ANSWERS.contains(&name.as_str()) {
        return HeaderName::try_from(format!("{REMAPPED}{name}")).ok();
    }
    Some(name)
}

/// Adds the headers that API Gateway puts on every response.
pub(super) fn add_own(headers: &mut HeaderMap, request_id: &str) {
    let id = STANDARD.encode(&request_id.as_bytes()[..8]);
    let trace = format!("Root=1-00000000-{}", &request_id.replace('-', "")[..24]);
    for (name, value) in
        [("x-amzn-requestid", request_id), ("x-amz-apigw-id", &id), ("x-amzn-trace-id", &trace)]
    {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_requests_and_answers_are_treated_as_in_api_gateway_s_table() {
        // One row of the table each: whether it is in the event, and its name in the answer.
        for (name, in_event, answered) in [
            ("accept", true, Some("accept")),
            ("age", true, Some("age")),
            ("authorization", true, Some("x-amzn-remapped-authorization")),
            ("connection", false, Some("x-amzn-remapped-connection")),
            ("content-encoding", true, Some("content-encoding")),
            ("content-md5", false, Some("x-amzn-remapped-content-md5")),
            ("content-type", true, Some("content-type")),
            ("date", true, Some("x-amzn-remapped-date")),
            ("etag", true, Some("etag")),
            ("expect", false, None),
            ("host", true, None),
            ("if-match", true, Some("if-match")),
            ("max-forwards", false, Some("x-amzn-remapped-max-forwards")),
            ("proxy-authenticate", false, None),
            ("range", true, Some("range")),
            ("server", false, Some("x-amzn-remapped-server")),
            ("te", false, None),
            ("transfer-encoding", false, None),
            ("trailer", false, None),
            ("upgrade", false, None),
            ("user-agent", true, Some("x-amzn-remapped-user-agent")),
            ("via", true, None),
            ("www-authenticate", false, Some("x-amzn-remapped-www-authenticate")),
        ] {
            let header = HeaderName::from_static(name);
            assert_eq!(is_in_event(&header), in_event, "{name}");
            let sent = sent_as(header);
            assert_eq!(sent.as_ref().map(HeaderName::as_str), answered, "{name}");
        }
    }
}
