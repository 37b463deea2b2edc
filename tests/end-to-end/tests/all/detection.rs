//! Detection: the metric filters of `infra/template.yaml` on the events of KMS in `CloudTrail`.
//!
//! The event has the fields of the example in "Decrypt", KMS developer guide, and the identity of a role in the user guide of
//! `CloudTrail`.

use local::template::Template;
use serde_json::{Value, json};

const EVENT: &str = include_str!("../../events/cloudtrail-decrypt.json");
const PROXY: &str = "ado-connect-ProxyRole-EXAMPLE";
/// "Creates or updates a metric filter": the longest pattern.
const LONGEST_PATTERN: usize = 1024;

/// Returns the pattern of a filter, in the account and with the names of the event.
fn pattern(filter: &str) -> String {
    let template = Template::read().unwrap();
    let pattern = &template.resources[filter].properties["FilterPattern"];
    let (text, streaming) = match pattern {
        Value::Array(parts) => (&parts[0], parts[1]["Streaming"][1].as_str().unwrap()),
        text => (text, ""),
    };
    let names = [
        ("Streaming", streaming),
        (
            "TokensKey.Arn",
            "arn:aws:kms:us-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        ),
        ("AWS::Partition", "aws"),
        ("AWS::AccountId", "111122223333"),
        ("McpRole", "ado-connect-McpRole-EXAMPLE"),
        ("McpFunction", "ado-connect-mcp"),
        ("ProxyRole", PROXY),
        ("ProxyFunction", "ado-connect-proxy"),
        ("RefreshRole", "ado-connect-RefreshRole-EXAMPLE"),
        ("RefreshFunction", "ado-connect-refresh"),
        ("StreamingProxyRole", "ado-connect-StreamingProxyRole-EXAMPLE"),
        ("StreamingProxyFunction", "ado-connect-streaming-proxy"),
    ];
    let replaced =
        |text: String, (name, value): (&str, &str)| text.replace(&format!("${{{name}}}"), value);
    let pattern = names.into_iter().fold(text.as_str().unwrap().to_owned(), replaced);
    assert!(!pattern.contains("${") && pattern.len() <= LONGEST_PATTERN, "{pattern}");
    pattern
}

/// Whether a pattern for JSON of CloudWatch Logs matches an event: comparisons with quoted texts, `NOT EXISTS`, `&&`, `||`
/// and parentheses ("Filter pattern syntax for metric filters", CloudWatch Logs user guide). No comparison holds for an
/// absent field.
fn matches(pattern: &str, event: &Value) -> bool {
    let inner = pattern.strip_prefix("{ ").unwrap().strip_suffix(" }").unwrap();
    let (result, rest) = any(inner, event);
    assert_eq!(rest, "", "{pattern}");
    result
}

fn any<'a>(text: &'a str, event: &Value) -> (bool, &'a str) {
    let (mut result, mut rest) = all(text, event);
    while let Some(more) = rest.strip_prefix(" || ") {
        let (next, after) = all(more, event);
        (result, rest) = (result || next, after);
    }
    (result, rest)
}

fn all<'a>(text: &'a str, event: &Value) -> (bool, &'a str) {
    let (mut result, mut rest) = one(text, event);
    while let Some(more) = rest.strip_prefix(" && ") {
        let (next, after) = one(more, event);
        (result, rest) = (result && next, after);
    }
    (result, rest)
}

fn one<'a>(text: &'a str, event: &Value) -> (bool, &'a str) {
    if let Some(inner) = text.strip_prefix('(') {
        let (result, rest) = any(inner, event);
        return (result, rest.strip_prefix(')').unwrap());
    }
    let (path, rest) = text.split_once(' ').unwrap();
    let path = path.strip_prefix('$').unwrap().replace(['.', '['], "/").replace(']', "");
    let found = event.pointer(&path);
    if let Some(rest) = rest.strip_prefix("NOT EXISTS") {
        return (found.is_none(), rest);
    }
    let (operator, rest) = rest.split_once(" \"").unwrap();
    let (wanted, rest) = rest.split_once('"').unwrap();
    let equal = found.map(|found| found == wanted);
    let result = match operator {
        "=" => equal == Some(true),
        "!=" => equal == Some(false),
        other => panic!("{other}"),
    };
    (result, rest)
}

/// Returns the event with another value at a place, or without it.
fn with(pointer: &str, value: Option<Value>) -> Value {
    let mut event: Value = serde_json::from_str(EVENT).unwrap();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = event.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => parent.insert(name.to_owned(), value),
        None => parent.remove(name),
    };
    event
}

fn session(role: &str, name: &str) -> Value {
    let arn = format!("arn:aws:sts::111122223333:assumed-role/{role}/{name}");
    with("/userIdentity/arn", Some(arn.into()))
}

#[test]
fn every_opening_of_tokens_counts_for_the_role_that_opens() {
    let pattern = pattern("DecryptsFilter");
    let event: Value = serde_json::from_str(EVENT).unwrap();
    assert!(matches(&pattern, &event));
    let other = json!("arn:aws:kms:us-west-2:111122223333:key/another");
    assert!(!matches(&pattern, &with("/resources/0/ARN", Some(other))));
    assert!(!matches(&pattern, &with("/eventName", Some("GenerateDataKey".into()))));
    assert!(!matches(&pattern, &with("/eventSource", Some("s3.amazonaws.com".into()))));

    let template = Template::read().unwrap();
    let metric = &template.resources["DecryptsFilter"].properties["MetricTransformations"][0];
    let dimension = &metric["Dimensions"][0];
    let path = dimension["Value"].as_str().unwrap().replace('$', "").replace('.', "/");
    assert_eq!(event.pointer(&path).unwrap(), PROXY);
    for name in ["Mcp", "Proxy", "Refresh", "StreamingProxy"] {
        let alarm = &template.resources[&format!("{name}DecryptsAlarm")].properties;
        assert_eq!(alarm["MetricName"], metric["MetricName"], "{name}");
        let of_role = json!([{"Name": dimension["Key"], "Value": format!("{name}Role")}]);
        assert_eq!(alarm["Dimensions"], of_role, "{name}");
    }
}

#[test]
fn tokens_that_anybody_but_the_functions_opens_raise_an_alarm() {
    let pattern = pattern("ForeignDecryptsFilter");
    let refresh = "ado-connect-RefreshRole-EXAMPLE";
    let streaming = "ado-connect-StreamingProxyRole-EXAMPLE";
    for (role, name) in [
        ("ado-connect-McpRole-EXAMPLE", "ado-connect-mcp"),
        (PROXY, "ado-connect-proxy"),
        (refresh, "ado-connect-refresh"),
        (streaming, "ado-connect-streaming-proxy"),
    ] {
        assert!(!matches(&pattern, &session(role, name)), "{role}");
    }
    // A person who made the role their own, another role, a user, and the function's name in another role.
    assert!(matches(&pattern, &session(PROXY, "mallory")));
    assert!(matches(&pattern, &session("administrators", "mallory")));
    assert!(matches(&pattern, &session("administrators", "ado-connect-proxy")));
    assert!(matches(&pattern, &session(refresh, "ado-connect-proxy")));
    let user = json!("arn:aws:iam::111122223333:user/mallory");
    assert!(matches(&pattern, &with("/userIdentity/arn", Some(user))));
    assert!(matches(&pattern, &with("/userIdentity/arn", None)));
    // Another key is none of ours.
    let other = with("/resources/0/ARN", Some("arn:aws:kms:us-west-2:111122223333:key/2".into()));
    assert!(!matches(&pattern, &other));
}
