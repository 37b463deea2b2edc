//! Answers that begin to leave before they are complete.
//!
//! ```text
//!  handler ── Response<Content> ──> serve ──┬─ buffered: one JSON document with the body in it
//!                                           └─ streamed: a prelude (status, headers), then the body as it comes
//! ```

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::gateway::Body;
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt as _};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::response::Parts;
use lambda_runtime::MetadataPrelude;

use crate::gateway::{self, STREAM_LIMIT};
use crate::log::{Entry, StreamEnd, Streamed};
use crate::metrics::Unit;

/// Streams that were broken off because they were larger than Lambda streams.
const STREAMS_TOO_LARGE: &str = "StreamsTooLarge";

/// The rest of the body does not come; the log has the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer was broken off")]
pub struct BrokenOff;

/// A body as it comes.
pub type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, BrokenOff>> + Send>>;

/// The body of a handler's answer.
pub enum Content {
    /// The whole body.
    Whole(Body),
    /// The body as it comes; only where answers are streamed.
    Chunks(Chunks),
}

impl From<Body> for Content {
    fn from(body: Body) -> Self {
        Self::Whole(body)
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Whole(_) => "Whole",
            Self::Chunks(_) => "Chunks",
        })
    }
}

impl Content {
    /// The body as chunks.
    pub(crate) fn into_chunks(self) -> Chunks {
        match self {
            Self::Chunks(chunks) => chunks,
            Self::Whole(body) => stream::iter((!body.is_empty()).then_some(Ok(body))).boxed(),
        }
    }
}

/// Status and headers, as Lambda takes them before the body. Values that are not ASCII are left out: the
/// prelude would have arrays of numbers in their place.
pub(crate) fn prelude(parts: &Parts) -> MetadataPrelude {
    let mut headers = HeaderMap::with_capacity(parts.headers.len());
    for (name, text) in gateway::joined(&parts.headers) {
        if let (Ok(name), Ok(value), true) =
            (HeaderName::try_from(name), HeaderValue::from_str(&text), text.is_ascii())
        {
            headers.insert(name, value);
        }
    }
    MetadataPrelude {
        status_code: parts.status,
        headers,
        cookies: gateway::cookies(&parts.headers),
    }
}

/// A body on its way; its request is logged when it ends.
pub(crate) struct Recorded {
    chunks: Chunks,
    entry: Option<Entry>,
    bytes: u64,
}

impl Recorded {
    pub(crate) fn new(chunks: Chunks, entry: Entry) -> Self {
        Self { chunks, entry: Some(entry), bytes: 0 }
    }

    fn ended(&mut self, end: StreamEnd) {
        if let Some(entry) = self.entry.take() {
            if end == StreamEnd::TooLarge {
                entry.metric(STREAMS_TOO_LARGE, Unit::Count, 1);
            }
            entry.write(Some(Streamed { bytes: self.bytes, end }));
        }
    }
}

impl Stream for Recorded {
    type Item = Result<Bytes, BrokenOff>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.chunks.as_mut().poll_next(context);
        match &polled {
            Poll::Ready(Some(Ok(chunk))) if self.bytes + chunk.len() as u64 > STREAM_LIMIT => {
                self.ended(StreamEnd::TooLarge);
                break_off();
            }
            Poll::Ready(Some(Ok(chunk))) => self.bytes += chunk.len() as u64,
            Poll::Ready(None) => self.ended(StreamEnd::Complete),
            Poll::Ready(Some(Err(BrokenOff))) => {
                self.ended(StreamEnd::BrokenOff);
                break_off();
            }
            Poll::Pending => {}
        }
        polled
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        self.ended(StreamEnd::Abandoned);
    }
}

/// Ends the process, so that Lambda breaks the answer off; the next request begins in a new process. The runtime
/// would send an error as further bytes of the body and end it properly, and the client would take the part for the
/// whole.
fn break_off() -> ! {
    std::process::exit(1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use http::Response;

    use super::*;

    async fn collected(content: Content) -> Vec<Bytes> {
        content.into_chunks().map(Result::unwrap).collect().await
    }

    #[tokio::test]
    async fn whole_bodies_are_one_chunk_and_empty_ones_none() {
        assert_eq!(collected(Body::from("a").into()).await, ["a"]);
        assert_eq!(collected(Body::from(vec![0]).into()).await, [&b"\0"[..]]);
        assert!(collected(Body::new().into()).await.is_empty());
        assert!(collected(Body::from(String::new()).into()).await.is_empty());
    }

    #[test]
    fn a_prelude_has_one_ascii_value_per_name_and_cookies_apart() {
        let response = Response::builder()
            .status(206)
            .header("link", "<a>")
            .header("link", "<b>")
            .header("x-name", HeaderValue::from_bytes("Zoë".as_bytes()).unwrap())
            .header("set-cookie", "a=1")
            .header("set-cookie", "b=2")
            .body(())
            .unwrap();
        let prelude = prelude(&response.into_parts().0);
        let json = serde_json::to_value(prelude).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"statusCode": 206, "headers": {"link": "<a>, <b>"}, "cookies": ["a=1", "b=2"]})
        );
    }
}
