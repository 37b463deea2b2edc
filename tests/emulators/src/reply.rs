//! An answer of an emulator before it is written to the socket.

use std::fmt::Display;
use std::io::{self, Read as _};
use std::time::Duration;

use axum::body::Body;
use brotli::CompressorReader;
use bytes::{Bytes, BytesMut};
use flate2::bufread::{GzEncoder, ZlibEncoder};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, stream};
use http::{HeaderName, HeaderValue, Response, StatusCode, header};

/// The pieces of a body that is generated while it is sent.
pub(crate) type Pieces = BoxStream<'static, io::Result<Bytes>>;

/// One answer: status, headers, body.
pub(crate) struct Reply {
    pub status: u16,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Content,
    /// Sent without `Content-Length`, as Azure DevOps sends lists.
    pub chunked: bool,
    /// Only this many bytes of the body are sent, then the connection breaks.
    pub truncate: Option<usize>,
    /// Time by which an emulator under load delays it.
    pub delay: Option<Duration>,
    /// The text of a refusal, which can be written in another format.
    pub message: Option<String>,
}

/// The content of a body.
enum Content {
    Whole(Bytes),
    /// The pieces, and their total length if it is known in advance.
    Pieces(Pieces, Option<u64>),
}

impl Content {
    fn length(&self) -> Option<u64> {
        match self {
            Self::Whole(bytes) => u64::try_from(bytes.len()).ok(),
            Self::Pieces(_, length) => *length,
        }
    }

    fn into_pieces(self) -> Pieces {
        match self {
            Self::Whole(bytes) => stream::iter([Ok(bytes)]).boxed(),
            Self::Pieces(pieces, _) => pieces,
        }
    }
}

