//! Streamed answers of a function: a JSON document with status and headers, eight zero bytes, and the body
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode-lambda.html>).

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{HeaderName, HeaderValue, SET_COOKIE};
use axum::http::{Response, StatusCode};
use futures_util::stream;
use serde::Deserialize;

use super::headers::sent_as;
use crate::runtime_api::{BrokenOff, Pieces};

/// The bytes between the JSON document and the body.
const SEPARATOR: [u8; 8] = [0; 8];
/// The separator must come within these first bytes.
const LARGEST_PRELUDE: usize = 16 * 1024;

/// The limits of a streamed answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Bytes of prelude and body.
    pub(super) bytes: u64,
    /// The longest time without a byte.
    pub(super) silence: Duration,
}

/// Status and headers of an answer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Prelude {
    status_code: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    cookies: Vec<String>,
}

/// The response of a streamed answer, or `None` if its prelude is malformed.
pub(super) async fn response(mut pieces: Pieces, limits: &Limits) -> Option<Response<Body>> {
    let mut read = Vec::new();
    let end = loop {
        if let Some(end) = read.windows(SEPARATOR.len()).position(|bytes| bytes == SEPARATOR) {
            break end;
        }
        if read.len() >= LARGEST_PRELUDE {
            return None;
        }
        read.extend_from_slice(&pieces.recv().await?.ok()?);
    };
    let response = head(&serde_json::from_slice(&read[..end]).ok()?)?;
    let first = Bytes::copy_from_slice(&read[end + SEPARATOR.len()..]);
    let left = limits.bytes.saturating_sub((read.len() - first.len()) as u64);
    Some(response.map(|()| body(first, pieces, left, limits.silence)))
}

fn head(prelude: &Prelude) -> Option<Response<()>> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(prelude.status_code).ok()?;
    let headers = response.headers_mut();
    for (name, value) in &prelude.headers {
        let value = HeaderValue::from_str(value).ok()?;
        if let Some(name) = sent_as(name.parse::<HeaderName>().ok()?) {
            headers.append(name, value);
        }
    }
    for cookie in &prelude.cookies {
        headers.append(SET_COOKIE, HeaderValue::from_str(cookie).ok()?);
    }
    Some(response)
}

/// Returns the body, which breaks off after `left` bytes or a long silence.
fn body(first: Bytes, pieces: Pieces, left: u64, silence: Duration) -> Body {
    let begun = (first, Some(pieces), left);
    Body::from_stream(stream::unfold(begun, move |(first, pieces, left)| async move {
        let mut pieces = pieces?;
        let piece = if first.is_empty() {
            let next = tokio::time::timeout(silence, pieces.recv()).await;
            next.unwrap_or(Some(Err(BrokenOff)))?
        } else {
            Ok(first)
        };
        let within = piece.and_then(|piece| {
            let left = left.checked_sub(piece.len() as u64).ok_or(BrokenOff)?;
            Ok((piece, left))
        });
        Some(match within {
            Ok((piece, left)) => (Ok(piece), (Bytes::new(), Some(pieces), left)),
            Err(error) => (Err(error), (Bytes::new(), None, 0)),
        })
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use axum::body::to_bytes;
    use tokio::sync::mpsc;

    use super::*;

    const LIMITS: Limits = Limits { bytes: 200, silence: Duration::from_mins(5) };

    async fn sent(pieces: &[&[u8]]) -> Option<Response<Body>> {
        let (sender, taken) = mpsc::channel(16);
        for piece in pieces {
            sender.send(Ok(Bytes::copy_from_slice(piece))).await.unwrap();
        }
        drop(sender);
        response(taken, &LIMITS).await
    }

    async fn read(response: Response<Body>) -> Option<Bytes> {
        to_bytes(response.into_body(), usize::MAX).await.ok()
    }

    #[tokio::test]
    async fn a_prelude_in_pieces_becomes_status_and_headers_and_the_rest_is_the_body() {
        let pieces: [&[u8]; 4] = [
            br#"{"statusCode":401,"headers":{"www-authenticate":"Basic","x-a":"#,
            b"\"1\"},\"cookies\":[\"a=1\",\"b=2\"]}\0\0\0",
            b"\0\0\0\0\0be",
            b"gun\0",
        ];
        let response = sent(&pieces).await.unwrap();
        assert_eq!(response.status(), 401);
        assert_eq!(response.headers()["x-amzn-remapped-www-authenticate"], "Basic");
        assert!(!response.headers().contains_key("www-authenticate"));
        assert_eq!(response.headers()["x-a"], "1");
        assert_eq!(response.headers().get_all(SET_COOKIE).iter().count(), 2);
        assert_eq!(read(response).await.unwrap(), &b"begun\0"[..]);
    }

    #[tokio::test]
    async fn a_malformed_prelude_is_no_response() {
        let long = [b'x'; LARGEST_PRELUDE];
        for pieces in
            [&[&b"{}"[..]][..], &[b"{}\0\0\0\0\0\0\0\0"], &[&long, b"\0\0\0\0\0\0\0\0"], &[]]
        {
            assert!(sent(pieces).await.is_none());
        }
    }

    #[tokio::test]
    async fn a_body_beyond_the_limit_is_broken_off() {
        let prelude = b"{\"statusCode\":200}\0\0\0\0\0\0\0\0";
        let most = usize::try_from(LIMITS.bytes).unwrap() - prelude.len();
        let fits = sent(&[prelude, &vec![b'x'; most]]).await.unwrap();
        assert_eq!(read(fits).await.unwrap().len(), most);
        let beyond = sent(&[prelude, &vec![b'x'; most], b"x"]).await.unwrap();
        assert_eq!(read(beyond).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_body_is_broken_off() {
        let (sender, taken) = mpsc::channel(1);
        sender.send(Ok(Bytes::from_static(b"{\"statusCode\":200}\0\0\0\0\0\0\0\0"))).await.unwrap();
        let silent = response(taken, &LIMITS).await.unwrap();
        assert_eq!(read(silent).await, None);
        drop(sender);
    }
}
