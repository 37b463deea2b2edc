//! API Gateway's payload format 2.0: events from requests, and responses from functions' results
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>).

use std::borrow::Cow;
use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, COOKIE, HOST, HeaderName, HeaderValue, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use url::form_urlencoded;
use uuid::Uuid;

use crate::routes::Matched;

/// The form of a body in the event if its media type is textual and its bytes are not UTF-8. AWS does not document it, and
/// reports differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InvalidTexts {
    /// Passed on in base64.
    #[default]
    Encoded,
    /// Passed on as text, with U+FFFD in place of the bytes.
    Replaced,
}

/// The event for a request. `path` is the front's reading of the request's path. `host` takes the place of the caller's
/// `Host`, as a custom domain would.
pub(crate) fn from_request(
    parts: &Parts,
    path: &str,
    body: &[u8],
    matched: &Matched<'_>,
    host: &str,
    invalid_texts: InvalidTexts,
) -> Value {
    let (body, is_base64_encoded) = body_text(&parts.headers, body, invalid_texts);
    let now = Timestamp::now();
    let mut event = json!({
        "version": "2.0",
        "routeKey": matched.route.key,
        "rawPath": path,
        "rawQueryString": parts.uri.query().unwrap_or_default(),
        "headers": headers(&parts.headers, host),
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": host,
            "http": {
                "method": parts.method.as_str(),
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": text(&parts.headers, "user-agent"),
            },
            "requestId": Uuid::new_v4(),
            "routeKey": matched.route.key,
            "stage": "$default",
            "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "timeEpoch": now.as_millisecond(),
        },
        "isBase64Encoded": is_base64_encoded,
    });
    if !matched.parameters.is_empty() {
        event["pathParameters"] = json!(matched.parameters);
    }
    let query = parts.uri.query().map(query_parameters).unwrap_or_default();
    if !query.is_empty() {
        event["queryStringParameters"] = json!(query);
    }
    let cookies = cookies(&parts.headers);
    if !cookies.is_empty() {
        event["cookies"] = json!(cookies);
    }
    if let Some(body) = body {
        event["body"] = body.into();
    }
    event
}

/// The headers by lower-case names, repeated ones joined by commas, without cookies.
fn headers(headers: &HeaderMap, host: &str) -> BTreeMap<String, String> {
    let mut joined = BTreeMap::new();
    for name in headers.keys().filter(|name| **name != COOKIE && **name != HOST) {
        let values = headers.get_all(name).iter();
        let values: Vec<_> = values.map(|one| String::from_utf8_lossy(one.as_bytes())).collect();
        joined.insert(name.to_string(), values.join(","));
    }
    let port = host.rsplit(':').next().unwrap_or_default();
    let trace_id = Uuid::new_v4().simple().to_string();
    for (name, value) in [
        ("host", host),
        ("x-amzn-trace-id", &format!("Root=1-{}-{}", &trace_id[..8], &trace_id[8..])),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-port", port),
        ("x-forwarded-proto", "http"),
    ] {
        joined.insert(name.to_owned(), value.to_owned());
    }
    joined
}

/// The parameters of a query, decoded, with repeated ones joined by commas.
fn query_parameters(query: &str) -> BTreeMap<String, String> {
    let mut joined = BTreeMap::<String, String>::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        joined
            .entry(name.into_owned())
            .and_modify(|values| values.extend([",", &value]))
            .or_insert_with(|| value.into_owned());
    }
    joined
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(';')).map(|pair| pair.trim().to_owned()).collect()
}

/// The body as text, or in base64 if it is not text.
fn body_text(
    headers: &HeaderMap,
    body: &[u8],
    invalid_texts: InvalidTexts,
) -> (Option<String>, bool) {
    if body.is_empty() {
        return (None, false);
    }
    let kind = text(headers, "content-type").to_ascii_lowercase();
    let textual = ["text/", "application/json", "application/javascript", "application/xml"]
        .iter()
        .any(|prefix| kind.starts_with(prefix));
    match (String::from_utf8_lossy(body), invalid_texts) {
        (Cow::Borrowed(text), _) if textual => (Some(text.to_owned()), false),
        (Cow::Owned(replaced), InvalidTexts::Replaced) if textual => (Some(replaced), false),
        _ => (Some(STANDARD.encode(body)), true),
    }
}

