#![allow(clippy::unwrap_used)]
//! Callers against a loopback identity provider and loopback AWS services.

mod provider;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use ground::clock::Clock;
use http::{HeaderValue, Method};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::config::JwtConfig;
use provider::{Provider, token};

const NOW: i64 = 1_767_225_600;

/// A clock that stands still until it is moved.
#[derive(Debug)]
struct FixedClock(AtomicI64);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

struct Setup {
    provider: Provider,
    clock: Arc<FixedClock>,
    verifier: JwtVerifier,
}

impl Setup {
    async fn new() -> Self {
        let provider = Provider::start().await;
        let clock = Arc::new(FixedClock(AtomicI64::new(NOW)));
        let config = JwtConfig {
            issuer: provider.issuer.clone(),
            audience: "ado-connect".to_owned(),
            user_claim: "sub".to_owned(),
        };
        let http = ground::http::client().unwrap();
        let verifier = JwtVerifier::new(config, http, Arc::clone(&clock) as Arc<dyn Clock>);
        Self { provider, clock, verifier }
    }

    fn claims(&self) -> Value {
        json!({ "iss": self.provider.issuer, "aud": "ado-connect", "sub": "ada", "exp": NOW + 300 })
    }

    fn claims_with(&self, name: &str, value: Value) -> Value {
        let mut claims = self.claims();
        claims[name] = value;
        claims
    }

    async fn verify(&self, token: String) -> Result<String, Refusal> {
        let user = self.verifier.verify(&token.into()).await?;
        assert_eq!(user.issuer(), Some(self.provider.issuer.as_str()));
        Ok(user.name().to_owned())
    }

    async fn rs256(&self, claims: &Value) -> Result<String, Refusal> {
        self.verify(token(&json!({"alg": "RS256", "kid": "rsa-1"}), claims, &provider::rsa_key()))
            .await
    }
}

#[tokio::test]
async fn tokens_of_the_issuer_name_their_user() {
    let setup = Setup::new().await;
    assert_eq!(setup.rs256(&setup.claims()).await.as_deref(), Ok("ada"));
    let es256 = token(
        &json!({"alg": "ES256", "kid": "ec-1", "typ": "at+jwt"}),
        &setup.claims_with("aud", json!(["other", "ado-connect"])),
        &provider::ec_key(),
    );
    assert_eq!(setup.verify(es256).await.as_deref(), Ok("ada"));
}

#[tokio::test]
async fn each_wrong_claim_is_refused_by_its_rule() {
    let setup = Setup::new().await;
    let issuer = setup.provider.issuer.clone();
    for (claim, value, refusal) in [
        ("iss", json!(format!("{issuer}/")), Refusal::Issuer),
        ("iss", json!(["x"]), Refusal::Issuer),
        ("iss", Value::Null, Refusal::Issuer),
        ("aud", json!("another"), Refusal::Audience),
        ("aud", json!([]), Refusal::Audience),
        ("aud", json!(["another", 7]), Refusal::Audience),
        ("aud", Value::Null, Refusal::Audience),
        ("exp", json!(NOW - 60), Refusal::Expired),
        ("exp", Value::Null, Refusal::Expired),
        ("exp", json!((NOW + 300).to_string()), Refusal::Expired),
        ("nbf", json!(NOW + 61), Refusal::NotYetValid),
        ("nbf", json!("now"), Refusal::NotYetValid),
        ("sub", Value::Null, Refusal::User),
        ("sub", json!(7), Refusal::User),
        ("sub", json!(""), Refusal::User),
        ("sub", json!("a\nb"), Refusal::User),
        ("sub", json!("u".repeat(257)), Refusal::User),
    ] {
        let result = setup.rs256(&setup.claims_with(claim, value.clone())).await;
        assert_eq!(result, Err(refusal), "{claim} = {value}");
    }
}

#[tokio::test]
async fn clocks_may_differ_by_a_minute() {
    let setup = Setup::new().await;
    for (claim, value) in
        [("exp", json!(NOW - 59)), ("nbf", json!(NOW + 60)), ("exp", json!(1_767_225_600.5))]
    {
        let result = setup.rs256(&setup.claims_with(claim, value.clone())).await;
        assert_eq!(result.as_deref(), Ok("ada"), "{claim} = {value}");
    }
}

