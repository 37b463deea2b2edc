//! The Lambda Runtime API of one execution environment
//! (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, BodyDataStream, Bytes, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use futures_util::StreamExt as _;
use tokio::net::TcpListener;
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::front;

/// Largest answer that is read, in bytes. Lambda's limit is 6 MB, which the gateway enforces with a proper response.
const LARGEST_ANSWER: usize = 8 * 1024 * 1024;

/// Pieces of an answer, or an error if the process ended before the last one.
pub(crate) type Pieces = mpsc::Receiver<Result<Bytes, BrokenOff>>;

/// The process ended in the middle of its answer.
#[derive(Debug, thiserror::Error)]
#[error("the function broke its answer off")]
pub(crate) struct BrokenOff;

/// A function's answer.
pub(crate) enum Answer {
    /// One document.
    Whole(Vec<u8>),
    /// With `Lambda-Runtime-Function-Response-Mode: streaming`.
    Streamed(Pieces),
}

/// An answer, or the error that the function reported.
type Answered = Result<Answer, String>;

/// An invocation on its way to the process.
struct Invocation {
    id: String,
    event: Vec<u8>,
    deadline: SystemTime,
}

struct Shared {
    function: String,
    next: AsyncMutex<mpsc::Receiver<Invocation>>,
    waiting: Mutex<HashMap<String, oneshot::Sender<Answered>>>,
}

impl Shared {
    fn answer(&self, id: &str, answer: Answered) -> StatusCode {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        match waiting {
            // Nobody waits for an answer after the deadline.
            Some(waiting) => {
                let _ = waiting.send(answer);
                StatusCode::ACCEPTED
            }
            None => StatusCode::BAD_REQUEST,
        }
    }
}

/// A listener for one process.
pub(crate) struct RuntimeApi {
    address: String,
    invocations: mpsc::Sender<Invocation>,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl RuntimeApi {
    /// Listens on a free loopback port.
    pub(crate) async fn start(function: &str) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let (invocations, next) = mpsc::channel(1);
        let shared = Arc::new(Shared {
            function: function.to_owned(),
            next: AsyncMutex::new(next),
            waiting: Mutex::default(),
        });
        let app = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next_invocation))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .route("/2018-06-01/runtime/init/error", post(init_error))
            .with_state(Arc::clone(&shared));
        let server = front::serve(app, listener, format!("Runtime API of {function}"));
        Ok(Self { address, invocations, shared, server })
    }

    /// `host:port`, for `AWS_LAMBDA_RUNTIME_API`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Hands an event to the process and waits for its answer; `None` if the process ends before.
    pub(crate) async fn invoke(&self, event: Vec<u8>, timeout: Duration) -> Option<Answered> {
        let id = Uuid::new_v4().to_string();
        let (answer, answered) = oneshot::channel();
        self.shared
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id.clone(), answer);
        let deadline = SystemTime::now() + timeout;
        self.invocations.send(Invocation { id, event, deadline }).await.ok()?;
        answered.await.ok()
    }
}

async fn next_invocation(State(shared): State<Arc<Shared>>) -> Response {
    let Some(invocation) = shared.next.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let deadline = invocation.deadline.duration_since(UNIX_EPOCH).unwrap_or_default();
    let arn = format!("arn:aws:lambda:us-east-1:000000000000:function:{}", shared.function);
    let headers = [
        ("lambda-runtime-aws-request-id", invocation.id),
        ("lambda-runtime-deadline-ms", deadline.as_millis().to_string()),
        ("lambda-runtime-invoked-function-arn", arn),
        ("content-type", "application/json".to_owned()),
    ];
    (headers, invocation.event).into_response()
}

async fn response(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> StatusCode {
    let mode = headers.get("lambda-runtime-function-response-mode");
    if mode.is_some_and(|mode| mode == "streaming") {
        // One piece at a time, so a slow client slows the function down and no pieces pile up.
        let (pieces, taken) = mpsc::channel(1);
        let status = shared.answer(&id, Ok(Answer::Streamed(taken)));
        hand_over(body.into_data_stream(), &pieces).await;
        return status;
    }
    match to_bytes(body, LARGEST_ANSWER).await {
        Ok(body) => shared.answer(&id, Ok(Answer::Whole(body.to_vec()))),
        Err(_) => StatusCode::PAYLOAD_TOO_LARGE,
    }
}

async fn hand_over(mut body: BodyDataStream, pieces: &mpsc::Sender<Result<Bytes, BrokenOff>>) {
    while let Some(piece) = body.next().await {
        // The invocation continues if the client has gone, as on Lambda.
        let _ = pieces.send(piece.map_err(|_| BrokenOff)).await;
    }
}

async fn error(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> StatusCode {
    shared.answer(&id, Err(String::from_utf8_lossy(&body).into_owned()))
}

async fn init_error(State(shared): State<Arc<Shared>>, body: Bytes) -> StatusCode {
    eprintln!("{} cannot start: {}", shared.function, String::from_utf8_lossy(&body));
    StatusCode::ACCEPTED
}
