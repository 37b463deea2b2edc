//! The requests to an emulator, counted by route name.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::request::Received;

/// Number of requests that are kept in full; counts are unlimited.
const REMEMBERED: usize = 20_000;
/// Of larger bodies only the length is kept.
const REMEMBERED_BODY: usize = 64 * 1024;

/// One request as it came over the wire.
#[derive(Clone)]
pub struct RecordedRequest {
    /// 1 for the first request since the start; never reset.
    pub sequence: u64,
    /// Time of arrival, by the emulator's clock.
    pub received_at: Timestamp,
    /// Name of the route it matched, such as `token.refresh_token` or `projects.list`.
    pub route: String,
    /// HTTP method.
    pub method: String,
    /// The raw request target: path and query, byte for byte.
    pub target: String,
    /// The `Host` header, lower case.
    pub host: String,
    /// Header names (lower case) and values in the order sent.
    pub headers: Vec<(String, String)>,
    /// Length of the body in bytes.
    pub body_length: usize,
    /// The body if it has at most 64 KiB, otherwise empty.
    pub body: Bytes,
    /// Status of the answer; `None` while the request is under way, or if its connection was broken.
    pub status: Option<u16>,
}

impl RecordedRequest {
    /// The raw path of the target.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path)
    }

    /// The raw query of the target, without `?`.
    pub fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// A parameter of a form body.
    pub fn form_parameter(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(&self.body)
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    fn to_json(&self) -> Value {
        let headers: Vec<Value> = self
            .headers
            .iter()
            .map(|(name, value)| {
                json!([name, if is_credential(name) { "(hidden)" } else { value.as_str() }])
            })
            .collect();
        json!({
            "sequence": self.sequence,
            "received_at": self.received_at.to_string(),
            "route": self.route,
            "method": self.method,
            "host": self.host,
            "target": self.target,
            "headers": headers,
            "body_length": self.body_length,
            "status": self.status,
        })
    }
}

impl fmt::Debug for RecordedRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RecordedRequest")
            .field("sequence", &self.sequence)
            .field("route", &self.route)
            .field("method", &self.method)
            .field("host", &self.host)
            .field("target", &self.target)
            .field("body_length", &self.body_length)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

fn is_credential(header: &str) -> bool {
    matches!(header, "authorization" | "cookie" | "proxy-authorization")
}

#[derive(Default)]
struct Log {
    sequence: u64,
    requests: VecDeque<RecordedRequest>,
    counts: BTreeMap<String, u64>,
    in_flight: BTreeMap<String, u64>,
    peaks: BTreeMap<String, u64>,
}

/// The log of one emulator.
pub(crate) struct Traffic {
    log: Mutex<Log>,
    changed: watch::Sender<u64>,
}

impl Traffic {
    pub fn new() -> Self {
        Self { log: Mutex::default(), changed: watch::Sender::new(0) }
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a request; the visit counts as in flight until it is dropped.
    pub fn arrived(self: &Arc<Self>, route: &str, request: &Received, now: Timestamp) -> Visit {
        let mut log = self.log();
        log.sequence += 1;
        let sequence = log.sequence;
        let body =
            if request.body.len() <= REMEMBERED_BODY { request.body.clone() } else { Bytes::new() };
        log.requests.push_back(RecordedRequest {
            sequence,
            received_at: now,
            route: route.to_owned(),
            method: request.method.to_string(),
            target: request.target().to_owned(),
            host: request.host(),
            headers: request
                .headers
                .iter()
                .map(|(name, value)| {
                    (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
                })
                .collect(),
            body_length: request.body.len(),
            body,
            status: None,
        });
        if log.requests.len() > REMEMBERED {
            log.requests.pop_front();
        }
        *log.counts.entry(route.to_owned()).or_default() += 1;
        let in_flight = log.in_flight.entry(route.to_owned()).or_default();
        *in_flight += 1;
        let in_flight = *in_flight;
        let peak = log.peaks.entry(route.to_owned()).or_default();
        *peak = (*peak).max(in_flight);
        drop(log);
        self.changed.send_modify(|changes| *changes += 1);
        Visit { traffic: Arc::clone(self), route: route.to_owned(), sequence }
    }

    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.log().requests.iter().cloned().collect()
    }

    /// Requests of the route, or of any route below it: `git` counts `git.items` too.
    pub fn count(&self, route: &str) -> u64 {
        sum(&self.log().counts, route)
    }

    /// The most requests of one exact route that were in flight at once.
    pub fn peak(&self, route: &str) -> u64 {
        self.log().peaks.get(route).copied().unwrap_or_default()
    }

    /// Waits until `count(route)` is at least `count`.
    pub async fn reached(&self, route: &str, count: u64) {
        let mut changes = self.changed.subscribe();
        while self.count(route) < count {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    pub fn reset(&self) {
        let mut log = self.log();
        log.requests.clear();
        log.counts.clear();
        log.peaks.clear();
    }

    pub fn counts_json(&self) -> Value {
        let log = self.log();
        json!({"total": log.counts.values().sum::<u64>(), "routes": log.counts, "peaks": log.peaks})
    }

    pub fn requests_json(&self) -> Value {
        self.log().requests.iter().map(RecordedRequest::to_json).collect()
    }
}

fn sum(counts: &BTreeMap<String, u64>, route: &str) -> u64 {
    counts.iter().filter(|(name, _)| covers(route, name)).map(|(_, count)| count).sum()
}

/// Whether `pattern` (`*`, a route name, or the part of it before a dot) covers `route`.
pub(crate) fn covers(pattern: &str, route: &str) -> bool {
    matches!(pattern, "" | "*")
        || route.strip_prefix(pattern).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// A request under way.
pub(crate) struct Visit {
    traffic: Arc<Traffic>,
    route: String,
    sequence: u64,
}

impl Visit {
    pub fn answered(&self, status: u16) {
        let mut log = self.traffic.log();
        if let Some(request) =
            log.requests.iter_mut().rev().find(|request| request.sequence == self.sequence)
        {
            request.status = Some(status);
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut log = self.traffic.log();
        if let Some(in_flight) = log.in_flight.get_mut(&self.route) {
            *in_flight = in_flight.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_covers_itself_and_what_is_below_it() {
        assert!(covers("git", "git.items"));
        assert!(covers("git.items", "git.items"));
        assert!(covers("*", "token"));
        assert!(!covers("git", "github"));
        assert!(!covers("git.items", "git"));
    }
}
