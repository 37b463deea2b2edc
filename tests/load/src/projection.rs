//! Projects the measured figures to deployments of a few sizes.

use clap::Args;

use crate::cost_inputs::price;
use crate::sizing::{self, Load, Parameters};

/// The sizes, in connections.
pub(crate) const SIZES: [f64; 4] = [1e4, 1e6, 10e6, 100e6];

/// Unit prices and usage; the default prices are those of `infra/cost.toml`.
#[derive(Args, Debug, Clone)]
pub(crate) struct Assumptions {
    /// A million DynamoDB write units.
    #[arg(long, default_value_t = price("write-unit"))]
    price_million_write_units: f64,
    /// A million DynamoDB read units.
    #[arg(long, default_value_t = price("read-unit"))]
    price_million_read_units: f64,
    /// A gigabyte stored in DynamoDB for a month.
    #[arg(long, default_value_t = price("storage"))]
    price_gigabyte_month: f64,
    /// A gigabyte-second of an arm64 Lambda function.
    #[arg(long, default_value_t = price("lambda-gb-second"))]
    price_gigabyte_second: f64,
    /// Percentage of connections that are used on a day; the others are idle.
    #[arg(long, default_value_t = 5.0)]
    used_percent: f64,
    /// Refreshes of a connection on a day on which it is used: 24 hours divided by the lifetime of its tokens.
    #[arg(long, default_value_t = 21.0)]
    refreshes_per_used_day: f64,
    /// Calls through the proxy for a connection on a day on which it is used.
    #[arg(long, default_value_t = 50.0)]
    calls_per_used_day: f64,
    /// Streamed calls of 200 MB, such as clones, in a thousand calls.
    #[arg(long, default_value_t = 1.0)]
    streams_per_thousand_calls: f64,
}

impl Assumptions {
    /// Returns the use of so many connections.
    pub(crate) fn load(&self, connections: f64) -> Load {
        let used = connections * self.used_percent / 100.0;
        let a_day = used * self.refreshes_per_used_day + (connections - used) / 7.0;
        let calls = used * self.calls_per_used_day / 86_400.0;
        let streams = calls * self.streams_per_thousand_calls / 1000.0;
        Load { connections, renewals: a_day / 86_400.0, calls, streams }
    }
}

/// The measured cost of one refresh.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PerRefresh {
    pub(crate) requests: f64,
    pub(crate) write_units: f64,
    pub(crate) read_units: f64,
    /// Wall-clock seconds of a worker.
    pub(crate) worker_seconds: f64,
    pub(crate) worker_gigabytes: f64,
}

/// Prints a line for each size.
pub(crate) fn print(measured: PerRefresh, assumed: &Assumptions) {
    println!("\nprojection ({} % used on a day, the others renewed weekly)", assumed.used_percent);
    println!(
        "  connections   refreshes/s   shards   requests/s per shard   write units/s per shard   dollars a month"
    );
    let loads = SIZES.map(|connections| assumed.load(connections));
    for load in &loads {
        line(load, measured, assumed);
    }
    println!(
        "\nparameters, with twice the capacity that the peak needs\n{}",
        sizing::table(&loads)
    );
}

fn line(load: &Load, measured: PerRefresh, assumed: &Assumptions) {
    let Load { connections, renewals: a_second, .. } = *load;
    let a_month = a_second * 86_400.0 * 30.4;
    // Every refresh costs the index a delete and a put.
    let index_units = 2.0 * a_second;
    let shards = Parameters::of(load).refresh_shards;
    let (requests, units) = (a_second * measured.requests / shards, index_units / shards);
    let stored_gigabytes = connections * 6.0e3 / 1e9;
    let dollars = a_month
        * (measured.write_units * assumed.price_million_write_units / 1e6
            + measured.read_units * assumed.price_million_read_units / 1e6
            + measured.worker_seconds * measured.worker_gigabytes * assumed.price_gigabyte_second)
        + stored_gigabytes * assumed.price_gigabyte_month;
    println!(
        "  {connections:>11.0}   {a_second:>11.1}   {shards:>6.0}   {requests:>20.1}   {units:>23.1}   {dollars:>15.2}"
    );
}
