//! Many connections are due in the same minute, and one worker renews them.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use clap::Args;
use indicatif::ProgressBar;
use jiff::Timestamp;
use local::{Binaries, Stack, StackOptions, names};
use tap::{Counts, Tap};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::entra_stand_in::EntraStandIn;
use crate::figures::{count, megabytes, percentile};
use crate::functions::{self, FunctionOptions};
use crate::processes::{self, Cost};
use crate::projection::{self, Assumptions, PerRefresh};
use crate::report::progress;
use crate::seed::Seed;

/// The shortest time between two runs of the schedule. The queue takes one message a minute for a shard, so the runs until
/// then only cost requests, which are not those of renewals.
const BETWEEN_TICKS: Duration = Duration::from_secs(1);

/// Options of the run.
#[derive(Args, Debug)]
pub(crate) struct RefreshOptions {
    #[command(flatten)]
    renewals: RenewalOptions,
    #[command(flatten)]
    assumptions: Assumptions,
}

/// What is renewed, and how.
#[derive(Args, Debug)]
pub(crate) struct RenewalOptions {
    #[command(flatten)]
    pub(crate) functions: FunctionOptions,
    /// Connections that are due.
    #[arg(long, default_value_t = 100_000)]
    pub(crate) connections: u32,
    /// Time that Entra takes for a refresh, in milliseconds.
    #[arg(long, default_value_t = 150)]
    pub(crate) entra_delay: u64,
    /// `REFRESH_CONCURRENCY` of the worker.
    #[arg(long, default_value_t = 16)]
    pub(crate) concurrency: u32,
    /// `REFRESH_RATE`: token requests per second for one tenant.
    #[arg(long, default_value_t = 400)]
    pub(crate) rate: u32,
    /// `REFRESH_SHARDS`; each due shard has a worker of its own.
    #[arg(long, default_value_t = 1)]
    pub(crate) shards: u32,
    /// Entra tenants that the connections are spread over.
    #[arg(long, default_value_t = 1)]
    pub(crate) tenants: u32,
}

/// What the renewals cost.
pub(crate) struct Measured {
    entra: EntraStandIn,
    counts: Counts,
    began: Instant,
    took: Duration,
    cost: Cost,
}

impl Measured {
    fn renewed(&self) -> f64 {
        count(Some(self.entra.counted().by_connection.len() as u64))
    }

    /// The requests to DynamoDB for one renewal, by operation.
    pub(crate) fn requests(&self) -> BTreeMap<String, f64> {
        let renewed = self.renewed();
        let each = |(name, number): (&String, &u64)| (name.clone(), count(Some(*number)) / renewed);
        self.counts.requests.iter().map(each).collect()
    }

    /// The cost of one renewal.
    pub(crate) fn per_refresh(&self) -> PerRefresh {
        let renewed = self.renewed();
        let workers = f64::from(self.cost.processes.max(1));
        PerRefresh {
            requests: count(Some(self.counts.total())) / renewed,
            write_units: self.counts.write_units / renewed,
            read_units: self.counts.read_units / renewed,
            worker_seconds: self.took.as_secs_f64() * workers / renewed,
            worker_gigabytes: 0.25,
        }
    }
}

/// Runs the worker and prints the figures.
pub(crate) async fn run(options: &RefreshOptions) -> Result<(), String> {
    let measured = measure(&options.renewals).await?;
    report(&options.renewals, &measured);
    projection::print(measured.per_refresh(), &options.assumptions);
    Ok(())
}

/// Lets the workers renew all connections.
pub(crate) async fn measure(options: &RenewalOptions) -> Result<Measured, String> {
    let entra = EntraStandIn::start(Duration::from_millis(options.entra_delay))
        .await
        .map_err(|e| e.to_string())?;
    let tap = Tap::start().await.map_err(|e| e.to_string())?;
    let binaries = options.functions.executables(&["refresh"]).await?;
    let executable = binaries.of("refresh");
    let worker = executable.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stack = start(options, &entra, &tap, binaries).await?;
    let target =
        stack.aws().variables().iter().find(|(name, _)| name == "AWS_ENDPOINT_URL_DYNAMODB");
    tap.lead_to(target.map(|(_, url)| url.as_str()).unwrap_or_default());

    let due_at = Timestamp::now();
    let seed = Seed::new(stack.aws(), options.shards, options.tenants).await?;
    let bar = progress(options.connections.into()).with_message("connecting");
    seed.connect(options.connections, due_at, &bar).await?;
    bar.finish();

    tap.reset();
    let bar = progress(options.connections.into()).with_message("renewing");
    let began = Instant::now();
    let mut cost = Cost::default();
    let mut pauses = interval(BETWEEN_TICKS);
    pauses.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !everything_is_renewed(&stack, options.shards).await? {
        pauses.tick().await;
        tokio::select! {
            ran = stack.tick() => ran?,
            () = watch(&worker, &entra, &bar, &mut cost) => {}
        }
    }
    bar.finish();
    let last = entra.counted().arrivals.iter().max().copied().unwrap_or(began);
    let took = last - began + Duration::from_millis(options.entra_delay);
    Ok(Measured { entra, counts: tap.counts(), began, took, cost })
}

