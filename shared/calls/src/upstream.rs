//! The answer of Azure DevOps.

use std::time::Duration;

use bytes::Bytes;
use edge::streaming::{BrokenOff, Chunks, Withdrawal};
use futures_util::future::pending;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::time::Instant;
use vault::limits::Standing;

use crate::limits::{HeldPlaces, Places, rate_limit_headers};
use crate::watch::Withdrawn;

/// The longest silence in the middle of a body.
const LONGEST_SILENCE: Duration = Duration::from_mins(2);

/// An answer of Azure DevOps.
pub struct Upstream {
    /// Its status.
    pub status: StatusCode,
    /// Its headers, as they came.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Body,
    /// The beginning of a body that is passed on as it comes, if it was read ahead.
    pub(crate) beginning: Bytes,
    pub(crate) standings: Vec<Standing>,
}

/// The body of an answer.
pub enum Body {
    /// All of it; always so with [`crate::Reading::Whole`].
    Whole(Bytes),
    /// As it comes, until it ends or its permission is withdrawn.
    Chunks(Chunks, Withdrawal),
}

impl Upstream {
    /// Returns the `RateLimit` headers that describe the operator's limits; none without limits.
    pub fn rate_limit_headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        rate_limit_headers(&self.standings)
    }

    /// Returns the body, or its beginning, as far as it was read.
    pub(crate) fn known_body(&self) -> &[u8] {
        match &self.body {
            Body::Whole(bytes) => bytes,
            Body::Chunks(..) => &self.beginning,
        }
    }

    /// Holds the places of the call until the body has left or the permission is withdrawn. Releases them at once if the
    /// body was read whole.
    pub(crate) async fn holding(mut self, mut places: Places, withdrawn: Withdrawn) -> Self {
        self.standings = std::mem::take(&mut places.standings);
        self.body = match self.body {
            Body::Whole(bytes) => {
                places.release().await;
                Body::Whole(bytes)
            }
            Body::Chunks(chunks, _) => {
                let held = places.clone();
                let withdrawal = async move {
                    withdrawn.await;
                    held.release().await;
                };
                Body::Chunks(release_when_sent(chunks, places), Box::pin(withdrawal))
            }
        };
        self
    }
}

impl Body {
    /// Passes a body on as it comes, after the beginning that was read ahead. Breaks it off at the end of its time or
    /// after a long silence.
    pub(crate) fn until(end: Instant, beginning: Bytes, response: reqwest::Response) -> Self {
        let chunks = stream::unfold(Some(response), move |response| async move {
            let mut response = response?;
            let next = end.min(Instant::now() + LONGEST_SILENCE);
            let why = match tokio::time::timeout_at(next, response.chunk()).await {
                Ok(Ok(chunk)) => return Some((Ok(chunk?), Some(response))),
                Ok(Err(error)) => error.without_url().to_string(),
                Err(_) => "nothing came, or the time was up".to_owned(),
            };
            tracing::warn!("a streamed answer was broken off: {why}");
            Some((Err(BrokenOff), None))
        });
        let beginning = stream::iter((!beginning.is_empty()).then_some(Ok(beginning)));
        Self::Chunks(beginning.chain(chunks).boxed(), Box::pin(pending()))
    }
}

/// Releases the places when the body has left, breaks off or is abandoned.
fn release_when_sent(chunks: Chunks, places: Places) -> Chunks {
    let sending = stream::unfold(Some((chunks, HeldPlaces(Some(places)))), |state| async move {
        let (mut chunks, held) = state?;
        match chunks.next().await {
            Some(Ok(chunk)) => Some((Ok(chunk), Some((chunks, held)))),
            Some(Err(broken_off)) => {
                held.release().await;
                Some((Err(broken_off), None))
            }
            None => {
                held.release().await;
                None
            }
        }
    });
    sending.boxed()
}
