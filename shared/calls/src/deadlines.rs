//! Sizes and times that Lambda and API Gateway set.

use std::time::Duration;

use edge::config::ResponseMode;
use jiff::SignedDuration;
use tokio::time::Instant;

/// Our own deadline behind an HTTP API, whose limit is 30 s.
const BUFFERED: Duration = Duration::from_secs(25);
/// The longest wait for the beginning of a streamed answer: a zip of a repository is made before it is sent.
const STREAMED: Duration = Duration::from_secs(100);
/// Time kept for answering before Lambda ends the invocation.
const ANSWERING: Duration = Duration::from_millis(500);
/// Time kept for breaking off a body and logging that.
const BREAKING_OFF: Duration = Duration::from_secs(1);
/// The least time in which a call is begun after a pause.
const FOR_THE_CALL: Duration = Duration::from_secs(2);

/// The largest answer in bytes that surely fits into Lambda's 6 MB as base64.
pub(crate) const LARGEST_ANSWER: usize = 4_500_000;

/// When the work on a request must be done.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// Until then Azure DevOps must have begun to answer; an answer that is read whole must be there.
    pub(crate) answer: Instant,
    /// Until then a streamed body must have ended.
    pub(crate) body: Instant,
}

impl Deadlines {
    /// The deadlines of a request that begins now and whose function has this much time `left`, if that is known.
    pub fn new(mode: ResponseMode, left: Option<Duration>) -> Self {
        let now = Instant::now();
        let most = match mode {
            ResponseMode::Buffered => BUFFERED,
            ResponseMode::Streamed => STREAMED,
        };
        let answer = left.map_or(most, |left| left.saturating_sub(ANSWERING).min(most));
        let body = left.map_or(most, |left| left.saturating_sub(BREAKING_OFF));
        Self { answer: now + answer, body: now + body }
    }

    /// Returns whether time is left for a call after a pause.
    pub fn leave_room_after(&self, pause: Duration) -> bool {
        Instant::now() + pause + FOR_THE_CALL < self.answer
    }

    /// Returns the time after which nothing of the call goes on.
    pub(crate) fn time_left(&self) -> SignedDuration {
        let left = self.answer.max(self.body).saturating_duration_since(Instant::now());
        SignedDuration::try_from(left).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_awaited_within_the_function_s_time_and_the_gateway_s() {
        let now = Instant::now();
        for (mode, left, answer, body) in [
            (ResponseMode::Buffered, None, 25_000, 25_000),
            (ResponseMode::Buffered, Some(60_000), 25_000, 59_000),
            (ResponseMode::Buffered, Some(10_000), 9_500, 9_000),
            (ResponseMode::Streamed, Some(900_000), 100_000, 899_000),
            (ResponseMode::Streamed, Some(300), 0, 0),
        ] {
            let deadlines = Deadlines::new(mode, left.map(Duration::from_millis));
            let within = |end: Instant| u64::try_from((end - now).as_millis()).unwrap();
            assert_eq!((within(deadlines.answer), within(deadlines.body)), (answer, body));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_pause_is_made_that_leaves_no_time_for_the_call() {
        let deadlines = Deadlines::new(ResponseMode::Buffered, None);
        assert!(deadlines.leave_room_after(Duration::from_secs(22)));
        assert!(!deadlines.leave_room_after(Duration::from_secs(23)));
    }
}
