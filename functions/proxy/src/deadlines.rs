//! Sizes and times that Lambda and API Gateway set.

use std::time::Duration;

use edge::config::ResponseMode;
use edge::gateway::Request;
use ground::clock::Clock;
use lambda_runtime::Context;
use tokio::time::Instant;

/// The proxy's own deadline behind an HTTP API, whose limit is 30 s.
const BUFFERED: Duration = Duration::from_secs(25);
/// How long an answer that is streamed may take to begin: a zip of a repository is made before it is sent.
const STREAMED: Duration = Duration::from_secs(100);
/// Time kept for answering before Lambda ends the invocation.
const ANSWERING: Duration = Duration::from_millis(500);
/// Time kept for breaking a body off and saying so in the log.
const BREAKING_OFF: Duration = Duration::from_secs(1);

/// What a call itself needs of the time that is left.
const FOR_THE_CALL: Duration = Duration::from_secs(2);

/// Largest answer in bytes that is sure to fit into Lambda's 6 MB as base64.
pub(crate) const LARGEST_ANSWER: usize = 4_500_000;

/// When the work on a request must be done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadlines {
    /// Until then Azure DevOps must have begun to answer; a buffered answer must be whole.
    pub(crate) answer: Instant,
    /// Until then a streamed body must have ended.
    pub(crate) body: Instant,
}

impl Deadlines {
    /// Whether there is time for a call after a pause.
    pub(crate) fn leave_room_after(&self, pause: Duration) -> bool {
        Instant::now() + pause + FOR_THE_CALL < self.answer
    }

    /// When nothing of the call goes on any more.
    pub(crate) fn end(&self) -> Instant {
        self.answer.max(self.body)
    }

    pub(crate) fn of(request: &Request, mode: ResponseMode, clock: &dyn Clock) -> Self {
        let now = Instant::now();
        let most = match mode {
            ResponseMode::Buffered => BUFFERED,
            ResponseMode::Streamed => STREAMED,
        };
        let left =
            request.extensions().get().map(Context::deadline).and_then(|end| clock.left_until(end));
        let answer = left.map_or(most, |left| left.saturating_sub(ANSWERING).min(most));
        let body = left.map_or(most, |left| left.saturating_sub(BREAKING_OFF));
        Self { answer: now + answer, body: now + body }
    }
}