#[tokio::test]
async fn forged_headers_and_signatures_are_refused() {
    let setup = Setup::new().await;
    let (claims, rsa, ec) = (setup.claims(), provider::rsa_key(), provider::ec_key());
    let other = provider::new_rsa_key();
    let public = provider::rsa_public_bytes(&rsa);
    let attacker = format!("{}/attacker", setup.provider.issuer);
    let attacker_jwk = provider::rsa_jwk(&other, "rsa-1");
    for (name, forged, refusal) in [
        (
            "none",
            provider::unsigned(&json!({"alg": "none", "kid": "rsa-1"}), &claims),
            Refusal::Malformed,
        ),
        ("None", provider::unsigned(&json!({"alg": "NonE"}), &claims), Refusal::Malformed),
        ("no alg", provider::unsigned(&json!({"kid": "rsa-1"}), &claims), Refusal::Malformed),
        (
            "HS256 by the public key",
            provider::hs256(&json!({"alg": "HS256", "kid": "rsa-1"}), &claims, &public),
            Refusal::Algorithm,
        ),
        (
            "RS384",
            token(&json!({"alg": "RS384", "kid": "rsa-1"}), &claims, &rsa),
            Refusal::Algorithm,
        ),
        (
            "ES256 for an RSA key",
            token(&json!({"alg": "ES256", "kid": "rsa-1"}), &claims, &ec),
            Refusal::Algorithm,
        ),
        (
            "RS256 for an EC key",
            token(&json!({"alg": "RS256", "kid": "ec-1"}), &claims, &rsa),
            Refusal::Algorithm,
        ),
        (
            "an encryption key",
            token(&json!({"alg": "RS256", "kid": "rsa-enc"}), &claims, &rsa),
            Refusal::Algorithm,
        ),
        (
            "another key",
            token(&json!({"alg": "RS256", "kid": "rsa-1"}), &claims, &other),
            Refusal::Signature,
        ),
        (
            "no kid, another key",
            token(&json!({"alg": "RS256"}), &claims, &other),
            Refusal::Signature,
        ),
        ("empty kid", token(&json!({"alg": "RS256", "kid": ""}), &claims, &rsa), Refusal::Key),
        (
            "unknown kid",
            token(&json!({"alg": "RS256", "kid": "../rsa-1"}), &claims, &rsa),
            Refusal::Key,
        ),
        (
            "long kid",
            token(&json!({"alg": "RS256", "kid": "k".repeat(257)}), &claims, &rsa),
            Refusal::Key,
        ),
        (
            "crit",
            token(&json!({"alg": "RS256", "kid": "rsa-1", "crit": ["exp"]}), &claims, &rsa),
            Refusal::Critical,
        ),
        (
            "empty crit",
            token(&json!({"alg": "RS256", "kid": "rsa-1", "crit": []}), &claims, &rsa),
            Refusal::Critical,
        ),
        (
            "logout token",
            token(&json!({"alg": "RS256", "kid": "rsa-1", "typ": "logout+jwt"}), &claims, &rsa),
            Refusal::Type,
        ),
        (
            "jku",
            token(&json!({"alg": "RS256", "kid": "rsa-1", "jku": attacker}), &claims, &other),
            Refusal::Signature,
        ),
        (
            "x5u",
            token(&json!({"alg": "RS256", "kid": "rsa-1", "x5u": attacker}), &claims, &other),
            Refusal::Signature,
        ),
        (
            "jwk",
            token(&json!({"alg": "RS256", "kid": "rsa-1", "jwk": attacker_jwk}), &claims, &other),
            Refusal::Signature,
        ),
        (
            "claims that are no object",
            token(&json!({"alg": "RS256", "kid": "rsa-1"}), &json!(["x"]), &rsa),
            Refusal::Signature,
        ),
    ] {
        assert_eq!(setup.verify(forged).await, Err(refusal), "{name}");
    }
    assert_eq!(setup.provider.asked_of("/attacker"), 0);
}

#[tokio::test]
async fn the_key_that_suits_is_taken_among_those_of_one_id_in_any_order() {
    let (rsa, other) = (provider::rsa_key(), provider::new_rsa_key());
    let good = provider::rsa_jwk(&rsa, "one");
    let changed = |name: &str, value: Value| {
        let mut jwk = provider::rsa_jwk(&other, "one");
        jwk[name] = value;
        jwk
    };
    let mut of_operations = changed("key_ops", json!(["wrapKey", "encrypt"]));
    of_operations.as_object_mut().unwrap().remove("use");
    for unfit in [
        changed("use", json!("enc")),
        changed("alg", json!("RSA-OAEP")),
        changed("alg", json!("RS512")),
        changed("kty", json!("odd")),
        changed("e", json!("+")),
        of_operations,
        provider::ec_jwk("one"),
        provider::rsa_jwk(&other, "one"),
    ] {
        for keys in [[good.clone(), unfit.clone()], [unfit.clone(), good.clone()]] {
            let setup = Setup::new().await;
            setup.provider.set_keys(&keys);
            let header = json!({"alg": "RS256", "kid": "one"});
            let signed = token(&header, &setup.claims(), &rsa);
            assert_eq!(setup.verify(signed).await.as_deref(), Ok("ada"), "{unfit}");
            let forged = token(&header, &setup.claims(), &provider::new_rsa_key());
            assert_eq!(setup.verify(forged).await, Err(Refusal::Signature), "{unfit}");
        }
    }
}

