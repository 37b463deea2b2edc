//! The rules of calls as lines of a text field, and back.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

/// `GET,POST /_apis/projects /*/_apis/git`; `*` in the place of methods means all.
pub(super) fn line(rule: &Value) -> String {
    let texts = |name: &str| rule[name].as_array().into_iter().flatten().filter_map(Value::as_str);
    let methods: Vec<&str> = texts("methods").collect();
    let methods = if methods.is_empty() { "*".to_owned() } else { methods.join(",") };
    std::iter::once(methods).chain(texts("paths").map(without_blanks)).collect::<Vec<_>>().join(" ")
}

/// Names of projects can have blanks; in the form, blanks stand between paths.
fn without_blanks(path: &str) -> String {
    let encode = |c: char| {
        let text = c.to_string();
        if c.is_whitespace() {
            utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string()
        } else {
            text
        }
    };
    path.chars().map(encode).collect()
}

/// A rule from its line; `None` for an empty one.
pub(super) fn rule(line: &str) -> Option<Value> {
    let mut words = line.split_whitespace();
    let methods: Vec<&str> = match words.next()? {
        "*" => Vec::new(),
        methods => methods.split(',').filter(|word| !word.is_empty()).collect(),
    };
    Some(json!({"methods": methods, "paths": words.collect::<Vec<_>>()}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_of_calls_is_one_line_and_comes_back_as_it_was() {
        for line in
            ["*", "GET", "GET,POST /_apis/projects /*/_apis/git", "* /*/_git", "GET /My%20Project"]
        {
            assert_eq!(super::line(&rule(line).unwrap()), line);
        }
        assert!(rule("   ").is_none());
    }
}
