//! Events of format 1.0, as API Gateway sends them for requests over HTTP/2: header names in lower case apart from those
//! that it writes itself, the path as sent, the query decoded
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html>).

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use axum::http::header::{HOST, HeaderName, USER_AGENT};
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::RestApi;
use super::definition::Found;
use super::headers::is_in_event;

/// The event for a request. `body` is always base64, because the API takes every media type as binary.
pub(super) fn from_request(
    parts: &Parts,
    body: &[u8],
    found: &Found<'_>,
    api: &RestApi,
    request_id: &str,
) -> Value {
    let headers = headers(&parts.headers, &api.host);
    let query = query(parts.uri.query().unwrap_or_default());
    let now = Timestamp::now();
    let stage = &api.definition.stage;
    let agent = headers.get("User-Agent").and_then(|values| values.last());
    let whole_path = parts.uri.path();
    json!({
        "resource": found.method.resource,
        "path": api.definition.without_stage(whole_path),
        "httpMethod": parts.method.as_str(),
        "headers": last_of_each(&headers),
        "multiValueHeaders": headers,
        "queryStringParameters": (!query.is_empty()).then(|| last_of_each(&query)),
        "multiValueQueryStringParameters": (!query.is_empty()).then_some(&query),
        "pathParameters": found.parameters,
        "stageVariables": {"publicUrl": api.public_url},
        "requestContext": {
            "resourceId": "local1",
            "resourcePath": found.method.resource,
            "httpMethod": parts.method.as_str(),
            "extendedRequestId": STANDARD.encode(&request_id.as_bytes()[..8]),
            "requestTime": now.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "path": whole_path,
            "accountId": "000000000000",
            "protocol": "HTTP/1.1",
            "stage": stage,
            "domainPrefix": "localhost",
            "requestTimeEpoch": now.as_millisecond(),
            "requestId": request_id,
            "identity": {
                "cognitoIdentityPoolId": null,
                "accountId": null,
                "cognitoIdentityId": null,
                "caller": null,
                "sourceIp": "127.0.0.1",
                "principalOrgId": null,
                "accessKey": null,
                "cognitoAuthenticationType": null,
                "cognitoAuthenticationProvider": null,
                "userArn": null,
                "userAgent": agent,
                "user": null,
            },
            "domainName": api.host,
            "deploymentId": "local1",
            "apiId": "local",
        },
        "body": (!body.is_empty()).then(|| STANDARD.encode(body)),
        "isBase64Encoded": !body.is_empty(),
    })
}

type MultiValue = BTreeMap<String, Vec<String>>;

