//! Sending one call upstream, and deciding whether it may be sent once more.

use std::time::Duration;

use bytes::Bytes;
use devops::address::Address;
use devops::client::DevopsClient;
use devops::rate_limit::RateLimit;
use edge::problem::{Code, Problem};
use http::header::{AUTHORIZATION, HeaderName, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use crate::limits::LARGEST_ANSWER;

/// A call of Azure DevOps, ready to be sent with a token.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) address: Address,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) deadline: Instant,
}

/// What Azure DevOps answered, whole.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Call {
    /// Sends the call; a throttled or broken one again while that is harmless and there is time.
    pub(crate) async fn send(
        &self,
        devops: &DevopsClient,
        token: &SecretString,
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
        token: &SecretString,
    ) -> Result<Answer, Trouble> {
        let request = devops
            .request(&self.address, self.method.clone())
            .headers(self.with_our_headers(token)?)
            .body(self.body.clone());
        let answered = async {
            let mut answer = request.send().await?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            let mut body = Vec::new();
            while let Some(chunk) = answer.chunk().await? {
                if body.len() + chunk.len() > LARGEST_ANSWER {
                    return Ok(Err(Trouble::TooLarge));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(Ok(Answer { status, headers, body: body.into() }))
        };
        match tokio::time::timeout_at(self.deadline, answered).await {
            Err(_) => Err(Trouble::Timeout),
            Ok(Err(error)) => Err(Trouble::of(&error)),
            Ok(Ok(answer)) => answer,
        }
    }

    fn with_our_headers(&self, token: &SecretString) -> Result<HeaderMap, Trouble> {
        let mut headers = self.headers.clone();
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
            .map_err(|_| Trouble::UnusableToken)?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
        let suppress = HeaderValue::from_static("Suppress");
        headers.insert(HeaderName::from_static("x-tfs-fedauthredirect"), suppress);
        let ours = concat!("ado-connect/", env!("CARGO_PKG_VERSION"));
        let agent = match headers.get(USER_AGENT).and_then(|theirs| theirs.to_str().ok()) {
            Some(theirs) => HeaderValue::from_str(&format!("{ours} {theirs}")).ok(),
            None => None,
        };
        headers.insert(USER_AGENT, agent.unwrap_or(HeaderValue::from_static(ours)));
        Ok(headers)
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
        // Some time must be left for the call itself.
        (Instant::now() + pause + Duration::from_secs(2) < self.deadline).then_some(pause)
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
    UnusableToken,
}

impl Trouble {
    fn of(error: &reqwest::Error) -> Self {
        if error.is_timeout() { Self::Timeout } else { Self::Broken { sent: !error.is_connect() } }
    }
}

impl From<Trouble> for Problem {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Broken { .. } => Self::new(Code::DevopsUnavailable),
            Trouble::Timeout => Self::new(Code::DevopsTimeout),
            Trouble::TooLarge => Self::new(Code::ResponseTooLarge),
            Trouble::UnusableToken => {
                Self::new(Code::InternalError).cause("the token cannot stand in a header")
            }
        }
    }
}
