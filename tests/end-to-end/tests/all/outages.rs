//! Answers while a part of the service itself is missing.

use aws_sdk_dynamodb::types::AttributeValue;
use end_to_end::{Caller, INTEGRATION, PROJECTS, World};
use local::names;

#[tokio::test(flavor = "multi_thread")]
async fn every_route_sends_retry_after_while_dynamodb_is_down() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let link = world.connect_url("grace").await;
    world.stack.aws().stop_dynamodb();
    world.stack.restart_functions().await;
    for path in [
        "/connections",
        &format!("/connections/{connection}"),
        &format!("/proxy/{connection}/{PROJECTS}"),
    ] {
        let answer =
            world.get(&Caller::Application, path).await.expect_problem(503, "service_unavailable");
        assert!(answer.header("retry-after").is_some());
    }
    let answer = world.browser().open(&link).await.expect_problem(503, "service_unavailable");
    assert!(!answer.text().to_lowercase().contains("dynamo"), "{}", answer.text());
    world.get(&Caller::Nobody, "/health").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_item_is_our_fault_and_the_answer_reveals_nothing() {
    let world = World::start().await;
    let pk = format!("integration#{INTEGRATION}");
    world
        .set(names::INTEGRATIONS, &pk, "client_id", AttributeValue::S("nonsense".to_owned()))
        .await;
    let answer = world.get(&Caller::Operator, &format!("/integrations/{INTEGRATION}")).await;
    let answer = answer.expect_problem(500, "internal_error");
    assert!(!answer.text().contains("nonsense") && !answer.text().contains("client_id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_is_never_released_is_waited_for_and_then_reported() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    world.expire_tokens().await;
    // A worker took the lease and never released it; this lease outlasts any real one.
    let forever = AttributeValue::N("9999999999999".to_owned());
    world.set(names::CONNECTIONS, &connection, "lease_until", forever).await;
    let answer =
        world.proxied(&connection, PROJECTS).await.expect_problem(503, "refresh_in_progress");
    assert!(answer.header("retry-after").is_some());
    let past = AttributeValue::N("1000000000000".to_owned());
    world.set(names::CONNECTIONS, &connection, "lease_until", past).await;
    world.proxied(&connection, PROJECTS).await.expect(200);
}
