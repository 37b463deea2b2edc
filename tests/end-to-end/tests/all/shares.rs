//! The shares of the executions: neither an API key nor a connection occupies all of them.

use std::sync::atomic::{AtomicUsize, Ordering};

use emulators::Fault;
use end_to_end::{Answer, Caller, PROJECTS, World, WorldOptions};
use futures_util::future::join_all;
use reqwest::{Method, StatusCode};

const CONNECTION_DATA: &str = "dev.azure.com/mycompany/_apis/connectionData";

/// Starts a service whose functions can have so many executions at a time.
async fn with_executions(executions: usize) -> World {
    let variables = vec![("EXECUTIONS".to_owned(), executions.to_string())];
    World::with(WorldOptions { variables, environments: executions, ..WorldOptions::default() })
        .await
}

fn passed(answers: &[Answer]) -> usize {
    answers.iter().filter(|answer| answer.status == StatusCode::OK).count()
}

/// The calls that hold a place of some key or connection now.
async fn places(world: &World) -> usize {
    let items = world.items(local::names::SESSIONS).await;
    let shares = items.iter().filter(|item| item["pk"].as_s().unwrap().contains("_share#"));
    shares.map(|item| item["under_way"].as_m().unwrap().len()).sum()
}

/// Counts a call when it ends.
async fn counted(ended: &AtomicUsize, call: impl Future<Output = Answer>) -> Answer {
    let answer = call.await;
    ended.fetch_add(1, Ordering::SeqCst);
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loud_key_holds_half_of_the_executions_and_a_quiet_one_is_always_served() {
    let world = with_executions(12).await;
    let quiet = world.connect("grace", "grace").await;
    let loud = Caller::Bearer(world.new_key("application", None).await);
    let users = ["ada-1", "ada-2", "ada-3"];
    let mut paths = Vec::new();
    for user in users {
        paths.push(format!("/proxy/{}/{PROJECTS}", world.connect(user, "ada").await));
    }
    let call = |number: usize| world.ask(&loud, Method::GET, &paths[number % paths.len()]);
    let held = world.devops().inject(Fault::on("projects.list").times(0).hold());

    // Ten calls that do not end by themselves: six keep their places, and four are ended.
    let ended = AtomicUsize::new(0);
    let under_way = join_all((0..10).map(|number| counted(&ended, call(number))));
    let meanwhile = async {
        while ended.load(Ordering::SeqCst) < 4 {
            world.proxied(&quiet, CONNECTION_DATA).await.expect(200);
        }
        // From now on its calls are refused before they are sent, and take no execution for long.
        let sent = world.devops().count("projects.list");
        for number in 0..50 {
            let (refused, served) =
                tokio::join!(call(number), world.proxied(&quiet, CONNECTION_DATA));
            refused.expect_problem(429, "concurrency_limited");
            served.expect(200);
        }
        assert_eq!(world.devops().count("projects.list"), sent);
        held.release();
    };
    let (answers, ()) = tokio::join!(under_way, meanwhile);
    assert_eq!(passed(&answers), 6);
    for refused in answers.into_iter().filter(|answer| answer.status != StatusCode::OK) {
        let refused = refused.expect_problem(429, "concurrency_limited");
        assert_eq!(refused.header("retry-after"), Some("1"));
    }
    // Within its share the loud key is served again at once.
    call(0).await.expect(200);
    assert_eq!(places(&world).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn long_calls_of_a_connection_leave_room_for_the_key_s_other_connections() {
    let world = World::start().await;
    let (greedy, quiet) =
        (world.connect("ada", "ada").await, world.connect("grace", "grace").await);
    let held = world.devops().inject(Fault::on("projects.list").times(0).hold());
    let ended = AtomicUsize::new(0);
    let under_way = join_all((0..30).map(|_| counted(&ended, world.proxied(&greedy, PROJECTS))));
    let meanwhile = async {
        // Others are served while twenty calls hold their places and the ten without one are refused.
        while ended.load(Ordering::SeqCst) < 10 {
            world.proxied(&quiet, CONNECTION_DATA).await.expect(200);
        }
        // The next call is refused before it is sent.
        let sent = world.devops().count("projects.list");
        let refused = world.proxied(&greedy, PROJECTS).await;
        refused.expect_problem(429, "concurrency_limited");
        assert_eq!(world.devops().count("projects.list"), sent);
        held.release();
    };
    let (answers, ()) = tokio::join!(under_way, meanwhile);
    assert_eq!(passed(&answers), 20);
    for refused in answers.into_iter().filter(|answer| answer.status != StatusCode::OK) {
        refused.expect_problem(429, "concurrency_limited");
    }
    world.proxied(&greedy, PROJECTS).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_ends_while_its_place_is_taken_leaves_none_behind() {
    // A call is counted after two milliseconds, while it is under way, and each key has one place.
    let variables = vec![("EXECUTIONS".to_owned(), "2".to_owned())];
    let world = World::with(WorldOptions { variables, ..WorldOptions::default() }).await;
    let connection = world.connect("ada", "ada").await;
    for _ in 0..50 {
        world.proxied(&connection, CONNECTION_DATA).await.expect(200);
        assert_eq!(places(&world).await, 0);
    }
}
