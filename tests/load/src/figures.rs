//! Figures of several rounds, and how they are written.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::aws_requests::Counts;
use crate::sizing::thousands;
use crate::table::markdown;

/// One round of calls.
#[derive(Debug, Default)]
pub(crate) struct Round {
    /// Time of each call.
    pub(crate) times: Vec<Duration>,
    /// From the first call to the end of the last.
    pub(crate) took: Duration,
    /// Own time of the measured process.
    pub(crate) own_time: Option<Duration>,
    /// Requests to AWS.
    pub(crate) aws: Counts,
}

/// The medians of all rounds.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    /// What was measured.
    pub(crate) subject: String,
    /// What it answered.
    pub(crate) answer: &'static str,
    /// Number of calls in each round.
    pub(crate) calls: usize,
    /// Own processor time of a call, in microseconds. None where there is no process to measure.
    pub(crate) own_us: Option<f64>,
    /// Median time of a call, in milliseconds.
    pub(crate) p50_ms: f64,
    /// 99th percentile of the time of a call, in milliseconds.
    pub(crate) p99_ms: f64,
    /// Calls a second.
    pub(crate) per_second: f64,
    /// Peak memory, in megabytes.
    pub(crate) memory_mb: Option<f64>,
    /// Requests to AWS of a call, by operation.
    pub(crate) aws: BTreeMap<String, f64>,
}

impl Figures {
    /// Returns the medians.
    pub(crate) fn of(subject: &str, answer: &'static str, rounds: &[Round]) -> Self {
        let median_of = |figure: &dyn Fn(&Round) -> f64| median(rounds.iter().map(figure));
        let is_measured = rounds.iter().all(|round| round.own_time.is_some());
        let own = |round: &Round| micros(round.own_time.unwrap_or_default()) / calls(round);
        let operations = rounds.iter().flat_map(|round| round.aws.keys());
        let requests = |operation: &str| {
            median_of(&|round| count(round.aws.get(operation).copied()) / calls(round))
        };
        Self {
            subject: subject.to_owned(),
            answer,
            calls: rounds.first().map_or(0, |round| round.times.len()),
            own_us: is_measured.then(|| median_of(&own)),
            p50_ms: median_of(&|round| micros(percentile(&round.times, 50)) / 1e3),
            p99_ms: median_of(&|round| micros(percentile(&round.times, 99)) / 1e3),
            per_second: median_of(&|round| calls(round) / round.took.as_secs_f64()),
            memory_mb: None,
            aws: operations.map(|name| (name.clone(), requests(name))).collect(),
        }
    }
}

/// Writes a table in Markdown.
pub(crate) fn table(figures: &[Figures]) -> String {
    let head = [
        "subject",
        "answer",
        "own time, µs",
        "p50, ms",
        "p99, ms",
        "calls a second",
        "peak memory, MB",
        "requests to AWS",
    ];
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
    let row = |figures: &Figures| {
        [
            figures.subject.clone(),
            figures.answer.to_owned(),
            or_dash(figures.own_us.map(thousands)),
            format!("{:.2}", figures.p50_ms),
            format!("{:.2}", figures.p99_ms),
            thousands(figures.per_second),
            or_dash(figures.memory_mb.map(|memory| format!("{memory:.1}"))),
            or_dash(requests(&figures.aws)),
        ]
    };
    markdown(head, &figures.iter().map(row).collect::<Vec<_>>())
}

/// The requests of a call, such as `GetItem 4.00`. Returns `None` if there are practically none.
pub(crate) fn requests(aws: &BTreeMap<String, f64>) -> Option<String> {
    let of_call = aws.iter().filter(|(_, number)| **number >= 0.005);
    let each: Vec<_> = of_call.map(|(name, number)| format!("{name} {number:.2}")).collect();
    (!each.is_empty()).then(|| each.join(", "))
}

fn calls(round: &Round) -> f64 {
    count(Some(round.times.len() as u64))
}

pub(crate) fn count(number: Option<u64>) -> f64 {
    f64::from(u32::try_from(number.unwrap_or_default()).unwrap_or(u32::MAX))
}

pub(crate) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Bytes in megabytes, with two digits.
pub(crate) fn megabytes(bytes: u64) -> f64 {
    count(Some(bytes / 10_000)) / 100.0
}

/// Returns the median, or 0 of nothing. Of an even number it is the upper one of the two in the middle.
pub(crate) fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = figures.into_iter().collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// Returns a percentile, or 0 of nothing.
pub(crate) fn percentile(times: &[Duration], percent: usize) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() * percent / 100).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_in_the_middle_and_a_percentile_has_its_share_below_it() {
        assert_eq!(median([5.0, 1.0, 4.0, 2.0, 300.0]).total_cmp(&4.0), std::cmp::Ordering::Equal);
        assert_eq!(median([]).total_cmp(&0.0), std::cmp::Ordering::Equal);
        let times: Vec<_> = (1..=200).rev().map(Duration::from_millis).collect();
        assert_eq!(percentile(&times, 50), Duration::from_millis(101));
        assert_eq!(percentile(&times, 99), Duration::from_millis(199));
        assert_eq!(percentile(&[], 99), Duration::ZERO);
    }

    #[test]
    fn figures_are_of_one_call_and_medians_of_the_rounds() {
        let round = |own: u64, requests: u64| Round {
            times: vec![Duration::from_millis(2); 10],
            took: Duration::from_millis(20),
            own_time: Some(Duration::from_micros(own)),
            aws: Counts::from([("GetItem".to_owned(), requests)]),
        };
        let rounds = [round(9_000, 40), round(1_000, 40), round(2_000, 41)];
        let figures = Figures::of("proxy", "2 kB", &rounds);
        let whole = |figure: f64| format!("{figure:.1}");
        assert_eq!(figures.own_us.map(whole), Some("200.0".to_owned()));
        assert_eq!(whole(figures.p50_ms), "2.0");
        assert_eq!(whole(figures.per_second), "500.0");
        assert_eq!(figures.aws.get("GetItem").copied().map(whole), Some("4.0".to_owned()));
    }
}
