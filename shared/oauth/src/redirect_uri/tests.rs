#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::*;

/// The redirect URIs of the client in this table.
const REGISTERED: &[&str] = &[
    "https://app.example/callback",
    "https://app.example/with?fixed=1",
    "https://bare.example",
    "http://localhost/callback",
    "http://127.0.0.1:33418",
    "http://[::1]/callback",
    "cursor://anysphere.cursor-mcp/oauth/callback",
];

/// Returns whether the client may have a browser sent there.
fn is_taken(presented: &str) -> bool {
    let Some(presented) = RedirectUri::parse(presented) else { return false };
    let registered = REGISTERED.iter().map(|uri| RedirectUri::parse(uri).unwrap());
    registered.into_iter().any(|uri| uri.allows(&presented))
}

#[test]
fn exactly_the_registered_addresses_are_taken_and_any_port_of_the_own_computer() {
    for taken in [
        "https://app.example/callback",
        "https://app.example/with?fixed=1",
        "https://bare.example",
        "http://localhost/callback",
        "http://localhost:1/callback",
        "http://localhost:65535/callback",
        "http://127.0.0.1",
        "http://127.0.0.1/",
        "http://127.0.0.1:33418",
        "http://127.0.0.1:8080/",
        "http://[::1]/callback",
        "http://[::1]:3000/callback",
        "cursor://anysphere.cursor-mcp/oauth/callback",
    ] {
        assert!(is_taken(taken), "{taken}");
    }
}

#[test]
fn every_other_address_is_refused() {
    let refused = [
        // Ports, schemes and letters of the web.
        "https://app.example:443/callback",
        "https://app.example:8443/callback",
        "http://app.example/callback",
        "HTTPS://app.example/callback",
        "https://APP.example/callback",
        "https://app.example/Callback",
        "https:app.example/callback",
        "https:///app.example/callback",
        "//app.example/callback",
        "/callback",
        "",
        // Prefixes and suffixes.
        "https://app.example",
        "https://app.example/",
        "https://app.example/callback/",
        "https://app.example/callbacks",
        "https://app.example/callback/x",
        "https://app.example/call",
        "https://bare.example/x",
        "https://bare.example?x",
        "https://app.example.evil.example/callback",
        "https://evil-app.example/callback",
        "https://www.app.example/callback",
        // Queries and fragments.
        "https://app.example/callback?x=1",
        "https://app.example/callback?",
        "https://app.example/with",
        "https://app.example/with?fixed=2",
        "https://app.example/with?fixed=1&x=2",
        "https://app.example/callback#",
        "https://app.example/callback#x",
        // Userinfo.
        "https://app.example@evil.example/callback",
        "https://user@app.example/callback",
        "https://user:password@app.example/callback",
        "https://@app.example/callback",
        // Other spellings of the same address, or of another.
        "https://app.example\\callback",
        "https:\\\\app.example\\callback",
        "https://app.example\\@evil.example/callback",
        "https://app.example/./callback",
        "https://app.example/x/../callback",
        "https://app.example/%2e/callback",
        "https://app.example/callback%00",
        "https://app.example/call\tback",
        "https://app.example/callback\n",
        " https://app.example/callback",
        "https://app.example./callback",
        "https://app\u{3002}example/callback",
        "https://\u{ff41}pp.example/callback",
        "https://app.examp\u{142}e/callback",
        "https://app.example/callb\u{430}ck",
        // The own computer by other names.
        "http://localhost./callback",
        "http://localhost.evil.example/callback",
        "http://LOCALHOST/callback",
        "http://localhost/other",
        "http://localhost:80/callback",
        "http://localhost:99999/callback",
        "http://user@localhost/callback",
        "http://localhost/callback#x",
        "https://localhost/callback",
        "http://127.0.0.1/callback",
        "http://127.0.0.2:33418",
        "http://127.1:33418",
        "http://2130706433:33418",
        "http://0x7f000001:33418",
        "http://0177.0.0.1:33418",
        "http://0.0.0.0:33418",
        "http://[::]/callback",
        "http://[::ffff:127.0.0.1]/callback",
        "http://[0:0:0:0:0:0:0:1]/callback",
        "http://192.168.0.1/callback",
        // Private schemes, and those that run a script.
        "cursor://evil/oauth/callback",
        "cursor://anysphere.cursor-mcp/oauth/callback?x",
        "cursor:/anysphere.cursor-mcp/oauth/callback",
        "vscode://app/callback",
        "com.example.app:/callback",
        "javascript:alert(1)",
        "JavaScript://app.example/%0aalert(1)",
        "data:text/html,x",
        "file:///callback",
        "blob:https://app.example/callback",
        "ftp://app.example/callback",
        "ws://localhost/callback",
        "urn:ietf:wg:oauth:2.0:oob",
    ];
    assert!(refused.len() >= 60);
    for refused in refused {
        assert!(!is_taken(refused), "{refused:?}");
    }
}

#[test]
fn a_code_goes_to_the_registered_address_with_its_query() {
    let uri = RedirectUri::parse("https://app.example/with?fixed=1").unwrap();
    let issuer = Issuer::new("https://ado.example", "demo");
    let url = uri.answered(&[("code", "a b")], Some("x&y"), &issuer);
    let expected = "https://app.example/with?fixed=1&code=a+b&state=x%26y&iss=https%3A%2F%2Fado.example%2Fmcp%2Fdemo";
    assert_eq!(url.as_str(), expected);
    assert_eq!(uri.destination().to_string(), "app.example");
}

proptest! {
    #[test]
    fn an_address_that_is_taken_leads_to_a_registered_place(text in "(https?|cursor)://[a-z.@:\\\\/\\[\\]0-9#?%]{0,40}") {
        if is_taken(&text) {
            let url = Url::parse(&text).unwrap();
            let places = ["app.example", "bare.example", "localhost", "127.0.0.1", "[::1]", "anysphere.cursor-mcp"];
            prop_assert!(places.contains(&url.host_str().unwrap_or_default()), "{}", text);
        }
    }

    #[test]
    fn no_text_is_both_taken_and_read_in_another_way(text in any::<String>()) {
        if let Some(uri) = RedirectUri::parse(&text) {
            prop_assert_eq!(RedirectUri::parse(uri.as_str()).unwrap(), uri);
        }
    }
}
