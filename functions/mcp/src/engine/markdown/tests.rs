#![allow(clippy::unwrap_used)]
use std::time::Instant;

use super::*;

#[test]
fn html_of_the_editor_becomes_markdown() {
    for (html, markdown) in [
        ("<div>Hello</div>", "Hello"),
        ("<div>One</div><div>Two</div>", "One\n\nTwo"),
        ("One<br>Two", "One  \nTwo"),
        ("<p>A <b>bold</b> and an <i>italic</i> word</p>", "A **bold** and an *italic* word"),
        ("<h2>Steps</h2><ol><li>Open</li><li>Close</li></ol>", "## Steps\n\n1. Open\n2. Close"),
        ("<ul><li>One<ul><li>Two</li></ul></li></ul>", "- One\n  - Two"),
        ("<a href=\"https://mycompany.example/a\">here</a>", "[here](https://mycompany.example/a)"),
        ("<pre><code>let a = 1;\n</code></pre>", "```\nlet a = 1;\n```"),
        ("a &lt; b &amp;&amp; c", "a < b && c"),
        ("x&nbsp;y", "x y"),
        (
            "<img src=\"https://mycompany.example/i.png\" alt=\"A\">",
            "![A](https://mycompany.example/i.png)",
        ),
        ("<script>alert(1)</script><style>b{}</style>x", "x"),
        ("", ""),
    ] {
        assert_eq!(of_html(html), markdown, "{html}");
    }
}

#[test]
fn html_is_told_from_other_texts() {
    for html in ["<div>x</div>", "x<br>y", "a &lt; b", "<P>x", "</p>"] {
        assert!(is_html(html), "{html}");
    }
    for text in [
        "",
        "a < b",
        "x <- y",
        "**bold**",
        "AT&T",
        "a<b>c".trim_end_matches("<b>c"),
        "<https://x.example>",
    ] {
        assert!(!is_html(text), "{text}");
    }
}

#[test]
fn hostile_html_costs_neither_the_stack_nor_much_time() {
    let begun = Instant::now();
    for html in [
        "<div>".repeat(100_000),
        "<b>".repeat(100_000),
        format!("{}{}", "<i>".repeat(60), "<p>x</p>".repeat(12_000)),
        "<".repeat(1_000_000),
        "<a href=\"".repeat(50_000),
        format!("{}x{}", "<blockquote>".repeat(5_000), "</blockquote>".repeat(5_000)),
    ] {
        of_html(&html);
    }
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    assert!(of_html(&format!("{}deep", "<div>".repeat(100))).contains("deep"));
}
