//! API Gateway's events to and from `http` types, unaltered: payload format 2.0 of HTTP APIs, and format 1.0 of REST APIs,
//! which may stream.
//!
//! `lambda_http` has such a conversion. It fails the whole invocation (a 500 without a problem document) for
//! request headers that are not ASCII, paths with blanks and unusual `host` or `x-forwarded-proto` values, it
//! drops all but the first of repeated response headers, and cannot answer a header that is not UTF-8. A proxy
//! that passes bytes through needs its own.
//!
//! Source: "Create AWS Lambda proxy integrations for HTTP APIs", Amazon API Gateway developer guide.

mod rest;

use std::collections::BTreeMap;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, Uri};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use vault::limits::Source;

/// The most that Lambda returns for one synchronous invocation, in bytes of JSON.
/// Source: "Lambda quotas", AWS Lambda developer guide (6 MB, with room for the envelope).
pub const ANSWER_LIMIT: usize = 6 * 1024 * 1024;

/// The most that a streamed body can have, in bytes: Lambda streams 200 MB for one invocation, of which the status and
/// the headers before the body take 16 KiB at most. AWS does not define its megabytes; decimal ones are the smaller ones.
/// Source: "Response streaming for Lambda functions", AWS Lambda developer guide.
pub const STREAM_LIMIT: u64 = 200_000_000 - 16 * 1024;

/// A body that has arrived, or is sent, as a whole.
pub type Body = Bytes;

/// A request as handlers take it.
pub type Request = http::Request<Body>;

/// A request in an event of API Gateway. Fields that we do not use are ignored.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(from = "rest::AnyEvent")]
pub struct Event {
    /// The path: by HTTP APIs percent-decoded twice and cut at a question mark, by REST APIs as sent.
    pub raw_path: String,
    /// The query string without `?`, as sent.
    pub raw_query_string: String,
    /// The cookies, one `name=value` each.
    pub cookies: Vec<String>,
    /// Header names in lower case; repeated headers joined by commas.
    pub headers: Vec<(String, String)>,
    /// Id, stage and method.
    pub request_context: EventContext,
    /// The body, if there is one.
    pub body: Option<String>,
    /// Whether the body is base64.
    pub is_base64_encoded: bool,
}

/// API Gateway's own facts about a request.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EventContext {
    /// API Gateway's id of the request.
    pub request_id: String,
    /// The stage; its name begins the path unless it is `$default`.
    pub stage: String,
    /// The method and the sender.
    pub http: EventHttp,
}

/// The method and the sender of a request.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EventHttp {
    /// The method.
    pub method: String,
    /// The address that connected to the front door.
    pub source_ip: Option<String>,
}

/// The part of an event that cannot be part of an `http` request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnusableEvent {
    /// The method is not a token (RFC 9110 §9.1).
    #[error("the method is not a token")]
    Method,
    /// The path or the query cannot be made into a URI even after percent-encoding.
    #[error("the address is not usable")]
    Address,
    /// A header has a name or a value that HTTP does not allow.
    #[error("a header is not usable")]
    Header,
    /// The body is marked as base64 and is not.
    #[error("the body is not usable")]
    Body,
    /// The body was sent as text in another encoding than UTF-8, and API Gateway has replaced bytes of it.
    #[error(
        "the body is not in UTF-8, so it did not arrive as it was sent; use the streaming address"
    )]
    ReplacedBytes,
}

impl Event {
    /// The path without the stage, from which routes and the proxied address are read.
    pub fn path(&self) -> &str {
        let stage = &self.request_context.stage;
        if stage.is_empty() || stage == "$default" {
            return &self.raw_path;
        }
        match self.raw_path.strip_prefix('/').and_then(|path| path.strip_prefix(stage.as_str())) {
            Some(path) if path.starts_with('/') => path,
            _ => &self.raw_path,
        }
    }