async fn start(
    options: &RenewalOptions,
    entra: &EntraStandIn,
    tap: &Tap,
    binaries: Binaries,
) -> Result<Stack, String> {
    let variable = |name: &str, value: String| (name.to_owned(), value);
    let variables = vec![
        variable("AWS_ENDPOINT_URL_DYNAMODB", tap.url().to_owned()),
        variable("REFRESH_CONCURRENCY", options.concurrency.to_string()),
        variable("REFRESH_RATE", options.rate.to_string()),
        variable("REFRESH_SHARDS", options.shards.to_string()),
    ];
    let options = StackOptions {
        entra: functions::server(entra.url())?,
        environments: usize::try_from(options.shards).unwrap_or(1),
        variables,
        ..functions::stack_options(binaries)
    };
    Stack::start(options).await.map_err(|e| e.to_string())
}

/// Moves the progress bar and measures the worker, until the future is dropped.
async fn watch(worker: &str, entra: &EntraStandIn, bar: &ProgressBar, cost: &mut Cost) {
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        bar.set_position(entra.counted().arrivals.len() as u64);
        let now = processes::of_children(worker);
        cost.processor_time = cost.processor_time.max(now.processor_time);
        cost.peak_memory = cost.peak_memory.max(now.peak_memory);
        cost.processes = cost.processes.max(now.processes);
    }
}

fn number(value: impl std::fmt::Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

async fn everything_is_renewed(stack: &Stack, shards: u32) -> Result<bool, String> {
    let now = Timestamp::now().as_second();
    for shard in 0..shards {
        let due = stack
            .aws()
            .dynamodb
            .query()
            .table_name(names::CONNECTIONS)
            .index_name("by_due")
            .key_condition_expression("due_shard = :shard AND due_at <= :now")
            .expression_attribute_values(":shard", number(shard))
            .expression_attribute_values(":now", number(now))
            .limit(1)
            .send()
            .await
            .map_err(|e| format!("{e:?}"))?;
        if due.count() > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

fn report(options: &RenewalOptions, measured: &Measured) {
    let Measured { entra, counts, began, took, cost } = measured;
    let (renewed, per_refresh) = (measured.renewed(), measured.per_refresh());
    let requests = measured.requests();
    let counted = entra.counted();
    let exchanges = count(Some(counted.arrivals.len() as u64));
    let overdue: Vec<Duration> = counted.arrivals.iter().map(|time| *time - *began).collect();
    let overdue = |percent| percentile(&overdue, percent).as_secs_f64();
    let processor = cost.processor_time.as_secs_f64() / renewed;
    println!("\nconnections               {}", options.connections);
    println!("renewed                   {renewed} in {:.1} s", took.as_secs_f64());
    println!("refreshes per second      {:.1}", renewed / took.as_secs_f64());
    println!("exchanges per refresh     {:.2}", exchanges / renewed);
    println!("DynamoDB requests each    {:.2}", per_refresh.requests);
    for (operation, number) in requests {
        println!("  {operation:<22}  {number:.4}");
    }
    println!("tallies written           {}", counts.tallies);
    println!("write units each          {:.2}", per_refresh.write_units);
    println!("read units each           {:.2}", per_refresh.read_units);
    println!(
        "Entra, peak per second    {} (cap {} for each of {} tenants)",
        counted.peak_rate(),
        options.rate,
        options.tenants
    );
    println!(
        "overdue p50 / p99         {:.1} s / {:.1} s after the minute began",
        overdue(50),
        overdue(99)
    );
    println!("worker processes          {}", cost.processes);
    println!("worker memory, peak       {:.1} MB each", megabytes(cost.peak_memory));
    println!(
        "worker processor time     {:.2} ms each; with the share of a 256 MB function that is {:.0} a second",
        processor * 1e3,
        256.0 / 1769.0 / processor
    );
}
