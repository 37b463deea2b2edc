//! Several events at a time in one process, as Lambda Managed Instances send them.

use std::time::Duration;

use emulators::Fault;
use end_to_end::{Caller, World};
use futures_util::future::join_all;
use local::{Answer, Environment, FunctionSettings};
use reqwest::Method;
use serde_json::Value;

/// Events at a time.
const AT_A_TIME: usize = 64;
/// The longest time of an answer.
const PATIENCE: Duration = Duration::from_mins(1);
const EVENT: &str = include_str!("../../events/http-api-proxy.json");
/// Users of the application, and the accounts that they sign in with.
const USERS: [(&str, &str); 4] =
    [("ada", "ada"), ("ada at work", "ada"), ("grace", "grace"), ("grace at work", "grace")];
/// Calls of one connection at a time: fewer than a connection may have, however long they take.
const OF_ONE: usize = AT_A_TIME / USERS.len();

/// One process of the proxy.
struct Process {
    environment: Environment,
    key: String,
}

impl Process {
    async fn start(world: &World) -> Self {
        let mut settings: FunctionSettings = world.stack.settings("proxy").clone();
        let several = ("AWS_LAMBDA_MAX_CONCURRENCY".to_owned(), AT_A_TIME.to_string());
        settings.variables.push(several);
        let environment = Environment::start(&settings).await.unwrap();
        Self { environment, key: world.new_key("application", None).await }
    }

    /// Asks Azure DevOps who the user of a connection is. Returns the status, and the answer.
    async fn who(&self, connection: &str) -> (u64, Value) {
        let event = EVENT
            .replace("CONNECTION", connection)
            .replace("API_KEY", &self.key)
            .replace("_apis/projects", "_apis/connectionData");
        let answered = self.environment.invoke(event.into_bytes(), PATIENCE).await;
        let Answer::Whole(answer) = answered.unwrap().unwrap() else { panic!("a stream") };
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let body = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        (answer["statusCode"].as_u64().unwrap(), body)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_events_are_under_way_in_one_process_and_each_has_its_own_user_s_answer() {
    let world = World::start().await;
    let process = Process::start(&world).await;
    let mut connections = Vec::new();
    for (user, account) in USERS {
        connections.push((world.connect(user, account).await, account));
    }
    world.devops().reset_counts();
    let held = world.devops().inject(Fault::on("connection_data").times(0).hold());
    let calls = connections.iter().cycle().take(AT_A_TIME).map(|(connection, account)| {
        let process = &process;
        async move { (process.who(connection).await, *account) }
    });
    let all_arrive = async {
        let arrived = held.arrived(u32::try_from(AT_A_TIME).unwrap());
        let arrived = tokio::time::timeout(PATIENCE, arrived).await;
        held.release();
        arrived.expect("all events are under way at a time");
    };
    let (answers, ()) = tokio::join!(join_all(calls), all_arrive);
    assert_eq!(world.devops().peak("connection_data"), AT_A_TIME as u64);
    for ((status, who), account) in answers {
        assert_eq!(status, 200, "{who}");
        let other = who["authenticatedUser"]["properties"]["Account"]["$value"].as_str().unwrap();
        assert!(other.starts_with(account), "{account} got the answer of {other}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_is_refused_at_the_next_of_many_events_and_others_go_on() {
    let world = World::start().await;
    let process = Process::start(&world).await;
    let (gone, stays) = (world.connect("ada", "ada").await, world.connect("grace", "grace").await);
    let crowd = || {
        join_all([&gone, &stays].into_iter().cycle().take(2 * OF_ONE).map(|one| process.who(one)))
    };
    assert!(crowd().await.iter().all(|(status, _)| *status == 200));

    let path = format!("/connections/{gone}");
    world.ask(&Caller::Application, Method::DELETE, &path).await.expect(204);
    for (number, (status, body)) in crowd().await.into_iter().enumerate() {
        assert_eq!(status, if number % 2 == 0 { 404 } else { 200 }, "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_have_expired_are_renewed_once_for_all_events() {
    let world = World::start().await;
    let process = Process::start(&world).await;
    let connection = world.connect("ada", "ada").await;
    world.expire_tokens().await;
    world.entra().reset_counts();
    let answers = join_all((0..OF_ONE).map(|_| process.who(&connection))).await;
    for (status, answer) in answers {
        assert_eq!(status, 200, "{answer}");
    }
    assert_eq!(world.entra().count("token.refresh_token"), 1);
}
