//! What Azure DevOps saw.

use emulators::MARKER;
use end_to_end::World;

/// Every request came from the proxy with a token of Entra's, and our key is in none of them.
pub(crate) fn check(world: &World, key: &str) {
    let requests = world.devops().requests();
    assert!(requests.len() > 50, "{} requests", requests.len());
    for request in &requests {
        let header = |wanted: &str| {
            let found = request.headers.iter().find(|(name, _)| name == wanted);
            found.map(|(_, value)| value.as_str()).unwrap_or_default()
        };
        let token = header("authorization").strip_prefix("Bearer ");
        assert!(
            token.is_some_and(|token| token.contains(MARKER)),
            "no token of Entra's: {request:?}"
        );
        assert!(
            header("user-agent").starts_with("ado-connect/"),
            "not from the proxy: {request:?}"
        );
        let body = String::from_utf8_lossy(&request.body);
        let values = request.headers.iter().map(|(_, value)| value.as_str());
        let seen = values.chain([request.target.as_str(), &body]);
        for text in seen {
            assert!(!text.contains(key), "our key reached Azure DevOps: {}", request.route);
        }
    }
    println!(
        "{} requests at Azure DevOps, each with the user's token, none with our key",
        requests.len()
    );
}
