#![allow(clippy::unwrap_used)]
use proptest::prelude::*;
use serde::Deserialize;
use vault::ids::IntegrationId;

use super::*;
use crate::gateway::Body;

fn code<T: std::fmt::Debug>(result: Result<T, Problem>) -> Code {
    result.unwrap_err().code()
}

#[test]
fn a_query_is_decoded_once() {
    let query = Query::parse("a=1%20%2B+2&b=%2541&c&&d==").unwrap();
    assert_eq!(query.get("a"), Some("1 + 2"));
    assert_eq!(query.get("b"), Some("%41"));
    assert_eq!(query.get("c"), Some(""));
    assert_eq!(query.get("d"), Some("="));
    assert_eq!(query.get("e"), None);
}

#[test]
fn a_parameter_sent_twice_is_refused_however_it_is_spelled() {
    for query in ["code=1&code=1", "code=1&x=2&code=3", "code=1&%63ode=2", "code&code", "=&="] {
        assert_eq!(code(Query::parse(query)), Code::DuplicateParameter, "{query}");
    }
}

#[test]
fn control_characters_are_accepted_in_descriptions_of_entra_only() {
    let query = Query::parse("error_description=AADSTS1:%20x%0d%0aTrace&state=a%00b").unwrap();
    assert_eq!(query.get("error_description"), Some("AADSTS1: x\r\nTrace"));
    assert_eq!(query.required("state").unwrap_err().code(), Code::InvalidRequest);
}

#[test]
fn a_query_that_is_not_text_is_refused() {
    for query in ["a=%", "a=%2", "a=%zz", "a=%ff", "%ff=a", "%00=a"] {
        assert_eq!(code(Query::parse(query)), Code::InvalidRequest, "{query}");
    }
    assert_eq!(code(Query::parse(&"a".repeat(QUERY_LIMIT + 1))), Code::RequestTooLarge);
}

#[test]
fn the_words_of_an_authorization_response_do_not_spoil_it() {
    let answer = |query: &str| Query::parse_as(query, |name| ["state", "error"].contains(&name));
    let words =
        "error=access_denied&error_description=AADSTS65004%3A+introducci%u00f3n+%2B%ff%&state=s";
    let query = answer(words).unwrap();
    assert_eq!((query.get("error"), query.get("state")), (Some("access_denied"), Some("s")));
    let description = query.get("error_description").unwrap();
    assert!(description.starts_with("AADSTS65004: introducci%u00f3n +"), "{description}");
    assert_eq!(answer("x=1&x=2&state=s").unwrap().get("x"), Some("1"));
    for query in ["state=%ff", "error=%u00f3&state=s", "state=a%", "state=%zz"] {
        assert_eq!(code(answer(query)), Code::InvalidRequest, "{query}");
    }
    assert_eq!(code(answer("state=a&state=b")), Code::DuplicateParameter);
}

