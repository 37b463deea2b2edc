#![allow(clippy::unwrap_used)]
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn address(text: &str) -> Url {
    match ClientId::parse(text) {
        Some(ClientId::Document(url)) => url,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn the_documents_of_known_clients_are_client_ids() {
    for id in [
        "https://claude.ai/oauth/claude-code-client-metadata",
        "https://claude.ai/oauth/mcp-oauth-client-metadata",
        "https://vscode.dev/oauth/client-metadata.json",
        "https://chatgpt.com/oauth/codex/client.json",
        "https://client.example/metadata?version=2",
    ] {
        assert_eq!(address(id).as_str(), id);
    }
}

#[test]
fn an_address_that_could_be_read_in_another_way_is_no_client_id() {
    for bad in [
        "",
        "client",
        "https://client.example",
        "https://client.example/",
        "http://client.example/metadata",
        "https://client.example:443/metadata",
        "https://client.example:8443/metadata",
        "https://user@client.example/metadata",
        "https://user:password@client.example/metadata",
        "https://client.example/metadata#",
        "https://client.example/metadata#x",
        "https://client.example/./metadata",
        "https://client.example/x/../metadata",
        "https://client.example/%2e%2e/metadata",
        "https://client.example\\metadata",
        "https://client.example./metadata",
        "https://CLIENT.example/metadata",
        "https://client.example/meta data",
        "https://localhost/metadata",
        "https://metadata/latest",
        "https://127.0.0.1/metadata",
        "https://2130706433/metadata",
        "https://0x7f.1/metadata",
        "https://169.254.169.254/latest",
        "https://[::1]/metadata",
        "https://[::ffff:169.254.169.254]/latest",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "dcr.",
        "dcr.x",
    ] {
        assert!(ClientId::parse(bad).is_none(), "{bad:?}");
    }
    let long = format!("https://client.example/{}", "x".repeat(LONGEST_ID));
    assert!(ClientId::parse(&long).is_none());
}

fn register(request: &Value) -> Result<Client, OAuthError> {
    Client::register(request.to_string().as_bytes())
}

#[test]
fn a_registration_is_its_own_client_id() {
    let request = json!({
        "client_name": "Agent", "redirect_uris": ["http://localhost/callback", "https://app.example/cb"],
        "grant_types": ["authorization_code"], "application_type": "native", "token_endpoint_auth_method": "client_secret_post",
    });
    let client = register(&request).unwrap();
    assert!(client.id.len() <= LONGEST_ID);
    assert_eq!(ClientId::parse(&client.id), Some(ClientId::Registered(client.clone())));
    assert!(client.redirect_uri("http://localhost:4000/callback").is_some());
    assert!(client.redirect_uri("https://evil.example/cb").is_none());
    let answer = serde_json::to_value(Registered::from(&client)).unwrap();
    assert_eq!(answer["token_endpoint_auth_method"], "none");
    assert_eq!(answer["redirect_uris"][1], "https://app.example/cb");
}

#[test]
fn a_registration_without_a_usable_redirect_uri_is_refused() {
    for request in [
        json!({}),
        json!([]),
        json!({"redirect_uris": []}),
        json!({"redirect_uris": "https://app.example/cb"}),
        json!({"redirect_uris": ["http://app.example/cb", "javascript:alert(1)", 7]}),
    ] {
        assert_eq!(register(&request).unwrap_err().code, ErrorCode::InvalidRedirectUri);
    }
    assert_eq!(Client::register(b"{").unwrap_err().code, ErrorCode::InvalidClientMetadata);
    let uris: Vec<_> =
        (0..20).map(|n| format!("https://app.example/{}", "x".repeat(100 + n))).collect();
    let long = json!({"redirect_uris": uris});
    assert_eq!(register(&long).unwrap_err().code, ErrorCode::InvalidClientMetadata);
}

#[test]
fn an_altered_registration_is_no_client_id() {
    let encoded = |text: &str| format!("dcr.{}", URL_SAFE_NO_PAD.encode(text));
    for bad in [
        r#"{"client_name":"A","redirect_uris":[]}"#,
        r#"{"client_name":"A","redirect_uris":["javascript:alert(1)"]}"#,
        r#"{"client_name":"A","redirect_uris":["https://app.example/cb"],"more":1}"#,
        r#"{"client_name":"A", "redirect_uris":["https://app.example/cb"]}"#,
        r#"{"redirect_uris":["https://app.example/cb"],"client_name":"A"}"#,
        "{\"client_name\":\"A\u{202e}\",\"redirect_uris\":[\"https://app.example/cb\"]}",
    ] {
        assert!(ClientId::parse(&encoded(bad)).is_none(), "{bad}");
    }
    let good = r#"{"client_name":"A","redirect_uris":["https://app.example/cb"]}"#;
    assert!(ClientId::parse(&encoded(good)).is_some());
    assert!(ClientId::parse(&format!("{}=", encoded(good))).is_none());
}

#[test]
fn a_metadata_document_is_only_its_own_address_s() {
    let address = address("https://client.example/metadata");
    let document = json!({
        "client_id": "https://client.example/metadata", "client_name": "Agent",
        "redirect_uris": ["http://127.0.0.1/callback"],
    });
    let read = |document: &Value| Client::of_document(&address, document.to_string().as_bytes());
    let client = read(&document).unwrap();
    assert_eq!((client.name.as_str(), client.host.as_deref()), ("Agent", Some("client.example")));
    let uri = client.redirect_uri("http://127.0.0.1:9000/callback").unwrap();
    assert_eq!(client.place(&uri).to_string(), "client.example");
    for (name, value) in [
        ("client_id", json!("https://client.example/metadata/")),
        ("client_id", json!("https://other.example/metadata")),
        ("client_id", Value::Null),
        ("client_name", json!("")),
        ("client_name", json!(" \u{200b}\n")),
        ("redirect_uris", json!([])),
        ("redirect_uris", json!(["http://app.example/cb"])),
        ("client_secret", json!("s")),
        ("token_endpoint_auth_method", json!("client_secret_basic")),
        ("token_endpoint_auth_method", json!("private_key_jwt")),
    ] {
        let mut bad = document.clone();
        bad[name] = value;
        assert_eq!(read(&bad).unwrap_err().code, ErrorCode::InvalidClient, "{bad}");
    }
    assert!(Client::of_document(&address, b"[1").is_err());
}

#[test]
fn a_name_is_one_short_line_that_reads_as_it_is_written() {
    for (name, expected) in [
        ("  Claude Code ", "Claude Code"),
        ("a\r\nb\u{0}", "ab"),
        ("\u{202e}drowssap", "drowssap"),
        ("Micro\u{200b}soft\u{2066}", "Microsoft"),
        ("\u{5e9}\u{5dc}\u{5d5}\u{5dd}", "\u{5e9}\u{5dc}\u{5d5}\u{5dd}"),
    ] {
        assert_eq!(shown(name), expected);
    }
    assert_eq!(shown(&"n".repeat(500)).len(), LONGEST_NAME);
}

proptest! {
    #[test]
    fn every_registration_that_is_answered_is_read_again(
        name in any::<String>(),
        paths in proptest::collection::vec("[a-z0-9/._~?=&-]{0,30}", 1..6),
    ) {
        let uris: Vec<_> = paths.iter().map(|path| format!("https://app.example/{path}")).collect();
        if let Ok(client) = register(&json!({"client_name": name, "redirect_uris": uris})) {
            prop_assert_eq!(ClientId::parse(&client.id), Some(ClientId::Registered(client)));
        }
    }

    #[test]
    fn no_text_makes_a_reader_fail(text in any::<String>(), bytes in any::<Vec<u8>>()) {
        let _ = ClientId::parse(&text);
        let _ = ClientId::parse(&format!("dcr.{}", URL_SAFE_NO_PAD.encode(&bytes)));
        let _ = Client::register(&bytes);
        let _ = Client::of_document(&address("https://client.example/metadata"), &bytes);
    }
}
