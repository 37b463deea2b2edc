//! A watch on all answers and log lines of the service, and on everything that it stores, queues and publishes in AWS: they
//! may contain no token, code or secret.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use emulators::{MARKER, MARKER_DECODED};
use serde_json::Value;

use crate::Answer;

/// The service whose requests carry client secrets as they are.
const KEEPS_SECRETS: &str = "secretsmanager";

/// The log lines and the requests to AWS so far, and the secrets that they must not contain.
#[derive(Clone, Default)]
pub(crate) struct Watch {
    log: Arc<Mutex<Vec<String>>>,
    /// Items of tables, messages of queues, events.
    sent_to_aws: Arc<Mutex<Vec<String>>>,
    secrets: Arc<Mutex<Vec<String>>>,
}

impl Watch {
    /// Adds a line of a function's output.
    pub(crate) fn logged(&self, function: &str, line: &str) {
        self.log.lock().unwrap().push(format!("{function}: {line}"));
    }

    /// Adds a request of a function to AWS.
    pub(crate) fn sent_to_aws(&self, target: &str, body: &[u8]) {
        if !target.starts_with(KEEPS_SECRETS) {
            self.sent_to_aws.lock().unwrap().push(format!("{target}: {}", readable(body)));
        }
    }

    /// Adds a secret that one answer may contain and the log must not: a session, a state, a key.
    pub(crate) fn secret(&self, secret: &str) {
        self.secrets.lock().unwrap().push(secret.to_owned());
    }

    /// Checks that an answer contains no secret of Entra.
    pub(crate) fn answered(answer: &Answer) {
        let text = format!("{:?}\n{}", answer.headers, answer.text());
        for marker in [MARKER, MARKER_DECODED] {
            assert!(!text.contains(marker), "an answer leaks a token, code or secret: {text}");
        }
    }

    /// Returns the log lines so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// Returns the requests to AWS so far, each with its target.
    pub(crate) fn requests_to_aws(&self) -> Vec<String> {
        self.sent_to_aws.lock().unwrap().clone()
    }

    /// Checks the log lines and the requests to AWS so far, and forgets them. Returns how many there were of each.
    pub(crate) fn check(&self) -> (usize, usize) {
        let log = std::mem::take(&mut *self.log.lock().unwrap());
        let sent_to_aws = std::mem::take(&mut *self.sent_to_aws.lock().unwrap());
        self.assert_without_secrets("a log line", &log);
        self.assert_without_secrets("a request to AWS", &sent_to_aws);
        for line in &log {
            assert!(!line.contains("panicked"), "a function panicked: {line}");
            assert!(!line.contains("event could not be sent"), "an event was lost: {line}");
        }
        (log.len(), sent_to_aws.len())
    }

    /// Asserts that no text contains a registered secret or a marker.
    fn assert_without_secrets(&self, of: &str, texts: &[String]) {
        let secrets = self.secrets.lock().unwrap();
        let secrets = secrets.iter().map(String::as_str).chain([MARKER, MARKER_DECODED]);
        for secret in secrets {
            let leak = texts.iter().find(|text| text.contains(secret));
            assert_eq!(leak, None, "{of} leaks {secret}, a token, code or secret");
        }
    }
}

/// The body of a request, with what its binary values contain: their base64 would hide a secret.
fn readable(body: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(body).into_owned();
    let value = serde_json::from_slice(body).unwrap_or(Value::Null);
    add_decoded(&value, &mut text);
    text
}

fn add_decoded(value: &Value, text: &mut String) {
    match value {
        Value::String(encoded) => {
            if let Ok(bytes) = STANDARD.decode(encoded) {
                text.push('\n');
                text.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
        Value::Array(values) => values.iter().for_each(|value| add_decoded(value, text)),
        Value::Object(members) => members.values().for_each(|value| add_decoded(value, text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
