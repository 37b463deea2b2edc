//! Credentials in a request, and the caller that each makes.

use ground::random::Random;

use super::*;

const OPERATOR_KEY: &str = "first-operator-key-0123456789abcdef";

/// Keys as the table and the secret hold them, behind the services' own wire protocols.
async fn authenticator(setup: &Setup) -> (Authenticator, provider::Services) {
    let services = provider::aws().await;
    services.put_key("0a1b", "application", Some("fabrikam"), "secret");
    services.put_key("0a1c", "operator", None, "secret");
    services.set_operator_key(OPERATOR_KEY);
    let clock = Arc::clone(&setup.clock) as Arc<dyn Clock>;
    let secret = "operator-key".to_owned();
    let operator_key = OperatorKey::new(services.secrets_manager(), secret, Arc::clone(&clock));
    let authenticator = Authenticator::new(
        ApiKeys::new(services.dynamodb(), "integrations".to_owned()),
        operator_key,
        LimitLedger::new(services.dynamodb(), "sessions".to_owned()),
        Some(setup.verifier.clone()),
        "https://page.mycompany.example".parse().unwrap(),
        clock,
    );
    (authenticator, services)
}

/// A request of a route, as `serve` hands it on.
fn request(method: &Method, path: &str, headers: &[(&str, &str)]) -> Request {
    let mut request = Request::new(crate::gateway::Body::new());
    *request.method_mut() = method.clone();
    for (name, value) in headers {
        let name: http::HeaderName = name.parse().unwrap();
        request.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
    }
    let routes::Found::Route(matched) = routes::find(method, path) else { panic!("{path}") };
    request.extensions_mut().insert(matched);
    request
}

fn bearer(secret: &str) -> Request {
    let value = format!("Bearer {secret}");
    request(&Method::GET, "/connections", &[("authorization", &value)])
}

fn basic(secret: &str) -> String {
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("any:{secret}"));
    format!("Basic {pair}")
}

const PROXY: &str = "/proxy/me/dev.azure.com/mycompany/_apis/projects";

#[tokio::test]
async fn each_kind_of_credential_makes_its_kind_of_caller() {
    let setup = Setup::new().await;
    let (authenticator, _services) = authenticator(&setup).await;
    let jwt =
        token(&json!({"alg": "RS256", "kid": "rsa-1"}), &setup.claims(), &provider::rsa_key());
    for (secret, id, role) in [
        ("adoc_0a1b_secret", "key:0a1b", Role::Application),
        ("adoc_0a1c_secret", "key:0a1c", Role::Operator),
        (OPERATOR_KEY, "operator", Role::Operator),
        (&jwt, "user:", Role::User),
    ] {
        let caller = authenticator.authenticate(&bearer(secret)).await.unwrap();
        assert!(caller.id.starts_with(id), "{}", caller.id);
        assert_eq!(caller.role(), role);
    }
}

#[tokio::test]
async fn an_identified_caller_is_in_the_log_of_its_request_and_its_key_in_the_audit_trail() {
    let setup = Setup::new().await;
    let (authenticator, services) = authenticator(&setup).await;
    let clock = Arc::clone(&setup.clock) as Arc<dyn Clock>;
    let audit = Audit::new(services.dynamodb(), "audit".to_owned(), 1, clock, Random::System);
    let log = RequestLog::new("request");
    authenticator.identify(&bearer("adoc_0a1b_secret"), &log, &audit).await.unwrap();
    assert_eq!(log.actor().id, "key:0a1b");
    assert!(services.put().contains(&"key#0a1b".to_owned()));
}

