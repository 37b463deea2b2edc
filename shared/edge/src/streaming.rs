//! Answers that begin to leave before they are complete.
//!
//! ```text
//!  handler ── Response<Content> ──> serve ──┬─ buffered: one JSON document with the body in it
//!                                           └─ streamed: a prelude (status, headers), then the body as it comes
//! ```

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use crate::gateway::Body;
use bytes::Bytes;
use futures_util::future::pending;
use futures_util::stream::{self, Stream, StreamExt as _};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::response::Parts;
use lambda_runtime::MetadataPrelude;
use tokio::task::JoinHandle;

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

/// Resolves when the permission for a body is withdrawn, so that the body must end.
pub type Withdrawal = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The body of a handler's answer.
pub enum Content {
    /// The whole body.
    Whole(Body),
    /// The body as it comes, and its withdrawal; only where answers are streamed.
    Chunks(Chunks, Withdrawal),
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
            Self::Chunks(..) => "Chunks",
        })
    }
}

impl Content {
    /// The body as chunks, and its withdrawal.
    pub(crate) fn into_chunks(self) -> (Chunks, Withdrawal) {
        match self {
            Self::Chunks(chunks, withdrawal) => (chunks, withdrawal),
            Self::Whole(body) => {
                let chunks = stream::iter((!body.is_empty()).then_some(Ok(body))).boxed();
                (chunks, Box::pin(pending()))
            }
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
    record: Arc<Record>,
    watching: JoinHandle<()>,
}

/// The bytes that have left, and the line of the log until it is written.
struct Record {
    bytes: AtomicU64,
    entry: Mutex<Option<Entry>>,
}

impl Record {
    /// Writes the line, unless it was written before. Returns whether it was written now.
    fn ended(&self, end: StreamEnd) -> bool {
        let entry = self.entry.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(entry) = entry else { return false };
        if end == StreamEnd::TooLarge {
            entry.metric(STREAMS_TOO_LARGE, Unit::Count, 1);
        }
        entry.write(Some(Streamed { bytes: self.bytes.load(Ordering::Relaxed), end }));
        true
    }
}

impl Recorded {
    /// A task of its own awaits the withdrawal, because no chunk is polled while the client does not read.
    pub(crate) fn new(chunks: Chunks, withdrawal: Withdrawal, entry: Entry) -> Self {
        let record = Record { bytes: AtomicU64::new(0), entry: Mutex::new(Some(entry)) };
        let record = Arc::new(record);
        let recorded = Arc::clone(&record);
        let watching = tokio::spawn(async move {
            withdrawal.await;
            if recorded.ended(StreamEnd::Withdrawn) {
                break_off();
            }
        });
        Self { chunks, record, watching }
    }
}

impl Stream for Recorded {
    type Item = Result<Bytes, BrokenOff>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.chunks.as_mut().poll_next(context);
        match &polled {
            Poll::Ready(Some(Ok(chunk))) => {
                let length = chunk.len() as u64;
                if self.record.bytes.load(Ordering::Relaxed) + length > STREAM_LIMIT {
                    self.record.ended(StreamEnd::TooLarge);
                    break_off();
                }
                self.record.bytes.fetch_add(length, Ordering::Relaxed);
            }
            Poll::Ready(None) => {
                self.record.ended(StreamEnd::Complete);
            }
            Poll::Ready(Some(Err(BrokenOff))) => {
                self.record.ended(StreamEnd::BrokenOff);
                break_off();
            }
            Poll::Pending => {}
        }
        polled
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        self.watching.abort();
        self.record.ended(StreamEnd::Abandoned);
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
        content.into_chunks().0.map(Result::unwrap).collect().await
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
