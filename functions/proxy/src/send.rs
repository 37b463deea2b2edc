//! Sending one call upstream, and deciding whether it may be sent once more.

use std::time::Duration;

use bytes::Bytes;
use devops::address::Address;
use devops::client::DevopsClient;
use devops::rate_limit::RateLimit;
use edge::config::ResponseMode;
use edge::problem::{Code, Problem};
use edge::streaming::{BrokenOff, Chunks};
use futures_util::StreamExt as _;
use futures_util::stream;
use ground::bearer_token::BearerToken;
use ground::http::{ReadError, read};
use http::header::{AUTHORIZATION, HeaderName, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method, StatusCode};
use tokio::time::Instant;

use crate::deadlines::{Deadlines, LARGEST_ANSWER};

/// A call of Azure DevOps, ready to be sent with a token.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) address: Address,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) deadlines: Deadlines,
    pub(crate) response_mode: ResponseMode,
}

/// What Azure DevOps answered.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: AnswerBody,
}

/// The body of an answer.
pub(crate) enum AnswerBody {
    /// All of it.
    Whole(Bytes),
    /// Still to be read.
    Coming(reqwest::Response),
}

impl Answer {
    /// What is known of the body before it is passed on.
    pub(crate) fn known_body(&self) -> &[u8] {
        match &self.body {
            AnswerBody::Whole(bytes) => bytes,
            AnswerBody::Coming(_) => &[],
        }
    }
}

/// The longest silence in the middle of a body.
const LONGEST_SILENCE: Duration = Duration::from_mins(2);

/// A body as it comes, until a deadline or a long silence.
pub(crate) fn chunks(response: reqwest::Response, end: Instant) -> Chunks {
    stream::unfold(Some(response), move |response| async move {
        let mut response = response?;
        let next = end.min(Instant::now() + LONGEST_SILENCE);
        let why = match tokio::time::timeout_at(next, response.chunk()).await {
            Ok(Ok(chunk)) => return Some((Ok(chunk?), Some(response))),
            Ok(Err(error)) => error.without_url().to_string(),
            Err(_) => "nothing came, or the time was up".to_owned(),
        };
        tracing::warn!("a streamed answer was broken off: {why}");
        Some((Err(BrokenOff), None))
    })
    .boxed()
}

impl Call {
    /// Sends the call; a throttled or broken one again while that is harmless and there is time.
    pub(crate) async fn send(
        &self,
        devops: &DevopsClient,
        token: &BearerToken,
    ) -> Result<Answer, Problem> {
        let mut broken = false;
        loop {
            match self.send_once(devops, token).await {
                Ok(answer) => match self.pause_before_retry(&answer) {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => return Ok(answer),
                },
                // A connection that was never made carried nothing; a broken one may have: only what
                // changes nothing is sent again, and once.
                Err(Trouble::Broken { sent }) if !broken && (!sent || self.changes_nothing()) => {
                    broken = true;
                }
                Err(trouble) => return Err(trouble.into()),
            }
        }
    }

    async fn send_once(
        &self,
        devops: &DevopsClient,
        token: &BearerToken,
    ) -> Result<Answer, Trouble> {
        let request = devops
            .request(&self.address, self.method.clone())
            .headers(self.with_our_headers(token))
            .body(self.body.clone());
        let answered = async {
            let answer = request.send().await.map_err(|error| Trouble::of(&error))?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            let body = if self.is_read_whole(status) {
                AnswerBody::Whole(read(answer, LARGEST_ANSWER).await?)
            } else {
                AnswerBody::Coming(answer)
            };
            Ok(Answer { status, headers, body })
        };
        let answered = tokio::time::timeout_at(self.deadlines.answer, answered).await;
        answered.unwrap_or(Err(Trouble::Timeout))
    }

    /// Everything is, where answers are buffered; elsewhere only what must be understood.
    fn is_read_whole(&self, status: StatusCode) -> bool {
        self.response_mode == ResponseMode::Buffered
            || status == StatusCode::UNAUTHORIZED
            || devops::rewrite::is_discovery(&self.address)
    }

    fn with_our_headers(&self, token: &BearerToken) -> HeaderMap {
        let mut headers = self.headers.clone();
        headers.insert(AUTHORIZATION, token.authorization());
        let suppress = HeaderValue::from_static("Suppress");
        headers.insert(HeaderName::from_static("x-tfs-fedauthredirect"), suppress);
        let ours = concat!("ado-connect/", env!("CARGO_PKG_VERSION"));
        let agent = match headers.get(USER_AGENT).and_then(|theirs| theirs.to_str().ok()) {
            Some(theirs) => HeaderValue::from_str(&format!("{ours} {theirs}")).ok(),
            None => None,
        };
        headers.insert(USER_AGENT, agent.unwrap_or(HeaderValue::from_static(ours)));
        headers
    }

    /// How long to wait before sending again what Azure DevOps turned away for now.
    fn pause_before_retry(&self, answer: &Answer) -> Option<Duration> {
        let turned_away = matches!(
            answer.status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        );
        if !turned_away || !self.changes_nothing() {
            return None;
        }
        let pause = RateLimit::from_headers(&answer.headers).retry_after?;
        self.deadlines.leave_room_after(pause).then_some(pause)
    }

    fn changes_nothing(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD | Method::OPTIONS)
    }
}

/// Why there is no answer.
#[derive(Debug)]
enum Trouble {
    /// The connection was not made, or broke; `sent` if something of the request may have arrived.
    Broken {
        sent: bool,
    },
    Timeout,
    TooLarge,
}

impl Trouble {
    fn of(error: &reqwest::Error) -> Self {
        if error.is_timeout() { Self::Timeout } else { Self::Broken { sent: !error.is_connect() } }
    }
}

impl From<ReadError> for Trouble {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Broken(error) => Self::of(&error),
            ReadError::TooLarge => Self::TooLarge,
        }
    }
}

impl From<Trouble> for Problem {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Broken { .. } => Self::new(Code::DevopsUnavailable),
            Trouble::Timeout => Self::new(Code::DevopsTimeout),
            Trouble::TooLarge => Self::new(Code::ResponseTooLarge),
        }
    }
}
