//! The reads that decide about a call: one request, which every process makes for every call, unless the operator lets them
//! believe for some seconds what they have read.

use std::collections::BTreeMap;
use std::time::Duration;

use end_to_end::{Answer, Caller, INTEGRATION, PROJECTS, World, crowd};
use reqwest::Method;
use serde_json::json;

/// Calls at a time, and so processes of the proxy.
const CALLS: usize = 16;

/// The requests of the functions to DynamoDB since the last look, by operation.
fn dynamodb(world: &World) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for request in world.requests_to_aws() {
        let target = request.split(':').next().unwrap_or_default();
        if let Some(operation) = target.strip_prefix("DynamoDB_20120810.") {
            *counts.entry(operation.to_owned()).or_default() += 1;
        }
    }
    world.check_for_leaks();
    counts
}

/// The `Authorization` of each request to Azure DevOps since its counts were reset.
fn presented(world: &World) -> Vec<String> {
    let of = |request: emulators::RecordedRequest| {
        let mut headers = request.headers.into_iter();
        headers.find(|(name, _)| name == "authorization").map(|(_, value)| value)
    };
    world.devops().requests().into_iter().filter_map(of).collect()
}

async fn calls(world: &World, caller: &Caller, connection: &str) -> Vec<Answer> {
    let path = format!("/proxy/{connection}/{PROJECTS}");
    crowd((0..CALLS).map(|_| world.get(caller, &path))).await
}

