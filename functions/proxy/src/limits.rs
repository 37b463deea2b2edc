//! Sizes and times that Lambda and API Gateway set.

use std::time::Duration;

use lambda_http::{Context, Request, RequestExt as _};
use tokio::time::Instant;

/// The proxy's own deadline behind an HTTP API, whose limit is 30 s.
const DEADLINE: Duration = Duration::from_secs(25);
/// Time kept for answering before Lambda ends the invocation.
const ANSWERING: Duration = Duration::from_millis(500);

/// Largest answer in bytes that is sure to fit into Lambda's 6 MB as base64.
pub(crate) const LARGEST_ANSWER: usize = 4_500_000;

/// When the work on a request must be done.
pub(crate) fn deadline(request: &Request) -> Instant {
    let left = request
        .lambda_context_ref()
        .map(Context::deadline)
        .and_then(|end| end.duration_since(std::time::SystemTime::now()).ok())
        .map_or(DEADLINE, |left| left.saturating_sub(ANSWERING));
    Instant::now() + left.min(DEADLINE)
}