#[tokio::test]
async fn a_token_without_a_key_id_is_verified_by_any_key_that_suits() {
    let setup = Setup::new().await;
    let rsa = provider::rsa_key();
    let signed = token(&json!({"alg": "RS256"}), &setup.claims(), &rsa);
    assert_eq!(setup.verify(signed.clone()).await.as_deref(), Ok("ada"));
    let setup = Setup::new().await;
    let mut nameless = provider::rsa_jwk(&rsa, "");
    nameless.as_object_mut().unwrap().remove("kid");
    setup.provider.set_keys(&[nameless]);
    let signed = token(&json!({"alg": "RS256"}), &setup.claims(), &rsa);
    assert_eq!(setup.verify(signed).await.as_deref(), Ok("ada"));
    let setup = Setup::new().await;
    let two = [provider::rsa_jwk(&rsa, "a"), provider::rsa_jwk(&provider::new_rsa_key(), "b")];
    setup.provider.set_keys(&two);
    let signed = token(&json!({"alg": "RS256"}), &setup.claims(), &rsa);
    assert_eq!(setup.verify(signed).await.as_deref(), Ok("ada"));
    let forged = token(&json!({"alg": "RS256"}), &setup.claims(), &provider::new_rsa_key());
    assert_eq!(setup.verify(forged).await, Err(Refusal::Signature));
}

#[tokio::test]
async fn a_token_without_a_key_id_is_verified_by_the_last_of_ten_keys() {
    let setup = Setup::new().await;
    let (rsa, other) = (provider::rsa_key(), provider::new_rsa_key());
    let others = (0..9).map(|number| provider::rsa_jwk(&other, &number.to_string()));
    let keys: Vec<_> = others.chain([provider::rsa_jwk(&rsa, "ours")]).collect();
    setup.provider.set_keys(&keys);
    let signed = token(&json!({"alg": "RS256"}), &setup.claims(), &rsa);
    assert_eq!(setup.verify(signed).await.as_deref(), Ok("ada"));
}

#[tokio::test]
async fn keys_without_an_id_or_with_the_same_one_roll_over() {
    let (former, next) = (provider::rsa_key(), provider::new_rsa_key());
    let mut header = json!({"alg": "RS256"});
    for kid in [None, Some("k1")] {
        let jwk = |key| {
            let mut jwk = provider::rsa_jwk(key, kid.unwrap_or_default());
            if kid.is_none() {
                jwk.as_object_mut().unwrap().remove("kid");
            }
            jwk
        };
        if let Some(kid) = kid {
            header["kid"] = json!(kid);
        }
        let setup = Setup::new().await;
        setup.provider.set_keys(&[jwk(&former)]);
        let signed = |key| token(&header, &setup.claims(), key);
        assert_eq!(setup.verify(signed(&former)).await.as_deref(), Ok("ada"));
        setup.provider.set_keys(&[jwk(&former), jwk(&next)]);
        assert_eq!(setup.verify(signed(&next)).await, Err(Refusal::Signature), "{kid:?}");
        setup.clock.0.fetch_add(301, Ordering::SeqCst);
        let claims = setup.claims_with("exp", json!(NOW + 900));
        assert_eq!(
            setup.verify(token(&header, &claims, &next)).await.as_deref(),
            Ok("ada"),
            "{kid:?}"
        );
        assert_eq!(setup.provider.asked_of("/keys"), 2);
    }
}

#[tokio::test]
async fn a_key_without_an_id_is_tried_for_a_token_with_one() {
    let setup = Setup::new().await;
    let mut nameless = provider::rsa_jwk(&provider::rsa_key(), "");
    nameless.as_object_mut().unwrap().remove("kid");
    setup.provider.set_keys(&[nameless, provider::ec_jwk("another")]);
    assert_eq!(setup.rs256(&setup.claims()).await.as_deref(), Ok("ada"));
}

