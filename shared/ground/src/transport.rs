//! Sends requests through the process's HTTP client, as a function.
//!
//! The `oauth2` crate takes its HTTP client as a function from request to response; discovery uses the same one. A
//! simulated network replaces the function.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use ::http::{Request, Response};

use crate::http::{ReadError, read};

/// The future of a response.
pub type Sending =
    Pin<Box<dyn Future<Output = Result<Response<Vec<u8>>, TransportError>> + Send + 'static>>;

/// The reasons why there is no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// No connection, or it broke.
    #[error("no answer")]
    NoAnswer,
    /// The body is larger than the caller's limit.
    #[error("the answer is too large")]
    TooLarge,
}

/// Sends one request and reads the whole response, up to a number of bytes. Deadlines and retries are left to the
/// caller.
#[derive(Clone)]
pub struct Transport(Arc<dyn Fn(Request<Vec<u8>>, usize) -> Sending + Send + Sync>);

impl Transport {
    /// Returns a transport that sends with this function. Its second parameter is the most bytes to read.
    pub fn new(send: impl Fn(Request<Vec<u8>>, usize) -> Sending + Send + Sync + 'static) -> Self {
        Self(Arc::new(send))
    }

    /// Sends a request and reads at most `largest` bytes of the body.
    pub fn send(&self, request: Request<Vec<u8>>, largest: usize) -> Sending {
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
    let answer = client
        .request(parts.method, parts.uri.to_string())
        .headers(parts.headers)
        .body(body)
        .send()
        .await
        .map_err(|_| TransportError::NoAnswer)?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body = read(answer, largest).await.map_err(|error| match error {
        ReadError::Broken(_) => TransportError::NoAnswer,
        ReadError::TooLarge => TransportError::TooLarge,
    })?;
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}
