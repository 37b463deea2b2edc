//! Crowds of calls that API Gateway or Lambda refuses before a function sees them.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use emulators::Fault;
use end_to_end::{Answer, Caller, PROJECTS, World, WorldOptions};
use futures_util::future::join_all;
use local::names;
use tokio::time::Instant;

/// Not a wait: a service that does not recover is given up.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(20);
/// Requests that a front takes at a time; starting a world and connecting an account need fewer.
const BURST: usize = 16;

/// Sends twice the burst at a time, at a rate of one a second. Returns the number that passed, and the refusals.
async fn exceed(send: impl AsyncFn() -> Answer) -> (usize, Vec<Answer>) {
    let begun = Instant::now();
    let answers = join_all((0..2 * BURST).map(|_| send())).await;
    let (passed, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status == 200);
    let flowed_in = usize::try_from(begun.elapsed().as_secs()).unwrap() + 1;
    assert!((1..=BURST + flowed_in).contains(&passed.len()), "{} passed", passed.len());
    (passed.len(), refused)
}

async fn is_served_again(send: impl AsyncFn() -> Answer) {
    let deadline = Instant::now() + GIVEN_UP_AFTER;
    while send().await.status != 200 {
        assert!(Instant::now() < deadline, "a caller that waits is not served again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_beyond_the_throttle_of_a_stage_are_refused_and_reach_no_function() {
    let burst = BURST.to_string();
    let parameters = [("ThrottleRate", "1"), ("ThrottleBurst", burst.as_str())];
    let world = World::deployed_with(&parameters).await;
    let connection = world.connect("ada", "ada").await;

    let health = async || world.get(&Caller::Nobody, "/health").await;
    let (_, refused) = exceed(health).await;
    for answer in refused {
        answer.expect_message(429, "Too Many Requests");
    }
    // The other front is another stage.
    let streamed = async || world.streamed(&connection, PROJECTS).await;
    let (passed, refused) = exceed(streamed).await;
    assert!(passed >= BURST, "{passed} passed");
    assert_eq!(world.devops().count("projects.list"), u64::try_from(passed).unwrap());
    for answer in refused {
        let answer = answer.expect_problem(429, "rate_limited");
        assert_eq!(answer.header("retry-after"), Some("2"));
    }
    is_served_again(health).await;
    is_served_again(streamed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_without_a_free_execution_are_refused_by_both_fronts_until_one_is_free() {
    let world = World::with(WorldOptions { environments: 1, ..WorldOptions::default() }).await;
    let connection = world.connect("ada", "ada").await;
    let health = async || world.get(&Caller::Nobody, "/health").await;
    let streamed = async || world.streamed(&connection, PROJECTS).await;

    let held = world.devops().inject(Fault::on("projects.list").hold());
    let meanwhile = async {
        held.arrived(1).await;
        // All functions share the executions.
        health().await.expect_message(503, "Service Unavailable");
        let refused = streamed().await.expect_problem(503, "service_unavailable");
        assert_eq!(refused.header("retry-after"), Some("2"));
        held.release();
    };
    let (under_way, ()) = tokio::join!(world.proxied(&connection, PROJECTS), meanwhile);
    under_way.expect(200);
    assert_eq!(world.devops().count("projects.list"), 1);
    is_served_again(streamed).await;
    // An execution ends a moment after its stream.
    is_served_again(health).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reserved_executions_of_a_function_are_all_that_it_has() {
    let parameters = [("ProxyConcurrency", "1"), ("StreamingConcurrency", "0")];
    let world = World::deployed_with(&parameters).await;
    let connection = world.connect("ada", "ada").await;

    let held = world.devops().inject(Fault::on("projects.list").hold());
    let meanwhile = async {
        held.arrived(1).await;
        let refused = world.proxied(&connection, PROJECTS).await;
        refused.expect_message(503, "Service Unavailable");
        world.get(&Caller::Nobody, "/health").await.expect(200);
        held.release();
    };
    let (under_way, ()) = tokio::join!(world.proxied(&connection, PROJECTS), meanwhile);
    under_way.expect(200);
    world.proxied(&connection, PROJECTS).await.expect(200);
    // None are reserved for it, which stops it.
    world.streamed(&connection, PROJECTS).await.expect_problem(503, "service_unavailable");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_and_messages_without_a_free_execution_are_delivered_later() {
    let world = World::with(WorldOptions { environments: 1, ..WorldOptions::default() }).await;
    let connections = [world.connect("ada", "ada").await, world.connect("grace", "grace").await];
    // In two shards, whose messages are delivered at the same time.
    for (shard, connection) in connections.iter().enumerate() {
        let shard = AttributeValue::N(shard.to_string());
        world.set(names::CONNECTIONS, connection, "due_shard", shard).await;
        world.make_due(connection).await;
    }

    let held = world.devops().inject(Fault::on("projects.list").hold());
    let call = world.proxied(&connections[0], PROJECTS);
    let schedule = async {
        held.arrived(1).await;
        let refused_at_first = async {
            let health = world.get(&Caller::Nobody, "/health").await;
            health.expect_message(503, "Service Unavailable");
            held.release();
        };
        let (ticked, ()) = tokio::join!(world.stack.tick(), refused_at_first);
        ticked
    };
    let (answer, ticked) = tokio::join!(call, schedule);
    answer.expect(200);
    ticked.unwrap();
    assert_eq!(world.entra().count("token.refresh_token"), 2);
}