#[tokio::test]
async fn an_access_token_of_cognito_names_its_app_in_place_of_an_audience() {
    let setup = Setup::new().await;
    let claims = |token_use: Value, client_id: Value, audience: Value| {
        let mut claims = setup.claims_with("aud", audience);
        if claims["aud"].is_null() {
            claims.as_object_mut().unwrap().remove("aud");
        }
        claims["token_use"] = token_use;
        claims["client_id"] = client_id;
        claims
    };
    let (ours, none) = (json!("ado-connect"), Value::Null);
    let cognito = claims(json!("access"), ours.clone(), none.clone());
    assert_eq!(setup.rs256(&cognito).await.as_deref(), Ok("ada"));
    for (name, refused) in [
        ("an ID token", claims(json!("id"), ours.clone(), none.clone())),
        ("of no use", claims(none.clone(), ours.clone(), none.clone())),
        ("another app", claims(json!("access"), json!("another"), none.clone())),
        ("several apps", claims(json!("access"), json!(["ado-connect"]), none.clone())),
        ("an audience beside it", claims(json!("access"), ours, json!("another"))),
    ] {
        assert_eq!(setup.rs256(&refused).await, Err(Refusal::Audience), "{name}");
    }
}

#[tokio::test]
async fn a_token_changed_in_any_part_is_refused() {
    let setup = Setup::new().await;
    let good =
        token(&json!({"alg": "RS256", "kid": "rsa-1"}), &setup.claims(), &provider::rsa_key());
    assert!(setup.verify(good.clone()).await.is_ok());
    let parts: Vec<&str> = good.split('.').collect();
    let changed = setup.claims_with("sub", json!("grace"));
    let foreign = token(&json!({"alg": "RS256", "kid": "rsa-1"}), &changed, &provider::rsa_key());
    let foreign: Vec<&str> = foreign.split('.').collect();
    for forged in [
        format!("{}.{}.{}", parts[0], foreign[1], parts[2]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}.{}A", parts[0], parts[1], parts[2]),
        format!("{}.{}", parts[0], parts[1]),
        format!("..{}", parts[2]),
        "a.b.c".to_owned(),
    ] {
        assert!(setup.verify(forged.clone()).await.is_err(), "{forged}");
    }
}

#[tokio::test]
async fn invented_keys_do_not_become_requests_to_the_provider() {
    let setup = Setup::new().await;
    assert!(setup.rs256(&setup.claims()).await.is_ok());
    for n in 0..200 {
        let forged = token(
            &json!({"alg": "RS256", "kid": format!("k{n}")}),
            &setup.claims(),
            &provider::rsa_key(),
        );
        assert_eq!(setup.verify(forged).await, Err(Refusal::Key));
    }
    assert!(setup.provider.asked_of("/keys") <= 2);
    assert_eq!(setup.provider.asked_of("/.well-known/openid-configuration"), 1);
}

#[tokio::test]
async fn a_token_is_not_refused_while_its_provider_is_down() {
    let setup = Setup::new().await;
    setup.provider.set_down(true);
    for _ in 0..20 {
        assert!(matches!(setup.rs256(&setup.claims()).await, Err(Refusal::Unavailable(_))));
    }
    assert_eq!(setup.provider.asked_of("/.well-known/openid-configuration"), 1);
    setup.provider.set_down(false);
    setup.clock.0.fetch_add(31, Ordering::SeqCst);
    assert!(setup.rs256(&setup.claims()).await.is_ok());
}

#[tokio::test]
async fn a_known_provider_is_trusted_through_an_outage() {
    let setup = Setup::new().await;
    assert!(setup.rs256(&setup.claims()).await.is_ok());
    setup.provider.set_down(true);
    setup.clock.0.fetch_add(200, Ordering::SeqCst);
    assert!(setup.rs256(&setup.claims()).await.is_ok());
}

#[tokio::test]
async fn a_discovery_document_of_another_issuer_is_not_used() {
    let setup = Setup::new().await;
    setup.provider.set_document(json!({"issuer": "https://other.example", "jwks_uri": format!("{}/keys", setup.provider.issuer)}));
    assert!(matches!(setup.rs256(&setup.claims()).await, Err(Refusal::Unavailable(_))));
    assert_eq!(setup.provider.asked_of("/keys"), 0);
}

#[tokio::test]
async fn keys_are_not_read_from_an_insecure_address() {
    let setup = Setup::new().await;
    setup.provider.set_document(
        json!({"issuer": setup.provider.issuer, "jwks_uri": "http://keys.mycompany.example/"}),
    );
    assert!(matches!(setup.rs256(&setup.claims()).await, Err(Refusal::Unavailable(_))));
}

