//! The watch over a hundred thousand requests: each token, code and secret has a marker, and none may be seen in an answer, in
//! a line of the log, or in anything that is sent to AWS.

use edge::routes::{Operation, ROUTES, Route};
use emulators::Fault;
use end_to_end::{Answer, Caller, PROJECTS, World, crowd};
use reqwest::Method;
use serde_json::json;

use crate::contract::{example, example_body};

const REQUESTS: usize = 100_000;

/// Calls that succeed and calls that Azure DevOps or we refuse.
const CALLS: [&str; 8] = [
    PROJECTS,
    "dev.azure.com/mycompany/_apis/projects/nothing",
    "dev.azure.com/mycompany/_apis/connectionData",
    "dev.azure.com/mycompany/Website/_apis/git/repositories",
    "dev.azure.com/mycompany/_apis/tokens/pats",
    "dev.azure.com/elsewhere/_apis/projects",
    "vssps.dev.azure.com/mycompany/_apis/graph/users",
    "example.com/mycompany/_apis/projects",
];

/// Returns whether a request for it leaves the connection of the round usable.
fn is_harmless(route: &Route) -> bool {
    use Operation::{DeleteConnection, PauseConnection, PauseService, Proxy};
    !matches!(route.operation, DeleteConnection | PauseConnection | PauseService | Proxy)
}

/// Faults of Entra and of Azure DevOps that are met by the next calls.
fn inject_faults(world: &World, round: usize) {
    let failing = Fault::on("projects.list").status([401, 403, 429, 500, 503][round % 5]);
    world.devops().inject(failing.body("{\"message\": \"a failure\"}"));
    if round.is_multiple_of(3) {
        world.entra().inject(Fault::on("token.refresh_token").status(503));
    }
}

/// A sign-in, its calls beside faults, every route as every caller, and the end of the connection. Returns the number of
/// answers.
async fn round(world: &World, round: usize) -> usize {
    let user = format!("user-{round}");
    let connection = &world.connect(&user, "ada").await;
    inject_faults(world, round);
    let callers = [
        Caller::Operator,
        Caller::Application,
        Caller::Bearer(format!("adoc_{round:04}_{}", "0".repeat(43))),
        Caller::Nobody,
    ];
    let mut requests = Vec::new();
    for caller in &callers {
        for route in ROUTES.iter().filter(|route| is_harmless(route)) {
            let (method, path) = example(route, connection);
            requests.push((caller, method, path, example_body(route)));
        }
    }
    for call in CALLS.iter().cycle().take(160) {
        let path = format!("/proxy/{connection}/{call}");
        requests.push((&Caller::Application, Method::GET, path, json!(null)));
    }
    let sent = requests.into_iter().map(async |(caller, method, path, body)| {
        if method == Method::GET {
            world.ask(caller, method, &path).await
        } else {
            world.ask_json(caller, method, &path, &body).await
        }
    });
    let answers: Vec<Answer> = crowd(sent).await;
    assert!(answers.iter().any(|answer| answer.status == 200), "nothing succeeds");
    let path = format!("/connections/{connection}");
    world.ask(&Caller::Application, Method::DELETE, &path).await.expect(204);
    answers.len() + 1
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a quarter of an hour"]
async fn no_secret_is_seen_in_a_hundred_thousand_requests() {
    let world = World::start().await;
    let mut answers = 0;
    let mut rounds = 0;
    while answers < REQUESTS {
        answers += round(&world, rounds).await;
        rounds += 1;
        let (lines, sent) = world.check_for_leaks();
        println!("{answers} answers; in this round {lines} lines and {sent} requests to AWS");
        assert!(lines > 0 && sent > 0, "nothing is watched");
    }
}
