//! A second opinion on the redirect URIs of MCP clients, to which browsers carry codes: a reader of RFC 3986 that knows
//! nothing of WHATWG's rules.

use oauth::client::{Client, ClientId};
use oauth::issuer::Issuer;
use oauth::redirect_uri::RedirectUri;
use serde_json::json;
use url::Url;

/// Judges `registered SEPARATOR presented`. Returns whether a client that has registered the one may use the other.
pub fn judge(input: &[u8]) -> bool {
    let Some([registered, presented]) = crate::parts(input) else { return false };
    let request = json!({ "client_name": presented, "redirect_uris": [registered] }).to_string();
    let Ok(client) = Client::register(request.as_bytes()) else { return false };
    judge_id(&client);
    let own = client.redirect_uri(registered);
    assert_eq!(own.map(|uri| uri.as_str().to_owned()).as_deref(), Some(registered));
    let Some(accepted) = client.redirect_uri(presented) else {
        assert_ne!(registered, presented);
        return false;
    };
    assert_eq!(accepted.as_str(), presented);
    judge_covered(registered, presented);
    judge_sent(&accepted);
    true
}

/// Asserts that an id is all that there is of a registration.
fn judge_id(client: &Client) {
    match ClientId::parse(&client.id) {
        Some(ClientId::Registered(read)) => assert_eq!(read, *client),
        other => panic!("{} is {other:?}", client.id),
    }
}

/// An address in the parts of RFC 3986 appendix B.
#[derive(Debug, PartialEq, Eq)]
struct Parts<'a> {
    scheme: &'a str,
    host: &'a str,
    port: Option<&'a str>,
    rest: &'a str,
}

fn split(address: &str) -> Parts<'_> {
    let (scheme, rest) = address.split_once("://").unwrap();
    let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let behind = authority.rfind(']').unwrap_or(0);
    let colon = authority[behind..].find(':').map(|at| behind + at);
    let (host, port) = match colon {
        Some(colon) => (&authority[..colon], Some(&authority[colon + 1..])),
        None => (authority, None),
    };
    Parts { scheme, host, port, rest }
}

/// Asserts that nothing but a loopback address' port differs.
fn judge_covered(registered: &str, presented: &str) {
    let (own, other) = (split(registered), split(presented));
    let is_clear = |c: char| c.is_ascii_graphic() && !matches!(c, '\\' | '#');
    assert!(presented.chars().all(is_clear), "{presented:?}");
    assert!(!other.host.contains('@'), "{presented:?}");
    let has_any_port = own.scheme == "http";
    let is_own_computer = ["localhost", "127.0.0.1", "[::1]"].contains(&own.host);
    assert!(!has_any_port || is_own_computer, "{registered:?}");
    assert!(["https", "http", "cursor"].contains(&own.scheme), "{registered:?}");
    if has_any_port {
        let path =
            |parts: &Parts<'_>| parts.rest.strip_prefix('/').unwrap_or(parts.rest).to_owned();
        assert_eq!((own.scheme, own.host, path(&own)), (other.scheme, other.host, path(&other)));
    } else {
        assert_eq!(own, other, "{registered:?}");
    }
}

/// Asserts that the address leads to the same host with the code in its query.
fn judge_sent(accepted: &RedirectUri) {
    let issuer = Issuer::new("https://gateway.example", "demo");
    let sent = accepted.answered(&[("code", "a&b")], Some("s"), &issuer);
    let location = edge::respond::see_other(&sent).unwrap();
    let location = location.headers()[http::header::LOCATION].to_str().unwrap();
    let (to, from) = (split(location), split(accepted.as_str()));
    assert_eq!((to.scheme, to.host, to.port), (from.scheme, from.host, from.port), "{location}");
    let read = Url::parse(location).unwrap();
    let codes = read.query_pairs().filter(|(name, _)| name == "code");
    assert_eq!(codes.last().unwrap().1, "a&b", "{location}");
}
