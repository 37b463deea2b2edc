//! Sending a call, and sending it again while that is harmless.

use std::time::Duration;

use bytes::Bytes;
use devops::client::{AGENT, DevopsClient};
use devops::rejection::is_read_in_body;
use edge::gateway::STREAM_LIMIT;
use edge::log::RequestLog;
use edge::metrics::Unit;
use edge::problem::{Code, Problem};
use ground::bearer_token::BearerToken;
use ground::http::{ReadError, read, read_ahead};
use ground::retry_after;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method, StatusCode};
use jiff::Timestamp;
use rand::RngCore;

use crate::deadlines::{Deadlines, LARGEST_ANSWER};
use crate::target::Target;
use crate::upstream::{Body, Upstream};
use crate::{Calls, repetition};

/// The beginning of a body that is read ahead, in bytes: the sentence of a refusal is in it.
const BEGINNING: usize = 64 * 1024;
/// The longest time of reading ahead.
const READ_AHEAD: Duration = Duration::from_secs(5);

/// The content of a call, and how its answer is read.
pub struct Call {
    /// The caller's headers; credentials and the agent's name are added.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// When the call must be over.
    pub deadlines: Deadlines,
    /// How the answer is read.
    pub reading: Reading,
}

/// How an answer is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// The whole body before it is passed on, at most 4.5 MB.
    Whole,
    /// The body as it comes, at most as much as Lambda streams. The beginning of a refusal or a page is read ahead,
    /// because it must be understood.
    AsItComes,
}

impl Calls {
    /// Sends a call. A throttled or broken one is sent again while that is harmless, time is left, and the process has not
    /// used up its repetitions.
    ///
    /// # Errors
    /// [`Code::DevopsUnavailable`], [`Code::DevopsTimeout`] or [`Code::ResponseTooLarge`] without an answer.
    pub(crate) async fn send_repeating(
        &self,
        target: &Target,
        call: &Call,
        token: &BearerToken,
        log: &RequestLog,
    ) -> Result<Upstream, Problem> {
        self.retry_budget.earn(self.clock.now());
        let (mut made, mut was_broken) = (0, false);
        loop {
            let pause = match send_once(&self.devops, target, call, token).await {
                Ok(upstream) => {
                    let (now, rng) = (self.clock.now(), &mut self.random.clone());
                    let pause = pause_before_retry(&upstream, &target.method, call, made, now, rng);
                    match pause.filter(|_| self.may_repeat(log)) {
                        Some(pause) => pause,
                        None => return Ok(upstream),
                    }
                }
                // Without a connection nothing was sent. A broken one may have carried the call: only a safe method is
                // sent again, and once.
                Err(NoAnswer::Broken { sent })
                    if !was_broken
                        && (!sent || target.method.is_safe())
                        && self.may_repeat(log) =>
                {
                    was_broken = true;
                    Duration::ZERO
                }
                Err(error) => return Err(error.into()),
            };
            tokio::time::sleep(pause).await;
            made += 1;
        }
    }

    /// Takes a repetition from the process' budget, and counts it or its absence.
    fn may_repeat(&self, log: &RequestLog) -> bool {
        let may = self.retry_budget.spend(self.clock.now());
        log.metric(if may { "CallsRepeated" } else { "CallsNotRepeated" }, Unit::Count, 1);
        may
    }
}

async fn send_once(
    devops: &DevopsClient,
    target: &Target,
    call: &Call,
    token: &BearerToken,
) -> Result<Upstream, NoAnswer> {
    let request = devops
        .request(&target.address, target.method.clone())
        .headers(with_token_and_agent(&call.headers, token))
        .body(call.body.clone());
    let request = if call.body.is_empty() && has_content(&target.method) {
        // The HTTP client sends no length otherwise, and IIS answers 411.
        request.header(CONTENT_LENGTH, 0)
    } else {
        request
    };
    let answered = async {
        let answer = request.send().await.map_err(|error| NoAnswer::of(&error))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let (beginning, body) = match call.reading {
            Reading::Whole => (Bytes::new(), Body::Whole(read(answer, LARGEST_ANSWER).await?)),
            Reading::AsItComes => {
                // The length of the body itself: 0 in the answer to HEAD.
                if answer.content_length().is_some_and(|length| length > STREAM_LIMIT) {
                    return Err(NoAnswer::TooLarge);
                }
                let mut answer = answer;
                let beginning = if is_read_in_body(status, &headers) {
                    let read = read_ahead(&mut answer, BEGINNING, READ_AHEAD).await;
                    read.map_err(|error| NoAnswer::of(&error))?
                } else {
                    Bytes::new()
                };
                (beginning.clone(), Body::until(call.deadlines.body, beginning, answer))
            }
        };
        Ok(Upstream { status, headers, body, beginning, standings: Vec::new() })
    };
    let answered = tokio::time::timeout_at(call.deadlines.answer, answered).await;
    answered.unwrap_or(Err(NoAnswer::Timeout))
}

