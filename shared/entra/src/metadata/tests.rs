#![allow(clippy::unwrap_used)]

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::*;
use crate::error_class::ErrorClass;
use crate::loopback::{Loopback, stopped_clock};
use crate::token::TokenError;
use ground::clock::StoppedClock;

const PATH: &str = "/organizations/v2.0/.well-known/openid-configuration";

fn document(server: &Loopback) -> Value {
    json!({
        "issuer": format!("{}/{{tenantid}}/v2.0", server.url),
        "authorization_endpoint": format!("{}/authorize", server.url),
        "token_endpoint": format!("{}/token", server.url),
        "jwks_uri": format!("{}/keys", server.url),
    })
}

async fn world() -> (Loopback, Arc<StoppedClock>, MetadataCache) {
    let server = Loopback::start().await;
    server.reply(PATH, 200, document(&server).to_string());
    let clock = stopped_clock();
    let authority = Authority::from_override(server.url.parse().unwrap()).unwrap();
    let cache = MetadataCache::new(ground::http::client().unwrap(), authority, clock.clone());
    (server, clock, cache)
}

#[tokio::test]
async fn concurrent_callers_share_one_request() {
    let (server, _, cache) = world().await;
    let all = join_all((0..64).map(|_| cache.get(&Tenant::Organizations))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(server.asked(PATH).len(), 1);
    assert!(!all[0].as_ref().unwrap().iss_parameter_supported);
}

#[tokio::test]
async fn a_document_is_read_daily_and_kept_during_an_outage() {
    let (server, clock, cache) = world().await;
    cache.get(&Tenant::Organizations).await.unwrap();
    clock.advance(86_399);
    cache.get(&Tenant::Organizations).await.unwrap();
    assert_eq!(server.asked(PATH).len(), 1);
    clock.advance(2);
    server.reply(PATH, 503, "");
    cache.get(&Tenant::Organizations).await.unwrap();
    cache.get(&Tenant::Organizations).await.unwrap();
    assert_eq!(server.asked(PATH).len(), 2, "one attempt a minute");
    clock.advance(61);
    cache.get(&Tenant::Organizations).await.unwrap();
    assert_eq!(server.asked(PATH).len(), 3);
}

#[tokio::test]
async fn endpoints_to_which_a_secret_must_not_go_are_refused() {
    for name in ["authorization_endpoint", "token_endpoint", "jwks_uri"] {
        let (server, _, cache) = world().await;
        let mut document = document(&server);
        document[name] = "http://entra.mycompany.example/x".into();
        server.reply(PATH, 200, document.to_string());
        let refused = cache.get(&Tenant::Organizations).await;
        assert!(matches!(refused, Err(MetadataError::UnsafeEndpoint)), "{name}");
    }
}

#[tokio::test]
async fn other_documents_are_no_metadata() {
    for (status, body) in [
        (404, String::new()),
        (200, "{}".to_owned()),
        (200, "x".repeat(200_000)),
        (302, String::new()),
    ] {
        let (server, _, cache) = world().await;
        server.reply(PATH, status, body);
        assert!(cache.get(&Tenant::Organizations).await.is_err(), "{status}");
    }
}

#[tokio::test]
async fn a_tenant_that_entra_does_not_find_is_the_tenant_s_fault() {
    let (server, _, cache) = world().await;
    let refusal = json!({
        "error": "invalid_tenant",
        "error_description": "AADSTS90002: Tenant 'x' not found.\r\nTrace ID: 1\r\nCorrelation ID: 2",
        "error_codes": [90002],
        "error_uri": "https://login.microsoftonline.com/error?code=90002",
    });
    server.reply(PATH, 400, refusal.to_string());
    let Err(error) = cache.get(&Tenant::Organizations).await else { panic!("a document") };
    let error = TokenError::from(error);
    assert_eq!((error.class, error.codes), (ErrorClass::TenantNotFound, vec![90002]));
    server.reply(PATH, 503, refusal.to_string());
    let Err(error) = cache.get(&Tenant::Organizations).await else { panic!("a document") };
    assert_eq!(TokenError::from(error).class, ErrorClass::Transient, "an outage blames nobody");
}

#[tokio::test]
async fn each_tenant_has_a_document_of_its_own() {
    const TENANT: &str = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";
    let (server, _, cache) = world().await;
    let mut own = document(&server);
    own["issuer"] = format!("{}/{TENANT}/v2.0", server.url).into();
    server.reply(&PATH.replace("organizations", TENANT), 200, own.to_string());
    let shared = cache.get(&Tenant::Organizations).await.unwrap();
    let own = cache.get(&Tenant::Id(TENANT.parse().unwrap())).await.unwrap();
    assert_ne!(shared.issuer, own.issuer);
}
