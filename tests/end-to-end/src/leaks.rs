//! A watch on all answers and log lines of the service: they may contain no token, code or secret.

use std::sync::{Arc, Mutex};

use emulators::{MARKER, MARKER_DECODED};

use crate::Answer;

/// The log lines so far and the secrets that they must not contain.
#[derive(Clone, Default)]
pub(crate) struct Watch {
    log: Arc<Mutex<Vec<String>>>,
    secrets: Arc<Mutex<Vec<String>>>,
}

impl Watch {
    /// Adds a line of a function's output.
    pub(crate) fn logged(&self, function: &str, line: &str) {
        self.log.lock().unwrap().push(format!("{function}: {line}"));
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

    /// Checks all log lines at the end.
    pub(crate) fn check(&self) {
        let (log, secrets) = (self.log.lock().unwrap(), self.secrets.lock().unwrap());
        for line in log.iter() {
            for marker in [MARKER, MARKER_DECODED] {
                assert!(!line.contains(marker), "a log line leaks a token, code or secret: {line}");
            }
            for secret in secrets.iter() {
                assert!(
                    !line.contains(secret.as_str()),
                    "a log line leaks a secret of ours: {line}"
                );
            }
            assert!(!line.contains("panicked"), "a function panicked: {line}");
            assert!(!line.contains("event could not be sent"), "an event was lost: {line}");
        }
    }
}