/// Returns whether a method anticipates content, so that its absence is worth a length of 0 (RFC 9110 section 8.6).
fn has_content(method: &Method) -> bool {
    [Method::POST, Method::PUT, Method::PATCH].contains(method)
}

fn with_token_and_agent(theirs: &HeaderMap, token: &BearerToken) -> HeaderMap {
    let mut headers = theirs.clone();
    headers.insert(AUTHORIZATION, token.authorization());
    let agent = headers.remove(USER_AGENT);
    let agent = agent.as_ref().and_then(|agent| agent.to_str().ok());
    if let Some(Ok(agent)) = agent.map(|agent| HeaderValue::try_from(format!("{AGENT} {agent}"))) {
        headers.insert(USER_AGENT, agent);
    }
    headers
}

/// Returns how long to wait before a throttled call is sent again, or `None` if it is not.
fn pause_before_retry(
    upstream: &Upstream,
    method: &Method,
    call: &Call,
    made: u32,
    now: Timestamp,
    rng: &mut dyn RngCore,
) -> Option<Duration> {
    let throttled = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];
    if !throttled.contains(&upstream.status) || !method.is_safe() {
        return None;
    }
    let pause = repetition::pause(retry_after::of(&upstream.headers, now)?, made, rng)?;
    call.deadlines.leave_room_after(pause).then_some(pause)
}

#[derive(Debug)]
enum NoAnswer {
    /// The connection was not made, or broke; `sent` if something of the request may have arrived.
    Broken {
        sent: bool,
    },
    Timeout,
    TooLarge,
}

impl NoAnswer {
    fn of(error: &reqwest::Error) -> Self {
        if error.is_timeout() { Self::Timeout } else { Self::Broken { sent: !error.is_connect() } }
    }
}

impl From<ReadError> for NoAnswer {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Broken(error) => Self::of(&error),
            ReadError::TooLarge => Self::TooLarge,
        }
    }
}

impl From<NoAnswer> for Problem {
    fn from(error: NoAnswer) -> Self {
        Self::new(match error {
            NoAnswer::Broken { .. } => Code::DevopsUnavailable,
            NoAnswer::Timeout => Code::DevopsTimeout,
            NoAnswer::TooLarge => Code::ResponseTooLarge,
        })
    }
}

#[cfg(test)]
mod tests {
    use edge::config::ResponseMode;
    use ground::random::Random;
    use secrecy::SecretString;

    use super::*;

    fn call() -> Call {
        Call {
            headers: HeaderMap::new(),
            body: Bytes::new(),
            deadlines: Deadlines::new(ResponseMode::Buffered, None),
            reading: Reading::Whole,
        }
    }

    fn pause(status: u16, method: &Method, retry_after: &'static str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", HeaderValue::from_static(retry_after));
        let status = status.try_into().unwrap();
        let body = Body::Whole(Bytes::new());
        let beginning = Bytes::new();
        let upstream = Upstream { status, headers, body, beginning, standings: Vec::new() };
        let rng = &mut Random::seeded(1);
        pause_before_retry(&upstream, method, &call(), 0, Timestamp::UNIX_EPOCH, rng)
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttled_call_is_sent_again_only_if_it_is_safe_and_the_wait_is_short() {
        let waits = |status, method: &Method, value| {
            let pause = pause(status, method, value)?.as_secs_f64();
            Some(pause.floor())
        };
        assert_eq!(waits(429, &Method::GET, "2"), Some(2.0));
        assert_eq!(waits(503, &Method::HEAD, "2"), Some(2.0));
        assert_eq!(waits(429, &Method::GET, "0"), Some(1.0));
        assert_eq!(waits(429, &Method::GET, "Thu, 01 Jan 1970 00:00:00 GMT"), Some(1.0));
        assert_eq!(waits(429, &Method::GET, "Thu, 01 Jan 1970 00:00:02 GMT"), Some(2.0));
        for refused in ["3", "24", "soon"] {
            assert_eq!(waits(429, &Method::GET, refused), None, "{refused}");
        }
        assert_eq!(waits(429, &Method::POST, "2"), None);
        assert_eq!(waits(500, &Method::GET, "2"), None);
    }

    #[test]
    fn the_token_replaces_other_credentials_and_our_name_precedes_the_agent_s() {
        let token = BearerToken::try_from(SecretString::from("ours")).unwrap();
        let mut theirs = HeaderMap::new();
        theirs.insert(AUTHORIZATION, HeaderValue::from_static("Basic theirs"));
        theirs.insert(USER_AGENT, HeaderValue::from_static("git/2.52"));
        let headers = with_token_and_agent(&theirs, &token);
        assert_eq!(headers[USER_AGENT], format!("{AGENT} git/2.52"));
        assert_eq!(headers.get_all(AUTHORIZATION).iter().collect::<Vec<_>>(), ["Bearer ours"]);
        assert!(headers[AUTHORIZATION].is_sensitive());
    }
}
