//! Tokens of the identity provider: forged ones, wrong claims, keys, outages.

use super::*;

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
        setup.clock.advance(301);
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
    setup.clock.advance(31);
    assert!(setup.rs256(&setup.claims()).await.is_ok());
}

#[tokio::test]
async fn a_known_provider_is_trusted_through_an_outage() {
    let setup = Setup::new().await;
    assert!(setup.rs256(&setup.claims()).await.is_ok());
    setup.provider.set_down(true);
    setup.clock.advance(200);
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