/// Lets several processes of the proxy call for a caller.
async fn warm_up(world: &World, caller: &Caller, connection: &str) {
    for answer in calls(world, caller, connection).await {
        answer.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_call_makes_one_request_to_dynamodb_and_none_to_kms() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    for _ in 0..2 {
        world.proxied(&connection, PROJECTS).await.expect(200);
    }
    dynamodb(&world);
    for _ in 0..5 {
        world.proxied(&connection, PROJECTS).await.expect(200);
    }
    assert!(!world.requests_to_aws().iter().any(|request| request.starts_with("TrentService")));
    let mut counts = dynamodb(&world);
    // The hourly counts are written every ten seconds.
    assert!(counts.remove("UpdateItem").unwrap_or_default() <= 1);
    assert_eq!(counts, BTreeMap::from([("BatchGetItem".to_owned(), 5)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_guess_of_the_integration_costs_one_more_request() {
    let world = World::start().await;
    world.put_integration("other", json!({})).await.expect(201);
    let one = world.connect("ada", "ada").await;
    let other = world.connect_under("other", "ada", "ada").await;
    world.proxied(&one, PROJECTS).await.expect(200);
    dynamodb(&world);
    // Guessed by the key's last integration, which is another one.
    world.proxied(&other, PROJECTS).await.expect(200);
    let counts = dynamodb(&world);
    assert_eq!((counts["BatchGetItem"], counts["GetItem"]), (1, 2), "the integration, the token");
    world.proxied(&other, PROJECTS).await.expect(200);
    assert_eq!(dynamodb(&world).get("GetItem"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_withdrawal_is_refused_by_every_warm_process_from_the_next_request_on() {
    let world = World::start().await;
    let key = world.new_key("application", None).await;
    let (key_id, key) = (key.split('_').nth(1).unwrap().to_owned(), Caller::Bearer(key));
    let connection = world.connect("ada", "ada").await;
    let narrowed = json!({"allowed_calls": [{"methods": ["GET"], "paths": ["/_apis/wit"]}]});
    let pause =
        |what: &str| (Method::POST, format!("{what}/pause"), Some(format!("{what}/resume")));
    let integration = format!("/integrations/{INTEGRATION}");
    for (method, path, undo) in [
        pause("/service"),
        pause(&integration),
        pause(&format!("/connections/{connection}")),
        (Method::DELETE, format!("/api-keys/{key_id}"), None),
    ] {
        warm_up(&world, &key, &connection).await;
        let thrown = world.ask(&Caller::Operator, method, &path).await;
        assert!(thrown.status.is_success(), "{path}: {thrown:?}");
        for answer in calls(&world, &key, &connection).await {
            assert!(answer.status.is_client_error() || answer.status == 503, "{path}: {answer:?}");
        }
        if let Some(undo) = undo {
            world.ask(&Caller::Operator, Method::POST, &undo).await.expect(200);
        }
    }
    warm_up(&world, &Caller::Application, &connection).await;
    world.put_integration(INTEGRATION, narrowed).await.expect(200);
    for answer in calls(&world, &Caller::Application, &connection).await {
        answer.expect_problem(403, "call_not_allowed");
    }
    world.put_integration(INTEGRATION, json!({})).await.expect(200);
    warm_up(&world, &Caller::Application, &connection).await;
    let path = format!("/connections/{connection}");
    world.ask(&Caller::Application, Method::DELETE, &path).await.expect(204);
    for answer in calls(&world, &Caller::Application, &connection).await {
        answer.expect_problem(404, "connection_not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reconnect_and_a_renewal_reach_every_warm_process_at_its_next_call() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    warm_up(&world, &Caller::Application, &connection).await;
    for change in ["renewed", "reconnected"] {
        let before = presented(&world).pop().unwrap();
        if change == "renewed" {
            world.renew(&connection).await.expect(200);
        } else {
            assert_eq!(world.connect("ada", "ada").await, connection);
        }
        world.devops().reset_counts();
        warm_up(&world, &Caller::Application, &connection).await;
        let after = presented(&world);
        assert!(after.len() >= CALLS && !after.contains(&before), "{change}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_trusts_makes_no_request_and_accepts_a_deleted_key_meanwhile() {
    let world = World::with_variables(&[("TRUST_SECONDS", "60")]).await;
    let connection = world.connect("ada", "ada").await;
    let key = world.new_key("application", None).await;
    let (key_id, key) = (key.split('_').nth(1).unwrap().to_owned(), Caller::Bearer(key));
    let path = format!("/proxy/{connection}/{PROJECTS}");
    // The first records the use of key and connection, which ends the trust.
    for _ in 0..3 {
        world.get(&key, &path).await.expect(200);
    }
    dynamodb(&world);
    for _ in 0..5 {
        world.get(&key, &path).await.expect(200);
    }
    let mut counts = dynamodb(&world);
    assert!(counts.remove("UpdateItem").unwrap_or_default() <= 1);
    assert_eq!(counts, BTreeMap::new());
    let deleted = format!("/api-keys/{key_id}");
    world.ask(&Caller::Operator, Method::DELETE, &deleted).await.expect(204);
    world.get(&key, &path).await.expect(200);
    // What nobody has presented is not believed.
    let unknown = Caller::Bearer(format!("adoc_{key_id}_unknown"));
    world.get(&unknown, &path).await.expect_problem(401, "invalid_credentials");
}

#[tokio::test(flavor = "multi_thread")]
async fn trust_ends_with_its_time() {
    let world = World::with_variables(&[("TRUST_SECONDS", "1")]).await;
    let connection = world.connect("ada", "ada").await;
    warm_up(&world, &Caller::Application, &connection).await;
    let path = format!("/connections/{connection}");
    world.ask(&Caller::Application, Method::DELETE, &path).await.expect(204);
    let refused = async {
        while calls(&world, &Caller::Application, &connection)
            .await
            .iter()
            .any(|answer| answer.status == 200)
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), refused).await.expect("trust ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_trusts_believes_its_own_writes_at_once() {
    let world = World::with_variables(&[("TRUST_SECONDS", "60")]).await;
    let connection = world.connect("ada", "ada").await;
    for _ in 0..2 {
        world.proxied(&connection, PROJECTS).await.expect(200);
    }
    let before = presented(&world).pop();
    world.renew(&connection).await.expect(200);
    world.proxied(&connection, PROJECTS).await.expect(200);
    assert_ne!(presented(&world).pop(), before);
}
