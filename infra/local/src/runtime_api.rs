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
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::front;

/// Largest answer that is read, in bytes. Lambda's limit is 6 MB, which the gateway enforces with a proper response.
const LARGEST_ANSWER: usize = 8 * 1024 * 1024;

/// Pieces of an answer, or an error if the process ended before the last one.
pub type Pieces = mpsc::Receiver<Result<Bytes, BrokenOff>>;

/// The process ended in the middle of its answer.
#[derive(Debug, thiserror::Error)]
#[error("the function broke its answer off")]
pub struct BrokenOff;

/// A function's answer.
pub enum Answer {
    /// One document.
    Whole(Vec<u8>),
    /// With `Lambda-Runtime-Function-Response-Mode: streaming`.
    Streamed(Pieces),
}

/// An answer, or the error that the function reported.
pub type Answered = Result<Answer, String>;

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
    /// The number of times that the process asked for an event.
    asked: watch::Sender<u64>,
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
            asked: watch::Sender::new(0),
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

    /// Waits until the process has asked for this many events.
    pub(crate) async fn asked(&self, times: u64) {
        // The sender lives as long as this.
        let _ = self.shared.asked.subscribe().wait_for(|asked| *asked >= times).await;
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
    shared.asked.send_modify(|asked| *asked += 1);
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::time::timeout;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(20);

    fn path(api: &RuntimeApi, rest: &str) -> String {
        format!("http://{}/2018-06-01/runtime/invocation/{rest}", api.address())
    }

    /// Asks for an event. Returns its id and itself.
    async fn next(api: &RuntimeApi) -> (String, String) {
        let event = reqwest::get(path(api, "next")).await.unwrap();
        let id = event.headers()["lambda-runtime-aws-request-id"].to_str().unwrap().to_owned();
        (id, event.text().await.unwrap())
    }

    async fn answer(api: &RuntimeApi, id: &str, body: String) {
        let answer = reqwest::Client::new().post(path(api, &format!("{id}/response"))).body(body);
        assert_eq!(answer.send().await.unwrap().status(), 202);
    }

    #[tokio::test]
    async fn each_of_two_events_at_a_time_gets_its_own_answer() {
        let api = RuntimeApi::start("function").await.unwrap();
        let process = async {
            let ((one, first), (two, second)) = tokio::join!(next(&api), next(&api));
            timeout(TIMEOUT, api.asked(2)).await.unwrap();
            answer(&api, &two, second).await;
            answer(&api, &one, first).await;
        };
        let invoke = |event: &str| api.invoke(event.as_bytes().to_vec(), TIMEOUT);
        let ((), one, two) = tokio::join!(process, invoke("one"), invoke("two"));
        for (answered, expected) in [(one, "one"), (two, "two")] {
            let Some(Ok(Answer::Whole(body))) = answered else { panic!("no answer") };
            assert_eq!(String::from_utf8(body).unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn a_process_is_not_ready_before_it_asks_for_an_event() {
        let api = RuntimeApi::start("function").await.unwrap();
        let mut asked = std::pin::pin!(timeout(TIMEOUT, api.asked(1)));
        let is_ready = tokio::select! {
            biased;
            _ = &mut asked => true,
            () = std::future::ready(()) => false,
        };
        assert!(!is_ready);
        let process = async {
            let (id, _) = next(&api).await;
            answer(&api, &id, String::new()).await;
        };
        let (invoked, asked, ()) = tokio::join!(api.invoke(Vec::new(), TIMEOUT), asked, process);
        asked.unwrap();
        assert!(matches!(invoked, Some(Ok(Answer::Whole(body))) if body.is_empty()));
    }
}
