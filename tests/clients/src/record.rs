//! The requests that Azure DevOps received.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use emulators::{MARKER, RecordedRequest};
use end_to_end::World;

/// Checks that every request came from the proxy with a token of Entra's and no other credentials, and that none
/// contains our key, neither in plain text nor as a password of Basic.
pub(crate) fn check(world: &World, key: &str) {
    let requests = world.devops().requests();
    assert!(requests.len() > 100, "{} requests", requests.len());
    let traces = traces(key);
    for request in &requests {
        let credentials: Vec<_> = values(request, "authorization").collect();
        assert!(
            matches!(credentials[..], [one] if one.starts_with("Bearer ") && one.contains(MARKER)),
            "not one token of Entra's: {request:?}"
        );
        assert!(values(request, "cookie").next().is_none(), "a cookie: {request:?}");
        assert!(
            values(request, "user-agent").any(|agent| agent.starts_with("ado-connect/")),
            "not from the proxy: {request:?}"
        );
        let body = String::from_utf8_lossy(&request.body);
        let headers = request.headers.iter().flat_map(|(name, value)| [name, value]);
        for text in headers.map(String::as_str).chain([request.target.as_str(), &body]) {
            assert!(
                !traces.iter().any(|trace| text.contains(trace)),
                "our key reached Azure DevOps: {}",
                request.route
            );
        }
    }
    println!(
        "{} requests at Azure DevOps, each with the user's token, none with our key",
        requests.len()
    );
}

fn values<'a>(request: &'a RecordedRequest, wanted: &str) -> impl Iterator<Item = &'a str> {
    let named = request.headers.iter().filter(move |(name, _)| name == wanted);
    named.map(|(_, value)| value.as_str())
}

/// The secret part of a key in plain text, and in Base64 at each of its three offsets, which depend on the length of
/// the text before it, such as the name in Basic.
fn traces(key: &str) -> Vec<String> {
    let secret = key.splitn(3, '_').last().unwrap_or(key);
    let encoded = (0..3).map(|before| {
        let text = format!("{}{secret}", " ".repeat(before));
        // Without the digits that share bits with neighbouring text.
        STANDARD.encode(&text)[(before * 8).div_ceil(6)..text.len() * 8 / 6].to_owned()
    });
    encoded.chain([secret.to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_behind_any_name() {
        let key = "adoc_0123456789abcdef_c2VjcmV0-of_a-key";
        let found = |text: &str| traces(key).iter().any(|trace| text.contains(trace));
        assert!(found(&format!("Bearer {key}")));
        for name in ["", "PAT", "any", "ada", "ada@mycompany.example"] {
            assert!(found(&STANDARD.encode(format!("{name}:{key}"))), "{name}");
            assert!(found(&STANDARD.encode(format!("{name}:{key}\n"))), "{name}");
        }
        assert!(!found(&STANDARD.encode(":adoc_0123456789abcdef_another-secret")));
    }
}
