//! Users who call with a token of the application's own identity provider.

use axum::Router;
use axum::routing::get;
use emulators::entra::TestCertificate;
use end_to_end::{Caller, INTEGRATION, PROJECTS, World};
use jsonwebtoken::jwk::{Jwk, KeyAlgorithm};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::Method;
use serde_json::{Value, json};

/// The year 2100.
const LATER: u64 = 4_102_444_800;

/// An identity provider with one key for signatures, and another with the same id for encryption.
struct Provider {
    issuer: String,
    key: EncodingKey,
}

impl Provider {
    async fn start() -> Self {
        let certificate = TestCertificate::generate().unwrap();
        let key = EncodingKey::from_rsa_pem(certificate.private_key_pem.as_bytes()).unwrap();
        let mut jwk = Jwk::from_encoding_key(&key, Algorithm::RS256).unwrap();
        jwk.common.key_id = Some("k1".to_owned());
        let other = TestCertificate::generate().unwrap();
        let other = EncodingKey::from_rsa_pem(other.private_key_pem.as_bytes()).unwrap();
        let mut encryption = Jwk::from_encoding_key(&other, Algorithm::RS256).unwrap();
        encryption.common.key_id = Some("k1".to_owned());
        encryption.common.key_algorithm = Some(KeyAlgorithm::RSA_OAEP);
        let keys = json!({"keys": [jwk, encryption]}).to_string();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let document = json!({"issuer": issuer, "jwks_uri": format!("{issuer}/keys")}).to_string();
        let app = Router::new()
            .route("/.well-known/openid-configuration", get(move || std::future::ready(document)))
            .route("/keys", get(move || std::future::ready(keys)));
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { issuer, key }
    }

    fn token(&self, changes: &Value) -> Caller {
        self.token_under(Some("k1"), changes)
    }

