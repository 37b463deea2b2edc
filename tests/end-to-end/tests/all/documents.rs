//! The documents: links lead somewhere, examples equal their files, citations exist.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use end_to_end::documents::{self, Document, Page};

mod rules;

#[test]
fn no_link_between_documents_is_dead() {
    let root = documents::root();
    let mut pages = BTreeMap::<PathBuf, Page>::new();
    let mut checked = 0;
    let mut dead = Vec::new();
    for file in documents::files("md") {
        let folder = root.join(&file).parent().unwrap().to_owned();
        let page = Page::read(&root.join(&file));
        for link in
            page.links.iter().filter(|link| !link.contains("://") && !link.starts_with("mailto:"))
        {
            checked += 1;
            let (target, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if target.is_empty() { root.join(&file) } else { folder.join(target) };
            let Ok(target) = target.canonicalize() else {
                dead.push(format!("{file}: {link}"));
                continue;
            };
            if !anchor.is_empty() {
                let there = pages.entry(target.clone()).or_insert_with(|| Page::read(&target));
                if !there.anchors.contains(anchor) {
                    dead.push(format!("{file}: {link}"));
                }
            }
        }
    }
    assert_eq!(dead, Vec::<String>::new());
    assert!(checked > 80, "{checked} links");
}

#[test]
fn every_file_that_a_document_names_exists() {
    let root = documents::root();
    let folders =
        [".ci/", "docs/", "examples/", "functions/", "fuzz/", "infra/", "shared/", "tests/"];
    let mut named = BTreeSet::new();
    for file in documents::files("md") {
        for code in Page::read(&root.join(&file)).codes {
            let path = code.split_whitespace().next().unwrap_or_default();
            if folders.iter().any(|folder| path.starts_with(folder)) {
                named.insert((path.to_owned(), file.clone()));
            }
        }
    }
    assert!(named.len() > 50, "{named:?}");
    named.retain(|(path, _)| !root.join(path).exists());
    assert!(named.is_empty(), "these do not exist: {named:?}");
}

#[test]
fn the_readme_has_at_most_8_kb() {
    let size = Document("README.md").text().len();
    assert!(size <= 8000, "{size} bytes");
}

#[test]
fn every_example_is_in_a_document_as_it_is_in_its_file() {
    let pages = ["docs/connect.md", "docs/call.md", "docs/operate.md"].map(Document);
    for entry in std::fs::read_dir(documents::root().join("examples")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let (_, extension) = name.rsplit_once('.').unwrap();
        let language = match extension {
            "sh" => "sh",
            "mjs" => "js",
            "py" => "python",
            _ => continue,
        };
        let text = std::fs::read_to_string(documents::root().join("examples").join(&name)).unwrap();
        // The first paragraph is the command that starts it.
        let (_, code) = text.split_once("\n\n").unwrap();
        let part = format!("example: {name}");
        let page = pages.iter().find(|page| page.text().contains(&format!("<!-- {part} -->")));
        page.unwrap_or_else(|| panic!("{name} is in no document"))
            .assert_part(&part, &format!("```{language}\n{code}```\n"));
    }
}

#[test]
fn every_page_and_every_security_rule_that_the_code_cites_exists() {
    let rules: BTreeSet<String> = Document("docs/security.md")
        .text()
        .lines()
        .filter_map(|line| Some(line.strip_prefix("| S-")?.get(..2)?.to_owned()))
        .collect();
    let root = documents::root();
    let mut lost = Vec::new();
    let mut cited = 0;
    for file in ["rs", "yaml", "ts", "js", "toml", "html"].into_iter().flat_map(documents::files) {
        let text = std::fs::read_to_string(root.join(&file)).unwrap();
        // A match inside a longer name or path does not count.
        let stands_alone =
            |at: &usize| !text[..*at].ends_with(|c: char| c.is_alphanumeric() || "-/".contains(c));
        let places = |begin: &'static str| {
            text.match_indices(begin).map(|(at, _)| at).filter(stands_alone).map(|at| &text[at..])
        };
        for citation in places("S-") {
            let number = citation.get(2..4).filter(|n| n.bytes().all(|b| b.is_ascii_digit()));
            let Some(number) = number else { continue };
            cited += 1;
            if !rules.contains(number) {
                lost.push(format!("{file}: S-{number}"));
            }
        }
        for citation in places("docs/") {
            let page = citation.split(".md").next().unwrap_or_default();
            let is_page = page.chars().all(|c| c.is_ascii_lowercase() || "/-".contains(c));
            if is_page && !root.join(format!("{page}.md")).exists() {
                lost.push(format!("{file}: {page}.md"));
            }
        }
    }
    assert_eq!(lost, Vec::<String>::new());
    assert!(cited > 10, "{cited} citations");
}
