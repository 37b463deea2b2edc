//! The rules of calls as lines of a text field, and back.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::api::wire::CallRule;

/// `GET,POST /_apis/projects /*/_apis/git`; `*` in the place of methods stands for all.
pub(super) fn line(rule: &CallRule) -> String {
    let methods = if rule.methods.is_empty() { "*".to_owned() } else { rule.methods.join(",") };
    let paths = rule.paths.iter().map(|path| without_blanks(path));
    std::iter::once(methods).chain(paths).collect::<Vec<_>>().join(" ")
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
pub(super) fn rule(line: &str) -> Option<CallRule> {
    let mut words = line.split_whitespace();
    let methods = words.next()?;
    Some(CallRule {
        methods: match methods {
            "*" => Vec::new(),
            _ => methods.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect(),
        },
        paths: words.map(str::to_owned).collect(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
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
