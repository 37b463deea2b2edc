//! A worker dies or is overtaken at every step of the refresh protocol: before and after each request
//! that it sends to DynamoDB, KMS, Secrets Manager and Entra.

use std::sync::Mutex;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use emulators::{Fault, FaultHandle};
use end_to_end::{Caller, PROJECTS, World, at_every_step};
use local::names;
use reqwest::Method;
use tap::{Stop, Tap, When};

/// One step of a worker that begins in a fresh process.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A request to AWS: the tap, and the number of the request.
    Aws { tap: usize, number: u64, when: When },
    /// The exchange at Entra.
    Entra(When),
}

/// A worker that is held at a step.
enum Held {
    Aws(Stop),
    Entra(FaultHandle),
}

impl Held {
    fn at(world: &World, taps: &[Tap; 2], step: Step) -> Self {
        let fault = Fault::on("token.refresh_token").hold();
        match step {
            Step::Aws { tap, number, when } => Self::Aws(taps[tap].stop_at(number, when)),
            Step::Entra(When::Before) => Self::Entra(world.entra().inject(fault)),
            Step::Entra(When::After) => Self::Entra(world.entra().inject(fault.after_handling())),
        }
    }

    async fn reached(&self) {
        match self {
            Self::Aws(stop) => stop.reached().await,
            Self::Entra(fault) => fault.arrived(1).await,
        }
    }

    /// Drops the request: one that a dead process had sent never arrives. (If a lease arrived late, the test would only
    /// wait for it to expire.)
    fn get_lost(&self) {
        match self {
            Self::Aws(stop) => stop.cut(),
            Self::Entra(fault) => fault.release(),
        }
    }

    fn go_on(&self) {
        match self {
            Self::Aws(stop) => stop.go_on(),
            Self::Entra(fault) => fault.release(),
        }
    }
}

/// Connects Ada. Her connection is due, its token has expired, and no worker runs.
async fn set_the_scene(world: &World) -> String {
    let connection = world.connect("ada", "ada").await;
    world.expire_tokens().await;
    world.make_due(&connection).await;
    world.stack.restart_functions().await;
    connection
}

/// Sets the end of the lease to the past.
async fn let_the_lease_expire(world: &World, connection: &str) {
    let past = AttributeValue::N("1000000000000".to_owned());
    world.set(names::CONNECTIONS, connection, "lease_until", past).await;
}

/// Runs one worker to the end. Returns the number of requests that it sent through each tap.
async fn requests(world: &World, taps: &[Tap; 2]) -> [u64; 2] {
    let connection = set_the_scene(world).await;
    taps.iter().for_each(Tap::reset);
    world.work_on(&connection).await.unwrap();
    let requests = [taps[0].counts().total(), taps[1].counts().total()];
    assert!(world.connection(&connection).await["last_refreshed_at"].is_string());
    requests
}

/// Returns every step of a worker.
async fn steps(world: &World, taps: &[Tap; 2]) -> Vec<Step> {
    // A slow request may be retried, and the retry would be a step that other runs do not have.
    let (first, second) = (requests(world, taps).await, requests(world, taps).await);
    let requests = [first[0].min(second[0]), first[1].min(second[1])];
    let mut steps = vec![Step::Entra(When::Before), Step::Entra(When::After)];
    for (tap, requests) in requests.into_iter().enumerate() {
        for number in 0..requests {
            steps.extend([When::Before, When::After].map(|when| Step::Aws { tap, number, when }));
        }
    }
    // Lease, read, store, release, and the first lookups of a fresh process.
    assert!(steps.len() >= 16, "{steps:?}");
    steps
}

/// Runs `happens` while a worker is held at a step. Returns the results of the worker and of `happens`.
async fn meanwhile<T>(
    world: &World,
    taps: &[Tap; 2],
    connection: &str,
    step: Step,
    happens: impl AsyncFnOnce(&Held) -> T,
) -> (Result<(), local::InvokeError>, T) {
    let held = Held::at(world, taps, step);
    let worker = world.work_on(connection);
    let other = async {
        let reached = tokio::time::timeout(Duration::from_secs(30), held.reached()).await;
        assert!(reached.is_ok(), "the worker never reached {step:?}");
        let happened = happens(&held).await;
        held.go_on();
        happened
    };
    tokio::join!(worker, other)
}

