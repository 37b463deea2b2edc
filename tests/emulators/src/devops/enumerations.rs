//! Enumerations of the REST API: by name in any case, or by number as Microsoft's Node client sends them.

use serde_json::Value;

/// Numbers and names of one enumeration.
pub(crate) struct Enumeration(&'static [(u64, &'static str)]);

pub(crate) const PULL_REQUEST_STATUS: Enumeration =
    Enumeration(&[(0, "notset"), (1, "active"), (2, "abandoned"), (3, "completed"), (4, "all")]);
pub(crate) const VERSION_TYPE: Enumeration =
    Enumeration(&[(0, "branch"), (1, "tag"), (2, "commit")]);
pub(crate) const RECURSION: Enumeration = Enumeration(&[
    (0, "none"),
    (1, "onelevel"),
    (4, "onelevelplusnestedemptyfolders"),
    (120, "full"),
]);
pub(crate) const CHANGE_TYPE: Enumeration =
    Enumeration(&[(1, "add"), (2, "edit"), (8, "rename"), (16, "delete")]);
pub(crate) const CONTENT_TYPE: Enumeration = Enumeration(&[(0, "rawtext"), (1, "base64encoded")]);
pub(crate) const ERROR_POLICY: Enumeration = Enumeration(&[(1, "fail"), (2, "omit")]);
pub(crate) const EXPAND: Enumeration =
    Enumeration(&[(0, "none"), (1, "relations"), (2, "fields"), (3, "links"), (4, "all")]);
pub(crate) const BUILD_STATUS: Enumeration = Enumeration(&[
    (0, "none"),
    (1, "inprogress"),
    (2, "completed"),
    (4, "cancelling"),
    (8, "postponed"),
    (32, "notstarted"),
    (47, "all"),
]);
pub(crate) const BUILD_RESULT: Enumeration = Enumeration(&[
    (0, "none"),
    (2, "succeeded"),
    (4, "partiallysucceeded"),
    (8, "failed"),
    (32, "canceled"),
]);

impl Enumeration {
    /// Returns the lower-case name of a value in a query, or the text itself in lower case if it is not a member.
    pub fn name(&self, value: &str) -> String {
        let numbered = value.parse().ok().and_then(|number: u64| self.numbered(number));
        numbered.map_or_else(|| value.to_ascii_lowercase(), str::to_owned)
    }

    /// Returns the lower-case name of a value in a JSON body, or an empty text if it is invalid.
    pub fn name_in(&self, value: &Value) -> String {
        match value {
            Value::String(text) => self.name(text),
            Value::Number(number) => number
                .as_u64()
                .and_then(|number| self.numbered(number))
                .unwrap_or_default()
                .to_owned(),
            _ => String::new(),
        }
    }

    fn numbered(&self, wanted: u64) -> Option<&'static str> {
        self.0.iter().find(|(number, _)| *number == wanted).map(|(_, name)| *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_mean_the_same() {
        assert_eq!(PULL_REQUEST_STATUS.name("Completed"), "completed");
        assert_eq!(PULL_REQUEST_STATUS.name("3"), "completed");
        assert_eq!(CHANGE_TYPE.name_in(&16.into()), "delete");
        assert_eq!(CHANGE_TYPE.name_in(&Value::Null), "");
    }
}
