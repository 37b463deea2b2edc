#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

use super::*;
use crate::loopback::{Loopback, stopped_clock};
use ground::clock::Clock as _;
use ground::clock::StoppedClock;

const KEY: &str = include_str!("../credential/private_key.pem");
const OTHER_KEY: &str = include_str!("../credential/other_private_key.pem");
const CLIENT: &str = "11111111-1111-4111-8111-111111111111";
const TENANT: &str = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";
const OTHER_TENANT: &str = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb";

struct World {
    server: Loopback,
    clock: Arc<StoppedClock>,
    keys: KeyCache,
    metadata: Metadata,
}

fn jwk(pem: &str, kid: &str, issuer: &str) -> Value {
    let key = EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
    let jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&key, Algorithm::RS256).unwrap();
    let mut jwk = serde_json::to_value(jwk).unwrap();
    jwk["kid"] = kid.into();
    jwk["issuer"] = issuer.into();
    jwk
}

impl World {
    /// Entra's shared document: issuer and keys are for any tenant, except one key for one tenant.
    async fn start() -> Self {
        let server = Loopback::start().await;
        let issuer = format!("{}/{{tenantid}}/v2.0", server.url);
        let restricted = format!("{}/{OTHER_TENANT}/v2.0", server.url);
        let keys = json!({"keys": [jwk(KEY, "k1", &issuer), jwk(KEY, "restricted", &restricted), {"kty": "odd", "kid": "odd"}]});
        server.reply("/keys", 200, keys.to_string());
        let clock = stopped_clock();
        let metadata = serde_json::from_value(json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{}/authorize", server.url),
            "token_endpoint": format!("{}/token", server.url),
            "jwks_uri": format!("{}/keys", server.url),
        }))
        .unwrap();
        let keys = KeyCache::new(ground::http::client().unwrap(), clock.clone());
        Self { server, clock, keys, metadata }
    }

    fn claims(&self, changes: &Value) -> Value {
        let now = self.clock.now().as_second();
        let mut claims = json!({
            "iss": format!("{}/{TENANT}/v2.0", self.server.url), "aud": CLIENT, "tid": TENANT,
            "oid": "cccccccc-cccc-4ccc-8ccc-cccccccccccc", "nonce": "the-nonce",
            "iat": now, "nbf": now, "exp": now + 3600, "name": "Ada", "preferred_username": "ada@mycompany.example",
        });
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        claims
    }

    async fn judge(&self, token: &str) -> Result<Identity, IdTokenError> {
        self.judge_for(token, &[]).await
    }

    async fn judge_for(&self, token: &str, tenants: &[TenantId]) -> Result<Identity, IdTokenError> {
        let expected = IdTokenExpectations {
            client_id: &CLIENT.parse().unwrap(),
            nonce: &"the-nonce".into(),
            tenants,
        };
        validate(&expected, &token.into(), &self.metadata, &self.keys, self.clock.now()).await
    }

    async fn judge_claims(&self, changes: Value) -> Result<Identity, IdTokenError> {
        self.judge(&signed(KEY, &header("k1"), &self.claims(&changes))).await
    }
}

fn header(kid: &str) -> Header {
    Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::RS256) }
}

fn signed(pem: &str, header: &Header, claims: &Value) -> String {
    let key = EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
    jsonwebtoken::encode(header, claims, &key).unwrap()
}

#[tokio::test]
async fn a_good_token_names_its_user_by_tenant_and_object() {
    let world = World::start().await;
    let identity = world.judge_claims(json!({})).await.unwrap();
    assert_eq!(identity.tenant_id.to_string(), TENANT);
    assert_eq!(identity.object_id.to_string(), "cccccccc-cccc-4ccc-8ccc-cccccccccccc");
    assert_eq!(identity.username.as_deref(), Some("ada@mycompany.example"));
}

#[tokio::test]
async fn claims_of_another_sign_in_are_refused_by_name() {
    use IdTokenError as E;
    let world = World::start().await;
    let (url, now) = (&world.server.url, world.clock.now().as_second());
    let personal = "9188040d-6c67-4c5b-b112-36a304b66dad";
    for (changes, expected) in [
        (json!({"aud": "22222222-2222-4222-8222-222222222222"}), E::Audience),
        (json!({"iss": "https://evil.example/v2.0"}), E::Issuer),
        (json!({"iss": format!("{url}/{TENANT}/v2.0/")}), E::Issuer),
        (json!({"iss": format!("{url}/{OTHER_TENANT}/v2.0")}), E::Issuer),
        (json!({"tid": OTHER_TENANT}), E::Issuer),
        (json!({"tid": null}), E::Malformed),
        (json!({"tid": "organizations"}), E::Malformed),
        (json!({"oid": null}), E::Malformed),
        (json!({"exp": null}), E::Malformed),
        (json!({"nonce": "another"}), E::Nonce),
        (json!({"nonce": null}), E::Nonce),
        (json!({"exp": now - 300}), E::Time),
        (json!({"nbf": now + 301}), E::Time),
        (
            json!({"tid": personal, "iss": format!("{url}/{personal}/v2.0")}),
            E::PersonalMicrosoftAccount,
        ),
    ] {
        assert_eq!(world.judge_claims(changes.clone()).await.err(), Some(expected), "{changes}");
    }
    world.judge_claims(json!({"nbf": null})).await.unwrap();
    // Clocks may differ by five minutes.
    world.judge_claims(json!({"exp": now - 299, "nbf": now + 300})).await.unwrap();
}