#[test]
fn an_error_repeats_names_of_our_parameters_only() {
    let query = Query::parse("limit=secret&%3Cscript%3E=1&integration=NOT%20AN%20ID").unwrap();
    let problem = query.only(&["integration", "limit"]).unwrap_err();
    assert_eq!(problem.errors()[0].field, "(unknown)");
    let problem = query.parsed::<IntegrationId>("integration").unwrap_err();
    assert_eq!(problem.errors()[0].field, "integration");
    assert!(!problem.errors()[0].message.contains("NOT"));
    assert_eq!(code(query.required("user")), Code::InvalidRequest);
    assert!(query.only(&["integration", "limit", "<script>"]).is_ok());
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sample {
    id: IntegrationId,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    limit: Option<u32>,
    #[serde(default)]
    mode: Option<Mode>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Required,
    None,
}

fn request(content_type: &str, body: &[u8]) -> Request {
    http::Request::builder()
        .header(CONTENT_TYPE, content_type)
        .body(Body::copy_from_slice(body))
        .unwrap()
}

fn body(text: &str) -> Result<Sample, Problem> {
    json_body(&request("application/json", text.as_bytes()), JSON_LIMIT)
}

#[test]
fn a_body_of_the_right_shape_is_read() {
    let read = body(r#" {"id":"fabrikam","scopes":["vso.code"],"mode":"required"} "#).unwrap();
    assert_eq!(read.id.as_str(), "fabrikam");
    assert_eq!(read.mode, Some(Mode::Required));
}

#[test]
fn only_json_in_utf_8_is_taken() {
    let with_type = |content_type| {
        json_body::<Sample>(&request(content_type, br#"{"id":"fabrikam"}"#), JSON_LIMIT)
    };
    for good in [
        "application/json",
        "Application/JSON; charset=UTF-8",
        "application/json;charset=\"utf-8\"",
    ] {
        assert!(with_type(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "text/plain",
        "application/json; charset=utf-16",
        "application/x-www-form-urlencoded",
        "application/jsonp",
    ] {
        assert_eq!(code(with_type(bad)), Code::UnsupportedMediaType, "{bad}");
    }
    let untyped = http::Request::new(Body::from(r#"{"id":"fabrikam"}"#));
    assert_eq!(code(json_body::<Sample>(&untyped, JSON_LIMIT)), Code::UnsupportedMediaType);
}

#[test]
fn malformed_json_is_refused_with_its_place_and_without_its_content() {
    for text in [
        "",
        "{",
        "secret",
        "{\"id\":\"a\"} secret",
        "{\"id\":\"a\",}",
        "[1",
        "{\"id\":1",
        "\u{feff}{}",
    ] {
        let problem = body(text).unwrap_err();
        assert_eq!(problem.code(), Code::MalformedJson, "{text}");
        let detail = problem.detail_text().unwrap();
        assert!(detail.contains("line 1, column") && !detail.contains("secret"), "{detail}");
    }
    let invalid_utf8 = request("application/json", b"{\"id\":\"\xff\"}");
    assert_eq!(code(json_body::<Sample>(&invalid_utf8, JSON_LIMIT)), Code::MalformedJson);
    let deep = "[".repeat(5_000);
    let deep =
        json_body::<serde_json::Value>(&request("application/json", deep.as_bytes()), JSON_LIMIT);
    assert_eq!(code(deep), Code::MalformedJson);
}

#[test]
fn a_wrong_shape_names_the_field() {
    for (text, field, message) in [
        ("{}", "id", "is missing"),
        (r#"{"id":"a","id":"b"}"#, "id", "was sent more than once"),
        (r#"{"id":"a","scope":[]}"#, "scope", "is not a field of this object"),
        (
            r#"{"id":"NOT AN ID"}"#,
            "id",
            "an integration id has 1 to 64 lower-case letters, digits and inner hyphens",
        ),
        (r#"{"id":"a","scopes":["x",7]}"#, "scopes[1]", "must be a string"),
        (r#"{"id":"a","limit":"secret, expected"}"#, "limit", "must be a whole number in range"),
        (r#"{"id":"a","mode":"secret"}"#, "mode", "must be `required` or `none`"),
        (r#"["a"]"#, "body", "must be an object"),
        ("7", "body", "must be an object"),
        (r#"{"id":"a","<b>":1}"#, "(unknown)", "is not a field of this object"),
    ] {
        let problem = body(text).unwrap_err();
        assert_eq!(problem.code(), Code::InvalidRequest, "{text}");
        let error = &problem.errors()[0];
        assert_eq!((error.field.as_str(), error.message.as_str()), (field, message), "{text}");
    }
}

#[test]
fn a_body_beyond_the_limit_is_refused_before_it_is_read() {
    let large = request("text/plain", &vec![b'x'; JSON_LIMIT + 1]);
    assert_eq!(code(json_body::<Sample>(&large, JSON_LIMIT)), Code::RequestTooLarge);
}

proptest! {
    #[test]
    fn no_query_panics_and_each_encoded_value_is_decoded(
        pairs in proptest::collection::btree_map("[^\\p{Cc}]{1,8}", "[^\\p{Cc}]{0,8}", 0..5),
        garbage in any::<String>(),
    ) {
        let _ = Query::parse(&garbage);
        let encoded = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
        let query = Query::parse(&encoded).unwrap();
        for (name, value) in &pairs {
            prop_assert_eq!(query.get(name), Some(value.as_str()));
        }
    }

    #[test]
    fn no_error_repeats_a_value(marker in "[A-Z]{12}") {
        for text in [
            format!(r#"{{"id":"{marker}"}}"#),
            format!(r#"{{"id":"a","limit":"{marker}"}}"#),
            format!(r#"{{"id":"a","mode":"{marker}"}}"#),
            format!(r#"{{"id":"a","scopes":"{marker}"}}"#),
            format!(r#""{marker}""#),
            marker.clone(),
        ] {
            let problem = body(&text).unwrap_err();
            prop_assert!(!format!("{problem:?}").contains(&marker), "{problem:?}");
        }
    }
}
