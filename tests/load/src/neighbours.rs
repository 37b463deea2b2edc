//! A quiet application beside one that sends fifty times as many calls, in a small pool of executions.
//!
//! ```text
//!   loud: 25 calls a second    ──┐
//!                                ├──> gateway ──> proxy, 16 executions ──> Azure DevOps, a second a call
//!   quiet: a call in 2 seconds ──┘
//! ```
//!
//! The loud one would occupy 25 executions. Azure DevOps' time dominates, so executions are scarce and not this machine's
//! processors. Both send at their rate, however long the answers take.

use std::time::Duration;

use clap::Args;
use emulators::Fault;
use end_to_end::{Caller, PROJECTS, World, WorldOptions};
use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

/// The largest ratio of the p99 beside the loud application to the p99 alone.
const MOST: f64 = 2.0;
/// The time from the loud application's first call to the second measurement.
const WARM_UP: Duration = Duration::from_secs(5);

/// Options of the run.
#[derive(Args, Debug)]
pub(crate) struct NeighbourOptions {
    /// Executions at a time of all functions together.
    #[arg(long, default_value_t = 16)]
    executions: usize,
    /// `EXECUTIONS` of the proxy, if not as many; with 1000 a key has no limit that counts here.
    #[arg(long)]
    believed: Option<usize>,
    /// Calls a second of the quiet application.
    #[arg(long, default_value_t = 0.5)]
    rate: f64,
    /// Calls of the loud application for each of the quiet one.
    #[arg(long, default_value_t = 50.0)]
    times: f64,
    /// Connections of the loud application.
    #[arg(long, default_value_t = 8)]
    connections: u32,
    /// Time that Azure DevOps takes for a call, in milliseconds.
    #[arg(long, default_value_t = 1000)]
    answer: u64,
    /// Seconds of each of the two measurements.
    #[arg(long, default_value_t = 100)]
    seconds: u64,
}

/// The answer to a call: its status, and the time from the moment when it was due to be sent.
struct Answered {
    status: StatusCode,
    took: Duration,
}

/// Measures the quiet application alone, and then beside the loud one. An error if a call of the quiet one is refused or its
/// p99 more than doubles.
pub(crate) async fn run(options: &NeighbourOptions) -> Result<(), String> {
    let believed = options.believed.unwrap_or(options.executions);
    let world = World::with(WorldOptions {
        environments: options.executions,
        variables: vec![("EXECUTIONS".to_owned(), believed.to_string())],
        ..WorldOptions::default()
    })
    .await;
    let fault = Fault::on("projects.list").times(0);
    world.devops().inject(fault.delay(Duration::from_millis(options.answer)));
    let quiet = Sender { caller: Caller::Application, paths: vec![path_of(&world, "grace").await] };
    let mut loud =
        Sender { caller: Caller::Bearer(world.new_key("application", None).await), paths: vec![] };
    for user in 0..options.connections {
        loud.paths.push(path_of(&world, &format!("ada-{user}")).await);
    }
    // So that no process starts while calls are measured.
    tokio::join!(quiet.begin(&world, options.executions), loud.begin(&world, options.executions));

    let (period, rate) = (Duration::from_secs(options.seconds), options.rate);
    let alone = quiet.send(&world, rate, period).await;
    // The loud one has begun when the second measurement begins.
    let (of_loud, beside) =
        tokio::join!(loud.send(&world, rate * options.times, period + WARM_UP), async {
            sleep(WARM_UP).await;
            quiet.send(&world, rate, period).await
        });
    report(&alone, &beside, &of_loud);
    let refused = beside.iter().filter(|answer| answer.status != StatusCode::OK).count();
    let ratio = milliseconds(served(&beside, 99)) / milliseconds(served(&alone, 99));
    println!("p99 of the quiet one, beside / alone: {ratio:.2}; refused beside: {refused}");
    if refused > 0 || ratio > MOST {
        return Err(format!("the quiet one has more than {MOST} times its p99, or is refused"));
    }
    Ok(())
}

/// Connects a user. Returns the path of its projects.
async fn path_of(world: &World, user: &str) -> String {
    format!("/proxy/{}/{PROJECTS}", world.connect(user, "ada").await)
}

/// An application that sends calls.
struct Sender {
    caller: Caller,
    paths: Vec<String>,
}

impl Sender {
    /// Calls at once on half of the executions, which is as many as it may.
    async fn begin(&self, world: &World, executions: usize) {
        let paths = self.paths.iter().cycle().take(executions / 2);
        join_all(paths.map(|path| world.get(&self.caller, path))).await;
    }

    /// Sends so many calls a second for a while, and returns all answers.
    async fn send(&self, world: &World, rate: f64, period: Duration) -> Vec<Answered> {
        let end = Instant::now() + period;
        let mut ticks = interval(Duration::from_secs_f64(1.0 / rate));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut under_way: Vec<JoinHandle<Answered>> = Vec::new();
        for path in self.paths.iter().cycle() {
            let due = ticks.tick().await;
            if due >= end {
                break;
            }
            let request = world.request(&self.caller, Method::GET, path);
            under_way.push(tokio::spawn(async move {
                let answer = async { request.send().await?.error_for_status()?.bytes().await };
                let status = match answer.await {
                    Ok(_) => StatusCode::OK,
                    Err(error) => error.status().unwrap_or(StatusCode::BAD_GATEWAY),
                };
                Answered { status, took: due.elapsed() }
            }));
        }
        join_all(under_way).await.into_iter().filter_map(Result::ok).collect()
    }
}

fn report(alone: &[Answered], beside: &[Answered], of_loud: &[Answered]) {
    for (name, answers) in [("quiet, alone", alone), ("quiet, beside", beside), ("loud", of_loud)] {
        println!(
            "{name:<14} {:>6} calls: {}; p50 {:.0} ms, p99 {:.0} ms of those with 200",
            answers.len(),
            by_status(answers),
            milliseconds(served(answers, 50)),
            milliseconds(served(answers, 99)),
        );
    }
}

fn by_status(answers: &[Answered]) -> String {
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    let counts = statuses.chunk_by(|one, other| one == other);
    let counts: Vec<String> = counts.map(|all| format!("{} with {}", all.len(), all[0])).collect();
    counts.join(", ")
}

/// Returns a percentile of the times of the calls that were served.
fn served(answers: &[Answered], percent: usize) -> Duration {
    let served = answers.iter().filter(|answer| answer.status == StatusCode::OK);
    let mut times: Vec<Duration> = served.map(|answer| answer.took).collect();
    times.sort_unstable();
    times.get(times.len() * percent / 100).copied().unwrap_or_default()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
