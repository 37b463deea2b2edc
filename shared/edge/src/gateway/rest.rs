//! Events in both formats: format 1.0, of REST APIs, is turned into format 2.0.
//!
//! A REST API decodes the query and drops the order of different names. The query is encoded again: it has the same
//! meaning to Azure DevOps, but is not byte for byte the one that the client sent.

use std::collections::BTreeMap;
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::{Event, EventContext, EventHttp};

/// Characters that are encoded in a query: not RFC 3986 `unreserved`, and not `$` and `,`, as in Azure DevOps' clients.
const QUERY: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'$').remove(b',');

/// The fields of both formats. Some senders omit absent fields, others send null.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct AnyEvent {
    /// Format 2.0 only.
    raw_path: Option<String>,
    raw_query_string: Option<String>,
    cookies: Option<Vec<String>>,
    headers: Option<Pairs>,
    request_context: AnyContext,
    body: Option<String>,
    is_base64_encoded: bool,
    /// Format 1.0, like all fields below. (`cargo lambda watch` sends some of them in format 2.0, too.)
    http_method: String,
    path: String,
    multi_value_headers: Option<BTreeMap<String, Vec<String>>>,
    query_string_parameters: Option<BTreeMap<String, String>>,
    multi_value_query_string_parameters: Option<BTreeMap<String, Vec<String>>>,
}

/// The members of an object, in their order. A map of them would be made only to be read once.
#[derive(Debug, Default)]
struct Pairs(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Pairs, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = object.next_entry()? {
                    members.push(member);
                }
                Ok(Pairs(members))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

/// The context of an event in either format. Its members are those of [`EventContext`] and one more; `flatten` would keep
/// all that API Gateway sends, to look for them afterwards.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct AnyContext {
    request_id: String,
    stage: String,
    http: EventHttp,
    /// Format 1.0.
    identity: Option<Identity>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Identity {
    source_ip: Option<String>,
}

impl From<AnyEvent> for Event {
    fn from(event: AnyEvent) -> Self {
        if let Some(raw_path) = event.raw_path {
            return Self {
                raw_path,
                raw_query_string: event.raw_query_string.unwrap_or_default(),
                cookies: event.cookies.unwrap_or_default(),
                headers: event.headers.unwrap_or_default().0,
                request_context: EventContext {
                    request_id: event.request_context.request_id,
                    stage: event.request_context.stage,
                    http: event.request_context.http,
                },
                body: event.body,
                is_base64_encoded: event.is_base64_encoded,
            };
        }
        Self {
            // As sent, and already without the stage.
            raw_path: event.path,
            raw_query_string: query(
                event.multi_value_query_string_parameters,
                event.query_string_parameters,
            ),
            cookies: Vec::new(),
            headers: headers(event.multi_value_headers, event.headers),
            request_context: EventContext {
                request_id: event.request_context.request_id,
                stage: String::new(),
                http: EventHttp {
                    method: event.http_method,
                    source_ip: event.request_context.identity.unwrap_or_default().source_ip,
                },
            },
            body: event.body,
            is_base64_encoded: event.is_base64_encoded,
        }
    }
}

fn query(
    all: Option<BTreeMap<String, Vec<String>>>,
    last: Option<BTreeMap<String, String>>,
) -> String {
    let single = || last.unwrap_or_default().into_iter().map(|(name, value)| (name, vec![value]));
    let all = all.unwrap_or_else(|| single().collect());
    let encoded = |text: &str| utf8_percent_encode(text, QUERY).to_string();
    let pairs = all.iter().flat_map(|(name, values)| {
        values.iter().map(|value| format!("{}={}", encoded(name), encoded(value)))
    });
    pairs.collect::<Vec<_>>().join("&")
}

fn headers(
    all: Option<BTreeMap<String, Vec<String>>>,
    last: Option<Pairs>,
) -> Vec<(String, String)> {
    let Some(all) = all else { return last.unwrap_or_default().0 };
    let mut joined: BTreeMap<String, String> = BTreeMap::new();
    for (name, values) in all {
        // Names are as sent, so one can occur in two spellings.
        let separator = if name.eq_ignore_ascii_case("cookie") { "; " } else { "," };
        let text = values.join(separator);
        joined
            .entry(name.to_ascii_lowercase())
            .and_modify(|known| {
                known.push_str(separator);
                known.push_str(&text);
            })
            .or_insert(text);
    }
    joined.into_iter().collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;

    fn event(changes: &Value) -> Event {
        let mut event = json!({
            "resource": "/proxy/{proxy+}", "path": "/proxy/conn_1/dev.azure.com/mycompany/My%20Project/_apis",
            "httpMethod": "GET",
            "headers": {"Accept": "b"}, "multiValueHeaders": {"Accept": ["a", "b"], "Cookie": ["x=1; y=2"]},
            "queryStringParameters": {"api-version": "7.1"},
            "multiValueQueryStringParameters": {"api-version": ["7.1"], "$filter": ["a eq 'ü&'", "b"]},
            "pathParameters": {"proxy": "conn_1/dev.azure.com/mycompany/My Project/_apis"},
            "stageVariables": null,
            "requestContext": {"stage": "live", "requestId": "r-1", "path": "/live/proxy/x", "httpMethod": "GET"},
            "body": null, "isBase64Encoded": false,
        });
        for (name, value) in changes.as_object().unwrap() {
            event[name] = value.clone();
        }
        serde_json::from_value(event).unwrap()
    }

    #[test]
    fn an_event_of_a_rest_api_becomes_the_request_as_sent() {
        let event = event(&json!({}));
        assert_eq!(event.path(), "/proxy/conn_1/dev.azure.com/mycompany/My%20Project/_apis");
        assert_eq!(event.request_context.request_id, "r-1");
        let request = event.into_request().unwrap();
        assert_eq!(request.method(), http::Method::GET);
        let query = request.uri().query().unwrap();
        assert_eq!(query, "$filter=a%20eq%20%27%C3%BC%26%27&$filter=b&api-version=7.1");
        assert_eq!(
            (&request.headers()["accept"], &request.headers()["cookie"]),
            (&"a,b".parse().unwrap(), &"x=1; y=2".parse().unwrap())
        );
    }

    #[test]
    fn an_event_of_cargo_lambda_watch_is_one_of_an_http_api() {
        let event: Event = serde_json::from_value(json!({
            "version": "2.0", "routeKey": "$default", "rawPath": "/health", "rawQueryString": null, "cookies": null,
            "headers": {"host": "127.0.0.1:9000"}, "httpMethod": "GET", "queryStringParameters": {},
            "requestContext": {"stage": "$default", "requestId": "r-1", "http": {"method": "GET", "path": "/health"}},
            "body": null, "isBase64Encoded": false,
        }))
        .unwrap();
        let request = event.into_request().unwrap();
        assert_eq!((request.method(), request.uri().path()), (&http::Method::GET, "/health"));
        assert_eq!(request.uri().query(), None);
    }

    #[test]
    fn a_field_that_a_rest_api_omits_is_null() {
        let bare = event(&json!({
            "headers": null, "multiValueHeaders": null, "queryStringParameters": null,
            "multiValueQueryStringParameters": null, "body": "e30=", "isBase64Encoded": true,
        }));
        let request = bare.into_request().unwrap();
        assert_eq!(request.uri().query(), None);
        assert!(request.headers().is_empty());
        assert_eq!(request.body(), "{}");
    }
}
