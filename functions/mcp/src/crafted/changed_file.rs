//! One changed file, and its difference as Git writes it.

use http::header::HeaderValue;
use serde_json::Value;

use crate::engine::arguments::Arguments;
use crate::engine::blocks::Kind;
use crate::engine::diff::hunks;
use crate::engine::failure::Failure;
use crate::engine::session::Session;
use crate::engine::steps::Content;
use crate::tools::tool::{Call, Verb};

/// The largest version of a file that is compared, in bytes.
const LARGEST: usize = 1_000_000;
const NO_OBJECT: &str = "0000000000000000000000000000000000000000";
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");
const BLOB: Call = Call {
    query: &[("$format", "=octetStream")],
    ..Call::new(Verb::Get, "/{project}/_apis/git/repositories/{repository}/blobs/{object}")
};

/// A changed file, by its paths without the first slash.
pub(super) struct Change {
    old: Side,
    new: Side,
}

/// One side of a change. Without an id there is no such file on it.
struct Side {
    path: String,
    object: Option<String>,
}

/// One version of a file.
enum File {
    Absent,
    Text(String),
    Binary,
    TooLarge,
    /// A submodule, or a version that Azure DevOps does not name.
    Unknown,
}

impl Change {
    /// Reads an entry of a list of changes. Returns `None` for a folder, and for the other entry of a rename.
    pub(super) fn read(entry: &Value) -> Option<Self> {
        let (item, kind) = (&entry["item"], entry["changeType"].as_str().unwrap_or_default());
        let is = |word: &str| kind.split(", ").any(|one| one.eq_ignore_ascii_case(word));
        if item["isFolder"] == true || item["gitObjectType"] == "tree" || is("sourceRename") {
            return None;
        }
        let path = |value: &Value| {
            let path = value.as_str().map(|path| path.trim_start_matches('/').to_owned());
            path.filter(|path| !path.is_empty())
        };
        let id = |name: &str| {
            let id = item[name].as_str().filter(|id| !id.is_empty() && *id != NO_OBJECT);
            id.map(str::to_owned)
        };
        let now = path(&item["path"]);
        // A list of a pull request has the former path here, one of commits there.
        let before = path(&entry["originalPath"]).or_else(|| path(&entry["sourceServerItem"]));
        let (object, original) = (id("objectId"), id("originalObjectId"));
        let unknown = || Some(String::new());
        let old = match () {
            () if is("add") => None,
            () if is("delete") => original.or(object.clone()),
            // A file that only moved has one content.
            () if is("edit") => original.or_else(unknown),
            () => original.or_else(|| object.clone()),
        };
        let new = if is("delete") { None } else { object.or_else(unknown) };
        Some(Self {
            old: Side { path: before.clone().or_else(|| now.clone())?, object: old },
            new: Side { path: now.or(before)?, object: new },
        })
    }

    /// Returns whether one of its paths is this one or below it; the empty path is the root.
    pub(super) fn is_below(&self, folder: &str) -> bool {
        let is_below = |side: &Side| {
            let rest = side.path.strip_prefix(folder);
            rest.is_some_and(|rest| rest.is_empty() || folder.is_empty() || rest.starts_with('/'))
        };
        is_below(&self.old) || is_below(&self.new)
    }

    /// Returns the difference of the file.
    ///
    /// # Errors
    /// As [`Session::step`].
    pub(super) async fn difference(
        &self,
        session: &Session<'_>,
        arguments: &Arguments,
    ) -> Result<String, Failure> {
        let is_same = self.old.object.as_ref().is_some_and(|id| !id.is_empty())
            && self.old.object == self.new.object;
        if is_same {
            return Ok(self.head());
        }
        let old = self.old.file(session, arguments).await?;
        let new = self.new.file(session, arguments).await?;
        Ok(self.compared(old, new))
    }

    fn compared(&self, old: File, new: File) -> String {
        let (before, after) = match (old, new) {
            (File::Unknown, _) | (_, File::Unknown) => {
                return format!("{}Its versions cannot be compared.\n", self.head());
            }
            (File::TooLarge, _) | (_, File::TooLarge) => return self.differing("Large"),
            (File::Binary, _) | (_, File::Binary) => return self.differing("Binary"),
            (before, after) => (before.text(), after.text()),
        };
        let hunks = hunks(&before, &after);
        if hunks.is_empty() {
            return self.head();
        }
        let (old, new) = self.names();
        format!("{}--- {old}\n+++ {new}\n{hunks}", self.head())
    }

    fn differing(&self, what: &str) -> String {
        let (old, new) = self.names();
        format!("{}{what} files {old} and {new} differ\n", self.head())
    }

