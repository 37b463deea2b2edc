//! Texts of Azure DevOps as Markdown. A text is either Markdown already, or HTML of the rich-text editor.
//!
//! Written texts are marked as Markdown, so that a text that was read and is written again stays the same.

use htmd::HtmlToMarkdown;
use htmd::options::{BulletListMarker, Options};

/// The longest HTML that is read, in bytes. More than an answer holds is not needed.
const LONGEST_HTML: usize = 100_000;
/// The deepest nesting that is read. The editor makes less than ten levels; a reader that recurses needs a bound.
const DEEPEST: usize = 64;
/// Elements without an end.
const VOID: [&str; 6] = ["br", "img", "hr", "input", "col", "wbr"];
/// Elements whose content is no text.
const SKIPPED: [&str; 5] = ["script", "style", "head", "title", "template"];

/// Returns HTML as Markdown. HTML that is too long or too deep loses its markup.
pub(crate) fn of_html(html: &str) -> String {
    let html = beginning(html);
    if depth(html) > DEEPEST {
        return without_markup(html);
    }
    let options = Options {
        bullet_list_marker: BulletListMarker::Dash,
        ul_bullet_spacing: 1,
        ol_number_spacing: 1,
        ..Options::default()
    };
    let converter = HtmlToMarkdown::builder().options(options).skip_tags(SKIPPED.to_vec()).build();
    let markdown = converter.convert(html).unwrap_or_else(|_| without_markup(html));
    markdown.replace('\u{a0}', " ").trim().to_owned()
}

/// Returns a text of this format as Markdown; without a format it is HTML if it looks like it.
pub(crate) fn of_text(text: &str, format: Option<&str>) -> String {
    let is_html = match format {
        Some(format) => format.eq_ignore_ascii_case("html"),
        None => is_html(text),
    };
    if is_html { of_html(text) } else { text.to_owned() }
}

/// Returns whether a text is HTML, where nothing else says so: it has an element or a character reference of the editor.
pub(crate) fn is_html(text: &str) -> bool {
    let is_element = |(at, _): (usize, _)| {
        let rest = text.get(at + 1..).unwrap_or_default();
        let rest = rest.strip_prefix('/').unwrap_or(rest);
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let name = rest.get(..end).unwrap_or_default().to_ascii_lowercase();
        ELEMENTS.contains(&name.as_str())
    };
    text.match_indices('<').any(is_element)
        || ["&nbsp;", "&lt;", "&gt;", "&amp;", "&quot;"].iter().any(|name| text.contains(name))
}

/// The elements of the rich-text editor.
const ELEMENTS: [&str; 30] = [
    "a",
    "b",
    "blockquote",
    "br",
    "code",
    "div",
    "em",
    "font",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "li",
    "ol",
    "p",
    "pre",
    "s",
    "span",
    "strong",
    "table",
    "td",
    "tr",
    "u",
    "ul",
    "tbody",
];

fn beginning(html: &str) -> &str {
    let end = (0..=html.len().min(LONGEST_HTML)).rev().find(|end| html.is_char_boundary(*end));
    html.get(..end.unwrap_or_default()).unwrap_or_default()
}

/// Returns a bound for the depth of nesting: the largest number of elements that are open at one place.
fn depth(html: &str) -> usize {
    let (mut open, mut deepest) = (0_usize, 0);
    for (at, _) in html.match_indices('<') {
        let rest = html.get(at + 1..).unwrap_or_default();
        let name: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
        if rest.starts_with('/') {
            open = open.saturating_sub(1);
        } else if !name.is_empty() && !VOID.contains(&name.to_ascii_lowercase().as_str()) {
            open += 1;
            deepest = deepest.max(open);
        }
    }
    deepest
}

fn without_markup(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        rest = after.split_once('>').map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    let text = text.replace("&nbsp;", " ").replace("&lt;", "<").replace("&gt;", ">");
    text.replace("&quot;", "\"").replace("&amp;", "&").trim().to_owned()
}

#[cfg(test)]
mod tests;