#[tokio::test]
async fn a_tenant_s_own_document_does_not_let_another_tenant_in() {
    let mut world = World::start().await;
    world.metadata.issuer = format!("{}/{TENANT}/v2.0", world.server.url);
    world.judge_claims(json!({})).await.unwrap();
    assert_eq!(
        world.judge_claims(json!({"tid": OTHER_TENANT})).await.err(),
        Some(IdTokenError::Issuer)
    );
}

#[tokio::test]
async fn a_list_of_tenants_admits_no_other_tenant() {
    let world = World::start().await;
    let token = signed(KEY, &header("k1"), &world.claims(&json!({})));
    world.judge_for(&token, &[TENANT.parse().unwrap()]).await.unwrap();
    let refused = world.judge_for(&token, &[OTHER_TENANT.parse().unwrap()]).await;
    assert_eq!(refused.err(), Some(IdTokenError::TenantNotAllowed));
}

#[tokio::test]
async fn forged_signatures_and_headers_are_refused() {
    use IdTokenError as E;
    let world = World::start().await;
    let claims = world.claims(&json!({}));
    let good = signed(KEY, &header("k1"), &claims);
    let (head, rest) = good.split_once('.').unwrap();
    let (_, signature) = rest.split_once('.').unwrap();
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let hmac = jsonwebtoken::encode(
        &Header { kid: Some("k1".to_owned()), ..Header::new(Algorithm::HS256) },
        &claims,
        &EncodingKey::from_secret(KEY.as_bytes()),
    );
    let lure = Header {
        jku: Some("https://evil.example/keys".to_owned()),
        x5u: Some("https://evil.example/x".to_owned()),
        ..header("k1")
    };
    for (name, token, expected) in [
        (
            "none",
            format!("{}.{}.", encode(&json!({"alg": "none", "kid": "k1"})), encode(&claims)),
            E::Algorithm,
        ),
        ("HS256 with what is public", hmac.unwrap(), E::Algorithm),
        ("another key", signed(OTHER_KEY, &header("k1"), &claims), E::Signature),
        ("a key from an address in the header", signed(OTHER_KEY, &lure, &claims), E::Signature),
        ("no kid", signed(KEY, &Header::new(Algorithm::RS256), &claims), E::UnknownKey),
        ("an unknown kid", signed(KEY, &header("k2"), &claims), E::UnknownKey),
        ("a key of another kind", signed(KEY, &header("odd"), &claims), E::UnknownKey),
        ("a key for another tenant", signed(KEY, &header("restricted"), &claims), E::UnknownKey),
        (
            "other claims under the same signature",
            format!(
                "{head}.{}.{signature}",
                encode(&world.claims(&json!({"oid": "dddddddd-dddd-4ddd-8ddd-dddddddddddd"})))
            ),
            E::Signature,
        ),
        (
            "crit",
            format!("{}.{rest}", encode(&json!({"alg": "RS256", "kid": "k1", "crit": ["x"]}))),
            E::Malformed,
        ),
        ("not a token", "nonsense".to_owned(), E::Algorithm),
        ("a token of the longest length", "x".repeat(65_536), E::Algorithm),
        ("a longer token", "x".repeat(65_537), E::Malformed),
    ] {
        assert_eq!(world.judge(&token).await.err(), Some(expected), "{name}");
    }
    world.judge(&good).await.unwrap();
}

#[tokio::test]
async fn the_key_that_suits_is_taken_among_those_of_one_id_in_any_order() {
    let world = World::start().await;
    let issuer = format!("{}/{{tenantid}}/v2.0", world.server.url);
    let restricted = format!("{}/{OTHER_TENANT}/v2.0", world.server.url);
    let good = jwk(KEY, "k1", &issuer);
    let mut encryption = jwk(OTHER_KEY, "k1", &issuer);
    encryption["use"] = "enc".into();
    let mut operations = jwk(OTHER_KEY, "k1", &issuer);
    operations["key_ops"] = json!(["encrypt"]);
    for unfit in
        [encryption, operations, jwk(OTHER_KEY, "k1", &issuer), jwk(KEY, "k1", &restricted)]
    {
        for keys in [[&good, &unfit], [&unfit, &good]] {
            world.server.reply("/keys", 200, json!({"keys": keys}).to_string());
            world.clock.advance(3600);
            world.judge_claims(json!({})).await.unwrap();
            let refused = world.judge_claims(json!({"nonce": "another"})).await;
            assert_eq!(refused.err(), Some(IdTokenError::Nonce), "{unfit}");
        }
    }
}

