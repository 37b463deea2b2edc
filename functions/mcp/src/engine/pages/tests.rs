#![allow(clippy::unwrap_used)]
use vault::integrations::Toolset;

use super::*;
use crate::engine::arguments::tests::arguments;
use crate::tools::tool::Does;

const SKIP: Tool = Tool::new("a_tool", Toolset::Core, "A tool.").get("/x").pages(Paging::Skip);
const TOKEN: Tool = SKIP.pages(Paging::Token);
const CUT: Tool = SKIP.pages(Paging::Cut);
const NONE: Tool = SKIP.pages(Paging::None);

fn call(tool: &Tool) -> Call {
    match tool.does {
        Does::Call(call) => call,
        Does::Steps(_) => panic!("no call"),
    }
}

/// Entries of about 1 kB.
fn entries(range: std::ops::Range<u64>) -> Vec<Value> {
    range.map(|number| json!({"id": number, "text": "x".repeat(980)})).collect()
}

/// A server with so many entries, asked as a position asks.
fn served(asked: &Filled, call: &Call, all: u64) -> (Vec<Value>, HeaderMap) {
    let asked_for = |name: &str| {
        let pair = asked.pairs.iter().find(|(known, _)| known == name);
        let in_body = asked.body.as_ref().and_then(|body| body[name].as_u64());
        pair.and_then(|(_, value)| value.parse::<u64>().ok()).or(in_body)
    };
    let top = asked_for("$top").unwrap_or(all);
    let begin = asked_for("$skip").or(asked_for("continuationToken")).unwrap_or(0);
    let end = (begin + top).min(all);
    let mut headers = HeaderMap::new();
    if call.paging == Paging::Token && end < all {
        headers.insert("x-ms-continuationtoken", end.into());
    }
    (entries(begin..end), headers)
}

/// Reads a whole list. Returns the ids that were shown, and the number of pages.
fn walk(tool: &Tool, all: u64, values: &Value) -> (Vec<u64>, usize) {
    let (call, projection) = (call(tool), Projection::parse("id text").unwrap());
    let (mut values, mut ids, mut pages) = (values.clone(), Vec::new(), 0);
    loop {
        let arguments = arguments(&values);
        let position = Position::of(tool, &arguments).unwrap();
        let mut asked = Filled::default();
        position.ask(&call, &arguments, &mut asked);
        let (items, headers) = served(&asked, &call, all);
        let page = Page { items, headers: &headers, body: &Value::Null };
        let shown = position.shown(&call, &page, &projection, &arguments);
        assert!(shown.to_string().len() <= budget::LARGEST);
        ids.extend(
            shown["items"].as_array().unwrap().iter().map(|item| item["id"].as_u64().unwrap()),
        );
        pages += 1;
        assert!(pages < 100, "it never ends");
        match shown.get("next") {
            Some(next) => values["next"] = next.clone(),
            None => return (ids, pages),
        }
    }
}

#[test]
fn every_paging_shows_each_entry_once_and_ends() {
    let post = SKIP.call(Verb::Post, "/x").pages(Paging::Skip);
    for tool in [&SKIP, &post, &TOKEN, &CUT] {
        for all in [0, 1, 39, 50, 51, 100, 130] {
            for values in [json!({}), json!({"limit": 10}), json!({"limit": 200})] {
                let (ids, pages) = walk(tool, all, &values);
                let name = format!("{:?} {all} {values}", call(tool).paging);
                assert_eq!(ids, (0..all).collect::<Vec<_>>(), "{name}");
                // A page has about 39 entries at most; Azure DevOps' pages end in between.
                assert!(pages as u64 <= all / 10 + 2, "{name}: {pages}");
            }
        }
    }
}

#[test]
fn a_list_without_pages_counts_what_does_not_fit() {
    let (call, projection) = (call(&NONE), Projection::parse("id text").unwrap());
    let page = Page { items: entries(0..100), headers: &HeaderMap::new(), body: &Value::Null };
    let shown = Position::default().shown(&call, &page, &projection, &Arguments::default());
    let kept = shown["items"].as_array().unwrap().len();
    assert!(kept > 30);
    assert_eq!(shown["left_out"], 100 - kept);
}

#[test]
fn an_entry_that_is_larger_than_the_budget_is_shortened_and_the_list_goes_on() {
    let (call, projection) = (call(&CUT), Projection::parse("text").unwrap());
    let items = vec![json!({"text": "x".repeat(100_000)}); 3];
    let page = Page { items, headers: &HeaderMap::new(), body: &Value::Null };
    let shown = Position::default().shown(&call, &page, &projection, &Arguments::default());
    assert!(shown.to_string().len() <= budget::LARGEST);
    assert!(shown["next"].is_string());
    let shown = shown["items"].as_array().unwrap();
    assert!((1..3).contains(&shown.len()));
    assert!(shown[0]["text"].as_str().unwrap().ends_with("bytes left out]"));
}

#[test]
fn a_token_is_in_a_header_or_in_the_answer() {
    let body = json!({"continuationToken": "b"});
    let header = HeaderMap::from_iter([(
        http::HeaderName::from_static("x-ms-continuationtoken"),
        http::HeaderValue::from_static("h"),
    )]);
    let token =
        |headers: &HeaderMap, body: &Value| Page { items: Vec::new(), headers, body }.token();
    assert_eq!(token(&header, &body).unwrap(), "h");
    assert_eq!(token(&HeaderMap::new(), &body).unwrap(), "b");
    assert_eq!(token(&HeaderMap::new(), &json!({"continuationToken": ""})), None);
}

#[test]
fn next_is_good_for_the_same_tool_and_arguments_only() {
    let position = Position::of(&SKIP, &arguments(&json!({"project": "p"}))).unwrap();
    let next = Position { skip: 7, ..position }.encoded();
    let other = Tool { name: "other", ..SKIP };
    for (tool, values, is_good) in [
        (&SKIP, json!({"project": "p", "next": next}), true),
        (&SKIP, json!({"project": "q", "next": next}), false),
        (&SKIP, json!({"next": next}), false),
        (&other, json!({"project": "p", "next": next}), false),
        (&SKIP, json!({"project": "p", "next": "x"}), false),
        (&SKIP, json!({"project": "p", "next": "e30"}), false),
    ] {
        let position = Position::of(tool, &arguments(&values));
        assert_eq!(position.is_ok(), is_good, "{values}");
        let named = position.err().is_none_or(|failure| failure.to_string().contains("`next`"));
        assert!(named, "{values}");
    }
}