    /// The request, with its [`Source`] as an extension. Its URI is the path and the query, with those characters
    /// percent-encoded that a URI cannot have.
    ///
    /// # Errors
    /// [`UnusableEvent`] names the part that is not valid in HTTP, without repeating it.
    pub fn into_request(self) -> Result<Request, UnusableEvent> {
        let uri = uri(self.path(), &self.raw_query_string)?;
        let method = self.request_context.http.method.parse().map_err(|_| UnusableEvent::Method)?;
        let headers = headers(&self.headers, &self.cookies)?;
        let source = Source::of(self.source());
        let body = match self.body {
            None => Body::new(),
            Some(text) if self.is_base64_encoded => {
                STANDARD.decode(text).map_err(|_| UnusableEvent::Body)?.into()
            }
            Some(text) if has_replaced_bytes(&text, &headers) => {
                return Err(UnusableEvent::ReplacedBytes);
            }
            Some(text) => text.into(),
        };
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        request.extensions_mut().insert(source);
        Ok(request)
    }

    /// The address that connected to the front door.
    pub fn source(&self) -> Option<IpAddr> {
        let address: IpAddr = self.request_context.http.source_ip.as_deref()?.parse().ok()?;
        Some(address.to_canonical())
    }

    /// The method, if it is valid; for the log line.
    pub fn method(&self) -> Option<Method> {
        self.request_context.http.method.parse().ok()
    }
}

/// Characters that a path cannot have; `%` is not among them, so that an encoded path stays as it is.
const PATH: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'?').add(b'`');
const QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'`');

fn uri(path: &str, query: &str) -> Result<Uri, UnusableEvent> {
    // `http` makes a slash of an empty path before a query.
    if !path.starts_with('/') {
        return Err(UnusableEvent::Address);
    }
    let mut text = utf8_percent_encode(path, PATH).to_string();
    if !query.is_empty() {
        text.push('?');
        text.extend(utf8_percent_encode(query, QUERY));
    }
    // Only the path form: `//host/path` must not turn into an authority.
    let uri = http::uri::PathAndQuery::try_from(text).map_err(|_| UnusableEvent::Address)?;
    Ok(uri.into())
}

/// Whether U+FFFD has replaced bytes that are not UTF-8, which changes the length of a text. A text that was sent with this
/// character keeps its length. AWS does not document how HTTP APIs treat such bytes.
fn has_replaced_bytes(text: &str, headers: &HeaderMap) -> bool {
    let sent = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    sent.is_some_and(|sent: usize| sent != text.len()) && text.contains(char::REPLACEMENT_CHARACTER)
}

fn headers(received: &[(String, String)], cookies: &[String]) -> Result<HeaderMap, UnusableEvent> {
    let value =
        |text: &str| HeaderValue::from_bytes(text.as_bytes()).map_err(|_| UnusableEvent::Header);
    let mut headers = HeaderMap::with_capacity(received.len() + 1);
    for (name, text) in received {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| UnusableEvent::Header)?;
        headers.append(name, value(text)?);
    }
    if !cookies.is_empty() {
        headers.insert(COOKIE, value(&cookies.join("; "))?);
    }
    Ok(headers)
}

/// An answer in the form that API Gateway expects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayResponse {
    /// The HTTP status.
    pub status_code: u16,
    /// One value per name.
    pub headers: BTreeMap<String, String>,
    /// The values of `set-cookie`, the one header that must not be joined.
    pub cookies: Vec<String>,
    /// The body, as text or base64.
    pub body: String,
    /// Whether the body is base64.
    pub is_base64_encoded: bool,
}

impl From<Response<Body>> for GatewayResponse {
    fn from(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let (headers, cookies) = (joined(&parts.headers), cookies(&parts.headers));
        let (body, is_base64_encoded) = text_or_base64(body.into());
        Self { status_code: parts.status.as_u16(), headers, cookies, body, is_base64_encoded }
    }
}

/// One value per name, as API Gateway requires: repeated headers are joined by commas
/// (RFC 9110 §5.3). Cookies are not among them.
pub(crate) fn joined(headers: &HeaderMap) -> BTreeMap<String, String> {
    let names = headers.keys().filter(|name| *name != SET_COOKIE);
    let joined = names.map(|name| {
        // JSON is text: a value that is not UTF-8 cannot be sent at all.
        let values = headers.get_all(name).iter();
        let mut texts = values.filter_map(|value| std::str::from_utf8(value.as_bytes()).ok());
        let mut text = texts.next()?.to_owned();
        for further in texts {
            text.push_str(", ");
            text.push_str(further);
        }
        Some((name.as_str().to_owned(), text))
    });
    joined.flatten().collect()
}