/// The last value of each name, which the maps with one value have.
fn last_of_each(all: &MultiValue) -> BTreeMap<&str, &str> {
    let pairs = all.iter().filter_map(|(name, values)| Some((name, values.last()?)));
    pairs.map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn headers(headers: &HeaderMap, host: &str) -> MultiValue {
    let text = |name: &HeaderName| {
        let values = headers.get_all(name).iter();
        values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
    };
    let mut sent = MultiValue::new();
    for name in headers.keys().filter(|name| is_in_event(name)) {
        let written = if *name == USER_AGENT { "User-Agent" } else { name.as_str() };
        sent.insert(written.to_owned(), text(name));
    }
    sent.remove(HOST.as_str());
    let from: Vec<String> = sent.remove("x-forwarded-for").unwrap_or_default();
    let from = from.iter().map(String::as_str).chain(["127.0.0.1"]).collect::<Vec<_>>().join(", ");
    sent.remove("x-forwarded-port");
    sent.remove("x-forwarded-proto");
    for (name, value) in [
        ("Host", host),
        ("X-Amzn-Trace-Id", "Root=1-00000000-000000000000000000000000"),
        ("X-Forwarded-For", &from),
        ("X-Forwarded-Port", "443"),
        ("X-Forwarded-Proto", "http"),
    ] {
        sent.insert(name.to_owned(), vec![value.to_owned()]);
    }
    sent
}

/// The query, decoded. A semicolon separates parameters, a plus sign is a blank, and the order of different names is
/// lost.
fn query(text: &str) -> MultiValue {
    let separated = text.replace(';', "&");
    let mut parameters = MultiValue::new();
    for (name, value) in form_urlencoded::parse(separated.as_bytes()) {
        parameters.entry(name.into_owned()).or_default().push(value.into_owned());
    }
    parameters
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use axum::http::Request;

    use super::*;
    use crate::rest_api::Definition;
    use crate::template::Template;
    use crate::throttle::Throttle;

    fn event(request: Request<&[u8]>) -> Value {
        let (parts, body) = request.into_parts();
        let api = RestApi {
            definition: Definition::of(&Template::read().unwrap()).unwrap(),
            functions: Arc::default(),
            host: "localhost:8084".to_owned(),
            public_url: "http://localhost:8080".to_owned(),
            throttle: Throttle::of_rest_api(&Template::read().unwrap()).unwrap(),
        };
        let path = api.definition.without_stage(parts.uri.path()).unwrap();
        let found = api.definition.find(parts.method.as_str(), path).unwrap();
        from_request(&parts, body, &found, &api, "7c1a4c1e-9c1f-4a1b-8c3d-4e5f6a7b8c9d")
    }

    /// The members of a value, with those of its objects, as `requestContext.identity.user`.
    fn members(value: &Value, above: &str, into: &mut Vec<String>) {
        for (name, inner) in value.as_object().into_iter().flatten() {
            let path = format!("{above}{name}");
            // Names of headers and parameters differ from request to request.
            if !matches!(name.as_str(), "headers" | "multiValueHeaders")
                && !name.ends_with("Parameters")
                && name != "stageVariables"
            {
                members(inner, &format!("{path}."), into);
            }
            into.push(path);
        }
    }

    #[test]
    fn an_event_has_the_members_of_one_that_api_gateway_sent() {
        let sample = include_str!("../../../../tests/end-to-end/events/rest-api-proxy.json");
        let sample: Value = serde_json::from_str(sample).unwrap();
        let ours = event(Request::get("/live/proxy/conn_1/x").body(&[][..]).unwrap());
        let (mut expected, mut found) = (Vec::new(), Vec::new());
        members(&sample, "", &mut expected);
        members(&ours, "", &mut found);
        assert_eq!(found, expected);
    }

    #[test]
    fn a_request_becomes_an_event_of_format_1() {
        let request = Request::post("/live/proxy/conn_1/dev.azure.com/space%20value/a%2Fb")
            .header("Host", "evil.example")
            .header("User-Agent", "curl/8.14.1")
            .header("Content-Type", "application/json")
            .header("Content-Length", "2")
            .header("X-Probe", "first")
            .header("x-probe", "second")
            .header("Cookie", "session=abc; theme=dark")
            .header("X-Forwarded-For", "203.0.113.17")
            .header("Connection", "close")
            .header("Expect", "100-continue")
            .body(b"{}".as_slice())
            .unwrap();
        let event = event(request);
        assert_eq!(event["resource"], "/proxy/{proxy+}");
        assert_eq!(event["path"], "/proxy/conn_1/dev.azure.com/space%20value/a%2Fb");
        let parameters = json!({"proxy": "conn_1/dev.azure.com/space%20value/a%2Fb"});
        assert_eq!(event["pathParameters"], parameters);
        let whole = "/live/proxy/conn_1/dev.azure.com/space%20value/a%2Fb";
        assert_eq!(event["requestContext"]["path"], whole);
        assert_eq!(
            event["multiValueHeaders"],
            json!({
                "Host": ["localhost:8084"],
                "User-Agent": ["curl/8.14.1"],
                "X-Amzn-Trace-Id": ["Root=1-00000000-000000000000000000000000"],
                "X-Forwarded-For": ["203.0.113.17, 127.0.0.1"],
                "X-Forwarded-Port": ["443"],
                "X-Forwarded-Proto": ["http"],
                "content-type": ["application/json"],
                "cookie": ["session=abc; theme=dark"],
                "x-probe": ["first", "second"],
            })
        );
        assert_eq!(event["headers"]["x-probe"], "second");
        assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("e30="), &json!(true)));
    }

    #[test]
    fn a_query_is_decoded_split_at_semicolons_and_grouped_by_name() {
        let get = |query: &str| {
            let request = Request::get(format!("/live/proxy/conn_1/x{query}"));
            let event = event(request.body(&[][..]).unwrap());
            (
                event["multiValueQueryStringParameters"].clone(),
                event["queryStringParameters"].clone(),
            )
        };
        assert_eq!(get(""), (Value::Null, Value::Null));
        assert_eq!(get("?"), (Value::Null, Value::Null));
        assert_eq!(
            get("?repeat=one&empty=&literal=a+b&repeat=two&encoded=a%2Bb&bare"),
            (
                json!({"bare": [""], "empty": [""], "encoded": ["a+b"], "literal": ["a b"], "repeat": ["one", "two"]}),
                json!({"bare": "", "empty": "", "encoded": "a+b", "literal": "a b", "repeat": "two"}),
            )
        );
        assert_eq!(get("?path=/a;b").0, json!({"path": ["/a"], "b": [""]}));
        assert_eq!(get("?path=/a%3Bb").0, json!({"path": ["/a;b"]}));
    }
}