#[tokio::test]
async fn basic_counts_for_the_proxy_with_an_applications_key_and_nowhere_else() {
    let setup = Setup::new().await;
    let (authenticator, services) = authenticator(&setup).await;
    let jwt =
        token(&json!({"alg": "RS256", "kid": "rsa-1"}), &setup.claims(), &provider::rsa_key());
    let key = request(&Method::GET, PROXY, &[("authorization", &basic("adoc_0a1b_secret"))]);
    assert_eq!(authenticator.authenticate(&key).await.unwrap().id, "key:0a1b");
    for (path, secret) in [
        (PROXY, "adoc_0a1c_secret"),
        (PROXY, OPERATOR_KEY),
        (PROXY, &jwt),
        ("/connections", "adoc_0a1b_secret"),
        ("/integrations", "adoc_0a1c_secret"),
        ("/integrations", OPERATOR_KEY),
        ("/service", OPERATOR_KEY),
    ] {
        let request = request(&Method::GET, path, &[("authorization", &basic(secret))]);
        let refused = authenticator.authenticate(&request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidCredentials, "{path} {secret}");
        assert!(refused.detail_text().unwrap().contains("Bearer"), "{refused:?}");
    }
    // The operator key is not even compared.
    assert_eq!(services.updated(), 0);
}