/// Returns version and fence of the one item of tokens, and the item itself.
async fn stored(world: &World) -> (u64, u64, String) {
    let items = world.items(names::TOKENS).await;
    assert_eq!(items.len(), 1, "{items:?}");
    let number = |name: &str| items[0][name].as_n().unwrap().parse().unwrap();
    (number("version"), number("fence"), format!("{:?}", items[0]["access"]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_at_any_step_loses_no_grant() {
    let (world, taps) = World::tapped().await;
    for step in steps(&world, &taps).await {
        let connection = set_the_scene(&world).await;
        world.entra().reset_counts();
        let before = stored(&world).await;
        let (killed, ()) = meanwhile(&world, &taps, &connection, step, async |held| {
            world.stack.kill("refresh").await;
            held.get_lost();
        })
        .await;
        assert!(matches!(killed, Err(local::InvokeError::Ended { .. })), "{step:?}: {killed:?}");
        let_the_lease_expire(&world, &connection).await;
        world.work_on(&connection).await.unwrap();
        let after = stored(&world).await;
        assert!(after.0 > before.0 && after.1 > before.1, "{step:?}: {before:?} {after:?}");
        let exchanges = world.entra().count("token.refresh_token");
        assert!((1..=2).contains(&exchanges), "{step:?}: {exchanges} exchanges");
        assert_eq!(world.connection(&connection).await["status"], "active", "{step:?}");
        world.proxied(&connection, PROJECTS).await.expect(200);
        assert!(world.entra().count("token.refresh_token") <= 2, "{step:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_overtaken_at_any_step_never_overwrites_a_newer_token() {
    let (world, taps) = World::tapped().await;
    for step in steps(&world, &taps).await {
        let connection = set_the_scene(&world).await;
        let (ended, overtaken) = meanwhile(&world, &taps, &connection, step, async |_| {
            let_the_lease_expire(&world, &connection).await;
            world.work_on(&connection).await.unwrap();
            stored(&world).await
        })
        .await;
        ended.unwrap();
        let after = stored(&world).await;
        assert!(after.0 >= overtaken.0 && after.1 >= overtaken.1, "{step:?}");
        assert_eq!(after.0 == overtaken.0, after.2 == overtaken.2, "{step:?}");
        world.proxied(&connection, PROJECTS).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_deleted_at_any_step_of_its_refresh_stays_deleted() {
    let (world, taps) = World::tapped().await;
    for step in steps(&world, &taps).await {
        let connection = set_the_scene(&world).await;
        let (ended, ()) = meanwhile(&world, &taps, &connection, step, async |_| {
            let path = format!("/connections/{connection}");
            world.ask(&Caller::Application, Method::DELETE, &path).await.expect(204);
        })
        .await;
        ended.unwrap();
        assert!(world.items(names::TOKENS).await.is_empty(), "{step:?}");
        assert!(world.items(names::CONNECTIONS).await.is_empty(), "{step:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_began_before_a_reconnect_never_writes_after_it_at_any_step() {
    let (world, taps) = World::tapped().await;
    for step in steps(&world, &taps).await {
        let connection = set_the_scene(&world).await;
        let (ended, anew) = meanwhile(&world, &taps, &connection, step, async |_| {
            assert_eq!(world.connect("ada", "ada").await, connection);
            (stored(&world).await, world.connection(&connection).await)
        })
        .await;
        ended.unwrap();
        assert_eq!(stored(&world).await, anew.0, "{step:?}");
        assert_eq!(world.connection(&connection).await, anew.1, "{step:?}");
        world.proxied(&connection, PROJECTS).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disconnection_killed_at_any_step_deletes_all_or_nothing() {
    let (world, [tap, _others]) = World::tapped().await;
    let connection = Mutex::new(world.connect("ada", "ada").await);
    let steps = at_every_step(
        &tap,
        async || {
            let path = format!("/connections/{}", connection.lock().unwrap());
            world.ask(&Caller::Application, Method::DELETE, &path).await
        },
        async |step| {
            world.stack.kill("manage").await;
            step.cut();
        },
        async |_| {
            let (connections, tokens) =
                (world.items(names::CONNECTIONS).await, world.items(names::TOKENS).await);
            assert_eq!(connections.is_empty(), tokens.is_empty(), "{connections:?} {tokens:?}");
            let again = world.connect("ada", "ada").await;
            *connection.lock().unwrap() = again;
        },
    )
    .await;
    assert!(steps >= 2, "{steps}");
}
