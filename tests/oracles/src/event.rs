//! A second opinion on the events of API Gateway and of function URLs: the request has what the event has, and the proxied
//! address is the one in the event's path.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use edge::gateway::{Event, Request};
use edge::routes::{self, Found, Operation};
use http::header::COOKIE;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::{SEPARATOR, address};

/// Judges an event as JSON. Returns whether it becomes a request.
pub fn judge(input: &[u8]) -> bool {
    let Ok(event) = serde_json::from_slice::<Event>(input) else { return false };
    // An event may also be an array of its fields; no sender writes it so.
    let Ok(sent) = serde_json::from_slice::<Map<String, Value>>(input) else { return false };
    let sent = Sent(sent);
    let path = sent.path();
    assert_eq!(event.path(), path, "another path is routed");
    let method = event.method();
    if let Some(method) = &method {
        judge_route(&routes::find(method, event.path()), &path, sent.raw_query().as_deref());
    }
    let refused_body = sent.is_base64() && STANDARD.decode(sent.text("body")).is_err();
    match event.into_request() {
        Ok(request) => {
            assert!(!refused_body, "a body that is not base64 is read");
            judge_request(&request, &sent, &path);
            true
        }
        Err(error) => {
            let shown = format!("{error} {error:?}");
            assert!(shown.len() < 150, "{shown}");
            false
        }
    }
}

/// An event as it was sent.
struct Sent(Map<String, Value>);

impl Sent {
    fn member(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> &str {
        self.member(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// Returns whether it is in format 2.0.
    fn is_of_http_api(&self) -> bool {
        self.member("rawPath").is_some()
    }

    fn context(&self, pointer: &str) -> &str {
        let context = self.member("requestContext");
        context
            .and_then(|context| context.pointer(pointer))
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// Returns the path without the stage, which only format 2.0 has in it.
    fn path(&self) -> String {
        if !self.is_of_http_api() {
            return self.text("path").to_owned();
        }
        let (path, stage) = (self.text("rawPath"), self.context("/stage"));
        let below = path.strip_prefix(&format!("/{stage}/")).filter(|_| !stage.is_empty());
        match below.filter(|_| stage != "$default") {
            Some(below) => format!("/{below}"),
            None => path.to_owned(),
        }
    }

    fn method(&self) -> &str {
        if self.is_of_http_api() { self.context("/http/method") } else { self.text("httpMethod") }
    }

    /// Returns the query of format 2.0.
    fn raw_query(&self) -> Option<String> {
        let query = self.text("rawQueryString");
        (self.is_of_http_api() && !query.is_empty()).then(|| query.to_owned())
    }

    fn is_base64(&self) -> bool {
        self.member("isBase64Encoded") == Some(&Value::Bool(true)) && self.member("body").is_some()
    }

    /// Returns the headers, one value each.
    fn headers(&self) -> Vec<(String, String)> {
        let several = self.member("multiValueHeaders").filter(|_| !self.is_of_http_api());
        pairs(several.or_else(|| self.member("headers")))
    }
}

/// Returns names with values, each of which may be a list.
fn pairs(members: Option<&Value>) -> Vec<(String, String)> {
    let members = members.and_then(Value::as_object).into_iter().flatten();
    let each = |value: &Value| match value {
        Value::Array(values) => {
            values.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        value => value.as_str().map(str::to_owned).into_iter().collect::<Vec<_>>(),
    };
    members
        .flat_map(|(name, value)| each(value).into_iter().map(|text| (name.clone(), text)))
        .collect()
}

fn judge_request(request: &Request, sent: &Sent, path: &str) {
    assert_eq!(request.method().as_str(), sent.method());
    assert_eq!(request.uri().authority(), None, "{path:?} leads to another host");
    assert_eq!(decoded(request.uri().path()), decoded(path), "{}", request.uri());
    judge_query(request, sent);
    for (name, value) in sent.headers() {
        let is_replaced = name.eq_ignore_ascii_case("cookie") && sent.is_of_http_api();
        let values = request.headers().get_all(&name).iter().map(http::HeaderValue::as_bytes);
        let has =
            |bytes: &[u8]| bytes.windows(value.len().max(1)).any(|part| part == value.as_bytes());
        let found = values.into_iter().any(|bytes| value.is_empty() || has(bytes));
        assert!(found || is_replaced, "{name}: {value:?} is lost");
    }
    if let Some(Value::Array(cookies)) = sent.member("cookies").filter(|_| sent.is_of_http_api())
        && !cookies.is_empty()
    {
        let cookies: Vec<_> = cookies.iter().filter_map(Value::as_str).collect();
        assert_eq!(request.headers()[COOKIE].as_bytes(), cookies.join("; ").as_bytes());
    }
    let body = sent.text("body");
    let expected = if sent.is_base64() { STANDARD.decode(body).unwrap() } else { body.into() };
    assert_eq!(request.body()[..], expected[..], "another body");
}

fn decoded(text: &str) -> Vec<u8> {
    percent_decode_str(text).collect()
}

/// Asserts that the query has the same parameters: in the order of the event, or in that of their names where the event has
/// none.
fn judge_query(request: &Request, sent: &Sent) {
    let query = request.uri().query().unwrap_or_default();
    if sent.is_of_http_api() {
        assert_eq!(decoded(query), decoded(sent.text("rawQueryString")));
        return;
    }
    let several = sent.member("multiValueQueryStringParameters");
    let mut expected = pairs(several.or_else(|| sent.member("queryStringParameters")));
    // A pair without a name and a value cannot be written.
    expected.sort_by(|(one, _), (other, _)| one.cmp(other));
    let parsed: Vec<(String, String)> =
        form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    assert_eq!(parsed, expected, "{query:?}");
}

/// Asserts that a proxied call goes to the address that its path names, and to no other.
fn judge_route(found: &Found, path: &str, query: Option<&str>) {
    let Found::Route(matched) = found else { return };
    if matched.route.operation != Operation::Proxy {
        return;
    }
    let parameter = |name| matched.parameter(name).unwrap_or_default();
    let (connection, host, below) = (parameter("connection"), parameter("host"), parameter("path"));
    let again = format!("/proxy/{connection}/{host}/{below}");
    assert!(again == path || again == format!("{path}/"), "{path:?} is taken for {again:?}");
    assert!(!connection.contains('/') && !host.contains('/'), "{again:?}");
    if !host.contains(SEPARATOR) && !below.contains(SEPARATOR) {
        let query = query.map_or_else(String::new, |query| format!("{SEPARATOR}{query}"));
        address::judge(format!("{host}{SEPARATOR}/{below}{query}").as_bytes());
    }
}
