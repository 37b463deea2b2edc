//! Changes of a work item's fields, as differences.

use serde_json::{Map, Value, json};

use super::markdown;

/// Fields that change with every change, or that only Azure DevOps reads.
const NOISE: [&str; 12] = [
    "System.Rev",
    "System.AuthorizedDate",
    "System.RevisedDate",
    "System.ChangedDate",
    "System.Watermark",
    "System.PersonId",
    "System.AuthorizedAs",
    "System.ChangedBy",
    "System.Id",
    "System.NodeName",
    "System.AreaId",
    "System.IterationId",
];
/// The length from which a text is shown as the lines that differ, in bytes.
const LONG: usize = 120;

/// Returns whether a field only repeats another one, or is of no use to a reader.
pub(crate) fn is_noise(field: &str) -> bool {
    NOISE.contains(&field)
        || field.starts_with("System.IterationLevel")
        || field.starts_with("System.AreaLevel")
        || field.starts_with("WEF_")
}

/// Returns for each changed field the old and the new value, or the lines that differ.
pub(super) fn of(fields: &Value) -> Value {
    let mut shown = Map::new();
    for (name, change) in fields.as_object().into_iter().flatten() {
        if is_noise(name) {
            continue;
        }
        let side = |side: &str| change.get(side).map(plain).unwrap_or_default();
        let (old, new) = (side("oldValue"), side("newValue"));
        let is_long = |value: &Value| {
            value.as_str().is_some_and(|text| text.len() > LONG || text.contains('\n'))
        };
        let difference = if old.is_null() || !(is_long(&old) || is_long(&new)) {
            json!({"from": old, "to": new})
        } else {
            lines(old.as_str().unwrap_or_default(), new.as_str().unwrap_or_default()).into()
        };
        shown.insert(name.clone(), difference);
    }
    Value::Object(shown)
}

/// Returns a value of a field as it is shown: a person by name, a text as Markdown.
pub(crate) fn plain(value: &Value) -> Value {
    match value {
        Value::Object(person) => {
            person.get("displayName").cloned().unwrap_or_else(|| value.clone())
        }
        Value::String(text) if markdown::is_html(text) => markdown::of_html(text).into(),
        other => other.clone(),
    }
}

/// Returns the lines that differ, without those that both texts begin and end with.
fn lines(old: &str, new: &str) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    let before = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let rest = old.len().min(new.len()) - before;
    let ends = old.iter().rev().zip(new.iter().rev());
    let after = ends.take_while(|(old, new)| old == new).count().min(rest);
    let part = |lines: &[&str], sign: &str| -> Vec<String> {
        let changed = lines.get(before..lines.len() - after).unwrap_or_default();
        changed.iter().map(|line| format!("{sign}{line}")).collect()
    };
    [part(&old, "-"), part(&new, "+")].concat().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_names_both_values_or_the_lines_that_differ() {
        let long = |word: &str| format!("first\nsecond {word}\nthird\nfourth");
        let fields = json!({
            "System.State": {"oldValue": "New", "newValue": "Active"},
            "System.AssignedTo": {"newValue": {"displayName": "Ada", "id": "1"}},
            "System.Description": {"oldValue": long("old"), "newValue": long("new")},
            "System.Rev": {"oldValue": 1, "newValue": 2},
            "WEF_1_Kanban.Column": {"newValue": "New"},
        });
        assert_eq!(
            of(&fields),
            json!({
                "System.State": {"from": "New", "to": "Active"},
                "System.AssignedTo": {"from": null, "to": "Ada"},
                "System.Description": "-second old\n+second new",
            })
        );
    }

    #[test]
    fn lines_that_repeat_are_not_counted_twice() {
        assert_eq!(lines("a\na", "a\na\na"), "+a");
        assert_eq!(lines("a\na\na", "a\na"), "-a");
        assert_eq!(lines("", "a"), "+a");
    }
}
