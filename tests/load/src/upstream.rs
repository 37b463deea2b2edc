//! A stand-in for Azure DevOps that costs as little as possible: it answers every request with JSON of the size that the
//! query wants, and with the headers of a usual answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::serve::ListenerExt as _;
use futures_util::stream;
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;

/// Answers beyond this size are no JSON but this piece again and again, so that they need no memory.
const LARGEST_LIST: usize = 8_000_000;
/// Bytes of a piece.
const PIECE: usize = 65_536;
/// The headers of an answer of Azure DevOps.
const HEADERS: [(&str, &str); 12] = [
    ("content-type", "application/json; charset=utf-8; api-version=7.1"),
    ("cache-control", "no-cache, no-store, must-revalidate"),
    ("pragma", "no-cache"),
    ("expires", "-1"),
    (
        "p3p",
        "CP=\"CAO DSP COR ADMa DEV CONo TELo CUR PSA PSD TAI IVDo OUR SAMi BUS DEM NAV STA UNI COM INT PHY ONL FIN PUR LOC CNT\"",
    ),
    ("x-tfs-processid", "1c0f1f5a-7c3e-4f0a-9a51-6b0f6a3b0d10"),
    ("activityid", "4e1a6a0e-6a44-4f4c-8d19-3b6e5b1f2c77"),
    ("x-tfs-session", "4e1a6a0e-6a44-4f4c-8d19-3b6e5b1f2c77"),
    ("x-vss-e2eid", "4e1a6a0e-6a44-4f4c-8d19-3b6e5b1f2c77"),
    ("x-frame-options", "SAMEORIGIN"),
    ("strict-transport-security", "max-age=31536000; includeSubDomains"),
    ("x-content-type-options", "nosniff"),
];

/// The running stand-in.
pub(crate) struct Upstream {
    url: String,
}

/// Bodies by their size, because making them costs more than sending them.
type Bodies = Arc<Mutex<HashMap<usize, Bytes>>>;

#[derive(Deserialize)]
struct Wanted {
    bytes: usize,
}

impl Upstream {
    /// Starts on a free port.
    pub(crate) async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://127.0.0.1:{}", listener.local_addr()?.port());
        let listener = listener.tap_io(|connection| {
            let _ = connection.set_nodelay(true);
        });
        let app = Router::new().fallback(answer).with_state(Bodies::default());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self { url })
    }

    /// The address, without a slash at the end.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

/// The query of a request for so many bytes.
pub(crate) fn query(bytes: usize) -> String {
    format!("api-version=7.1&bytes={bytes}")
}

async fn answer(
    State(bodies): State<Bodies>,
    headers: HeaderMap,
    wanted: Query<Wanted>,
) -> Response {
    if !headers.contains_key("authorization") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let bytes = wanted.bytes;
    let body = if bytes <= LARGEST_LIST {
        let mut bodies = bodies.lock().unwrap_or_else(PoisonError::into_inner);
        Body::from(bodies.entry(bytes).or_insert_with(|| projects(bytes)).clone())
    } else {
        in_pieces(bytes)
    };
    let length = [("content-length", bytes.to_string())];
    (length, HEADERS, body).into_response()
}

/// A body of so many bytes.
fn in_pieces(bytes: usize) -> Body {
    let piece = Bytes::from(vec![b'x'; PIECE]);
    let rest = piece.slice(..bytes % PIECE);
    let pieces = std::iter::repeat_n(piece, bytes / PIECE).chain([rest]);
    Body::from_stream(stream::iter(pieces.map(Ok::<_, std::convert::Infallible>)))
}

/// A list of projects that has exactly so many bytes; the last description fills up.
fn projects(bytes: usize) -> Bytes {
    let project = json!({
        "id": "eb6e4656-77fc-42a1-9181-4c6d8e9da5d1",
        "name": "Website",
        "url": "https://dev.azure.com/mycompany/_apis/projects/eb6e4656-77fc-42a1-9181-4c6d8e9da5d1",
        "state": "wellFormed",
        "revision": 51,
        "visibility": "private",
        "lastUpdateTime": "2026-11-24T07:15:31.117Z",
    })
    .to_string();
    let (begin, end) = (r#"{"value":["#, r#"{"description":""}]}"#);
    let mut text = begin.to_owned();
    while text.len() + project.len() + 1 + end.len() <= bytes {
        text.push_str(&project);
        text.push(',');
    }
    text.push_str(r#"{"description":""#);
    text.extend(std::iter::repeat_n('x', bytes.saturating_sub(text.len() + r#""}]}"#.len())));
    text.push_str(r#""}]}"#);
    text.into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_list_of_projects_is_json_of_the_wanted_size() {
        for bytes in [64, 300, 2048, 200_000] {
            let body = projects(bytes);
            assert_eq!(body.len(), bytes);
            serde_json::from_slice::<serde_json::Value>(&body).unwrap();
        }
    }

    #[tokio::test]
    async fn an_answer_has_the_wanted_size_and_needs_a_token() {
        let upstream = Upstream::start().await.unwrap();
        let get = |bytes| {
            let url = format!("{}/mycompany/_apis/projects?{}", upstream.url(), query(bytes));
            reqwest::Client::new().get(url)
        };
        for bytes in [2048, 4_500_000, LARGEST_LIST + 1] {
            let answer = get(bytes).bearer_auth("token").send().await.unwrap();
            assert_eq!(answer.status(), 200);
            assert_eq!(answer.bytes().await.unwrap().len(), bytes);
        }
        assert_eq!(get(2048).send().await.unwrap().status(), 401);
    }
}
