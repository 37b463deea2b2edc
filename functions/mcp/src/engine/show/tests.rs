#![allow(clippy::unwrap_used)]
use serde_json::json;

use super::*;

fn shown(projection: &str, thing: &Value) -> Value {
    Projection::parse(projection).unwrap().of(thing).unwrap_or_default()
}

#[test]
fn a_pull_request_is_shown_as_a_tenth_of_itself() {
    let thing = json!({
        "pullRequestId": 22, "title": "Mend it", "isDraft": false, "status": "active",
        "createdBy": {"displayName": "Ada", "url": "https://dev.azure.com/x"},
        "creationDate": "2026-11-01T16:30:31.6655471Z",
        "sourceRefName": "refs/heads/topic/a", "targetRefName": "refs/heads/main",
        "repository": {"name": "Website", "project": {"name": "Website"}},
        "reviewers": [
            {"displayName": "Grace", "vote": 10, "imageUrl": "x"},
            {"displayName": "Ada", "vote": 0},
        ],
        "lastMergeSourceCommit": {"commitId": "b60280bc6e62e2f880f1b63c1e24987664d3bda3"},
        "labels": [],
    });
    let projection = "id:pullRequestId title status draft:isDraft by:createdBy.displayName created:creationDate|time \
        source:sourceRefName|branch target:targetRefName|branch repository:repository.name labels \
        commit:lastMergeSourceCommit.commitId|hash reviewers[name:displayName vote|vote]";
    assert_eq!(
        shown(projection, &thing),
        json!({
            "id": 22, "title": "Mend it", "status": "active", "by": "Ada", "created": "2026-11-01T16:30:31Z",
            "source": "topic/a", "target": "main", "repository": "Website", "commit": "b60280bc6e62",
            "reviewers": [{"name": "Grace", "vote": "approve"}, {"name": "Ada"}],
        })
    );
}

#[test]
fn paths_have_indices_stars_and_escaped_points() {
    let thing = json!({
        "fields": {"system.id": 7},
        "versions": [{"branchName": "main"}, {"branchName": "topic"}],
        "properties": {"Mail": {"$type": "System.String", "$value": "ada@mycompany.example"}},
        "results": [{"abc": [{"id": 1}, {"id": 2}]}],
        "matches": {"content": [1, 2, 3]},
        "queueStatus": "disabled",
    });
    for (projection, expected) in [
        ("id:fields.system\\.id", json!({"id": 7})),
        ("branch:versions.1.branchName", json!({"branch": "topic"})),
        ("branches:versions.*.branchName", json!({"branches": ["main", "topic"]})),
        ("mail:properties.Mail.$value", json!({"mail": "ada@mycompany.example"})),
        ("ids:results.0.*[id]", json!({"ids": [{"id": 1}, {"id": 2}]})),
        ("matches:matches.content|count", json!({"matches": 3})),
        ("disabled:queueStatus|disabled", json!({"disabled": true})),
        ("fields.absent absent", Value::Null),
    ] {
        assert_eq!(shown(projection, &thing), expected, "{projection}");
    }
}

#[test]
fn nothing_is_shown_of_what_is_absent_null_false_or_empty() {
    let thing = json!({"a": null, "b": false, "c": "", "d": [], "e": {}, "f": {"g": null}, "h": 0, "i": true});
    assert_eq!(shown("a b c d e f h i", &thing), json!({"h": 0, "i": true}));
    assert_eq!(shown("*", &thing), json!({"h": 0, "i": true}));
    assert_eq!(Projection::parse("a").unwrap().of(&thing), None);
}

#[test]
fn values_of_another_type_than_expected_stay_as_they_are() {
    let thing = json!({"a": 7, "b": "abc", "c": "2026-11-01", "d": {"x": 1}});
    let filtered = shown("a|branch b|hash c|time d|count", &thing);
    assert_eq!(filtered, thing);
    assert_eq!(shown("b[x]", &thing), Value::Null);
}

#[test]
fn a_projection_that_cannot_be_read_is_refused() {
    for bad in ["", "a|unknown", "a[b", "a]b", "a:", ":a", "*.x.*", "a[]", "0"] {
        assert!(Projection::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_list_is_in_value_or_where_the_row_has_it() {
    let body = json!({"value": [1], "results": [{"x": [2], "y": [3]}], "comments": {}});
    assert_eq!(items(&body, ""), Some(vec![json!(1)]));
    assert_eq!(items(&body, "results.0.*"), Some(vec![json!(2), json!(3)]));
    assert_eq!(items(&body, "comments"), None);
    assert_eq!(items(&json!({"id": 1}), ""), None);
}