    /// A token whose header names this key, or none.
    fn token_under(&self, kid: Option<&str>, changes: &Value) -> Caller {
        let mut claims =
            json!({"iss": self.issuer, "aud": "ado-connect", "sub": "ada", "exp": LATER});
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        let header = Header { kid: kid.map(str::to_owned), ..Header::new(Algorithm::RS256) };
        Caller::Bearer(jsonwebtoken::encode(&header, &claims, &self.key).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_s_token_reaches_the_user_s_own_connections_only() {
    let provider = Provider::start().await;
    let variables = [("JWT_ISSUER", provider.issuer.as_str()), ("JWT_AUDIENCE", "ado-connect")];
    let world = World::with_variables(&variables).await;
    let (ada, grace) = (world.connect("ada", "ada").await, world.connect("grace", "grace").await);
    let caller = provider.token(&json!({}));

    let listed = world.get(&caller, "/connections").await.expect(200).json();
    let ids: Vec<_> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, [ada.as_str()]);
    world.get(&caller, &format!("/proxy/{ada}/{PROJECTS}")).await.expect(200);
    world
        .get(&caller, &format!("/proxy/{grace}/{PROJECTS}"))
        .await
        .expect_problem(404, "connection_not_found");
    let path = format!("/connections/{grace}");
    for method in [Method::GET, Method::DELETE] {
        world.ask(&caller, method, &path).await.expect_problem(404, "connection_not_found");
    }
    world
        .ask(&caller, Method::POST, &format!("/connections/{ada}/token"))
        .await
        .expect_problem(403, "role_not_allowed");
    world.get(&caller, "/integrations").await.expect_problem(403, "role_not_allowed");

    // With a user's token a session is always for that user, whether named or not.
    let session = |user: Option<&str>| json!({"integration": INTEGRATION, "user": user, "return_to": world.return_to()});
    world.post(&caller, "/connect-sessions", session(None)).await.expect(201);
    world.post(&caller, "/connect-sessions", session(Some("ada"))).await.expect(201);
    world
        .post(&caller, "/connect-sessions", session(Some("grace")))
        .await
        .expect_problem(403, "user_mismatch");
    world.get(&caller, "/connections?user=grace").await.expect_problem(403, "user_mismatch");
    world.ask(&caller, Method::DELETE, &format!("/connections/{ada}")).await.expect(204);
    assert_eq!(world.connection(&grace).await["status"], "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_others_or_for_others_are_refused() {
    let (provider, other) = (Provider::start().await, Provider::start().await);
    let variables = [("JWT_ISSUER", provider.issuer.as_str()), ("JWT_AUDIENCE", "ado-connect")];
    let world = World::with_variables(&variables).await;
    for changes in [
        json!({"aud": "somebody else"}),
        json!({"iss": other.issuer}),
        json!({"exp": 1_000_000_000}),
        json!({"nbf": LATER}),
        json!({"sub": ""}),
        json!({"sub": 7}),
    ] {
        world
            .get(&provider.token(&changes), "/connections")
            .await
            .expect_problem(401, "invalid_credentials");
    }
    let forged = other.token(&json!({"iss": provider.issuer}));
    world.get(&forged, "/connections").await.expect_problem(401, "invalid_credentials");
    world.get(&provider.token(&json!({})), "/connections").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_of_cognito_and_one_without_a_key_id_are_accepted() {
    let provider = Provider::start().await;
    let variables = [("JWT_ISSUER", provider.issuer.as_str()), ("JWT_AUDIENCE", "ado-connect")];
    let world = World::with_variables(&variables).await;
    let access = json!({"aud": null, "client_id": "ado-connect", "token_use": "access"});
    for accepted in [provider.token(&access), provider.token_under(None, &json!({}))] {
        world.get(&accepted, "/connections").await.expect(200);
    }
    for refused in [
        json!({"aud": null, "client_id": "ado-connect", "token_use": "id"}),
        json!({"aud": null, "client_id": "ado-connect"}),
        json!({"aud": null, "client_id": "another", "token_use": "access"}),
        json!({"aud": "another", "client_id": "ado-connect", "token_use": "access"}),
    ] {
        let answer = world.get(&provider.token(&refused), "/connections").await;
        answer.expect_problem(401, "invalid_credentials");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_s_program_needs_no_connection_id() {
    let provider = Provider::start().await;
    let variables = [("JWT_ISSUER", provider.issuer.as_str()), ("JWT_AUDIENCE", "ado-connect")];
    let world = World::with_variables(&variables).await;
    let caller = provider.token(&json!({}));
    let me = format!("/proxy/me/{PROJECTS}");
    world.get(&caller, &me).await.expect_problem(404, "connection_not_found");
    world.connect("grace", "grace").await;
    world.get(&caller, &me).await.expect_problem(404, "connection_not_found");
    world.connect("ada", "ada").await;
    world.get(&caller, &me).await.expect(200);
    // Addresses in answers keep the name `me`.
    let areas = world.get(&caller, "/proxy/me/dev.azure.com/mycompany/_apis/resourceAreas").await;
    let location = areas.expect(200).json()["value"][0]["locationUrl"].clone();
    assert!(location.as_str().unwrap().starts_with(&world.url("/proxy/me/")), "{location}");
    world
        .get(&caller, "/proxy/me/dev.azure.com/contoso/_apis/projects")
        .await
        .expect_problem(403, "organization_not_allowed");
    world.get(&Caller::Application, &me).await.expect_problem(404, "connection_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connection_that_reaches_the_address_is_chosen_among_several() {
    let provider = Provider::start().await;
    let variables = [("JWT_ISSUER", provider.issuer.as_str()), ("JWT_AUDIENCE", "ado-connect")];
    let world = World::with_variables(&variables).await;
    let caller = provider.token(&json!({}));
    world.put_integration("fabrikam", json!({"organizations": ["fabrikam"]})).await.expect(201);
    world.put_integration("another", json!({})).await.expect(201);
    let first = world.connect("ada", "ada").await;
    for integration in ["fabrikam", "another"] {
        let wish =
            json!({"integration": integration, "user": "ada", "return_to": world.return_to()});
        let link = world.connect_url_for(wish).await;
        let returned = world.browser().finish(&link, "ada").await.expect(303);
        world.confirm(&returned, "ada").await.expect(200);
    }
    world.get(&caller, "/proxy/me/dev.azure.com/fabrikam/_apis/projects").await.expect(200);
    let me = format!("/proxy/me/{PROJECTS}");
    let ambiguous = world.get(&caller, &me).await.expect_problem(409, "connection_ambiguous");
    assert!(ambiguous.text().contains("another"), "{}", ambiguous.text());
    let request = world.request(&caller, Method::GET, &me);
    let request = request.header("x-ado-connect-integration", "another");
    world.send(request).await.expect(200);
    let request = world.request(&caller, Method::GET, &me);
    let request = request.header("x-ado-connect-integration", "nosuch");
    world.send(request).await.expect_problem(404, "connection_not_found");
    world.ask(&caller, Method::DELETE, &format!("/connections/{first}")).await.expect(204);
    world.get(&caller, &me).await.expect(200);
}
