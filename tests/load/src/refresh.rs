//! Many connections are due in the same minute, and one worker renews them.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use local::{Binaries, GatewayOptions, Stack, StackOptions, Upstream, names};
use tap::{Counts, Tap};
use tokio::time::Instant;

use crate::entra_stand_in::EntraStandIn;
use crate::figures::megabytes;
use crate::processes::{self, Cost};
use crate::projection::{self, Assumptions, PerRefresh};
use crate::seed::Seed;

/// Options of the run.
#[derive(Args, Debug)]
pub(crate) struct RefreshOptions {
    /// Connections that are due.
    #[arg(long, default_value_t = 100_000)]
    connections: u32,
    /// Time that Entra takes for a refresh, in milliseconds.
    #[arg(long, default_value_t = 150)]
    entra_delay: u64,
    /// `REFRESH_CONCURRENCY` of the worker.
    #[arg(long, default_value_t = 16)]
    concurrency: u32,
    /// `REFRESH_RATE`: token requests per second for one tenant.
    #[arg(long, default_value_t = 400)]
    rate: u32,
    /// `REFRESH_SHARDS`; each due shard has a worker of its own.
    #[arg(long, default_value_t = 1)]
    shards: u32,
    /// Entra tenants that the connections are spread over.
    #[arg(long, default_value_t = 1)]
    tenants: u32,
    #[command(flatten)]
    assumptions: Assumptions,
}

/// Runs the worker and prints the figures.
pub(crate) async fn run(options: &RefreshOptions) -> Result<(), String> {
    let entra = EntraStandIn::start(Duration::from_millis(options.entra_delay))
        .await
        .map_err(|e| e.to_string())?;
    let tap = Tap::start().await.map_err(|e| e.to_string())?;
    let stack = start(options, &entra, &tap).await?;
    let target =
        stack.aws().variables().iter().find(|(name, _)| name == "AWS_ENDPOINT_URL_DYNAMODB");
    tap.lead_to(target.map(|(_, url)| url.as_str()).unwrap_or_default());

    let due_at = Timestamp::now();
    let seed = Seed::new(stack.aws(), options.shards, options.tenants).await?;
    let bar = progress(options.connections, "connecting");
    seed.connect(options.connections, due_at, &bar).await?;
    bar.finish();

    tap.reset();
    let bar = progress(options.connections, "renewing");
    let began = Instant::now();
    let mut cost = Cost::default();
    while !everything_is_renewed(&stack, options.shards).await? {
        tokio::select! {
            ran = stack.tick() => ran?,
            () = watch(&entra, &bar, &mut cost) => {}
        }
    }
    bar.finish();
    let last = entra.counted().arrivals.iter().max().copied().unwrap_or(began);
    let took = last - began + Duration::from_millis(options.entra_delay);
    report(options, &entra, &tap.counts(), took, began, cost)
}

async fn start(options: &RefreshOptions, entra: &EntraStandIn, tap: &Tap) -> Result<Stack, String> {
    let binaries = tokio::task::spawn_blocking(|| Binaries::build_only(&["refresh"]))
        .await
        .map_err(|e| e.to_string())?
        .map_err(|e| e.to_string())?;
    let variable = |name: &str, value: String| (name.to_owned(), value);
    let variables = vec![
        variable("AWS_ENDPOINT_URL_DYNAMODB", tap.url().to_owned()),
        variable("REFRESH_CONCURRENCY", options.concurrency.to_string()),
        variable("REFRESH_RATE", options.rate.to_string()),
        variable("REFRESH_SHARDS", options.shards.to_string()),
    ];
    let entra = entra.url().parse().map_err(|_| "the stand-in's address is no URL".to_owned())?;
    Stack::start(StackOptions {
        port: None,
        operator_key: None,
        entra: Upstream::Url(entra),
        devops: Upstream::Microsoft,
        tick: None,
        environments: usize::try_from(options.shards).unwrap_or(1),
        sink: Arc::new(|_, line| {
            if line.contains("\"ERROR\"") {
                eprintln!("{line}");
            }
        }),
        parameters: Vec::new(),
        variables,
        gateway: GatewayOptions::default(),
        binaries,
    })
    .await
    .map_err(|e| e.to_string())
}

fn progress(of: u32, what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(of.into()).with_message(what);
    let style = ProgressStyle::with_template("{msg} [{bar:40}] {pos}/{len} {per_sec}, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// Moves the progress bar and measures the worker, until the future is dropped.
async fn watch(entra: &EntraStandIn, bar: &ProgressBar, cost: &mut Cost) {
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        bar.set_position(entra.counted().arrivals.len() as u64);
        let now = processes::of_children("refresh");
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

fn report(
    options: &RefreshOptions,
    entra: &EntraStandIn,
    counts: &Counts,
    took: Duration,
    began: Instant,
    cost: Cost,
) -> Result<(), String> {
    let counted = entra.counted();
    let renewed = f64::from(u32::try_from(counted.by_connection.len()).map_err(|e| e.to_string())?);
    let exchanges = f64::from(u32::try_from(counted.arrivals.len()).map_err(|e| e.to_string())?);
    let mut overdue: Vec<Duration> = counted.arrivals.iter().map(|time| *time - began).collect();
    overdue.sort_unstable();
    let percentile =
        |of: usize| overdue.get((overdue.len() * of / 100).min(overdue.len().saturating_sub(1)));
    let seconds = |time: Option<&Duration>| time.copied().unwrap_or_default().as_secs_f64();
    let requests = f64::from(u32::try_from(counts.total()).unwrap_or(u32::MAX));
    let processor = cost.processor_time.as_secs_f64() / renewed;
    println!("\nconnections               {}", options.connections);
    println!("renewed                   {renewed} in {:.1} s", took.as_secs_f64());
    println!("refreshes per second      {:.1}", renewed / took.as_secs_f64());
    println!("exchanges per refresh     {:.2}", exchanges / renewed);
    println!("DynamoDB requests each    {:.2}", requests / renewed);
    for (operation, number) in &counts.requests {
        let number = f64::from(u32::try_from(*number).unwrap_or(u32::MAX));
        println!("  {operation:<22}  {:.4}", number / renewed);
    }
    println!("tallies written           {}", counts.tallies);
    println!("write units each          {:.2}", counts.write_units / renewed);
    println!("read units each           {:.2}", counts.read_units / renewed);
    println!(
        "Entra, peak per second    {} (cap {} for each of {} tenants)",
        counted.peak_rate(),
        options.rate,
        options.tenants
    );
    println!(
        "overdue p50 / p99         {:.1} s / {:.1} s after the minute began",
        seconds(percentile(50)),
        seconds(percentile(99))
    );
    println!("worker processes          {}", cost.processes);
    println!("worker memory, peak       {:.1} MB each", megabytes(cost.peak_memory));
    println!(
        "worker processor time     {:.2} ms each; with the share of a 256 MB function that is {:.0} a second",
        processor * 1e3,
        256.0 / 1769.0 / processor
    );
    let workers = f64::from(cost.processes.max(1));
    let per_refresh = PerRefresh {
        requests: requests / renewed,
        write_units: counts.write_units / renewed,
        read_units: counts.read_units / renewed,
        worker_seconds: took.as_secs_f64() * workers / renewed,
        worker_gigabytes: 0.25,
    };
    projection::print(per_refresh, &options.assumptions);
    Ok(())
}
