#![allow(clippy::unwrap_used)]
use http::header::CONTENT_SECURITY_POLICY;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn branding(value: serde_json::Value) -> Branding {
    serde_json::from_value(value).unwrap()
}

fn page(text: &str) -> Page {
    Page {
        title: text.to_owned(),
        heading: text.to_owned(),
        paragraphs: vec![text.to_owned()],
        pass_on: Some(PassOn {
            label: text.to_owned(),
            hint: text.to_owned(),
            address: text.to_owned(),
        }),
        link: Some(Link {
            to: "https://app.mycompany.example/back?a=1&b=2".parse().unwrap(),
            text: text.to_owned(),
        }),
        facts: vec![("Code", text.to_owned())],
        branding: Branding::default(),
    }
}

#[test]
fn a_page_can_be_read_by_assistive_technology() {
    let html = page("Connected").html();
    for part in [
        r#"<html lang="en">"#,
        "<title>Connected</title>",
        "<main><h1>Connected</h1>",
        r#"<label for="pass-on">"#,
        r#"<input id="pass-on" readonly"#,
        r#"href="https://app.mycompany.example/back?a=1&#38;b=2""#,
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
}

#[test]
fn a_link_that_is_not_http_is_only_text() {
    let mut page = page("back");
    page.link = Some(Link { to: "javascript:alert(1)".parse().unwrap(), text: "x".to_owned() });
    assert!(!page.html().contains("javascript"));
}

#[test]
fn an_application_is_named_in_the_title_and_shown_by_its_logo_or_else_its_name() {
    let mut page = page("Connected");
    page.branding = branding(json!({"name": "Fabrikam & <b>"}));
    let html = page.html();
    assert!(html.contains("<title>Connected \u{b7} Fabrikam &#38; &#60;b&#62;</title>"), "{html}");
    assert!(html.contains(r#"<p class="brand">Fabrikam &#38; &#60;b&#62;</p><h1>"#), "{html}");
    let logo = "https://app.mycompany.example/logo.svg";
    page.branding = branding(json!({"name": "Fabrikam", "logo_url": logo}));
    let image = format!(r#"<img class="logo" src="{logo}" alt="Fabrikam"><h1>"#);
    assert!(page.html().contains(&image), "{}", page.html());
    page.branding = branding(json!({"logo_url": "javascript:alert(1)"}));
    assert!(!page.html().contains("<img"));
}

#[test]
fn a_branded_page_may_load_its_logo_and_use_its_colour_and_no_more() {
    let mut page = page("Connected");
    let plain = page.response(StatusCode::OK);
    page.branding = branding(json!({
        "logo_url": "https://app.mycompany.example/logo.svg", "accent_color": "#FFCC00",
    }));
    let branded = page.response(StatusCode::OK);
    let [plain, policy] =
        [&plain, &branded].map(|r| r.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap());
    let hashes = |policy: &str| policy.matches("'sha256-").count();
    assert_eq!((hashes(plain), hashes(policy)), (1, 2));
    assert!(policy.contains("; img-src https://app.mycompany.example/logo.svg;"), "{policy}");
    assert_eq!(policy.matches("//").count(), 1, "{policy}");
    // Its text stands out from it.
    let html = page.html();
    assert!(html.contains("background:#ffcc00;border-color:var(--field);color:#000}"), "{html}");
}

#[test]
fn every_style_on_a_page_is_the_one_that_is_allowed() {
    let mut page = page("Connected");
    page.branding = branding(json!({"accent_color": "#0b5cad"}));
    let response = page.response(StatusCode::OK);
    let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
    let html = page.html();
    let styles: Vec<_> = html.split("<style>").skip(1).collect();
    assert_eq!(styles.len(), 2);
    for style in styles {
        let style = style.split_once("</style>").unwrap().0;
        assert!(policy.contains(&crate::page::source(style)), "{policy}: {style}");
    }
}

#[test]
fn the_page_after_connecting_names_the_account_and_the_organization() {
    let connected = Connected {
        name: Some("Ada Lovelace".to_owned()),
        username: Some("ada@mycompany.example".to_owned()),
        organization: Some("mycompany".to_owned()),
        branding: branding(json!({"name": "Fabrikam"})),
    };
    let paragraphs = Page::connected(&connected).paragraphs.join(" ");
    assert_eq!(
        paragraphs,
        "You signed in as Ada Lovelace (ada@mycompany.example). You are connected to the Azure DevOps organization mycompany. You can close this window and go back to Fabrikam."
    );
    let nobody = Page::connected(&Connected::default()).paragraphs.join(" ");
    assert_eq!(
        nobody,
        "You are connected to Azure DevOps. You can close this window and go back to the application."
    );
}

fn unescaped(html: &str) -> String {
    html.replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&#38;", "&")
}

proptest! {
    #[test]
    fn no_text_adds_markup(text in any::<String>()) {
        let count = |html: &str, c: char| html.matches(c).count();
        let (plain, html) = (page("").html(), page(&text).html());
        for c in ['<', '>', '"', '\''] {
            prop_assert_eq!(count(&plain, c), count(&html, c));
        }
    }

    #[test]
    fn no_text_loses_anything(text in any::<String>()) {
        let html = page(&text).html();
        let inside = |before: &str, after: &str| {
            let rest = html.split_once(before)?.1;
            Some(unescaped(rest.split_once(after)?.0))
        };
        for (before, after) in
            [("<h1>", "</h1>"), ("</h1><p>", "</p>"), ("<title>", "</title>"), ("<dd>", "</dd>"), ("value=\"", "\"")]
        {
            let found = inside(before, after);
            prop_assert_eq!(found.as_deref(), Some(text.as_str()));
        }
    }
}
