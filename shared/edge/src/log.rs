//! Logs: one structured line per request, and lines for faults in between.
//!
//! `serde_json` alone writes the lines, as JSON objects, so that nothing received can begin a line of its own
//! (S-47). A request's line has the fields of [`RequestLog`] and no others: no query strings, headers, bodies or
//! paths (S-46).

use std::io::Write as _;
use std::net::IpAddr;
use std::panic::PanicHookInfo;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use vault::audit::{Actor, ActorRole};
use vault::ids::{ApiKeyId, ConnectionId, IntegrationId};

use crate::metrics::{Fields, Metrics, Unit};
use crate::problem::Problem;
use crate::role::Role;

/// The crates below the functions. All others log warnings and errors only: at lower levels HTTP clients and SDKs
/// log headers and bodies.
const SHARED: [&str; 6] = ["calls", "devops", "edge", "entra", "ground", "vault"];

/// Starts logging to standard output, once per process, for the function of this crate name. A panic is logged with
/// its place and without a formatted message, which could contain values.
pub fn initialize(function: &'static str) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let lines = tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false);
        let _already_set =
            tracing_subscriber::registry().with(filter(function)).with(lines).try_init();
        std::panic::set_hook(Box::new(log_panic));
    });
}

fn filter(function: &'static str) -> Targets {
    let ours = SHARED.into_iter().chain([function]).map(|name| (name, LevelFilter::INFO));
    Targets::new().with_default(LevelFilter::WARN).with_targets(ours)
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    // A `&'static str` is text of the program; a `String` was formatted and may contain values.
    let message = panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("");
    tracing::error!(place, message, "panic");
}

/// Writes the metrics of an invocation that answers no HTTP request.
pub fn write_metrics(metrics: &Metrics, now: Timestamp) {
    write_line(json(&metrics.at(now)));
}

/// Writes one line to standard output, which Lambda collects.
fn write_line(mut line: String) {
    line.push('\n');
    // A failure cannot be logged.
    let _ = std::io::stdout().lock().write_all(line.as_bytes());
}

/// The facts that a handler logs about its request. Clones share them.
#[derive(Debug, Clone)]
pub struct RequestLog {
    request_id: Arc<str>,
    /// The address that connected to the front door.
    source: Option<IpAddr>,
    noted: Arc<Mutex<Noted>>,
}

#[derive(Debug, Clone, Default, Serialize)]
struct Noted {
    #[serde(skip_serializing_if = "Option::is_none")]
    caller: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    integration: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    /// The tool of the MCP endpoint that was called.
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<&'static str>,
    /// The name by which an MCP client introduces itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh: Option<&'static str>,
    #[serde(skip)]
    actor: Option<(ActorRole, Option<ApiKeyId>)>,
    #[serde(skip)]
    counters: Vec<(&'static str, Unit, u64)>,
}

impl RequestLog {
    /// No facts yet about the request with this id.
    #[must_use]
    pub fn new(request_id: &str) -> Self {
        Self { request_id: request_id.into(), source: None, noted: Arc::default() }
    }

    /// The same about a request from this address.
    #[must_use]
    pub fn from_source(self, source: Option<IpAddr>) -> Self {
        Self { source, ..self }
    }

    /// The id, which the answer carries, too.
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// The caller, by its id in logs, with its role and the API key that it presented.
    pub fn caller(&self, id: &str, role: Role, api_key: Option<&ApiKeyId>) {
        let role = match role {
            Role::Operator => ActorRole::Operator,
            Role::Application => ActorRole::Application,
            Role::User => ActorRole::User,
        };
        let mut noted = self.noted();
        noted.caller = Some(id.to_owned());
        noted.actor = Some((role, api_key.cloned()));
    }

    /// The caller for the audit trail, with the request that it sends.
    pub fn actor(&self) -> Actor {
        let noted = self.noted();
        let (role, key) = noted.actor.clone().unwrap_or((ActorRole::Anonymous, None));
        Actor {
            id: noted.caller.clone().unwrap_or_else(|| role.to_string()),
            role,
            key,
            source: self.source,
            request_id: Some(self.request_id.to_string()),
        }
    }

    /// The integration.
    pub fn integration(&self, id: &IntegrationId) {
        self.noted().integration = Some(id.to_string());
    }

    /// The connection.
    pub fn connection(&self, id: &ConnectionId) {
        self.noted().connection = Some(id.to_string());
    }

    /// The Azure DevOps host that was called.
    pub fn host(&self, host: &str) {
        self.noted().host = Some(host.chars().take(100).collect());
    }

    /// The tool of the MCP endpoint that was called.
    pub fn tool(&self, name: &'static str) {
        self.noted().tool = Some(name);
    }

    /// The name by which an MCP client introduces itself.
    pub fn client(&self, name: &str) {
        self.noted().client = Some(name.chars().take(60).collect());
    }

    /// The status that Azure DevOps or Entra answered with.
    pub fn upstream_status(&self, status: StatusCode) {
        self.noted().upstream_status = Some(status.as_u16());
    }

