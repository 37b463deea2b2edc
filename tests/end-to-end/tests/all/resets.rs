//! Network connections to Azure DevOps that break again and again.

use std::collections::HashMap;

use emulators::{Fault, FaultHandle};
use end_to_end::{Answer, Caller, World};
use futures_util::stream::{self, StreamExt as _};
use reqwest::Method;

/// Number of writes.
const CALLS: u32 = 10_000;
/// Calls between two injections.
const BATCH: u32 = 100;
/// Calls under way at a time.
const AT_A_TIME: usize = 8;

/// Breaks twenty-five of the next hundred requests of a route: before they are handled, afterwards, or in the middle of
/// the answer.
fn disturb(world: &World, route: &str, batch: u32) -> Vec<FaultHandle> {
    let faults = (0..25).map(|number| {
        // Each fault has its own position, because it counts the requests that it skips.
        let fault = Fault::on(route).skip(number * 4 + (batch + number) % 3);
        world.devops().inject(match number % 5 {
            0 | 1 => fault.reset(),
            2 | 3 => fault.after_handling().reset(),
            _ => fault.after_handling().truncate(20),
        })
    });
    faults.collect()
}

/// Counts the arrivals of each number.
fn arrivals(world: &World, route: &str) -> HashMap<String, u32> {
    let mut arrivals = HashMap::new();
    for request in world.devops().requests().iter().filter(|request| request.route == route) {
        let number = request.target.rsplit_once("number=").unwrap().1.to_owned();
        *arrivals.entry(number).or_default() += 1;
    }
    arrivals
}

#[tokio::test(flavor = "multi_thread")]
async fn no_write_of_ten_thousand_over_breaking_connections_arrives_twice() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let (route, document) =
        ("wit.workitems.create", r#"[{"op":"add","path":"/fields/System.Title","value":"Once"}]"#);
    let (mut created, mut broken, mut struck) = (0, 0, 0);
    for batch in 0..CALLS / BATCH {
        let faults = disturb(&world, route, batch);
        let numbers = stream::iter(batch * BATCH..(batch + 1) * BATCH);
        let answers = numbers.map(|number| {
            let rest = format!("dev.azure.com/mycompany/Website/_apis/wit/workitems/$Task?api-version=7.1&number={number}");
            let path = format!("/proxy/{connection}/{rest}");
            let request = world.request(&Caller::Application, Method::POST, &path);
            let request = request.header("content-type", "application/json-patch+json").body(document);
            world.send(request)
        });
        for answer in answers.buffer_unordered(AT_A_TIME).collect::<Vec<_>>().await {
            if answer.status == 200 {
                created += 1;
            } else {
                answer.expect_problem(502, "devops_unavailable");
                broken += 1;
            }
        }
        struck += faults.iter().map(FaultHandle::hits).sum::<u32>();
        world.devops().clear_faults();
    }
    let arrivals = arrivals(&world, route);
    let duplicates = arrivals.values().filter(|count| **count > 1).count();
    println!(
        "{CALLS} writes: {created} answered, {broken} told to have broken, {duplicates} duplicates"
    );
    assert_eq!(duplicates, 0);
    assert_eq!((created + broken, broken), (CALLS, struck));
    assert!(broken >= CALLS / 5, "{broken}");
}

async fn read(world: &World, connection: &str, number: u32) -> Answer {
    let rest = format!("dev.azure.com/mycompany/_apis/projects?number={number}");
    world.proxied(connection, &rest).await
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_over_breaking_connections_are_repeated_in_time() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    for number in 0..240 {
        let is_broken = number % 12 == 0;
        let fault = Fault::on("projects.list");
        if is_broken {
            world.devops().inject(match number % 3 {
                0 => fault.reset(),
                1 => fault.after_handling().reset(),
                _ => fault.after_handling().truncate(20),
            });
        }
        read(&world, &connection, number).await.expect(200);
        let sent = arrivals(&world, "projects.list")[&number.to_string()];
        assert_eq!(sent, if is_broken { 2 } else { 1 });
    }
}

/// Repetitions would double the load of a service that is down.
#[tokio::test(flavor = "multi_thread")]
async fn when_every_connection_breaks_a_tenth_of_the_reads_is_repeated() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    world.devops().inject(Fault::on("projects.list").times(0).reset());
    let reads = 300;
    for number in 0..reads {
        read(&world, &connection, number).await.expect_problem(502, "devops_unavailable");
    }
    let sent: u32 = arrivals(&world, "projects.list").values().sum();
    // Besides the tenth, each process begins with a few and gets some with time.
    assert!((reads + reads / 10..reads + reads / 2).contains(&sent), "{sent}");
    let log = world.log();
    assert!(log.iter().any(|line| line.contains("\"CallsRepeated\":1")));
    assert!(log.iter().any(|line| line.contains("\"CallsNotRepeated\":1")));
}
