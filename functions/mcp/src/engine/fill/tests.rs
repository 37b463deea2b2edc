#![allow(clippy::unwrap_used)]
use vault::integrations::Toolset;

use super::*;
use crate::engine::arguments::tests::arguments;
use crate::tools::tool::{Does, Tool, Verb};

const TOOL: Tool = Tool::new("a_tool", Toolset::Core, "A tool.");

fn call(tool: &Tool) -> Call {
    match tool.does {
        Does::Call(call) => call,
        Does::Steps(_) => panic!("no call"),
    }
}

fn filled(tool: &Tool, values: &Value) -> Result<Filled, String> {
    let template = Template::parse(&call(tool))?;
    template.fill(&arguments(values), Some("my-id")).map_err(|failure| failure.to_string())
}

fn path(template: &'static str, values: &Value) -> Result<String, String> {
    filled(&TOOL.get(template), values).map(|filled| filled.path)
}

fn query(query: &'static [(&'static str, &'static str)], values: &Value) -> String {
    filled(&TOOL.get("/x").query(query), values).unwrap().query()
}

#[test]
fn a_path_is_filled_with_encoded_arguments() {
    for (template, values, expected) in [
        ("/_apis/projects", json!({}), "/_apis/projects"),
        (
            "/{project}/_apis/git",
            json!({"project": "My Web?#%2F"}),
            "/My%20Web%3F%23%252F/_apis/git",
        ),
        ("/{project?}/_apis/git", json!({}), "/_apis/git"),
        ("/{project?}/_apis/git", json!({"project": "p"}), "/p/_apis/git"),
        ("/r/{repository?}/pullrequests", json!({}), "/r/pullrequests"),
        ("/types/{type?}", json!({}), "/types"),
        (
            "/queries/{path|segments?}",
            json!({"path": "/Shared Queries/Mine/"}),
            "/queries/Shared%20Queries/Mine",
        ),
        ("/queries/{path|segments?}", json!({}), "/queries"),
        ("/workitems/${type}", json!({"type": "User Story"}), "/workitems/$User%20Story"),
        ("/reviewers/{=me}", json!({}), "/reviewers/my-id"),
        ("/builds/{build}", json!({"build": 7}), "/builds/7"),
    ] {
        assert_eq!(path(template, &values).unwrap(), expected, "{template}");
    }
}

#[test]
fn an_argument_with_a_slash_leads_nowhere_else() {
    for bad in ["x/../y", "a\\b", "/", "x/_apis/git"] {
        let refused = path("/{project}/_apis", &json!({"project": bad})).unwrap_err();
        assert!(refused.contains("`project`: must not have a slash"), "{refused}");
    }
}

#[test]
fn a_query_has_what_was_given_and_is_encoded() {
    let version = "api-version=7.1";
    for (row, values, expected) in [
        (&[][..], json!({}), version.to_owned()),
        (
            &[("searchFilter", "=General"), ("filterValue", "text")],
            json!({"text": "Ada & Co"}),
            format!("searchFilter=General&filterValue=Ada%20%26%20Co&{version}"),
        ),
        (&[("$mine", "mine")], json!({"mine": true}), format!("%24mine=true&{version}")),
        (
            &[("branchName", "branch|ref")],
            json!({"branch": "main"}),
            format!("branchName=refs%2Fheads%2Fmain&{version}"),
        ),
        (
            &[("branchName", "branch|ref")],
            json!({"branch": "refs/pull/1/merge"}),
            format!("branchName=refs%2Fpull%2F1%2Fmerge&{version}"),
        ),
        (&[("name", "text|contains")], json!({"text": "ci"}), format!("name=%2Aci%2A&{version}")),
        (
            &[("recursionLevel", "recursive?Full:OneLevel")],
            json!({"recursive": true}),
            format!("recursionLevel=Full&{version}"),
        ),
        (
            &[("recursionLevel", "recursive?Full:OneLevel")],
            json!({}),
            format!("recursionLevel=OneLevel&{version}"),
        ),
        (
            &[("criteria.states", "states")],
            json!({"states": ["active", "fixed"]}),
            format!("criteria.states=active%2Cfixed&{version}"),
        ),
    ] {
        assert_eq!(query(row, &values), expected);
    }
    let preview = TOOL.get("/comments?api-version=7.2-preview.4");
    assert_eq!(filled(&preview, &json!({})).unwrap().query(), "api-version=7.2-preview.4");
}

#[test]
fn a_body_is_put_together_from_paths() {
    let tool = TOOL.call(Verb::Post, "/x").body(&[
        ("searchText", "text"),
        ("filters.System\\.State", "state|list"),
        ("queries.0.items", "commit|list"),
        ("queries.0.type", "merged_as?lastMergeCommit:commit"),
        ("sourceRefName", "source|ref"),
        ("reviewers", "reviewers|as:id"),
        ("members", "ids|as:workItem.id"),
        ("variables", "variables|values"),
        ("vote", "vote|vote"),
        ("autoCompleteSetBy.id", "auto_complete|me_or_nobody"),
        ("status", "=completed"),
        ("by", "=me"),
        ("left_out", "absent"),
    ]);
    let values = json!({
        "text": "x", "state": "Active", "commit": "abc", "source": "main", "reviewers": ["1", "2"],
        "ids": [7], "variables": {"a": "b"}, "vote": "wait", "auto_complete": true,
    });
    let expected = json!({
        "searchText": "x",
        "filters": {"System.State": ["Active"]},
        "queries": [{"items": ["abc"], "type": "commit"}],
        "sourceRefName": "refs/heads/main",
        "reviewers": [{"id": "1"}, {"id": "2"}],
        "members": [{"workItem": {"id": 7}}],
        "variables": {"a": {"value": "b"}},
        "vote": -5,
        "autoCompleteSetBy": {"id": "my-id"},
        "status": "completed",
        "by": "my-id",
    });
    assert_eq!(filled(&tool, &values).unwrap().body.unwrap(), expected);
    let whole = TOOL.call(Verb::Post, "/x").body(&[("", "ids|as:workItem.id")]);
    let body = filled(&whole, &json!({"ids": [1, 2]})).unwrap().body.unwrap();
    assert_eq!(body, json!([{"workItem": {"id": 1}}, {"workItem": {"id": 2}}]));
    let nobody = TOOL.call(Verb::Patch, "/x").body(&[("id", "auto_complete|me_or_nobody")]);
    let body = filled(&nobody, &json!({"auto_complete": false})).unwrap().body.unwrap();
    assert_eq!(body, json!({"id": NOBODY}));
    assert_eq!(filled(&TOOL.get("/x"), &json!({})).unwrap().body, None);
}

#[test]
fn the_id_of_the_user_is_asked_for_only_where_it_is_needed() {
    for (tool, needs) in [
        (TOOL.get("/x/{project}"), false),
        (TOOL.get("/x/{=me}"), true),
        (TOOL.get("/x").query(&[("a", "=me")]), true),
        (TOOL.call(Verb::Patch, "/x").body(&[("id", "auto|me_or_nobody")]), true),
    ] {
        assert_eq!(Template::parse(&call(&tool)).unwrap().needs_me(), needs);
    }
}

#[test]
fn a_row_that_cannot_be_read_is_refused() {
    for tool in [
        TOOL.get("/{project"),
        TOOL.get("/x").query(&[("a", "b|unknown")]),
        TOOL.get("/x").query(&[("a", "b?yes")]),
        TOOL.get("/x?a"),
    ] {
        assert!(Template::parse(&call(&tool)).is_err());
    }
}