    fn names(&self) -> (String, String) {
        let name = |side: &Side, letter: char| match side.object {
            Some(_) => format!("{letter}/{}", side.path),
            None => "/dev/null".to_owned(),
        };
        (name(&self.old, 'a'), name(&self.new, 'b'))
    }

    /// Returns the lines before the difference.
    fn head(&self) -> String {
        let (old, new) = (&self.old.path, &self.new.path);
        let change = match (&self.old.object, &self.new.object) {
            (None, _) => "new file\n".to_owned(),
            (_, None) => "deleted file\n".to_owned(),
            _ if old != new => format!("rename from {old}\nrename to {new}\n"),
            _ => String::new(),
        };
        format!("diff --git a/{old} b/{new}\n{change}")
    }
}

impl Side {
    async fn file(&self, session: &Session<'_>, arguments: &Arguments) -> Result<File, Failure> {
        let Some(object) = &self.object else { return Ok(File::Absent) };
        if object.is_empty() {
            return Ok(File::Unknown);
        }
        let arguments = arguments.with("object", object.as_str());
        let raw = session.raw_step(&BLOB, &arguments, Content::OfCall, BYTES).await;
        Ok(match raw {
            Ok(raw) if raw.body.len() > LARGEST => File::TooLarge,
            Ok(raw) => match Kind::of(&raw.body) {
                Kind::Text(text) => File::Text(text),
                Kind::Image(_) | Kind::Binary => File::Binary,
            },
            Err(failure) if failure.is_too_large() => File::TooLarge,
            Err(failure) if failure.is_not_found() => File::Unknown,
            Err(failure) => return Err(failure),
        })
    }
}

impl File {
    fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Absent | Self::Binary | Self::TooLarge | Self::Unknown => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(entry: &Value) -> Option<(String, Option<String>, String, Option<String>)> {
        let Change { old, new } = Change::read(entry)?;
        Some((old.path, old.object, new.path, new.object))
    }

    #[test]
    fn entries_of_both_lists_are_read() {
        let some = |id: &str| Some(id.to_owned());
        for (entry, expected) in [
            (
                json!({"changeType": "edit", "item": {"objectId": "n", "originalObjectId": "o", "path": "/a"}}),
                Some(("a", some("o"), "a", some("n"))),
            ),
            (
                json!({"changeType": "add", "item": {"objectId": "n", "originalObjectId": NO_OBJECT, "path": "/a"}}),
                Some(("a", None, "a", some("n"))),
            ),
            (
                json!({"changeType": "delete", "item": {"originalObjectId": "o"}, "originalPath": "/a"}),
                Some(("a", some("o"), "a", None)),
            ),
            (
                json!({"changeType": "delete", "item": {"objectId": "o", "path": "/a"}}),
                Some(("a", some("o"), "a", None)),
            ),
            (
                json!({"changeType": "rename", "item": {"objectId": "n", "path": "/b"}, "sourceServerItem": "/a"}),
                Some(("a", some("n"), "b", some("n"))),
            ),
            (
                json!({"changeType": "edit, rename", "item": {"objectId": "n", "path": "/b"}, "originalPath": "/a"}),
                Some(("a", some(""), "b", some("n"))),
            ),
            (
                json!({"changeType": "delete, sourceRename", "item": {"objectId": "n", "path": "/a"}}),
                None,
            ),
            (json!({"changeType": "edit", "item": {"path": "/src", "isFolder": true}}), None),
        ] {
            let expected = expected
                .map(|(old, before, new, after)| (old.to_owned(), before, new.to_owned(), after));
            assert_eq!(names(&entry), expected, "{entry}");
        }
    }

    #[test]
    fn a_folder_holds_what_is_below_it_and_not_what_begins_like_it() {
        let change = |path: &str| {
            Change::read(&json!({"changeType": "add", "item": {"objectId": "n", "path": path}}))
        };
        for (path, folder, expected) in [
            ("/src/a", "src", true),
            ("/src/a", "src/a", true),
            ("/src/a", "", true),
            ("/srcs/a", "src", false),
            ("/a/src", "src", false),
        ] {
            assert_eq!(change(path).unwrap().is_below(folder), expected, "{path} {folder}");
        }
    }

    #[test]
    fn what_is_no_text_is_named_only() {
        let change = Change::read(
            &json!({"changeType": "edit", "item": {"objectId": "n", "originalObjectId": "o", "path": "/a"}}),
        );
        let change = change.unwrap();
        let text = || File::Text("a\n".to_owned());
        for (old, new, expected) in [
            (text(), File::Binary, "Binary files a/a and b/a differ\n"),
            (File::TooLarge, text(), "Large files a/a and b/a differ\n"),
            (File::Unknown, text(), "Its versions cannot be compared.\n"),
            (text(), text(), ""),
        ] {
            assert_eq!(change.compared(old, new), format!("diff --git a/a b/a\n{expected}"));
        }
    }
}
