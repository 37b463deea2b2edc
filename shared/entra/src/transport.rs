//! How requests reach Entra: the process's HTTP client, as a function.
//!
//! The `oauth2` crate takes its HTTP client as a function from request to answer; discovery uses the same
//! one. Whoever simulates a network puts another function in its place.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use http::{Request, Response};

/// What sending comes to.
pub type Sending =
    Pin<Box<dyn Future<Output = Result<Response<Vec<u8>>, TransportError>> + Send + 'static>>;

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// No connection, or it broke.
    #[error("no answer")]
    NoAnswer,
    /// More bytes than the caller takes.
    #[error("the answer is too large")]
    TooLarge,
}

/// Sends one request and reads the whole answer, up to a number of bytes. Sets no deadline and tries
/// nothing twice: both are the caller's.
#[derive(Clone)]
pub struct Transport(Arc<dyn Fn(Request<Vec<u8>>, usize) -> Sending + Send + Sync>);

impl Transport {
    /// A transport that sends with this function, which is given the request and the most bytes to read.
    pub fn new(send: impl Fn(Request<Vec<u8>>, usize) -> Sending + Send + Sync + 'static) -> Self {
        Self(Arc::new(send))
    }

    /// Sends, and reads at most `largest` bytes of body.
    pub(crate) fn send(&self, request: Request<Vec<u8>>, largest: usize) -> Sending {
        (self.0)(request, largest)
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}

impl From<reqwest::Client> for Transport {
    fn from(client: reqwest::Client) -> Self {
        Self::new(move |request, largest| Box::pin(send(client.clone(), request, largest)))
    }
}

async fn send(
    client: reqwest::Client,
    request: Request<Vec<u8>>,
    largest: usize,
) -> Result<Response<Vec<u8>>, TransportError> {
    let (parts, body) = request.into_parts();
    let mut answer = client
        .request(parts.method, parts.uri.to_string())
        .headers(parts.headers)
        .body(body)
        .send()
        .await
        .map_err(|_| TransportError::NoAnswer)?;
    let mut response = Response::new(Vec::new());
    *response.status_mut() = answer.status();
    *response.headers_mut() = answer.headers().clone();
    while let Some(chunk) = answer.chunk().await.map_err(|_| TransportError::NoAnswer)? {
        if response.body().len() + chunk.len() > largest {
            return Err(TransportError::TooLarge);
        }
        response.body_mut().extend_from_slice(&chunk);
    }
    Ok(response)
}