/// The values of `set-cookie`, the one header that must not be joined.
pub(crate) fn cookies(headers: &HeaderMap) -> Vec<String> {
    let cookies = headers.get_all(SET_COOKIE).iter();
    cookies.filter_map(|value| value.to_str().ok().map(str::to_owned)).collect()
}

impl GatewayResponse {
    /// The bytes of JSON that this is, at most a few too many.
    pub fn size(&self) -> usize {
        const ENVELOPE: usize = 256;
        let headers = self.headers.iter().map(|(name, value)| json_len(name) + json_len(value) + 6);
        let cookies = self.cookies.iter().map(|cookie| json_len(cookie) + 3);
        // Base64 has nothing to escape.
        let body = if self.is_base64_encoded { self.body.len() } else { json_len(&self.body) };
        ENVELOPE + body + headers.sum::<usize>() + cookies.sum::<usize>()
    }
}

/// The shorter of text and base64: a body of 5 MB of JSON fits as text and would not fit as base64.
fn text_or_base64(bytes: Vec<u8>) -> (String, bool) {
    let base64_len = bytes.len().div_ceil(3) * 4;
    match String::from_utf8(bytes) {
        Ok(text) if json_len(&text) <= base64_len.max(text.len() + 64) => (text, false),
        Ok(text) => (STANDARD.encode(text), true),
        Err(error) => (STANDARD.encode(error.as_bytes()), true),
    }
}

/// The length of a text as a JSON string, without the quotes.
fn json_len(text: &str) -> usize {
    text.bytes().fold(0, |length, byte| length.wrapping_add(JSON_LEN[usize::from(byte)]))
}

