#![allow(clippy::unwrap_used)]
use std::collections::HashMap;

use super::*;

const COMPLETE: &[(&str, &str)] = &[
    ("PUBLIC_URL", "https://connect.mycompany.example"),
    ("INTEGRATIONS_TABLE", "integrations"),
    ("SESSIONS_TABLE", "sessions"),
    ("CONNECTIONS_TABLE", "connections"),
    ("TOKENS_TABLE", "tokens"),
    ("AUDIT_TABLE", "audit"),
    ("PASSES_TABLE", "passes"),
    ("TOKENS_KEY_ID", "alias/ado-connect"),
    ("SECRETS_PREFIX", "ado-connect/"),
    ("OPERATOR_KEY_SECRET", "ado-connect/operator-key"),
];

fn variables(changes: &[(&'static str, &'static str)]) -> impl Fn(&str) -> Option<String> {
    let map: HashMap<_, _> = COMPLETE.iter().chain(changes).copied().collect();
    move |name| map.get(name).map(|value| (*value).to_owned())
}

fn config(changes: &[(&'static str, &'static str)]) -> Result<Config, ConfigError> {
    Config::from_variables(variables(changes))
}

fn faults(changes: &[(&'static str, &'static str)]) -> Vec<String> {
    config(changes).unwrap_err().faults
}

#[test]
fn an_empty_environment_is_refused_with_every_missing_name() {
    let error = Config::from_variables(|_| None).unwrap_err();
    let expected: Vec<_> = COMPLETE.iter().map(|(name, _)| format!("{name} is missing")).collect();
    assert_eq!(error.faults, expected);
    let sentence = error.to_string();
    assert!(sentence.starts_with("the configuration is not usable: PUBLIC_URL is missing; "));
    assert!(!sentence.contains('\n'));
}

#[test]
fn the_required_variables_are_enough() {
    let config = config(&[]).unwrap();
    assert_eq!(config.public_url.as_str(), "https://connect.mycompany.example");
    assert_eq!(config.tables.tokens, "tokens");
    assert_eq!(config.refresh_shards.get(), 4);
    assert_eq!((config.event_bus, config.devops_url, config.jwt), (None, None, None));
}

#[test]
fn missing_and_malformed_are_reported_together_and_without_values() {
    let faults = faults(&[
        ("TOKENS_TABLE", "  "),
        ("DEVOPS_URL", "http://marker.mycompany.example"),
        ("REFRESH_SHARDS", "0"),
        ("ENTRA_CLOUD", "marker"),
        ("JWT_ISSUER", "marker"),
    ]);
    let names: Vec<_> =
        faults.iter().map(|fault| fault.split([' ', ':']).next().unwrap()).collect();
    assert_eq!(
        names,
        ["TOKENS_TABLE", "REFRESH_SHARDS", "ENTRA_CLOUD", "DEVOPS_URL", "JWT_AUDIENCE"]
    );
    assert!(!faults.concat().contains("marker"), "{faults:?}");
}

#[test]
fn upstream_overrides_are_https_or_on_this_machine() {
    for good in [
        "http://localhost:8082",
        "http://127.0.0.1:1/",
        "http://[::1]:9",
        "https://devops.mycompany.example",
    ] {
        assert!(config(&[("DEVOPS_URL", good), ("ENTRA_URL", good)]).is_ok(), "{good}");
    }
    for bad in [
        "http://devops.mycompany.example",
        "http://localhost.mycompany.example",
        "http://128.0.0.1",
        "http://0.0.0.0",
        "ftp://localhost",
        "file:///etc",
        "localhost:8082",
        "https://u:p@localhost",
        "https://",
    ] {
        assert_eq!(faults(&[("DEVOPS_URL", bad)]).len(), 1, "{bad}");
        assert_eq!(faults(&[("ENTRA_URL", bad)]).len(), 1, "{bad}");
    }
}

#[test]
fn the_public_url_is_an_origin() {
    let local = config(&[("PUBLIC_URL", "http://localhost:8080/")]).unwrap().public_url;
    assert_eq!(local.as_str(), "http://localhost:8080");
    assert_eq!(local.at("/authorize"), "http://localhost:8080/authorize");
    assert_eq!(local.redirect_uri().as_str(), "http://localhost:8080/integration-callback");
    assert!(!local.is_https());
    for bad in [
        "http://connect.mycompany.example",
        "https://a.example/b",
        "https://a.example?b",
        "https://a.example#b",
    ] {
        assert_eq!(faults(&[("PUBLIC_URL", bad)]).len(), 1, "{bad}");
    }
}

#[test]
fn caller_tokens_need_an_issuer_and_an_audience() {
    let complete =
        [("JWT_ISSUER", "https://id.mycompany.example/"), ("JWT_AUDIENCE", "ado-connect")];
    let jwt = config(&complete).unwrap().jwt.unwrap();
    assert_eq!(jwt.issuer, "https://id.mycompany.example/");
    assert_eq!(jwt.user_claim, "sub");
    let long = format!("https://id.mycompany.example/{}", "i".repeat(228)).leak();
    for bad in ["https://id.mycompany.example/a|b", "HTTPS://id.mycompany.example/", long] {
        let faults = faults(&[("JWT_ISSUER", bad), complete[1]]);
        let fault = "JWT_ISSUER: must be an address of at most 256 bytes without `|`, with its scheme in small letters";
        assert_eq!(faults, [fault]);
    }
    assert_eq!(faults(&complete[..1]), ["JWT_AUDIENCE is missing, because JWT_ISSUER is set"]);
    assert_eq!(faults(&complete[1..]), ["JWT_ISSUER is missing, because JWT_AUDIENCE is set"]);
}

#[test]
fn a_streaming_proxy_needs_its_own_address() {
    let answers = |changes: &[_]| config(changes).map(|c| (c.response_mode, c.streaming_url));
    assert_eq!(answers(&[]).unwrap(), (ResponseMode::Buffered, None));
    let url = ("STREAMING_URL", "https://api.mycompany.example/live/");
    let known = Some("https://api.mycompany.example/live".to_owned());
    for (mode, variables) in [
        (ResponseMode::Buffered, vec![url]),
        (ResponseMode::Streamed, vec![url, ("RESPONSE_MODE", "streamed")]),
    ] {
        let (found, url) = answers(&variables).unwrap();
        assert_eq!((found, url.map(|url| url.as_str().to_owned())), (mode, known.clone()));
    }
    assert_eq!(faults(&[("RESPONSE_MODE", "streamed")]), ["STREAMING_URL is missing"]);
    assert_eq!(faults(&[("RESPONSE_MODE", "fast")]).len(), 1);
    assert_eq!(faults(&[("PORTAL", "yes")]).len(), 1);
    assert_eq!(faults(&[("CORS_ORIGINS", "page.mycompany.example/x")]).len(), 1);
    for bad in ["http://api.mycompany.example", "https://api.mycompany.example/?x", "live"] {
        assert_eq!(faults(&[("STREAMING_URL", bad)]).len(), 1, "{bad}");
    }
}
