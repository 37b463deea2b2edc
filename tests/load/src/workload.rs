//! What is called, and with which event.

use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json};
use vault::ids::ConnectionId;

use crate::upstream;

/// The event of an HTTP API for a call through the proxy.
const HTTP_API: &str = include_str!("../../end-to-end/events/http-api-proxy.json");
/// The event of a REST API, whose answers are streamed.
const REST_API: &str = include_str!("../../end-to-end/events/rest-api-proxy.json");
/// The event of a browser that follows a connect link.
pub(crate) const AUTHORIZE: &str = include_str!("../../end-to-end/events/http-api-authorize.json");
/// The event of a browser that comes back from Entra, with a state that nobody has.
pub(crate) const CALLBACK: &str = include_str!("../../end-to-end/events/http-api-callback.json");
/// The event of an application that confirms a connection, with a wrong code.
pub(crate) const MANAGE: &str = include_str!("../../end-to-end/events/http-api-manage.json");
/// The event of the refresh schedule.
pub(crate) const SCHEDULE: &str = include_str!("../../end-to-end/events/scheduler-refresh.json");
/// The time for which a seeded token is valid; no run lasts as long.
pub(crate) const VALID: SignedDuration = SignedDuration::from_hours(12);
/// The path of every call, as Azure DevOps sees it.
pub(crate) const PATH: &str = "/mycompany/_apis/projects";

/// A kind of calls.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Workload {
    /// The answer's name.
    pub(crate) answer: &'static str,
    /// Bytes of the answer of Azure DevOps.
    pub(crate) bytes: usize,
    /// Number of calls in a round.
    pub(crate) calls: usize,
    pub(crate) kind: Kind,
}

/// How an answer comes.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum Kind {
    /// Whole.
    Whole,
    /// As it comes.
    Streamed,
    /// Refused, because the call has no key.
    Refused,
}

/// The beginning of a function's answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    status_code: u16,
}

/// The small answer, which every subject gives.
pub(crate) const SMALL: Workload =
    Workload { answer: "2 kB", bytes: 2048, calls: 300, kind: Kind::Whole };
/// A refusal of ours.
pub(crate) const REFUSED: Workload =
    Workload { answer: "refused", bytes: 2048, calls: 300, kind: Kind::Refused };
/// All other answers.
pub(crate) const LARGER: [Workload; 3] = [
    Workload { answer: "200 kB", bytes: 200_000, calls: 60, kind: Kind::Whole },
    Workload { answer: "4.5 MB", bytes: 4_500_000, calls: 10, kind: Kind::Whole },
    Workload { answer: "199 MB streamed", bytes: 199_000_000, calls: 1, kind: Kind::Streamed },
];

impl Workload {
    /// The function that answers so.
    pub(crate) fn function(&self) -> &'static str {
        match self.kind {
            Kind::Streamed => "streaming-proxy",
            Kind::Whole | Kind::Refused => "proxy",
        }
    }

    /// Checks that a whole answer of the function has the right status.
    ///
    /// # Errors
    /// The answer, if it has another one.
    pub(crate) fn check(&self, answer: &[u8]) -> Result<(), String> {
        let status: Status = serde_json::from_slice(answer).map_err(|e| e.to_string())?;
        let expected = if self.kind == Kind::Refused { 401 } else { 200 };
        if status.status_code == expected {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(answer).into_owned())
        }
    }

    /// The address of the call at a server that passes paths on.
    pub(crate) fn url(&self, base: &str) -> String {
        format!("{base}{PATH}?{}", upstream::query(self.bytes))
    }

    /// The event of the call.
    ///
    /// # Errors
    /// If the recorded event is no JSON.
    pub(crate) fn event(&self, connection: &ConnectionId, key: &str) -> Result<Vec<u8>, String> {
        let recorded = if self.kind == Kind::Streamed { REST_API } else { HTTP_API };
        let event = filled(recorded, connection, key);
        let mut event: Value = serde_json::from_str(&event).map_err(|e| e.to_string())?;
        let bytes = self.bytes.to_string();
        event["queryStringParameters"] = json!({"api-version": "7.1", "bytes": bytes});
        if self.kind == Kind::Streamed {
            event["multiValueQueryStringParameters"] =
                json!({"api-version": ["7.1"], "bytes": [bytes]});
        } else {
            event["rawQueryString"] = upstream::query(self.bytes).into();
        }
        if self.kind == Kind::Refused
            && let Some(headers) = event["headers"].as_object_mut()
        {
            headers.remove("authorization");
        }
        Ok(event.to_string().into_bytes())
    }
}

/// Puts a connection and an API key into a recorded event.
pub(crate) fn filled(recorded: &str, connection: &ConnectionId, key: &str) -> String {
    recorded.replace("CONNECTION", &connection.to_string()).replace("API_KEY", key)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn event(workload: &Workload) -> Value {
        let connection = ConnectionId::mint(jiff::Timestamp::UNIX_EPOCH, &mut rand::rng());
        serde_json::from_slice(&workload.event(&connection, "adoc_key").unwrap()).unwrap()
    }

    #[test]
    fn an_event_has_the_key_unless_the_call_is_to_be_refused() {
        assert_eq!(event(&SMALL)["headers"]["authorization"], "Bearer adoc_key");
        assert_eq!(event(&SMALL)["rawQueryString"], "api-version=7.1&bytes=2048");
        assert!(event(&REFUSED)["headers"].get("authorization").is_none());
        let streamed = event(&LARGER[2]);
        assert_eq!(streamed["multiValueQueryStringParameters"]["bytes"][0], "199000000");
        assert_eq!(streamed["multiValueHeaders"]["authorization"][0], "Bearer adoc_key");
    }
}
