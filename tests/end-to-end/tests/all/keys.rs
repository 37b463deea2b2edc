//! The operator key, and keys of applications that outlive what they are bound to.

use aws_sdk_dynamodb::types::AttributeValue;
use end_to_end::portal::Operator;
use end_to_end::{Caller, World};
use local::names;
use reqwest::Method;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_key_dies_with_its_integration() {
    let world = World::start().await;
    world.put_integration("acme", json!({})).await.expect(201);
    let bound = Caller::Bearer(world.new_key("application", Some("acme")).await);
    let unbound = Caller::Bearer(world.new_key("application", None).await);
    world.get(&bound, "/connections").await.expect(200);
    world.ask(&Caller::Operator, Method::DELETE, "/integrations/acme").await.expect(204);
    world.get(&bound, "/connections").await.expect_problem(401, "invalid_credentials");
    world.put_integration("acme", json!({})).await.expect(201);
    world.get(&bound, "/connections").await.expect_problem(401, "invalid_credentials");
    world.get(&unbound, "/connections").await.expect(200);
    let keys = world.get(&Caller::Operator, "/api-keys").await.expect(200).text();
    assert!(!keys.contains("acme"), "{keys}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_outlived_its_integration_sees_nothing_of_a_later_one() {
    let world = World::start().await;
    world.put_integration("acme", json!({})).await.expect(201);
    let bound = Caller::Bearer(world.new_key("application", Some("acme")).await);
    // As if the key had been left behind.
    let key = AttributeValue::S("2020-01-01T00:00:00Z".to_owned());
    world.set(names::INTEGRATIONS, "integration#acme", "created_at", key).await;
    let listed = world.get(&bound, "/connections").await;
    listed.expect_problem(404, "integration_not_found");
    let wish = json!({"integration": "acme", "user": "x", "return_to": world.return_to()});
    let refused = world.post(&bound, "/connect-sessions", wish).await;
    refused.expect_problem(404, "integration_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_key_is_neither_stored_nor_guessed() {
    let world = World::start().await;
    let key = world.stack.operator_key().to_owned();
    let operator = Operator::sign_in(&world, &key).await;
    operator.open("/portal/integrations").await.expect(200);
    let by_hash = vault::secret_token::SecretHash::of(&key.clone().into());
    let sessions = format!("{:?}", world.items(names::SESSIONS).await);
    assert!(sessions.contains("operator_key") && !sessions.contains(by_hash.as_str()));

    let mut answers = Vec::new();
    for guess in 0..110 {
        let guess = Caller::Bearer(format!("guess-{guess}"));
        answers.push(world.get(&guess, "/service").await.status.as_u16());
    }
    let compared = answers.iter().filter(|status| **status == 401).count();
    assert!((100..=101).contains(&compared), "{answers:?}");
    let refused = world.get(&Caller::Operator, "/service").await;
    let refused = refused.expect_problem(429, "wrong_keys_limited");
    assert!(refused.header("retry-after").is_some());
    let sent = [("key", key.as_str())];
    let page = world.browser().submit(&world.url("/portal/sign-in"), &sent).await.expect(429);
    assert!(page.header("retry-after").is_some() && page.text().contains("Too many wrong keys"));
    // The session goes on, and so do keys that cannot be guessed.
    operator.open("/portal/integrations").await.expect(200);
    world.get(&Caller::Application, "/connections").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_operator_key_is_accepted_from_nobody_and_a_page_says_so() {
    let world = World::start().await;
    let secrets = &world.stack.aws().secrets_manager;
    let change = secrets.put_secret_value().secret_id(names::OPERATOR_KEY).secret_string("hunter2");
    change.send().await.unwrap();
    world.stack.restart_functions().await;
    let caller = Caller::Bearer("hunter2".to_owned());
    let refused = world.get(&caller, "/service").await.expect_problem(401, "invalid_credentials");
    assert!(refused.text().contains("fewer than 32 characters"), "{}", refused.text());
    let page = world.browser().submit(&world.url("/portal/sign-in"), &[("key", "hunter2")]).await;
    assert!(page.expect(401).text().contains("fewer than 32 characters"));
    world.logged(|line| line.contains("fewer than 32 characters")).await;
}
