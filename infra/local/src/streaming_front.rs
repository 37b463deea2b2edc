//! The streaming front: a Lambda function URL with `RESPONSE_STREAM`.
//!
//! Its events are those of an HTTP API without routes, with the path not decoded. Its answers are a JSON document with
//! status and headers, eight zero bytes, and the body
//! (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-response-streaming.html>).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use futures_util::{StreamExt as _, stream};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::event;
use crate::front::{self, LARGEST_EVENT};
use crate::gateway::message;
use crate::routes::{Matched, Route};
use crate::runtime::Function;
use crate::runtime_api::{Answer, BrokenOff, Pieces};

/// The bytes between the JSON document and the body.
const SEPARATOR: [u8; 8] = [0; 8];

/// The streaming front.
pub(crate) struct StreamingFront {
    pub(crate) function: Arc<Function>,
    /// `localhost:8084`
    pub(crate) host: String,
}

impl StreamingFront {
    /// Serves on these listeners.
    pub(crate) fn serve(self, listeners: Vec<TcpListener>) -> Vec<JoinHandle<()>> {
        let app = Router::new().fallback(answer).with_state(Arc::new(self));
        front::serve_all(&app, listeners, "streaming front")
    }
}

async fn answer(State(front): State<Arc<StreamingFront>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let too_large = || message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
    let Ok(body) = to_bytes(body, LARGEST_EVENT).await else { return too_large() };
    let route = Route { key: "$default".to_owned(), function: "proxy".to_owned() };
    let matched = Matched { route: &route, parameters: BTreeMap::new() };
    let event = event::from_request(&parts, parts.uri.path(), &body, &matched, &front.host);
    let event = event.to_string();
    if event.len() > LARGEST_EVENT {
        return too_large();
    }
    let answered = match front.function.begin(event.into_bytes()).await {
        Ok(Answer::Streamed(pieces)) => streamed(pieces).await,
        Ok(Answer::Whole(answer)) => event::to_response(&answer),
        Err(error) => {
            eprintln!("{error}");
            None
        }
    };
    answered.unwrap_or_else(|| message(StatusCode::BAD_GATEWAY, "Internal Server Error"))
}

/// The response of a streamed answer, or `None` if its prelude is malformed.
async fn streamed(mut pieces: Pieces) -> Option<Response<Body>> {
    let mut prelude = Vec::new();
    let end = loop {
        prelude.extend_from_slice(&pieces.recv().await?.ok()?);
        if let Some(end) = prelude.windows(SEPARATOR.len()).position(|bytes| bytes == SEPARATOR) {
            break end;
        }
    };
    let first = Bytes::copy_from_slice(&prelude[end + SEPARATOR.len()..]);
    let response = event::to_response(&prelude[..end])?;
    Some(response.map(|_| body(first, pieces)))
}

fn body(first: Bytes, pieces: Pieces) -> Body {
    let begun = (!first.is_empty()).then_some(Ok::<_, BrokenOff>(first));
    let rest = stream::unfold(pieces, |mut pieces| async move {
        let piece = pieces.recv().await?;
        Some((piece, pieces))
    });
    Body::from_stream(stream::iter(begun).chain(rest))
}
