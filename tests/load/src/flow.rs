//! What each step of a connection's life costs: connect link, sign-in, confirmation, a call, a renewal.
//!
//! ```text
//!   application ── connect link ──> manage ─┐
//!   browser ── authorize, callback ─────────┼── taps ──> embedded AWS services
//!   application ── confirm ──> manage ──────┤            (requests, and units of DynamoDB)
//!   application ── call ──> proxy ──────────┘
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use end_to_end::{Answer, PROJECTS, World, WorldOptions};
use serde::Serialize;
use tap::{Counts, Tap};

use crate::chart::Bar;
use crate::figures::{self, count, median, micros};
use crate::functions::FunctionOptions;
use crate::report::{Report, ReportOptions, progress};
use crate::schedstat::own_time;
use crate::sizing::thousands;
use crate::table::markdown;

/// The functions that take part.
const FUNCTIONS: [&str; 4] = ["authorize", "callback", "manage", "proxy"];

/// Options of the run.
#[derive(Args, Debug)]
pub(crate) struct FlowOptions {
    #[command(flatten)]
    life: LifeOptions,
    #[command(flatten)]
    report: ReportOptions,
}

/// How much is measured.
#[derive(Args, Debug)]
pub(crate) struct LifeOptions {
    #[command(flatten)]
    pub(crate) functions: FunctionOptions,
    /// Rounds; figures are the medians of all.
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: usize,
    /// Connections of a round.
    #[arg(long, default_value_t = 20)]
    pub(crate) connections: usize,
}

/// A step of a connection's life: its name, and the function that does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Step(&'static str, &'static str);

const LINK: Step = Step("connect link", "manage");
const AUTHORIZE: Step = Step("authorize", "authorize");
const CALLBACK: Step = Step("callback", "callback");
const CONFIRM: Step = Step("confirm", "manage");
const FIRST_CALL: Step = Step("first call", "proxy");
const CALL: Step = Step("next call", "proxy");
const STEPS: [Step; 6] = [LINK, AUTHORIZE, CALLBACK, CONFIRM, FIRST_CALL, CALL];
/// The steps that make a connection.
pub(crate) const CONNECT: [&str; 4] = [LINK.0, AUTHORIZE.0, CALLBACK.0, CONFIRM.0];
/// The step that nearly all calls are.
pub(crate) const NEXT_CALL: &str = CALL.0;

/// What one step costs.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) step: &'static str,
    pub(crate) function: &'static str,
    /// Own processor time, in microseconds.
    pub(crate) own_us: f64,
    /// Requests to AWS by operation.
    pub(crate) aws: BTreeMap<String, f64>,
    /// Read units of DynamoDB.
    pub(crate) read_units: f64,
    /// Write units of DynamoDB.
    pub(crate) write_units: f64,
}

/// Measures and reports.
pub(crate) async fn run(options: &FlowOptions) -> Result<(), String> {
    let figures = measure(&options.life).await?;
    let bar = |one: &Figures| Bar { label: one.step.to_owned(), length: one.own_us };
    let (table, bars) = (table(&figures), figures.iter().map(bar).collect());
    let title = "Own processor time of a step, in µs".to_owned();
    Report { figures: &figures, table, title, bars }.write(&options.report)
}

/// Leads users through all steps and returns what each step costs.
pub(crate) async fn measure(options: &LifeOptions) -> Result<Vec<Figures>, String> {
    let binaries = Some(options.functions.executables(&FUNCTIONS).await?);
    let (world, taps) =
        World::tapped_from(WorldOptions { binaries, ..WorldOptions::default() }).await;
    // The first connection starts the processes, and fetches what they remember.
    Meter::new(&world, &taps).live("first").await;
    let bar = progress((options.rounds * options.connections) as u64);
    let mut rounds = Vec::new();
    for round in 0..options.rounds {
        let mut meter = Meter::new(&world, &taps);
        for user in 0..options.connections {
            meter.live(&format!("user-{round}-{user}")).await;
            bar.inc(1);
        }
        rounds.push(meter.measured);
    }
    bar.finish_and_clear();
    let lives = count(Some(options.connections as u64));
    Ok(STEPS.into_iter().map(|step| Figures::of(step, &rounds, lives)).collect())
}

/// What a step cost in a round.
#[derive(Default)]
struct Measured {
    own_time: Duration,
    counts: Vec<Counts>,
}

/// Measures steps of one round.
struct Meter<'a> {
    world: &'a World,
    taps: &'a [Tap; 2],
    measured: BTreeMap<Step, Measured>,
}

impl<'a> Meter<'a> {
    fn new(world: &'a World, taps: &'a [Tap; 2]) -> Self {
        Self { world, taps, measured: BTreeMap::new() }
    }

    /// Leads one user through all steps.
    async fn live(&mut self, user: &str) {
        let world = self.world;
        let browser = world.browser();
        let link = self.step(LINK, world.connect_url(user)).await;
        let authorize_url = self.step(AUTHORIZE, browser.start(&link)).await;
        let approval = [("account", "ada"), ("action", "approve")];
        let callback = browser.decide(&authorize_url, &approval).await;
        let returned: Answer = self.step(CALLBACK, browser.open(callback.as_str())).await;
        let returned = returned.expect(303);
        self.step(CONFIRM, world.confirm(&returned, user)).await.expect(200);
        let connection = returned.location_parameter("connection_id").unwrap_or_default();
        for step in [FIRST_CALL, CALL] {
            self.step(step, world.proxied(&connection, PROJECTS)).await.expect(200);
        }
    }

    async fn step<T>(&mut self, step: Step, work: impl Future<Output = T>) -> T {
        self.taps.iter().for_each(Tap::reset);
        let before = self.own_time(step.1).await;
        let done = work.await;
        let own_time = self.own_time(step.1).await.saturating_sub(before);
        let measured = self.measured.entry(step).or_default();
        measured.own_time += own_time;
        measured.counts.extend(self.taps.iter().map(Tap::counts));
        done
    }

    async fn own_time(&self, function: &str) -> Duration {
        self.world.stack.processes(function).await.into_iter().filter_map(own_time).sum()
    }
}

impl Figures {
    fn of(step: Step, rounds: &[BTreeMap<Step, Measured>], lives: f64) -> Self {
        let of_step = || rounds.iter().filter_map(|round| round.get(&step));
        let counts = || of_step().flat_map(|measured| &measured.counts);
        let each = |sum: f64| sum / (lives * count(Some(rounds.len() as u64)));
        let mut aws = BTreeMap::<String, f64>::new();
        for (operation, number) in counts().flat_map(|counts| &counts.requests) {
            *aws.entry(operation.clone()).or_default() += each(count(Some(*number)));
        }
        Self {
            step: step.0,
            function: step.1,
            own_us: median(of_step().map(|measured| micros(measured.own_time) / lives)),
            aws,
            read_units: each(counts().map(|counts| counts.read_units).sum()),
            write_units: each(counts().map(|counts| counts.write_units).sum()),
        }
    }
}

fn table(figures: &[Figures]) -> String {
    let head = ["step", "function", "own time, µs", "read units", "write units", "requests to AWS"];
    let row = |one: &Figures| {
        [
            one.step.to_owned(),
            one.function.to_owned(),
            thousands(one.own_us),
            format!("{:.2}", one.read_units),
            format!("{:.2}", one.write_units),
            figures::requests(&one.aws).unwrap_or_default(),
        ]
    };
    markdown(head, &figures.iter().map(row).collect::<Vec<_>>())
}