    /// The problem and its cause. A problem that a handler returns is logged by itself; this is for one that goes
    /// elsewhere, such as into a redirect.
    pub fn problem(&self, problem: &Problem) {
        let mut noted = self.noted();
        noted.problem = Some(problem.code().as_str());
        noted.cause = problem.cause_text().map(str::to_owned);
    }

    /// The outcome of the refresh protocol, such as `renewed`.
    pub fn refresh(&self, outcome: &'static str) {
        self.noted().refresh = Some(outcome);
    }

    /// Adds to a metric of the function, see [`Metrics::add`].
    pub fn metric(&self, name: &'static str, unit: Unit, value: u64) {
        self.noted().counters.push((name, unit, value));
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        // A panic elsewhere leaves at worst a field unset.
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The facts about a request when it has been answered.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    pub function: &'static str,
    pub route: String,
    pub method: String,
    pub status: u16,
    /// Whether the status comes from Azure DevOps.
    pub passed_through: bool,
    pub duration: Duration,
    pub trace_id: Option<String>,
    pub now: Timestamp,
    /// How the body left, if it was streamed.
    pub stream: Option<Streamed>,
}

/// How a streamed body left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Streamed {
    /// The bytes of the body that left.
    #[serde(rename = "streamed_bytes")]
    pub bytes: u64,
    /// How it ended.
    #[serde(rename = "stream_end")]
    pub end: StreamEnd,
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StreamEnd {
    /// Everything was sent.
    Complete,
    /// Azure DevOps broke off, or the deadline was reached.
    BrokenOff,
    /// It was broken off because Lambda streams no more for one invocation.
    TooLarge,
    /// Its permission was withdrawn, for example by a pause, or with a deleted key or connection.
    Withdrawn,
    /// The client did not read the rest.
    Abandoned,
}

#[derive(Serialize)]
struct Line<'a> {
    timestamp: Timestamp,
    level: &'static str,
    message: &'static str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    method: &'a str,
    status: u16,
    #[serde(flatten)]
    noted: &'a Noted,
    #[serde(flatten)]
    stream: Option<Streamed>,
    #[serde(flatten)]
    metrics: Fields<'a>,
}

impl RequestLog {
    /// The request's one line, with its metrics.
    pub(crate) fn line(&self, answered: &Answered) -> String {
        let noted = self.noted();
        let failed = answered.status >= 500 && !answered.passed_through;
        let mut metrics = Metrics::new(answered.function);
        metrics.request(&answered.route, failed, milliseconds(answered.duration));
        for (name, unit, value) in &noted.counters {
            metrics.add(name, *unit, *value);
        }
        let line = Line {
            timestamp: answered.now,
            level: if failed { "ERROR" } else { "INFO" },
            message: "request",
            request_id: &self.request_id,
            trace_id: answered.trace_id.as_deref(),
            method: answered.method.get(..16).unwrap_or(&answered.method),
            status: answered.status,
            noted: &noted,
            stream: answered.stream,
            metrics: metrics.at(answered.now),
        };
        json(&line)
    }
}

fn json(line: &impl Serialize) -> String {
    // A line of texts and numbers always serialises.
    serde_json::to_string(line).unwrap_or_default()
}

/// The line of a request that is written when its answer has left.
#[derive(Debug)]
pub struct Entry {
    log: RequestLog,
    answered: Answered,
    started: Instant,
}

impl Entry {
    pub(crate) fn new(log: RequestLog, answered: Answered, started: Instant) -> Self {
        Self { log, answered, started }
    }

    /// Adds to a metric of the function, see [`Metrics::add`].
    pub(crate) fn metric(&self, name: &'static str, unit: Unit, value: u64) {
        self.log.metric(name, unit, value);
    }

    pub(crate) fn line(mut self, stream: Option<Streamed>) -> String {
        self.answered.duration = self.started.elapsed();
        self.answered.stream = stream;
        self.log.line(&self.answered)
    }