fn text(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

/// A function's result.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status_code: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    cookies: Vec<String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

/// The response for a function's result, or `None` if it is malformed.
pub(crate) fn to_response(answer: &[u8]) -> Option<Response<Body>> {
    let answer: Answer = serde_json::from_slice(answer).ok()?;
    let body = answer.body.unwrap_or_default();
    let body =
        if answer.is_base64_encoded { STANDARD.decode(body).ok()? } else { body.into_bytes() };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(answer.status_code).ok()?;
    let headers = response.headers_mut();
    for (name, value) in &answer.headers {
        headers.append(
            name.parse::<HeaderName>().ok()?,
            HeaderValue::from_bytes(value.as_bytes()).ok()?,
        );
    }
    for cookie in &answer.cookies {
        headers.append(SET_COOKIE, HeaderValue::from_str(cookie).ok()?);
    }
    if !headers.contains_key(CONTENT_TYPE) && answer.status_code != 204 {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain;charset=UTF-8"));
    }
    Some(response)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use axum::http::Request;

    use super::*;
    use crate::routes::Routes;

    fn event(request: Request<&[u8]>) -> Value {
        let (parts, body) = request.into_parts();
        let routes = Routes::of_template().unwrap();
        let matched = routes.find(parts.method.as_str(), parts.uri.path()).unwrap();
        let host = "localhost:8080";
        from_request(&parts, parts.uri.path(), body, &matched, host, InvalidTexts::default())
    }

    #[test]
    fn a_request_becomes_an_event_of_format_2() {
        let request = Request::post("/connections/conn_1/refresh?a=1&a=2&b=c+d%2Be&f=")
            .header("Host", "evil.example")
            .header("Content-Type", "application/json")
            .header("Accept", "a")
            .header("accept", "b")
            .header("Cookie", "x=1; y=2")
            .body(br#"{"a":"\u00fc"}"#.as_slice())
            .unwrap();
        let event = event(request);
        assert_eq!(event["version"], "2.0");
        assert_eq!(event["routeKey"], "POST /connections/{connection}/refresh");
        assert_eq!(event["rawPath"], "/connections/conn_1/refresh");
        assert_eq!(event["rawQueryString"], "a=1&a=2&b=c+d%2Be&f=");
        let query = json!({"a": "1,2", "b": "c d+e", "f": ""});
        assert_eq!(event["queryStringParameters"], query);
        assert_eq!(event["headers"]["accept"], "a,b");
        assert_eq!(event["headers"]["host"], "localhost:8080");
        assert_eq!(event["cookies"], json!(["x=1", "y=2"]));
        assert_eq!(event["pathParameters"]["connection"], "conn_1");
        assert_eq!(
            (&event["body"], &event["isBase64Encoded"]),
            (&json!(r#"{"a":"\u00fc"}"#), &json!(false))
        );
    }

    #[test]
    fn binary_bodies_travel_as_base64_both_ways() {
        let request =
            Request::put("/proxy/conn_1/dev.azure.com/x").body([0xff, 0x00].as_slice()).unwrap();
        let event = event(request);
        assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("/wA="), &json!(true)));
        let answer = json!({"statusCode": 200, "headers": {"content-type": "application/zip"}, "cookies": ["a=b", "c=d"], "body": "/wA=", "isBase64Encoded": true});
        let response = to_response(answer.to_string().as_bytes()).unwrap();
        assert_eq!(response.headers()["content-type"], "application/zip");
        assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
    }

    #[test]
    fn a_malformed_result_is_no_response() {
        for nonsense in [
            "",
            "null",
            "[]",
            r#"{"statusCode":"x"}"#,
            r#"{"statusCode":20000}"#,
            r#"{"statusCode":200,"body":"%","isBase64Encoded":true}"#,
        ] {
            assert!(to_response(nonsense.as_bytes()).is_none(), "{nonsense}");
        }
    }
}
