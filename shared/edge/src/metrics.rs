//! Metrics in CloudWatch's embedded format: CloudWatch reads them from a log line, so that no request waits for a call.
//!
//! Source: "Specification: Embedded metric format", Amazon `CloudWatch` user guide.

use std::sync::OnceLock;

use jiff::Timestamp;
use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};

/// The namespace of our metrics, unless the deployment has one of its own.
pub const NAMESPACE: &str = "ado-connect";

/// The deployment's namespace: the metrics of two deployments in one account must not add up.
static OWN_NAMESPACE: OnceLock<String> = OnceLock::new();

/// Sets the namespace of this process. Further calls do nothing.
pub(crate) fn use_namespace(name: &str) {
    let _ = OWN_NAMESPACE.set(name.to_owned());
}

/// Requests, one each.
pub const REQUESTS: &str = "Requests";
/// Answers with a status of 500 or more that do not come from Azure DevOps.
pub const ERRORS: &str = "Errors";
/// The time from the event to the answer.
pub const LATENCY: &str = "LatencyMs";

/// Audit entries that are in the log only. Counted for the service as a whole, so that one alarm watches all functions.
pub const AUDIT_LOST: &str = "AuditLost";

/// The unit of a metric's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Unit {
    /// Things.
    Count,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
}

/// The metrics of one invocation: per function, and those of a request per route, too.
#[derive(Debug, Clone)]
pub struct Metrics {
    function: &'static str,
    route: Option<String>,
    of_request: Vec<Metric>,
    of_function: Vec<Metric>,
}

/// Its number is a field of the line; the rest is its description.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metric {
    name: &'static str,
    unit: Unit,
    #[serde(skip)]
    value: Measured,
}

/// One number, or a number for each of several things.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
enum Measured {
    One(u64),
    Each(Vec<u64>),
}

/// The most numbers of one metric that the embedded metric format takes.
const MOST_VALUES: usize = 100;

impl Metrics {
    /// No metrics yet, of this function.
    #[must_use]
    pub fn new(function: &'static str) -> Self {
        Self { function, route: None, of_request: Vec::new(), of_function: Vec::new() }
    }

    /// Adds a number to a metric of the function. Names are in `PascalCase`, so that none is that of a field of the
    /// log line.
    pub fn add(&mut self, name: &'static str, unit: Unit, value: u64) {
        let known = self.of_function.iter_mut().find(|metric| metric.name == name);
        match known.map(|metric| &mut metric.value) {
            Some(Measured::One(sum)) => *sum = sum.saturating_add(value),
            Some(Measured::Each(values)) => values.push(value),
            None => self.of_function.push(Metric { name, unit, value: Measured::One(value) }),
        }
    }

    /// Adds a metric with a number for each of several things, for percentiles: all numbers up to a hundred, or else
    /// a hundred of them with the same percentiles.
    pub fn add_each(&mut self, name: &'static str, unit: Unit, mut values: Vec<u64>) {
        if values.is_empty() {
            return;
        }
        values.sort_unstable();
        if values.len() > MOST_VALUES {
            let last = values.len() - 1;
            values = (0..MOST_VALUES).map(|rank| values[rank * last / (MOST_VALUES - 1)]).collect();
        }
        self.of_function.push(Metric { name, unit, value: Measured::Each(values) });
    }

    /// Sets the metrics of one answered request.
    pub(crate) fn request(&mut self, route: &str, failed: bool, latency_ms: u64) {
        self.route = Some(route.to_owned());
        self.of_request = vec![
            Metric { name: REQUESTS, unit: Unit::Count, value: Measured::One(1) },
            Metric { name: ERRORS, unit: Unit::Count, value: Measured::One(u64::from(failed)) },
            Metric { name: LATENCY, unit: Unit::Milliseconds, value: Measured::One(latency_ms) },
        ];
    }

    /// The fields of a log line that CloudWatch reads metrics from.
    pub(crate) fn at(&self, now: Timestamp) -> Fields<'_> {
        Fields { metrics: self, now }
    }

    fn all(&self) -> impl Iterator<Item = &Metric> {
        self.of_request.iter().chain(&self.of_function)
    }
}

