//! Network connections to Azure DevOps that break again and again.

use std::collections::HashMap;

use emulators::{Fault, FaultHandle};
use end_to_end::{Caller, World};
use futures_util::stream::{self, StreamExt as _};
use reqwest::Method;

/// Number of writes, and of reads.
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

#[tokio::test(flavor = "multi_thread")]
async fn reads_over_breaking_connections_are_repeated_in_time() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    for number in 0..200 {
        let fault = Fault::on("projects.list");
        world.devops().inject(match number % 3 {
            0 => fault.reset(),
            1 => fault.after_handling().reset(),
            _ => fault.after_handling().truncate(20),
        });
        let rest = format!("dev.azure.com/mycompany/_apis/projects?number={number}");
        world.proxied(&connection, &rest).await.expect(200);
    }
    assert!(arrivals(&world, "projects.list").values().all(|count| *count == 2));
}