    pub(crate) fn write(self, stream: Option<Streamed>) {
        write_line(self.line(stream));
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::problem::Code;

    fn answered(status: u16) -> Answered {
        Answered {
            function: "proxy",
            route: "ANY /proxy/{proxy+}".to_owned(),
            method: "GET".to_owned(),
            status,
            passed_through: false,
            duration: Duration::from_micros(12_345),
            trace_id: Some("1-68000000-000000000000000000000000".to_owned()),
            now: "2026-01-01T00:00:00.125Z".parse().unwrap(),
            stream: None,
        }
    }

    #[test]
    fn a_request_is_one_line_with_these_fields() {
        let log = RequestLog::new("JKJaXmPLvHcESHA=");
        log.caller("key:0a1b", Role::Application, None);
        log.integration(&"fabrikam".parse().unwrap());
        log.connection(&"conn_0123456789abcdef0123456789abcdef".parse().unwrap());
        log.host("dev.azure.com");
        log.upstream_status(StatusCode::OK);
        log.clone().refresh("renewed");
        log.metric("TokensRenewed", Unit::Count, 1);
        let line = log.line(&answered(200));
        assert!(!line.contains('\n'));
        insta::assert_json_snapshot!(serde_json::from_str::<Value>(&line).unwrap(), @r#"
        {
          "Errors": 0,
          "LatencyMs": 12,
          "Requests": 1,
          "TokensRenewed": 1,
          "_aws": {
            "CloudWatchMetrics": [
              {
                "Dimensions": [
                  [
                    "function",
                    "route"
                  ],
                  [
                    "function"
                  ]
                ],
                "Metrics": [
                  {
                    "Name": "Requests",
                    "Unit": "Count"
                  },
                  {
                    "Name": "Errors",
                    "Unit": "Count"
                  },
                  {
                    "Name": "LatencyMs",
                    "Unit": "Milliseconds"
                  }
                ],
                "Namespace": "ado-connect"
              },
              {
                "Dimensions": [
                  [
                    "function"
                  ]
                ],
                "Metrics": [
                  {
                    "Name": "TokensRenewed",
                    "Unit": "Count"
                  }
                ],
                "Namespace": "ado-connect"
              }
            ],
            "Timestamp": 1767225600125
          },
          "caller": "key:0a1b",
          "connection": "conn_0123456789abcdef0123456789abcdef",
          "function": "proxy",
          "host": "dev.azure.com",
          "integration": "fabrikam",
          "level": "INFO",
          "message": "request",
          "method": "GET",
          "refresh": "renewed",
          "request_id": "JKJaXmPLvHcESHA=",
          "route": "ANY /proxy/{proxy+}",
          "status": 200,
          "timestamp": "2026-01-01T00:00:00.125Z",
          "trace_id": "1-68000000-000000000000000000000000",
          "upstream_status": 200
        }
        "#);
    }

    #[test]
    fn a_problem_of_ours_is_an_error_with_its_cause() {
        let problem = Problem::new(Code::ServiceUnavailable).detail("not logged").cause("dynamodb");
        let log = RequestLog::new("r");
        log.problem(&problem);
        let line: Value = serde_json::from_str(&log.line(&answered(503))).unwrap();
        assert_eq!(line["level"], "ERROR");
        assert_eq!(line["problem"], "service_unavailable");
        assert_eq!(line["cause"], "dynamodb");
        assert_eq!(line["Errors"], 1);
        assert!(!line.to_string().contains("not logged"));
    }

    #[test]
    fn a_problem_in_a_redirect_is_logged_with_its_cause() {
        let log = RequestLog::new("r");
        log.problem(&Problem::new(Code::EntraMisconfigured).cause("no refresh token"));
        let line: Value = serde_json::from_str(&log.line(&answered(200))).unwrap();
        assert_eq!(line["problem"], "entra_misconfigured");
        assert_eq!(line["cause"], "no refresh token");
    }

    #[test]
    fn a_failure_of_azure_devops_is_not_counted_as_ours() {
        let answered = Answered { passed_through: true, ..answered(503) };
        let line: Value = serde_json::from_str(&RequestLog::new("r").line(&answered)).unwrap();
        assert_eq!((&line["level"], &line["Errors"]), (&"INFO".into(), &0.into()));
    }

    #[test]
    fn a_stream_is_logged_with_its_bytes_and_its_end() {
        let stream = Some(Streamed { bytes: 7, end: StreamEnd::BrokenOff });
        let answered = Answered { stream, ..answered(200) };
        let line: Value = serde_json::from_str(&RequestLog::new("r").line(&answered)).unwrap();
        assert_eq!(
            (&line["streamed_bytes"], &line["stream_end"]),
            (&7.into(), &"broken_off".into())
        );
    }

    #[test]
    fn dependencies_log_warnings_only_and_no_crate_logs_debug_lines() {
        use tracing::Level;
        for target in ["hyper::proto", "reqwest::connect", "aws_smithy_runtime::client", "rustls"] {
            assert!(!filter("proxy").would_enable(target, &Level::INFO), "{target}");
            assert!(filter("proxy").would_enable(target, &Level::WARN), "{target}");
        }
        for target in ["proxy", "vault::refresh", "edge::serve"] {
            assert!(filter("proxy").would_enable(target, &Level::INFO), "{target}");
            assert!(!filter("proxy").would_enable(target, &Level::DEBUG), "{target}");
        }
    }

    proptest! {
        #[test]
        fn nothing_received_breaks_the_line(text in any::<String>()) {
            let log = RequestLog::new(&text);
            log.host(&text);
            log.problem(&Problem::new(Code::InternalError).cause(&text));
            let line = log.line(&Answered { method: text.clone(), ..answered(500) });
            prop_assert!(!line.contains(['\n', '\r']));
            let line: Value = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(line["cause"].as_str(), Some(text.as_str()));
        }
    }
}