/// The fields of a log line with metrics, which are written without a tree of values in between.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a> {
    metrics: &'a Metrics,
    now: Timestamp,
}

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { metrics, now } = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("function", metrics.function)?;
        if let Some(route) = &metrics.route {
            map.serialize_entry("route", route)?;
        }
        for metric in metrics.all() {
            map.serialize_entry(metric.name, &metric.value)?;
        }
        if metrics.all().next().is_some() {
            map.serialize_entry("_aws", &Aws::new(metrics, *now))?;
        }
        map.end()
    }
}

/// The member `_aws` of the embedded metric format.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Aws<'a> {
    timestamp: i64,
    cloud_watch_metrics: Vec<Directive<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive<'a> {
    namespace: &'a str,
    dimensions: &'static [&'static [&'static str]],
    metrics: Vec<&'a Metric>,
}

impl<'a> Aws<'a> {
    fn new(metrics: &'a Metrics, now: Timestamp) -> Self {
        let (of_service, of_function): (Vec<_>, Vec<_>) =
            metrics.of_function.iter().partition(|metric| metric.name == AUDIT_LOST);
        let of_request = metrics.of_request.iter().collect();
        let directives: [(&[&[&str]], Vec<_>); 3] = [
            (&[&["function", "route"], &["function"]], of_request),
            (&[&["function"]], of_function),
            (&[&[]], of_service),
        ];
        let namespace = OWN_NAMESPACE.get().map_or(NAMESPACE, String::as_str);
        let cloud_watch_metrics = directives
            .into_iter()
            .filter(|(_, metrics)| !metrics.is_empty())
            .map(|(dimensions, metrics)| Directive { namespace, dimensions, metrics })
            .collect();
        Self { timestamp: now.as_millisecond(), cloud_watch_metrics }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;

    fn fields(metrics: &Metrics, now: Timestamp) -> Value {
        serde_json::to_value(metrics.at(now)).unwrap()
    }

    #[test]
    fn counters_add_up_under_the_function_alone() {
        let mut metrics = Metrics::new("refresh");
        metrics.add("TokensRenewed", Unit::Count, 2);
        metrics.add("TokensRenewed", Unit::Count, 3);
        let now = Timestamp::from_second(1_767_225_600).unwrap();
        assert_eq!(
            fields(&metrics, now),
            json!({
                "function": "refresh",
                "TokensRenewed": 5,
                "_aws": {
                    "Timestamp": 1_767_225_600_000_u64,
                    "CloudWatchMetrics": [{
                        "Namespace": "ado-connect",
                        "Dimensions": [["function"]],
                        "Metrics": [{"Name": "TokensRenewed", "Unit": "Count"}],
                    }],
                },
            })
        );
    }

    #[test]
    fn a_hundred_of_many_numbers_keep_the_percentiles() {
        let mut metrics = Metrics::new("refresh");
        metrics.add_each("OverdueSeconds", Unit::Seconds, (0..=10_000).rev().collect());
        metrics.add_each("NothingSeconds", Unit::Seconds, Vec::new());
        let fields = fields(&metrics, Timestamp::UNIX_EPOCH);
        let values: Vec<u64> = serde_json::from_value(fields["OverdueSeconds"].clone()).unwrap();
        assert_eq!((values.len(), values[0], values[99]), (100, 0, 10_000));
        assert!((4900..5100).contains(&values[49]), "{}", values[49]);
        assert!(fields.get("NothingSeconds").is_none());
    }

    #[test]
    fn every_dimension_and_metric_of_a_directive_is_a_field() {
        let mut metrics = Metrics::new("proxy");
        metrics.request("ANY /proxy/{proxy+}", true, 12);
        metrics.add("UpstreamThrottled", Unit::Count, 1);
        let fields = fields(&metrics, Timestamp::UNIX_EPOCH);
        for directive in fields["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
            for set in directive["Dimensions"].as_array().unwrap() {
                for name in set.as_array().unwrap() {
                    assert!(fields[name.as_str().unwrap()].is_string(), "{name}");
                }
            }
            for metric in directive["Metrics"].as_array().unwrap() {
                assert!(fields[metric["Name"].as_str().unwrap()].is_u64(), "{metric}");
            }
        }
        assert_eq!(fields[ERRORS], 1);
    }
}
