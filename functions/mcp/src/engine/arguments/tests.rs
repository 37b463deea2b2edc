#![allow(clippy::unwrap_used)]
use serde_json::json;

use super::*;

const PARAMETERS: &[Parameter] = &[
    Parameter::new("project", Kind::Text).required(),
    Parameter::new("limit", Kind::Integer { most: Some(200) }),
    Parameter::new("mine", Kind::Boolean),
    Parameter::new("status", Kind::OneOf(&["active", "all"])),
    Parameter::new("ids", Kind::List { of: &Kind::Integer { most: None }, most: 3 }),
    Parameter::new(
        "changes",
        Kind::List {
            of: &Kind::Record(&[
                Parameter::new("path", Kind::Text).required(),
                Parameter::new("delete", Kind::Boolean),
            ]),
            most: 2,
        },
    ),
    Parameter::new("fields", Kind::Object),
    Parameter::new("content", Kind::Content),
];

/// Arguments of a test.
pub(crate) fn arguments(value: &Value) -> Arguments {
    Arguments(value.as_object().unwrap().clone())
}

fn read(text: &str) -> Result<Arguments, String> {
    let raw = serde_json::from_str::<&RawValue>(text).unwrap();
    Arguments::read(Some(raw), PARAMETERS).map_err(|failure| failure.to_string())
}

#[test]
fn arguments_that_fit_are_taken_as_they_are() {
    let sent = json!({
        "project": "Website", "limit": 200, "mine": true, "status": "all", "ids": [1, 2],
        "changes": [{"path": "/a", "delete": true}], "fields": {"a": [1]}, "content": "x",
    });
    let read = read(&sent.to_string()).unwrap();
    assert_eq!(Value::Object(read.0), sent);
}

#[test]
fn null_and_empty_texts_count_as_absent_and_whole_numbers_may_have_a_point() {
    let read_ = read(r#"{"project":"p","limit":5.0,"mine":null,"content":""}"#).unwrap();
    assert_eq!(Value::Object(read_.0), json!({"project": "p", "limit": 5}));
    assert_eq!(read(r#"{"project":""}"#).unwrap_err(), "Arguments: `project` is missing.");
}

#[test]
fn each_fault_names_its_argument() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for (sent, named) in [
        ("7", "`arguments`"),
        ("[]", "`arguments`"),
        ("{}", "`project` is missing"),
        (r#"{"project":7}"#, "`project`: must be a text"),
        (r#"{"project":"p","project":"q"}"#, "`project`"),
        (r#"{"project":"p","limit":0}"#, "`limit`: must be a whole number from 1 to 200"),
        (r#"{"project":"p","limit":201}"#, "`limit`"),
        (r#"{"project":"p","limit":-1}"#, "`limit`"),
        (r#"{"project":"p","limit":1.5}"#, "`limit`"),
        (r#"{"project":"p","limit":"5"}"#, "`limit`"),
        (r#"{"project":"p","limit":1e999}"#, "`limit` is nested too deeply, or has"),
        (r#"{"project":"p","mine":"true"}"#, "`mine`: must be true or false"),
        (r#"{"project":"p","status":"open"}"#, "`status`: must be one of active, all"),
        (r#"{"project":"p","ids":[1,"2"]}"#, "`ids[1]`"),
        (r#"{"project":"p","ids":[1,2,3,4]}"#, "`ids`: must be a list of at most 3"),
        (r#"{"project":"p","changes":[{"delete":true}]}"#, "`changes[0].path` is missing"),
        (r#"{"project":"p","changes":[{"path":"a","x":1}]}"#, "`changes[0]`"),
        (r#"{"project":"p","fields":[]}"#, "`fields`: must be an object"),
        (&format!(r#"{{"project":"p","fields":{{"a":{deep}}}}}"#), "`fields` is nested"),
        (&format!(r#"{{"project":{:?}}}"#, "x".repeat(8_001)), "`project`: must be at most"),
        (&format!(r#"{{"project":"p","content":{:?}}}"#, "x".repeat(1_000_001)), "`content`"),
        (r#"{"project":"p","proyect":"q"}"#, "`proyect`"),
    ] {
        let refused = read(sent).unwrap_err();
        let beginning: String = sent.chars().take(60).collect();
        assert!(refused.contains(named), "{beginning}: {refused}");
        assert!(refused.len() < 300, "{beginning}: {refused}");
    }
}

#[test]
fn every_fault_is_found_at_once() {
    let refused = read(r#"{"limit":"x","mine":1}"#).unwrap_err();
    for name in ["`project`", "`limit`", "`mine`"] {
        assert!(refused.contains(name), "{refused}");
    }
}