/// The length of each byte in a JSON string. Bodies are long, so it is looked up.
static JSON_LEN: [usize; 256] = {
    let mut lengths = [1; 256];
    let mut control = 0;
    while control < 0x20 {
        lengths[control] = 6;
        control += 1;
    }
    let short = *b"\"\\\n\r\t\x08\x0c";
    let mut at = 0;
    while at < short.len() {
        lengths[short[at] as usize] = 2;
        at += 1;
    }
    lengths
};

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn event(path: &str, query: &str) -> Event {
        serde_json::from_value(json!({
            "version": "2.0", "rawPath": path, "rawQueryString": query,
            "headers": {"host": "gateway", "x-forwarded-proto": "\u{0}"[..0], "x-name": "Zoë"},
            "cookies": ["a=1", "b=2"],
            "requestContext": {"requestId": "r", "stage": "$default", "http": {"method": "PATCH"}},
            "body": "eyJ9", "isBase64Encoded": true,
        }))
        .unwrap()
    }

    #[test]
    fn an_event_becomes_the_request_as_sent() {
        let event = event("/proxy/c/dev.azure.com/My Project", "a=%20&b=ü");
        assert_eq!(event.path(), "/proxy/c/dev.azure.com/My Project");
        let request = event.into_request().unwrap();
        assert_eq!(request.method(), Method::PATCH);
        assert_eq!(request.uri().path(), "/proxy/c/dev.azure.com/My%20Project");
        assert_eq!(request.uri().query(), Some("a=%20&b=%C3%BC"));
        assert_eq!(request.headers()["x-name"].as_bytes(), "Zoë".as_bytes());
        assert_eq!(request.headers()[COOKIE], "a=1; b=2");
        assert_eq!(request.body(), &b"{\"}"[..]);
    }

    #[test]
    fn a_valid_address_stays_as_it_is() {
        for path in ["/", "/a%2Fb/c;d=1/$batch/(x)'*@!,~", "/a//b/../c", "//evil.example/x"] {
            let request = event(path, "api-version=7.1&$top=1&x={y}|^%7B").into_request().unwrap();
            assert_eq!(request.uri().path(), path);
            assert_eq!(request.uri().query(), Some("api-version=7.1&$top=1&x={y}|^%7B"));
            assert_eq!(request.uri().authority(), None);
        }
    }

    #[test]
    fn a_named_stage_is_not_part_of_the_path() {
        let mut event = event("/live/health", "");
        assert_eq!(event.path(), "/live/health");
        event.request_context.stage = "live".to_owned();
        assert_eq!(event.path(), "/health");
        event.raw_path = "/lively/health".to_owned();
        assert_eq!(event.path(), "/lively/health");
    }

    #[test]
    fn an_event_that_is_not_valid_http_is_refused_by_part() {
        let mut no_method = event("/", "");
        no_method.request_context.http.method = "GE T".to_owned();
        assert_eq!(no_method.into_request().unwrap_err(), UnusableEvent::Method);
        let mut injected = event("/", "");
        injected.headers.push(("x-name".to_owned(), "a\r\nset-cookie: b".to_owned()));
        assert_eq!(injected.into_request().unwrap_err(), UnusableEvent::Header);
        let mut no_base64 = event("/", "");
        no_base64.body = Some("%".to_owned());
        assert_eq!(no_base64.into_request().unwrap_err(), UnusableEvent::Body);
        for (path, query) in [("relative", ""), ("", ""), ("", "a=1"), ("?", "a=1"), ("*", "")] {
            assert_eq!(event(path, query).into_request().unwrap_err(), UnusableEvent::Address);
        }
        let long = format!("/{}", "a".repeat(70_000));
        assert_eq!(event(&long, "").into_request().unwrap_err(), UnusableEvent::Address);
    }

    #[test]
    fn a_text_of_which_bytes_were_replaced_is_refused_and_one_sent_so_is_not() {
        let sent = |bytes: &[u8]| {
            let mut event = event("/", "");
            event.is_base64_encoded = false;
            event.headers.push(("content-length".to_owned(), bytes.len().to_string()));
            event.body = Some(String::from_utf8_lossy(bytes).into_owned());
            event.into_request().map(|request| request.into_body().to_vec())
        };
        for latin_1 in [&b"Z\xfcrich"[..], b"\xff", b"\xef\xbb\xbfna\xefve"] {
            assert_eq!(sent(latin_1), Err(UnusableEvent::ReplacedBytes));
        }
        for utf_8 in ["Zürich", "\u{fffd}", "\u{feff}na\u{fffd}ve", ""] {
            assert_eq!(sent(utf_8.as_bytes()), Ok(utf_8.as_bytes().to_vec()));
        }
    }

    #[test]
    fn repeated_headers_are_joined_and_cookies_are_not() {
        let response = Response::builder()
            .header("link", "<a>; rel=next")
            .header("link", "<b>; rel=prev")
            .header("set-cookie", "a=1")
            .header("set-cookie", "b=2")
            .header("x-odd", HeaderValue::from_bytes(b"\xff").unwrap())
            .body(Body::new())
            .unwrap();
        let answer = GatewayResponse::from(response);
        assert_eq!(answer.headers["link"], "<a>; rel=next, <b>; rel=prev");
        assert_eq!(answer.cookies, ["a=1", "b=2"]);
        assert!(
            !answer.headers.contains_key("x-odd") && !answer.headers.contains_key("set-cookie")
        );
    }

    #[test]
    fn the_size_of_a_text_counts_the_escapes_of_each_character() {
        for character in (0..0x180).filter_map(char::from_u32) {
            let text = character.to_string().repeat(33);
            let written = serde_json::to_string(&text).unwrap();
            assert_eq!(json_len(&text), written.len() - 2, "{character:?}");
        }
    }

    proptest! {
        #[test]
        fn no_event_panics(path in any::<String>(), query in any::<String>(), name in any::<String>(), value in any::<String>()) {
            let mut event = event(&path, &query);
            event.headers.push((name, value));
            let _ = event.into_request();
        }

        #[test]
        fn a_body_leaves_byte_for_byte(bytes in prop_oneof![
            any::<Vec<u8>>(),
            any::<String>().prop_map(String::into_bytes),
        ]) {
            let answer = GatewayResponse::from(Response::new(Body::from(bytes.clone())));
            let json = serde_json::to_string(&answer).unwrap();
            prop_assert!(json.len() <= answer.size());
            let read: GatewayResponse = serde_json::from_str(&json).unwrap();
            let body = if read.is_base64_encoded {
                STANDARD.decode(read.body).unwrap()
            } else {
                read.body.into_bytes()
            };
            prop_assert_eq!(body, bytes);
        }
    }
}