#[tokio::test]
async fn one_slow_answer_of_a_key_set_costs_no_sign_in() {
    let world = World::start().await;
    world.server.reply("/keys", 503, "");
    for _ in 0..50 {
        let refused = world.judge_claims(json!({})).await;
        assert_eq!(refused.err(), Some(IdTokenError::KeysUnavailable));
    }
    assert_eq!(world.server.asked("/keys").len(), 2, "once more, and then after a pause");
    let keys = json!({"keys": [jwk(KEY, "k1", &world.metadata.issuer)]});
    world.server.reply("/keys", 200, keys.to_string());
    world.clock.advance(6);
    world.judge_claims(json!({})).await.unwrap();
}

#[tokio::test]
async fn the_tenant_of_an_unverified_token_is_a_tenant_id_or_nothing() {
    let world = World::start().await;
    let tenant = |token: &str| unverified_tenant(&token.into()).map(|tenant| tenant.to_string());
    let named = signed(KEY, &header("k1"), &world.claims(&json!({})));
    assert_eq!(tenant(&named).as_deref(), Some(TENANT));
    let elsewhere = world.claims(&json!({"tid": "../../evil"}));
    assert_eq!(tenant(&signed(KEY, &header("k1"), &elsewhere)), None);
    assert_eq!(tenant("nonsense"), None);
    assert_eq!(tenant("a.%.c"), None);
}

#[tokio::test]
async fn keys_of_one_address_verify_nothing_for_another() {
    let mut world = World::start().await;
    world.judge_claims(json!({})).await.unwrap();
    let others = json!({"keys": [jwk(OTHER_KEY, "k1", &world.metadata.issuer)]});
    world.server.reply("/others", 200, others.to_string());
    world.metadata.jwks_uri = format!("{}/others", world.server.url).parse().unwrap();
    assert_eq!(world.judge_claims(json!({})).await.err(), Some(IdTokenError::Signature));
    // Nor do they take the place of the first ones.
    world.metadata.jwks_uri = format!("{}/keys", world.server.url).parse().unwrap();
    world.judge_claims(json!({})).await.unwrap();
    assert_eq!(world.server.asked("/keys").len(), 1);
}

#[tokio::test]
async fn invented_key_ids_cause_no_requests() {
    let world = World::start().await;
    let claims = world.claims(&json!({}));
    for number in 0..1000 {
        let token = signed_cheaply(&format!("kid-{number}"), &claims);
        assert_eq!(world.judge(&token).await.err(), Some(IdTokenError::UnknownKey));
    }
    assert_eq!(world.server.asked("/keys").len(), 1);
    // After five minutes the keys are fetched once more, because they do roll over.
    world.clock.advance(301);
    world.judge(&signed_cheaply("kid-x", &claims)).await.unwrap_err();
    world.judge(&signed_cheaply("kid-y", &claims)).await.unwrap_err();
    assert_eq!(world.server.asked("/keys").len(), 2);
}

#[tokio::test]
async fn known_keys_are_fetched_once_an_hour() {
    let world = World::start().await;
    for (seconds, fetched) in [(0, 1), (3599, 1), (1, 2)] {
        world.clock.advance(seconds);
        world.judge_claims(json!({})).await.unwrap();
        assert_eq!(world.server.asked("/keys").len(), fetched);
    }
}

#[tokio::test]
async fn a_key_that_is_replaced_under_its_id_is_found_five_minutes_after_the_last_look() {
    let world = World::start().await;
    world.judge_claims(json!({})).await.unwrap();
    let replaced = json!({"keys": [jwk(OTHER_KEY, "k1", &world.metadata.issuer)]});
    world.server.reply("/keys", 200, replaced.to_string());
    let signed = |claims: &Value| signed(OTHER_KEY, &header("k1"), claims);
    world.clock.advance(299);
    let refused = world.judge(&signed(&world.claims(&json!({})))).await;
    assert_eq!(refused.err(), Some(IdTokenError::Signature));
    world.clock.advance(1);
    world.judge(&signed(&world.claims(&json!({})))).await.unwrap();
    // The former key is good no more.
    assert_eq!(world.judge_claims(json!({})).await.err(), Some(IdTokenError::Signature));
}

/// Not really signed: the unknown key is found before the signature is checked.
fn signed_cheaply(kid: &str, claims: &Value) -> String {
    let head = URL_SAFE_NO_PAD.encode(json!({"alg": "RS256", "kid": kid}).to_string());
    format!("{head}.{}.AAAA", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

#[tokio::test]
async fn keys_outlive_an_outage_of_one_day_at_most() {
    let world = World::start().await;
    world.judge_claims(json!({})).await.unwrap();
    world.server.reply("/keys", 503, "");
    world.clock.advance(23 * 3600);
    world.judge_claims(json!({})).await.unwrap();
    world.clock.advance(2 * 3600);
    assert_eq!(world.judge_claims(json!({})).await.err(), Some(IdTokenError::KeysUnavailable));
    world.server.reply("/keys", 200, "x".repeat(200_000));
    world.clock.advance(600);
    assert_eq!(world.judge_claims(json!({})).await.err(), Some(IdTokenError::KeysUnavailable));
}
