//! Each switch under load: how long calls and streams go on after it. Prints the figures.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use emulators::devops::Gate;
use end_to_end::{Caller, INTEGRATION, PROJECTS, World};
use futures_util::future::join_all;
use reqwest::Method;

/// Programs that call all the time.
const PROGRAMS: usize = 6;
const ATTACHMENTS: &str = "dev.azure.com/mycompany/Website/_apis/wit/attachments";

/// A switch: its name, and the request that throws it.
struct Switch {
    name: &'static str,
    method: Method,
    path: String,
    /// The request that undoes it, if the next switch needs that.
    undo: Option<String>,
}

/// How long a caller goes on after the switch's answer.
#[derive(Debug)]
struct Afterwards {
    /// Until the last byte of a successful call.
    last_success: Duration,
    /// Whether a call that began later succeeded.
    is_later_call_served: bool,
    /// Until the stream was broken off.
    stream: Duration,
}

/// Throws a switch while programs call and one downloads.
async fn throw(world: &World, caller: &Caller, connection: &str, switch: &Switch) -> Afterwards {
    let gate = Gate::closed();
    let large = world.devops();
    let large = large.add_large_attachment("mycompany", "Website", "a", 1_000_000, Some(&gate));
    let base = world.stack.streaming_url();
    let url = format!("{base}/proxy/{connection}/{ATTACHMENTS}/{}", large.unwrap().id);
    let mut download = world.request_at(caller, Method::GET, &url).send().await.unwrap();
    assert_eq!(download.status(), 200);
    assert!(download.chunk().await.unwrap().is_some());

    let thrown: Mutex<Option<Instant>> = Mutex::new(None);
    let path = format!("/proxy/{connection}/{PROJECTS}");
    let programs = join_all((0..PROGRAMS).map(|_| async {
        let (mut last_success, mut is_later_call_served) = (Instant::now(), false);
        loop {
            let is_later = thrown.lock().unwrap().is_some();
            let answer = world.ask(caller, Method::GET, &path).await;
            if answer.status == 200 {
                last_success = Instant::now();
                is_later_call_served |= is_later;
            } else if is_later {
                return (last_success, is_later_call_served);
            }
        }
    }));
    let stream = async {
        loop {
            match download.chunk().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the download ended as if it were whole"),
                Err(_) => return Instant::now(),
            }
        }
    };
    let throwing = async {
        let calls = world.devops().count("projects.list");
        while world.devops().count("projects.list") < calls + 20 {
            tokio::task::yield_now().await;
        }
        let answer = world.ask(&Caller::Operator, switch.method.clone(), &switch.path).await;
        assert!(answer.status.is_success(), "{}: {answer:?}", switch.name);
        let now = Instant::now();
        *thrown.lock().unwrap() = Some(now);
        now
    };
    let all = async { tokio::join!(programs, stream, throwing) };
    let all = tokio::time::timeout(Duration::from_mins(1), all).await;
    let (programs, stream, thrown) = all.unwrap_or_else(|_| panic!("{}: goes on", switch.name));
    let last = programs.iter().map(|(last, _)| *last).max().unwrap();
    Afterwards {
        last_success: last.saturating_duration_since(thrown),
        is_later_call_served: programs.iter().any(|(_, later)| *later),
        stream: stream.saturating_duration_since(thrown),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_switch_ends_calls_and_streams_under_load() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let other = world.connect("grace", "grace").await;
    let key = world.new_key("application", None).await;
    let key_id = key.split('_').nth(1).unwrap().to_owned();
    let pause = |name, what: String| {
        let (path, undo) = (format!("{what}/pause"), Some(format!("{what}/resume")));
        Switch { name, method: Method::POST, path, undo }
    };
    let delete = |name, path| Switch { name, method: Method::DELETE, path, undo: None };
    let (with_key, application) = (Caller::Bearer(key), Caller::Application);
    for (caller, id, switch) in [
        (&with_key, &connection, delete("key deleted", format!("/api-keys/{key_id}"))),
        (&application, &other, pause("connection paused", format!("/connections/{other}"))),
        (
            &application,
            &connection,
            pause("integration paused", format!("/integrations/{INTEGRATION}")),
        ),
        (&application, &connection, pause("service paused", "/service".to_owned())),
    ] {
        let after = throw(&world, caller, id, &switch).await;
        println!(
            "{}: last success of a call after {} ms, stream ended after {} ms",
            switch.name,
            after.last_success.as_millis(),
            after.stream.as_millis()
        );
        assert!(!after.is_later_call_served, "{}: {after:?}", switch.name);
        if let Some(undo) = &switch.undo {
            world.ask(&Caller::Operator, Method::POST, undo).await.expect(200);
        }
    }
}