#[test]
fn only_three_parts_in_base64url_look_like_a_token() {
    for yes in ["a.b.c", "eyJh-_.e30.c2ln"] {
        assert!(jwt::looks_like_one(&yes.into()), "{yes}");
    }
    for no in ["", "a.b", "a.b.c.d", "a..c", ".b.c", "a.b.", "a.b.c=", "a b.c.d"] {
        assert!(!jwt::looks_like_one(&no.into()), "{no}");
    }
}

fn integration(id: &str, users: &str, created_at: &str) -> Integration {
    let json = json!({
        "id": id,
        "client_id": "3f0e5a1c-7c51-4c3f-8d1e-0c9d1f6f1a01",
        "organizations": ["mycompany"],
        "scopes": ["vso.code"],
        "users": users,
        "credential": {"kind": "client_secret"},
        "status": "ready",
        "created_at": created_at,
        "updated_at": created_at,
    });
    serde_json::from_value(json).unwrap()
}

fn connection(integration: &Integration, user: &UserId) -> Connection {
    let json = json!({
        "pk": "conn_00000000000000000000000000000000",
        "integration": integration.id,
        "user": user,
        "status": "active",
        "tenant_id": "11111111-1111-4111-8111-111111111111",
        "object_id": "22222222-2222-4222-8222-222222222222",
        "scopes": [],
        "created_at": 0,
        "revision": 1,
    });
    serde_json::from_value(json).unwrap()
}

#[test]
fn callers_are_limited_to_their_role_integration_and_user() {
    const THEN: &str = "2026-01-01T00:00:00Z";
    let fabrikam = integration("fabrikam", "application", THEN);
    let contoso = integration("contoso", "jwt", THEN);
    let kind = |kind| Caller { id: "x".to_owned(), kind, api_key: None };
    let created_at = Some(fabrikam.created_at);
    let bound = BoundIntegration { id: fabrikam.id.clone(), created_at };
    let limited = kind(Kind::Application { integration: Some(bound) });
    assert!(limited.sees_integration(&fabrikam) && !limited.sees_integration(&contoso));
    // Another one of the same id.
    let later = integration("fabrikam", "application", "2026-01-01T00:00:01Z");
    assert!(!limited.sees_integration(&later));
    let unlimited = kind(Kind::Application { integration: None });
    for caller in [&unlimited, &kind(Kind::Operator)] {
        assert!(caller.sees_integration(&fabrikam) && caller.sees_integration(&contoso));
    }
    assert!(limited.require(&[Role::User, Role::Application]).is_ok());

    let of = |issuer: &str, name: &str| UserId::of_issuer(issuer, name).unwrap();
    let ada = of("https://id.example", "ada");
    let user = kind(Kind::User { user: ada.clone() });
    // Only where users name themselves.
    assert!(user.sees_integration(&contoso) && !user.sees_integration(&fabrikam));
    assert!(user.sees_connection(&connection(&contoso, &ada), &contoso));
    assert!(!user.sees_connection(&connection(&fabrikam, &ada), &fabrikam));
    assert!(!user.sees_connection(&connection(&fabrikam, &ada), &contoso));
    for other in [
        of("https://id.example", "grace"),
        of("https://other.example", "ada"),
        "ada".parse().unwrap(),
    ] {
        assert!(!user.sees_connection(&connection(&contoso, &other), &contoso), "{other}");
    }
    let plain: UserId = "ada".parse().unwrap();
    assert!(limited.sees_connection(&connection(&fabrikam, &plain), &fabrikam));
    assert!(!limited.sees_connection(&connection(&contoso, &plain), &contoso));
    let problem = kind(Kind::Operator).require(&[Role::Application, Role::User]).unwrap_err();
    assert_eq!(problem.code(), Code::RoleNotAllowed);
    assert_eq!(
        problem.detail_text(),
        Some("The caller is operator; this route is for application and user.")
    );
}

#[test]
fn the_id_of_a_caller_does_not_contain_the_user() {
    let caller = Caller::of_user("ada@mycompany.example".parse().unwrap());
    assert!(caller.id.starts_with("user:") && caller.id.len() == 21);
    assert!(!caller.id.contains("ada"));
    assert_eq!(caller.user().unwrap().as_str(), "ada@mycompany.example");
}

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
        (operator_key, LimitLedger::new(services.dynamodb(), "sessions".to_owned())),
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
