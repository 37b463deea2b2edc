//! Parameters of the template for a number of connections, as `docs/operate.md` lists them.

use std::fmt::Write as _;

/// Seconds that Entra takes for a renewal.
const ENTRA_SECONDS: f64 = 0.15;
/// Seconds that a call through the proxy takes, most of them Azure DevOps' own.
const CALL_SECONDS: f64 = 0.15;
/// Seconds that a streamed call of 200 MB takes: Lambda streams 10 MB at once, and then 2 MB a second. It holds an execution
/// for as long.
const STREAM_SECONDS: f64 = 95.0;
/// The most renewals a second, by those of the average second. A connection stays warm for a day after its last use, so
/// renewals follow the working day only a little.
const RENEWALS_PEAK: f64 = 1.5;
/// The most calls a second, by those of the average second: a day's calls come in eight hours.
const CALLS_PEAK: f64 = 3.0;
/// The capacity by the peak; half of it clears what an outage left as fast as it grew.
const HEADROOM: f64 = 2.0;
/// Calls a second for which one API key or integration suffices, when their items share a partition.
const CALLS_OF_A_KEY: f64 = 1500.0;
/// Write units a second that a shard of the index gets at most, a quarter of what one takes.
const SHARD_WRITES: f64 = 250.0;

/// The use of a deployment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) connections: f64,
    /// Renewals in an average second.
    pub(crate) renewals: f64,
    /// Calls in an average second.
    pub(crate) calls: f64,
    /// Streamed calls in an average second.
    pub(crate) streams: f64,
}

/// The parameters of `infra/template.yaml`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parameters {
    pub(crate) refresh_concurrency: f64,
    pub(crate) refresh_shards: f64,
    pub(crate) refresh_workers: f64,
    pub(crate) refresh_reserved: f64,
    pub(crate) throttle_rate: f64,
    pub(crate) proxy_concurrency: f64,
    pub(crate) streaming_concurrency: f64,
    pub(crate) api_keys: f64,
}

impl Parameters {
    /// Chooses the parameters for a load; none is below the template's default.
    pub(crate) fn of(load: &Load) -> Self {
        let shards = |concurrency: f64| {
            let needed = HEADROOM * load.peak_renewals() / renewals_of_a_worker(concurrency);
            needed.max(2.0 * load.peak_renewals() / SHARD_WRITES).ceil().max(4.0)
        };
        let refresh_concurrency = if shards(16.0) <= 16.0 { 16.0 } else { 32.0 };
        let refresh_shards = shards(refresh_concurrency);
        let calls = HEADROOM * load.peak_calls();
        Self {
            refresh_concurrency,
            refresh_shards,
            refresh_workers: refresh_shards,
            refresh_reserved: refresh_shards + 4.0,
            throttle_rate: rounded_up(calls).max(500.0),
            proxy_concurrency: rounded_up(calls * CALL_SECONDS).max(50.0),
            streaming_concurrency: rounded_up(HEADROOM * load.peak_streams() * STREAM_SECONDS)
                .max(10.0),
            api_keys: (calls / CALLS_OF_A_KEY).ceil().max(1.0),
        }
    }

    /// Renewals a second of all workers together.
    pub(crate) fn renewals(&self) -> f64 {
        self.refresh_workers.min(self.refresh_shards)
            * renewals_of_a_worker(self.refresh_concurrency)
    }
}

impl Load {
    pub(crate) fn peak_renewals(&self) -> f64 {
        self.renewals * RENEWALS_PEAK
    }

    pub(crate) fn peak_calls(&self) -> f64 {
        self.calls * CALLS_PEAK
    }

    pub(crate) fn peak_streams(&self) -> f64 {
        self.streams * CALLS_PEAK
    }
}

fn renewals_of_a_worker(concurrency: f64) -> f64 {
    concurrency / ENTRA_SECONDS
}

/// Rounds up to two digits, as people choose limits.
fn rounded_up(number: f64) -> f64 {
    let digit = 10f64.powf(number.max(1.0).log10().floor() - 1.0).max(1.0);
    (number / digit).ceil() * digit
}

/// Writes the table of a few sizes in Markdown.
pub(crate) fn table(loads: &[Load]) -> String {
    let mut text = "| connections | renewals a second, at most | `RefreshShards`, `RefreshWorkers` | `RefreshConcurrency` | renewals a second that these do | `RefreshReserved` | calls a second, at most | `ThrottleRate` | `ProxyConcurrency` | `StreamingConcurrency` | API keys or integrations |\n".to_owned();
    text.push_str("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
    for load in loads {
        let chosen = Parameters::of(load);
        let _ = writeln!(
            text,
            "| {} | {:.1} | {} | {} | {:.0} | {} | {:.1} | {} | {} | {} | {} |",
            thousands(load.connections),
            load.peak_renewals(),
            chosen.refresh_shards,
            chosen.refresh_concurrency,
            chosen.renewals(),
            chosen.refresh_reserved,
            load.peak_calls(),
            thousands(chosen.throttle_rate),
            thousands(chosen.proxy_concurrency),
            thousands(chosen.streaming_concurrency),
            chosen.api_keys,
        );
    }
    text
}

/// Writes a whole number with commas between thousands.
pub(crate) fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::Parser;

    use super::*;
    use crate::projection::{Assumptions, SIZES};

    #[derive(Parser)]
    struct Options {
        #[command(flatten)]
        assumptions: Assumptions,
    }

    fn loads() -> Vec<Load> {
        let assumed = Options::parse_from(["load"]).assumptions;
        SIZES.iter().map(|connections| assumed.load(*connections)).collect()
    }

    #[test]
    fn every_size_has_twice_the_capacity_that_its_peak_needs() {
        for load in loads() {
            let chosen = Parameters::of(&load);
            assert!(chosen.renewals() >= 2.0 * load.peak_renewals(), "{load:?}: {chosen:?}");
            assert!(chosen.throttle_rate >= 2.0 * load.peak_calls(), "{load:?}: {chosen:?}");
            let calls = chosen.proxy_concurrency / CALL_SECONDS;
            assert!(calls >= 2.0 * load.peak_calls(), "{load:?}: {chosen:?}");
            let streams = chosen.streaming_concurrency / STREAM_SECONDS;
            assert!(streams >= 2.0 * load.peak_streams(), "{load:?}: {chosen:?}");
            assert!(chosen.api_keys * CALLS_OF_A_KEY >= load.peak_calls());
            // Each renewal deletes an entry of the index and puts one.
            let writes = 2.0 * load.peak_renewals() / chosen.refresh_shards;
            assert!(writes <= SHARD_WRITES, "{load:?}: {chosen:?}");
            // A worker has one shard, and dead letters and schedules need executions of their own.
            assert!(chosen.refresh_workers <= chosen.refresh_shards);
            assert!(chosen.refresh_reserved >= chosen.refresh_workers + 4.0);
        }
    }

    #[test]
    fn the_page_has_the_parameters_of_every_size() {
        let page = include_str!("../../../docs/operate.md");
        let part = page.split("<!-- sizes -->\n").nth(1).unwrap();
        assert_eq!(part.split("<!-- /sizes -->").next().unwrap(), table(&loads()));
    }

    #[test]
    fn limits_are_rounded_up_to_two_digits() {
        let rounded = [0.3, 7.0, 10.0, 1041.7, 17_361.0].map(rounded_up).map(thousands);
        assert_eq!(rounded, ["1", "7", "10", "1,100", "18,000"]);
    }
}