impl Reply {
    /// Returns the body as text, or an empty text if it is sent in pieces.
    pub fn text(&self) -> String {
        match &self.body {
            Content::Whole(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Content::Pieces(..) => String::new(),
        }
    }

    pub fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Content::Whole(Bytes::new()),
            chunked: false,
            truncate: None,
            delay: None,
            message: None,
        }
    }

    pub fn bytes(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self::empty(status).header("content-type", content_type).body(body)
    }

    /// An answer whose body is generated while it is sent; without `length` (in bytes) it is sent in chunks.
    pub fn pieces(status: u16, content_type: &str, pieces: Pieces, length: Option<u64>) -> Self {
        let mut reply = Self::empty(status).header("content-type", content_type);
        reply.body = Content::Pieces(pieces, length);
        reply
    }

    /// Replaces the body, which is not compressed then.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.headers.retain(|(name, _)| name != header::CONTENT_ENCODING);
        self.body = Content::Whole(body.into());
        self
    }

    /// Compresses a whole body in the first of the accepted encodings that this server has.
    pub fn compressed(self, accepted: &str) -> Self {
        let names = accepted.split(',').filter_map(|name| name.split(';').next()).map(str::trim);
        let Content::Whole(bytes) = &self.body else { return self };
        let level = flate2::Compression::default();
        let encoded = names.into_iter().find_map(|name| {
            let mut encoded = Vec::new();
            let written = match name {
                "gzip" => GzEncoder::new(&bytes[..], level).read_to_end(&mut encoded),
                "br" => CompressorReader::new(&bytes[..], 4096, 5, 22).read_to_end(&mut encoded),
                "deflate" => ZlibEncoder::new(&bytes[..], level).read_to_end(&mut encoded),
                _ => return None,
            };
            written.ok().map(|_| (name.to_owned(), encoded))
        });
        match encoded {
            Some((name, body)) if !bytes.is_empty() => {
                self.body(body).header("content-encoding", name)
            }
            _ => self,
        }
    }

    /// Returns the same answer with its whole body, for work that must be complete before the first byte is sent.
    pub async fn completed(mut self) -> Self {
        if let Content::Pieces(mut pieces, length) = self.body {
            let mut whole = BytesMut::new();
            let mut failure = None;
            while let Some(piece) = pieces.next().await {
                match piece {
                    Ok(piece) => whole.extend_from_slice(&piece),
                    Err(error) => {
                        failure = Some(error);
                        break;
                    }
                }
            }
            let whole = whole.freeze();
            self.body = match failure {
                None => Content::Whole(whole),
                Some(error) => {
                    Content::Pieces(stream::iter([Ok(whole), Err(error)]).boxed(), length)
                }
            };
        }
        self
    }

    /// As [`completed`](Self::completed), for an answer that is not sent: its body is generated and dropped.
    pub async fn exhausted(mut self) -> Self {
        if let Content::Pieces(mut pieces, _) = self.body {
            while let Some(Ok(_)) = pieces.next().await {}
            self.body = Content::Whole(Bytes::new());
        }
        self
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

    /// Sets a header, replacing one of the same name; a name or value that is invalid in HTTP is left out.
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

    /// Adds another header line of the same name, as for `WWW-Authenticate`.
    pub fn another_header(mut self, name: &str, value: impl Display) -> Self {
        if let (Ok(name), Ok(value)) = (
            HeaderName::try_from(name.to_ascii_lowercase()),
            HeaderValue::from_str(&value.to_string()),
        ) {
            self.headers.push((name, value));
        }
        self
    }

    /// Returns the content type, or an empty text if there is none.
    pub fn content_type(&self) -> &str {
        self.headers
            .iter()
            .find(|(name, _)| name == header::CONTENT_TYPE)
            .and_then(|(_, value)| value.to_str().ok())
            .unwrap_or_default()
    }

    pub fn into_response(self) -> Response<Body> {
        let length = self.body.length();
        // A whole body already has its length.
        let tells_length = match (&self.body, self.truncate) {
            (_, Some(_)) => true,
            (Content::Pieces(..), None) => !self.chunked,
            (Content::Whole(_), None) => false,
        };
        let body = match (self.truncate, self.body) {
            (Some(at), body) => broken_off(body.into_pieces(), at),
            (None, Content::Whole(bytes)) if !self.chunked => Body::from(bytes),
            (None, body) => Body::from_stream(body.into_pieces()),
        };
        let mut response = Response::new(body);
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in self.headers {
            response.headers_mut().append(name, value);
        }
        if let Some(length) = length.filter(|_| tells_length) {
            response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        response
    }
}

fn broken_off(body: Pieces, at: usize) -> Body {
    let broken =
        io::Error::new(io::ErrorKind::ConnectionReset, "the emulator broke this answer off");
    let start = stream::unfold((body, at), |(mut body, left)| async move {
        if left == 0 {
            return None;
        }
        let mut piece = body.next().await?;
        if let Ok(piece) = &mut piece {
            piece.truncate(left);
        }
        let left = left - piece.as_ref().map_or(left, Bytes::len);
        Some((piece, (body, left)))
    });
    Body::from_stream(start.chain(stream::once(async move {
        // The bytes before it get time to leave the process, so that clients see a truncated body, not a missing one.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(broken)
    })))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn pieces(length: Option<u64>) -> Reply {
        let pieces =
            ["one ", "two ", "three"].map(|piece| Ok(Bytes::from_static(piece.as_bytes())));
        Reply::pieces(200, "text/plain", stream::iter(pieces).boxed(), length)
    }

    async fn sent(reply: Reply) -> (Option<String>, Result<Bytes, axum::Error>) {
        let response = reply.into_response();
        let length = response.headers().get(header::CONTENT_LENGTH);
        let length = length.map(|length| length.to_str().unwrap().to_owned());
        (length, axum::body::to_bytes(response.into_body(), usize::MAX).await)
    }

    #[tokio::test]
    async fn pieces_are_sent_with_their_length_if_it_is_known() {
        let (length, body) = sent(pieces(Some(13))).await;
        assert_eq!(
            (length.as_deref(), body.unwrap().as_ref()),
            (Some("13"), &b"one two three"[..])
        );
        let (length, body) = sent(pieces(None)).await;
        assert_eq!((length, body.unwrap().as_ref()), (None, &b"one two three"[..]));
    }

    #[tokio::test]
    async fn a_truncated_stream_breaks_off_within_a_piece() {
        let mut reply = pieces(Some(13));
        reply.truncate = Some(6);
        let response = reply.into_response();
        assert_eq!(response.headers()[header::CONTENT_LENGTH], "13");
        let sent: Vec<_> = response.into_body().into_data_stream().collect().await;
        let start: Vec<u8> = sent.iter().flatten().flatten().copied().collect();
        assert_eq!(start, b"one tw");
        assert!(sent.last().unwrap().is_err());
    }

    #[tokio::test]
    async fn a_completed_answer_has_its_whole_body_and_another_may_replace_it() {
        let (length, body) = sent(pieces(None).completed().await.body("other")).await;
        assert_eq!((length, body.unwrap().as_ref()), (None, &b"other"[..]));
        let (_, body) = sent(pieces(None).completed().await).await;
        assert_eq!(body.unwrap().as_ref(), b"one two three");
        let (_, body) = sent(pieces(None).exhausted().await).await;
        assert!(body.unwrap().is_empty());
    }
}
