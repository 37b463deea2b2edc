//! An answer of an emulator before it is written to the socket.

use std::fmt::Display;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderName, HeaderValue, Response, StatusCode, header};

/// One answer: status, headers, body.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub status: u16,
    headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Bytes,
    /// Sent without `Content-Length`, as Azure DevOps sends lists.
    pub chunked: bool,
    /// Only this many bytes of the body are sent, then the connection breaks.
    pub truncate: Option<usize>,
}

impl Reply {
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new(), chunked: false, truncate: None }
    }

    pub fn bytes(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        let mut reply = Self::empty(status).header("content-type", content_type);
        reply.body = body.into();
        reply
    }

    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::bytes(status, "application/json; charset=utf-8", body.to_string())
    }

    pub fn html(status: u16, body: impl Into<Bytes>) -> Self {
        Self::bytes(status, "text/html; charset=utf-8", body)
    }

    pub fn redirect(location: &str) -> Self {
        Self::html(302, "<html><body>Object moved</body></html>").header("location", location)
    }

    /// Adds a header, replacing one of the same name; a name or value that HTTP does not allow is left out.
    pub fn header(mut self, name: &str, value: impl Display) -> Self {
        if let (Ok(name), Ok(value)) = (
            HeaderName::try_from(name.to_ascii_lowercase()),
            HeaderValue::from_str(&value.to_string()),
        ) {
            self.headers.retain(|(existing, _)| *existing != name);
            self.headers.push((name, value));
        }
        self
    }

    /// Adds one more header line of the same name, as `WWW-Authenticate` has.
    pub fn another_header(mut self, name: &str, value: impl Display) -> Self {
        if let (Ok(name), Ok(value)) = (
            HeaderName::try_from(name.to_ascii_lowercase()),
            HeaderValue::from_str(&value.to_string()),
        ) {
            self.headers.push((name, value));
        }
        self
    }

    /// The content type, empty if there is none.
    pub fn content_type(&self) -> &str {
        self.headers
            .iter()
            .find(|(name, _)| name == header::CONTENT_TYPE)
            .and_then(|(_, value)| value.to_str().ok())
            .unwrap_or_default()
    }

    pub fn into_response(self) -> Response<Body> {
        let length = self.body.len();
        let body = match self.truncate {
            Some(at) => broken_off(&self.body, at),
            None if self.chunked => {
                Body::from_stream(stream::once(async move { Ok::<_, std::io::Error>(self.body) }))
            }
            None => Body::from(self.body),
        };
        let mut response = Response::new(body);
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in self.headers {
            response.headers_mut().append(name, value);
        }
        if self.truncate.is_some() {
            response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        response
    }
}

fn broken_off(body: &Bytes, at: usize) -> Body {
    let start = body.slice(..at.min(body.len()));
    let broken = std::io::Error::new(
        std::io::ErrorKind::ConnectionReset,
        "the emulator broke this answer off",
    );
    Body::from_stream(stream::iter([Ok(start)]).chain(stream::once(async move {
        // Gives the part before it time to leave the process, so that clients see a truncated body, not a missing one.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        Err(broken)
    })))
}