#[tokio::test]
async fn only_programs_at_the_proxy_are_asked_for_a_password() {
    let setup = Setup::new().await;
    let (authenticator, _services) = authenticator(&setup).await;
    for (path, headers, expected) in [
        (PROXY, &[][..], true),
        (PROXY, &[("authorization", "Bearer adoc_0a1b_wrong")], true),
        (PROXY, &[("sec-fetch-mode", "navigate")], false),
        (PROXY, &[("sec-fetch-mode", "cors"), ("sec-fetch-site", "same-origin")], false),
        (PROXY, &[("sec-fetch-site", "none")], false),
        ("/connections", &[], false),
        ("/service", &[("authorization", "Bearer adoc_0a1b_wrong")], false),
    ] {
        let refused = authenticator.authenticate(&request(&Method::GET, path, headers)).await;
        let offered = refused.unwrap_err().headers()["www-authenticate"].clone();
        let offered = offered.to_str().unwrap();
        assert!(offered.contains("Bearer realm="), "{offered}");
        assert_eq!(offered.contains("Basic realm="), expected, "{path} {headers:?}");
    }
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing_with_any_credential() {
    let setup = Setup::new().await;
    let (authenticator, _services) = authenticator(&setup).await;
    let key = format!("Bearer {OPERATOR_KEY}");
    for (origin, expected) in [
        ("https://evil.example", Err(Code::CrossSiteRequest)),
        ("https://page.mycompany.example", Ok(())),
    ] {
        let headers =
            [("authorization", key.as_str()), ("sec-fetch-site", "cross-site"), ("origin", origin)];
        let request = request(&Method::POST, "/service/pause", &headers);
        let answer = authenticator.authenticate(&request).await;
        assert_eq!(answer.map(drop).map_err(|problem| problem.code()), expected, "{origin}");
    }
}

#[tokio::test]
async fn any_other_credential_is_refused() {
    let setup = Setup::new().await;
    let (authenticator, _services) = authenticator(&setup).await;
    let expired = setup.claims_with("exp", json!(NOW - 3_600));
    let expired = token(&json!({"alg": "RS256", "kid": "rsa-1"}), &expired, &provider::rsa_key());
    for secret in [
        "adoc_0a1b_Secret",
        "adoc_0a1b_",
        "adoc_ffff_secret",
        "adoc_",
        "First-operator-key-0123456789abcdef",
        "x",
        &expired,
    ] {
        let problem = authenticator.authenticate(&bearer(secret)).await.unwrap_err();
        assert_eq!(problem.code(), Code::InvalidCredentials, "{secret}");
        assert!(!format!("{problem:?}").contains(secret), "{problem:?}");
    }
    let nobody = request(&Method::GET, "/connections", &[]);
    let problem = authenticator.authenticate(&nobody).await.unwrap_err();
    assert_eq!(problem.code(), Code::MissingCredentials);
}

#[tokio::test]
async fn guesses_of_the_operator_key_are_counted_and_end_even_with_the_right_one() {
    let setup = Setup::new().await;
    let (authenticator, services) = authenticator(&setup).await;
    // An API key, and a token, cannot be guessed.
    let _ = authenticator.authenticate(&bearer("adoc_0a1b_wrong")).await.unwrap_err();
    assert_eq!(services.updated(), 0);
    let _ = authenticator.authenticate(&bearer("adoc_operator_guess")).await.unwrap_err();
    assert_eq!(services.updated(), 1);
    assert!(authenticator.authenticate(&bearer(OPERATOR_KEY)).await.is_ok());
    services.use_up_limits(NOW + 3_600);
    for secret in ["another guess", OPERATOR_KEY] {
        let refused = authenticator.authenticate(&bearer(secret)).await.unwrap_err();
        assert_eq!(refused.code(), Code::WrongKeysLimited, "{secret}");
    }
    let mut elsewhere = bearer(OPERATOR_KEY);
    elsewhere.extensions_mut().insert(Source::of(Some("192.0.2.1".parse().unwrap())));
    assert!(authenticator.authenticate(&elsewhere).await.is_ok());
    assert!(authenticator.authenticate(&bearer("adoc_0a1c_secret")).await.is_ok());
}

#[tokio::test]
async fn a_short_operator_key_is_accepted_from_nobody_and_the_refusal_says_so() {
    let setup = Setup::new().await;
    let (authenticator, services) = authenticator(&setup).await;
    services.set_operator_key("hunter2");
    for secret in ["hunter2", "hunter3"] {
        let refused = authenticator.authenticate(&bearer(secret)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidCredentials);
        let detail = refused.detail_text().unwrap();
        assert!(detail.contains("fewer than 32 characters"), "{detail}");
    }
    assert!(authenticator.authenticate(&bearer("adoc_0a1c_secret")).await.is_ok());
}

#[tokio::test]
async fn the_portal_lets_in_operators_and_nobody_else() {
    let setup = Setup::new().await;
    let (authenticator, _services) = authenticator(&setup).await;
    let form = request(&Method::POST, "/portal/sign-in", &[]);
    for (presented, id) in [
        (OPERATOR_KEY, Some("operator")),
        ("adoc_0a1c_secret", Some("key:0a1c")),
        ("adoc_0a1b_secret", None),
        ("adoc_0a1c_wrong", None),
        ("First-operator-key-0123456789abcdef", None),
    ] {
        let let_in = authenticator.operator(&presented.into(), &form).await.unwrap();
        assert_eq!(let_in.as_ref().map(|(_, caller)| caller.id.as_str()), id, "{presented}");
        let Some((key, caller)) = let_in else { continue };
        assert_eq!(authenticator.operator_behind(&key).await.unwrap(), Some(caller));
    }
}

#[tokio::test]
async fn an_operator_of_the_portal_is_one_as_long_as_its_key_is() {
    let setup = Setup::new().await;
    let (authenticator, services) = authenticator(&setup).await;
    let form = request(&Method::POST, "/portal/sign-in", &[]);
    let mut keys = Vec::new();
    for presented in [OPERATOR_KEY, "adoc_0a1c_secret", "adoc_0a1d_secret"] {
        services.put_key("0a1d", "operator", None, "secret");
        keys.push(authenticator.operator(&presented.into(), &form).await.unwrap().unwrap().0);
    }
    services.set_operator_key("second-operator-key-0123456789abcdef");
    services.delete_key("0a1c");
    services.put_key("0a1d", "application", None, "secret");
    // The operator key is remembered for five minutes.
    setup.clock.advance(300);
    for key in keys {
        assert_eq!(authenticator.operator_behind(&key).await.unwrap(), None, "{key:?}");
    }
}

#[tokio::test]
async fn a_credential_that_cannot_be_checked_is_neither_accepted_nor_refused() {
    let setup = Setup::new().await;
    let (authenticator, services) = authenticator(&setup).await;
    services.set_down(true);
    setup.provider.set_down(true);
    let jwt =
        token(&json!({"alg": "RS256", "kid": "rsa-1"}), &setup.claims(), &provider::rsa_key());
    for secret in ["adoc_0a1b_secret", OPERATOR_KEY, &jwt] {
        let problem = authenticator.authenticate(&bearer(secret)).await.unwrap_err();
        assert_eq!(problem.code(), Code::ServiceUnavailable, "{secret}");
    }
}
