//! The attributes that a request to DynamoDB names: the condition key `dynamodb:Attributes`.
//!
//! Source: "Using IAM policy conditions for fine-grained access control", DynamoDB developer guide. Its values are the
//! top-level attributes of all paths in the request, those in conditions included.

use std::collections::BTreeSet;

use serde_json::Value;

const EXPRESSIONS: [&str; 5] = [
    "UpdateExpression",
    "ConditionExpression",
    "ProjectionExpression",
    "FilterExpression",
    "KeyConditionExpression",
];
/// Members of a request that are objects with attributes as names. `AttributeUpdates` and `Expected` stand in place of
/// expressions in older requests.
const ITEMS: [&str; 4] = ["Key", "Item", "AttributeUpdates", "Expected"];
/// Words of expressions, all of which DynamoDB reserves: an attribute of such a name needs a placeholder.
const KEYWORDS: [&str; 9] = ["ADD", "AND", "BETWEEN", "DELETE", "IN", "NOT", "OR", "REMOVE", "SET"];

/// Returns the top-level attributes that a request, or a part of a transaction, names.
pub(super) fn named(request: &Value) -> BTreeSet<String> {
    let placeholders = &request["ExpressionAttributeNames"];
    let of_items = ITEMS.iter().filter_map(|name| request[name].as_object());
    let of_items = of_items.flat_map(|item| item.keys().cloned());
    let expressions = EXPRESSIONS.iter().filter_map(|name| request[name].as_str());
    let of_expressions = expressions.flat_map(top_level).map(|name| match &placeholders[name] {
        Value::String(attribute) => attribute.clone(),
        _ => name.to_owned(),
    });
    of_items.chain(of_expressions).collect()
}

/// Returns the first names of the paths in an expression, placeholders among them.
fn top_level(expression: &str) -> impl Iterator<Item = &str> {
    let is_of_path = |c: char| c.is_ascii_alphanumeric() || "_#:.[]".contains(c);
    let mut rest = expression;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c| !is_of_path(c));
        let (path, after) = rest.split_at(rest.find(|c| !is_of_path(c)).unwrap_or(rest.len()));
        rest = after;
        let is_function = after.trim_start().starts_with('(');
        (!path.is_empty()).then_some((path, is_function))
    })
    .filter(|(path, is_function)| {
        let is_name = path.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '#');
        is_name && !is_function && !KEYWORDS.contains(&path.to_ascii_uppercase().as_str())
    })
    .filter_map(|(path, _)| path.split(['.', '[']).next())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(request: &Value) -> Vec<String> {
        named(request).into_iter().collect()
    }

    #[test]
    fn every_attribute_counts_that_an_expression_writes_reads_or_compares() {
        let request = json!({
            "Key": {"pk": {"S": "integration#one"}},
            "UpdateExpression": "SET #status = if_not_exists (#probed.#at[0], :v0), plain=:v1 remove history[3] ADD n :v2",
            "ConditionExpression": "attribute_exists(#kind.name) AND (NOT size(list)<:v3 or x IN (:v4, other))",
            "ExpressionAttributeNames": {"#status": "status", "#probed": "probed_at", "#at": "at", "#kind": "credential"},
        });
        let expected = [
            "credential",
            "history",
            "list",
            "n",
            "other",
            "pk",
            "plain",
            "probed_at",
            "status",
            "x",
        ];
        assert_eq!(names(&request), expected);
    }

    #[test]
    fn requests_without_expressions_name_attributes_too() {
        let request = json!({
            "Key": {"pk": {"S": "one"}},
            "AttributeUpdates": {"confirmation": {"Action": "PUT"}},
            "Expected": {"status": {"Exists": false}},
        });
        assert_eq!(names(&request), ["confirmation", "pk", "status"]);
        assert_eq!(
            names(&json!({"Item": {"pk": {"S": "one"}, "access": {"B": ""}}})),
            ["access", "pk"]
        );
    }
}
