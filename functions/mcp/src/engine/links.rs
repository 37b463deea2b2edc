//! Links of work items: their kinds, and how they are shown.

use serde_json::{Map, Value, json};

/// The kinds of links by which a work item is linked.
pub(crate) const KINDS: [&str; 13] = [
    "parent",
    "child",
    "related",
    "duplicate",
    "duplicate of",
    "predecessor",
    "successor",
    "tests",
    "tested by",
    "affects",
    "affected by",
    "artifact",
    "hyperlink",
];
/// Links to artifacts: pull requests, branches, commits, builds and wiki pages.
pub(crate) const ARTIFACT: &str = "ArtifactLink";
/// Links to addresses.
pub(crate) const HYPERLINK: &str = "Hyperlink";
/// Links to attached files.
pub(crate) const ATTACHED_FILE: &str = "AttachedFile";

/// The relation of each kind, as Azure DevOps names it.
const RELATIONS: [(&str, &str); 14] = [
    ("parent", "System.LinkTypes.Hierarchy-Reverse"),
    ("child", "System.LinkTypes.Hierarchy-Forward"),
    ("related", "System.LinkTypes.Related"),
    ("duplicate", "System.LinkTypes.Duplicate-Forward"),
    ("duplicate of", "System.LinkTypes.Duplicate-Reverse"),
    ("predecessor", "System.LinkTypes.Dependency-Reverse"),
    ("successor", "System.LinkTypes.Dependency-Forward"),
    ("tests", "Microsoft.VSTS.Common.TestedBy-Reverse"),
    ("tested by", "Microsoft.VSTS.Common.TestedBy-Forward"),
    ("affects", "Microsoft.VSTS.Common.Affects-Forward"),
    ("affected by", "Microsoft.VSTS.Common.Affects-Reverse"),
    ("artifact", ARTIFACT),
    ("hyperlink", HYPERLINK),
    ("attachment", ATTACHED_FILE),
];

/// Returns the relation of a kind.
pub(crate) fn relation(kind: &str) -> &str {
    RELATIONS.iter().find(|(known, _)| *known == kind).map_or(kind, |(_, relation)| relation)
}

/// Returns the work item to which a link leads, or `None` if it leads to something else.
pub(crate) fn work_item(link: &Value) -> Option<u64> {
    let url = link.get("url")?.as_str()?;
    let (before, id) = url.rsplit_once('/')?;
    before.to_ascii_lowercase().ends_with("/_apis/wit/workitems").then(|| id.parse().ok())?
}

/// Returns a link with its kind, and the id, the name or the address to which it leads.
pub(crate) fn shown(link: &Value) -> Value {
    let text = |path: &str| link.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let (relation, url) = (text("/rel"), text("/url"));
    let known = RELATIONS.iter().find(|(_, known)| *known == relation);
    let mut kind = known.map_or(relation, |(kind, _)| kind);
    let mut shown = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() && value != "" {
            shown.insert(name.to_owned(), value);
        }
    };
    if let Some(id) = work_item(link) {
        put("id", id.into());
    } else if relation == ARTIFACT {
        kind = text("/attributes/name");
        put("id", artifact(url).into());
    } else {
        put("name", if relation == ATTACHED_FILE { text("/attributes/name") } else { "" }.into());
        put("size", link.pointer("/attributes/resourceSize").cloned().unwrap_or_default());
        put("url", url.into());
    }
    put("comment", text("/attributes/comment").into());
    put("kind", kind.into());
    Value::Object(shown)
}

/// Returns the last part of an artifact's address: a number, a branch, a commit or a path.
fn artifact(url: &str) -> String {
    let tail = url.strip_prefix("vstfs:///").and_then(|rest| rest.splitn(3, '/').nth(2));
    let decoded = percent_encoding::percent_decode_str(tail.unwrap_or(url)).decode_utf8_lossy();
    let is_of_repository = url.starts_with("vstfs:///Git/") || url.starts_with("vstfs:///Wiki/");
    let parts = if is_of_repository { 3 } else { 1 };
    let last = decoded.splitn(parts, '/').last().unwrap_or_default();
    last.strip_prefix("GB").unwrap_or(last).to_owned()
}

/// Returns links as they are shown.
pub(crate) fn all(links: &Value) -> Value {
    json!(links.as_array().into_iter().flatten().map(shown).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_shown_by_its_kind_and_its_end() {
        for (link, expected) in [
            (
                json!({"rel": "System.LinkTypes.Hierarchy-Reverse", "url": "https://dev.azure.com/o/p/_apis/wit/workItems/7", "attributes": {"name": "Parent"}}),
                json!({"kind": "parent", "id": 7}),
            ),
            (
                json!({"rel": ARTIFACT, "url": "vstfs:///Git/PullRequestId/p%2Fr%2F22", "attributes": {"name": "Pull Request"}}),
                json!({"kind": "Pull Request", "id": "22"}),
            ),
            (
                json!({"rel": ARTIFACT, "url": "vstfs:///Git/Ref/p%2Fr%2FGBtopic%2Fa", "attributes": {"name": "Branch"}}),
                json!({"kind": "Branch", "id": "topic/a"}),
            ),
            (
                json!({"rel": ARTIFACT, "url": "vstfs:///Build/Build/41", "attributes": {"name": "Build"}}),
                json!({"kind": "Build", "id": "41"}),
            ),
            (
                json!({"rel": HYPERLINK, "url": "https://x.example/", "attributes": {"comment": "why"}}),
                json!({"kind": "hyperlink", "url": "https://x.example/", "comment": "why"}),
            ),
            (
                json!({"rel": ATTACHED_FILE, "url": "https://x.example/a", "attributes": {"name": "a.png", "resourceSize": 9}}),
                json!({"kind": "attachment", "name": "a.png", "size": 9, "url": "https://x.example/a"}),
            ),
        ] {
            assert_eq!(shown(&link), expected);
        }
    }

    #[test]
    fn every_kind_that_is_offered_has_a_relation() {
        for kind in KINDS {
            assert_ne!(relation(kind), kind);
        }
    }
}
