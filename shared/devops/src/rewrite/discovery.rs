//! Rewrites the JSON documents by which SDKs discover hosts, in place: only the addresses are replaced, so that field
//! order, numbers, white space and all other content stay byte for byte.
//!
//! | document | place of its addresses |
//! | --- | --- |
//! | `resourceAreas` | `locationUrl` |
//! | `connectionData` | `accessMappings[].accessPoint` and, as in the next |
//! | `serviceDefinitions` | `locationMappings[].location` |
//! | Git LFS `objects/batch` | `actions.{download,upload,verify}.href` |

use serde::de::IgnoredAny;

/// An object or an array around the position of the scan.
struct Container<'a> {
    is_object: bool,
    /// The name of the member that holds it, or that holds the array around it.
    name: Option<&'a str>,
    /// In an object: the member whose value comes next, or `None` if a name comes next.
    member: Option<&'a str>,
}

/// Replaces addresses by `replace`. Returns `None` if nothing changes, or the body is not JSON.
pub(super) fn rewrite(body: &[u8], replace: impl Fn(&str) -> Option<String>) -> Option<String> {
    let whole = std::str::from_utf8(body).ok()?;
    // The scan below requires valid JSON.
    let json = whole.strip_prefix('\u{feff}').unwrap_or(whole);
    serde_json::from_str::<IgnoredAny>(json).ok()?;

    let (mut rewritten, mut copied) = (String::new(), 0);
    let mut open: Vec<Container> = Vec::new();
    let mut at = whole.len() - json.len();
    while let Some(byte) = body.get(at) {
        match byte {
            b'{' | b'[' => {
                let name = open.last().and_then(|outer| outer.member.or(outer.name));
                open.push(Container { is_object: *byte == b'{', name, member: None });
            }
            b'}' | b']' => {
                open.pop();
            }
            b',' => {
                if let Some(container) = open.last_mut() {
                    container.member = None;
                }
            }
            b'"' => {
                let end = end_of_string(body, at)?;
                if let Some(object) = open.last_mut().filter(|container| container.is_object) {
                    match object.member {
                        None => object.member = Some(&whole[at + 1..end - 1]),
                        Some(member) if is_location(object.name, member) => {
                            if let Some(replaced) = replaced(&whole[at..end], &replace) {
                                rewritten.push_str(&whole[copied..at]);
                                rewritten.push_str(&replaced);
                                copied = end;
                            }
                        }
                        Some(_) => {}
                    }
                }
                at = end - 1;
            }
            _ => {}
        }
        at += 1;
    }
    rewritten.push_str(&whole[copied..]);
    (copied > 0).then_some(rewritten)
}

fn is_location(container: Option<&str>, member: &str) -> bool {
    let within =
        |name: &str| container.is_some_and(|container| container.eq_ignore_ascii_case(name));
    member.eq_ignore_ascii_case("locationUrl")
        || member.eq_ignore_ascii_case("accessPoint") && within("accessMappings")
        || member.eq_ignore_ascii_case("location") && within("locationMappings")
        || member == "href" && ["download", "upload", "verify"].into_iter().any(within)
}

/// Returns a JSON string in its quotes, with its text replaced.
pub(super) fn replaced(string: &str, replace: impl Fn(&str) -> Option<String>) -> Option<String> {
    let text: String = serde_json::from_str(string).ok()?;
    serde_json::to_string(&replace(&text)?).ok()
}

/// Returns the index after the closing quote of the string that begins at `start`, or `None` if it is not closed.
pub(super) fn end_of_string(json: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;

    fn shout(text: &str) -> Option<String> {
        text.starts_with("https:").then(|| text.to_uppercase())
    }

    #[test]
    fn only_the_addresses_change() {
        let body = "{ \"count\" : 1.10, \"z\":12345678901234567890123,\n\t\"value\":[{\"name\":\"\\u00fc\\\"{[,\",\"locationUrl\":\"https:\\/\\/a/\\u0062\"},{\"locationUrl\":null},{\"a\":\"https://a\"}]}\n";
        let expected = body.replace("https:\\/\\/a/\\u0062", "HTTPS://A/B");
        assert_eq!(rewrite(body.as_bytes(), shout).unwrap(), expected);
    }

    #[test]
    fn a_byte_order_mark_is_neither_added_nor_lost() {
        let body = "\u{feff}{\"locationUrl\":\"https://a\"}";
        assert_eq!(
            rewrite(body.as_bytes(), shout).unwrap(),
            "\u{feff}{\"locationUrl\":\"HTTPS://A\"}"
        );
        assert!(rewrite(b"{\"locationUrl\":\"https://a\"}", shout).unwrap().starts_with('{'));
    }

    #[test]
    fn a_member_of_the_same_name_elsewhere_stays() {
        let body = json!({
            "location": "https://a",
            "accessPoint": "https://a",
            "properties": {"location": "https://a", "locationMappings": "https://a"},
            "locationMappings": [{"relativePath": "https://a", "deeper": {"location": "https://a"}}],
        });
        assert_eq!(rewrite(body.to_string().as_bytes(), shout), None);
    }

    #[test]
    fn bodies_that_are_not_json_stay() {
        for body in
            [&b""[..], b"{", b"<html>", b"{\"locationUrl\":\"https://a\"", b"\"\xff\"", b"{} {}"]
        {
            assert_eq!(rewrite(body, shout), None);
        }
    }

    /// Rewrites the tree of `serde_json` in the same way.
    fn in_tree(name: Option<&str>, value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| in_tree(name, item)),
            Value::Object(members) => {
                for (member, value) in members {
                    match value {
                        Value::String(text) if is_location(name, member) => {
                            *text = shout(text).unwrap_or_else(|| text.clone());
                        }
                        value => in_tree(Some(member), value),
                    }
                }
            }
            _ => {}
        }
    }

    fn documents() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
            "https:[a-z\"\\\\{}\\[\\],:é]{0,8}".prop_map(Value::from),
        ];
        let names = prop_oneof![
            3 => proptest::sample::select(vec!["locationUrl", "accessPoint", "location", "accessMappings", "locationMappings", "href", "upload", "value"]).prop_map(str::to_owned),
            1 => "[a-z{}\\[\\],:]{0,4}",
        ];
        leaf.prop_recursive(5, 40, 5, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::vec((names.clone(), inner), 0..5)
                    .prop_map(|members| Value::from(members.into_iter().collect::<Map<_, _>>())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_scan_agrees_with_a_parser(document in documents(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&document) } else { serde_json::to_string(&document) };
            let text = text.unwrap();
            let mut expected = document.clone();
            in_tree(None, &mut expected);
            let rewritten = rewrite(text.as_bytes(), shout);
            let read: Value = serde_json::from_str(rewritten.as_deref().unwrap_or(&text)).unwrap();
            prop_assert_eq!(read, expected);
            // Replacing an address with itself changes nothing at all.
            let same = rewrite(text.as_bytes(), |address| Some(address.to_owned()));
            prop_assert_eq!(same.as_deref().unwrap_or(&text), &text);
        }
    }
}
