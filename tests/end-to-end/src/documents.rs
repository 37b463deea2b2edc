//! The documents of this repository: parts that tests compare with the code, tables, links.
//!
//! A part is the text between `<!-- name -->` and `<!-- /name -->`. A test computes the expected text and compares it,
//! or writes it if it runs as `UPDATE_DOCS=1 cargo test …`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use pulldown_cmark::{Event, Parser, Tag, TagEnd};

/// Held while writing: tests run concurrently and may write parts of the same file.
static WRITING: Mutex<()> = Mutex::new(());

/// Returns the folder of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Returns the repository's files with this extension, except ignored ones, relative to its folder.
pub fn files(extension: &str) -> Vec<String> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate"])
        .arg(format!("*.{extension}"))
        .current_dir(root())
        .output()
        .unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let listed = String::from_utf8(listed.stdout).unwrap();
    listed.lines().filter(|file| root().join(file).exists()).map(str::to_owned).collect()
}

/// A file with marked parts.
#[derive(Debug, Clone, Copy)]
pub struct Document(pub &'static str);

impl Document {
    fn path(self) -> PathBuf {
        root().join(self.0)
    }

    /// Returns the whole text.
    pub fn text(self) -> String {
        std::fs::read_to_string(self.path()).unwrap()
    }

    /// Returns the part with this name, without its markers.
    pub fn part(self, name: &str) -> String {
        let text = self.text();
        let (begin, end) = place(&text, name).unwrap_or_else(|| panic!("{} lacks {name}", self.0));
        text[begin..end].to_owned()
    }

    /// Returns the cells of the table in the part with this name, without its head.
    pub fn rows(self, name: &str) -> Vec<Vec<String>> {
        let cells = |line: &str| {
            let line = line.trim().trim_start_matches('|').trim_end_matches('|');
            line.split('|').map(|cell| cell.trim().to_owned()).collect()
        };
        self.part(name).lines().skip(2).map(cells).collect()
    }

    /// Returns the names in backticks in the first column of a table.
    pub fn names(self, part: &str) -> Vec<String> {
        self.rows(part).iter().flat_map(|row| names(&row[0])).collect()
    }

    /// Compares the part with this name with `expected`, or writes it if `UPDATE_DOCS` is set.
    pub fn assert_part(self, name: &str, expected: &str) {
        let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
        if self.part(name) == expected {
            return;
        }
        assert!(
            std::env::var_os("UPDATE_DOCS").is_some(),
            "{}: the part `{name}` is out of date; with UPDATE_DOCS=1 this test writes it:\n{expected}",
            self.0
        );
        let mut text = self.text();
        let (begin, end) = place(&text, name).unwrap();
        text.replace_range(begin..end, expected);
        std::fs::write(self.path(), text).unwrap();
    }
}

/// Returns where a part begins and ends, between the lines of its markers.
fn place(text: &str, name: &str) -> Option<(usize, usize)> {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let begin = text.find(&begin)? + begin.len();
    Some((begin, begin + text[begin..].find(&end)?))
}

/// Returns the names in backticks.
pub fn names(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Writes a Markdown table.
pub fn table<const COLUMNS: usize>(
    head: [&str; COLUMNS],
    rows: impl IntoIterator<Item = [String; COLUMNS]>,
) -> String {
    let line = |cells: &[&str]| format!("| {} |\n", cells.join(" | "));
    let head = line(&head) + &line(&["---"; COLUMNS]);
    head + &rows
        .into_iter()
        .map(|row| line(&row.each_ref().map(String::as_str)))
        .collect::<String>()
}

/// The links and anchors of a Markdown file.
#[derive(Debug, Default)]
pub struct Page {
    /// The targets of links and pictures.
    pub links: Vec<String>,
    /// The valid fragments of links to this page.
    pub anchors: BTreeSet<String>,
    /// Inline code, such as commands, names and paths.
    pub codes: Vec<String>,
}

impl Page {
    /// Reads a Markdown file.
    pub fn read(path: &Path) -> Self {
        Self::of(&std::fs::read_to_string(path).unwrap())
    }

    fn of(markdown: &str) -> Self {
        let mut page = Self::default();
        let mut headings = BTreeMap::<String, usize>::new();
        let mut heading: Option<String> = None;
        for event in Parser::new_ext(markdown, pulldown_cmark::Options::all()) {
            match event {
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    page.links.push(dest_url.into_string());
                }
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    let anchor = anchor(&heading.take().unwrap_or_default());
                    let earlier = headings.entry(anchor.clone()).or_default();
                    let anchor = if *earlier == 0 { anchor } else { format!("{anchor}-{earlier}") };
                    *earlier += 1;
                    page.anchors.insert(anchor);
                }
                Event::Text(text) | Event::Code(text) if heading.is_some() => {
                    heading.get_or_insert_default().push_str(&text);
                }
                Event::Code(code) => page.codes.push(code.into_string()),
                Event::Html(html) | Event::InlineHtml(html) => {
                    page.links.extend(attributes(&html, &["src", "href"]));
                    page.anchors.extend(attributes(&html, &["id", "name"]));
                }
                _ => {}
            }
        }
        page
    }
}

/// Returns GitHub's anchor for a heading: lower case, hyphens for spaces, no punctuation.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).flat_map(char::to_lowercase).collect()
}

fn attributes(html: &str, names: &[&str]) -> Vec<String> {
    let of = |name: &&str| -> Vec<String> {
        let begin = format!(" {name}=\"");
        html.split(&begin)
            .skip(1)
            .filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()))
            .collect()
    };
    names.iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_github_s() {
        let page = Page::of(
            "# What's new, `code` & _more_\n\n## Twice\n\n## Twice\n\n```\n# no heading\n```\n\n<a id=\"own\"></a>\n",
        );
        let expected = ["whats-new-code--more", "twice", "twice-1", "own"];
        assert_eq!(page.anchors, expected.map(str::to_owned).into());
    }

    #[test]
    fn links_are_found_in_text_tables_pictures_and_html() {
        let page = Page::of(
            "[a](one.md#x) ![b](two.webp)\n\n| c |\n| --- |\n| [d](three.md) `[no](link)` |\n\n<img src=\"four.webp\">\n\n[e]\n\n[e]: five.md\n",
        );
        assert_eq!(page.links, ["one.md#x", "two.webp", "three.md", "four.webp", "five.md"]);
    }
}
