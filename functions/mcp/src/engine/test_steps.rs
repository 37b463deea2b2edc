//! The steps of test cases: XML, whose texts are HTML.

use serde_json::{Map, Value};

use super::markdown;

/// Returns the steps of a test case, as its fields have them: a list of objects, or the text itself.
pub(super) fn shown(fields: &Value) -> Value {
    let of_field = |field: &Value| field.get("Microsoft.VSTS.TCM.Steps").cloned();
    let xml = match fields {
        Value::Array(fields) => fields.iter().find_map(of_field),
        Value::Object(_) => of_field(fields),
        other => Some(other.clone()),
    };
    read(xml.as_ref().and_then(Value::as_str).unwrap_or_default())
}

/// Reads steps: of each what to do and what to expect. Shared steps, which are test cases of their own, are left out.
fn read(xml: &str) -> Value {
    let mut steps = Vec::new();
    for step in xml.split("<step ").skip(1) {
        let step = step.split("</step>").next().unwrap_or_default();
        let mut texts = step.split("<parameterizedString").skip(1).map(text);
        let mut shown = Map::new();
        for name in ["do", "expect"] {
            if let Some(text) = texts.next().filter(|text| !text.is_empty()) {
                shown.insert(name.to_owned(), text.into());
            }
        }
        steps.push(Value::Object(shown));
    }
    Value::Array(steps)
}

/// Returns the text of an element whose name was read.
fn text(element: &str) -> String {
    let Some((attributes, rest)) = element.split_once('>') else { return String::new() };
    if attributes.ends_with('/') {
        return String::new();
    }
    let text = rest.split("</parameterizedString>").next().unwrap_or_default();
    let text = unescaped(text);
    if attributes.contains("isformatted=\"true\"") { markdown::of_html(&text) } else { text }
}

/// Returns the field of these steps, each with the texts `do` and maybe `expect`.
pub(crate) fn written(steps: &[Value]) -> String {
    let step = |(index, step): (usize, &Value)| {
        let text = |name: &str| {
            let text = step.get(name).and_then(Value::as_str).unwrap_or_default();
            let html = escaped(&escaped(text).replace('\n', "<br/>"));
            format!("<parameterizedString isformatted=\"true\">{html}</parameterizedString>")
        };
        let kind = if step.get("expect").is_some() { "ValidateStep" } else { "ActionStep" };
        // The first number of a step is 2.
        let (id, action, expected) = (index + 2, text("do"), text("expect"));
        format!("<step id=\"{id}\" type=\"{kind}\">{action}{expected}<description/></step>")
    };
    let all: String = steps.iter().enumerate().map(step).collect();
    format!("<steps id=\"0\" last=\"{}\">{all}</steps>", steps.len() + 1)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn unescaped(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    text.replace("&apos;", "'").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn steps_that_are_written_are_read_again() {
        let steps = json!([
            {"do": "Open the page", "expect": "It shows 1 < 2 & \"quotes\""},
            {"do": "Type </step> and <b>"},
        ]);
        let xml = written(steps.as_array().unwrap());
        assert_eq!(xml.matches("<step ").count(), 2);
        assert_eq!(
            shown(&json!(xml)),
            json!([
                {"do": "Open the page", "expect": "It shows 1 < 2 & \"quotes\""},
                {"do": "Type \\</step> and \\<b>"},
            ])
        );
    }

    #[test]
    fn steps_of_the_editor_are_shown_as_markdown() {
        let xml = "<steps id=\"0\" last=\"3\"><step id=\"2\" type=\"ValidateStep\"><parameterizedString \
            isformatted=\"true\">&lt;DIV&gt;&lt;P&gt;Open &lt;B&gt;it&lt;/B&gt;&lt;/P&gt;&lt;/DIV&gt;</parameterizedString>\
            <parameterizedString isformatted=\"true\">&lt;P&gt;Fine&lt;/P&gt;</parameterizedString><description/></step>\
            <step id=\"3\" type=\"ActionStep\"><parameterizedString isformatted=\"false\">a &amp;lt; b</parameterizedString>\
            <parameterizedString/></step></steps>";
        let fields = json!([{"System.Id": 7}, {"Microsoft.VSTS.TCM.Steps": xml}]);
        assert_eq!(
            shown(&fields),
            json!([{"do": "Open **it**", "expect": "Fine"}, {"do": "a &lt; b"}])
        );
        assert_eq!(shown(&json!([])), json!([]));
        assert_eq!(shown(&json!("<step <step <parameterizedString")), json!([{}, {}]));
    }
}
