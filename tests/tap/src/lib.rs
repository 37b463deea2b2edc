//! A tap on the wire to an AWS service: an HTTP server that forwards every request, counts it with the
//! capacity that it consumed, and can stop one request before it is served or before its answer goes back.
//!
//! ```text
//!   a function's real process ──> tap ──> embedded DynamoDB (or the other services)
//!                                  │ count, or hold the n-th request
//! ```

#![expect(
    clippy::disallowed_methods,
    reason = "a program of its own beside the service: it lives in real time"
)]

mod stop;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response, StatusCode};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use stop::{Stop, When};

/// The largest request and answer, in bytes.
const LARGEST: usize = 20_000_000;

/// A tap. Dropping it cuts the wire.
pub struct Tap {
    url: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

struct Shared {
    client: reqwest::Client,
    state: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    target: String,
    counts: Counts,
    stop: Option<Stop>,
    /// The operation that is not forwarded, and a text that its requests contain.
    refused: Option<(String, String)>,
    /// The operation whose next requests the tap answers itself, the error, and the number of requests left.
    answered: Option<(String, String, u64)>,
}

/// The requests that went through.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counts {
    /// Requests by operation, such as `GetItem`.
    pub requests: BTreeMap<String, u64>,
    /// Those of them that the service refused, such as a failed condition.
    pub refused: BTreeMap<String, u64>,
    /// Write units consumed, with indexes, as DynamoDB reports them.
    pub write_units: f64,
    /// Read units consumed, as DynamoDB reports them.
    pub read_units: f64,
    /// Requests for the hourly tallies. They are in no other count and are never stopped, because a process writes its
    /// tallies at times that have nothing to do with the current request. Places under the
    /// default limits are in no count at all and never stopped either, because a slow machine makes long calls of short
    /// ones.
    pub tallies: u64,
}

impl Counts {
    /// All requests.
    pub fn total(&self) -> u64 {
        self.requests.values().sum()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Tap {
    /// Starts a tap on a free port. It has no target yet.
    ///
    /// # Errors
    /// If there is no free port.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let client =
            reqwest::Client::builder().no_proxy().build().map_err(std::io::Error::other)?;
        let shared = Arc::new(Shared { client, state: Mutex::default() });
        let app = Router::new().fallback(pass).with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                eprintln!("the tap stopped: {error}");
            }
        });
        Ok(Self { url, shared, server })
    }

    /// The URL to send requests to.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Sets the URL that requests are forwarded to.
    pub fn lead_to(&self, target: &str) {
        target.trim_end_matches('/').clone_into(&mut self.shared.state().target);
    }

    /// Returns the counts since [`Self::reset`].
    pub fn counts(&self) -> Counts {
        self.shared.state().counts.clone()
    }

    /// Sets all counts to zero.
    pub fn reset(&self) {
        self.shared.state().counts = Counts::default();
    }

    /// Answers 502 to every request for this operation, such as `PutItem`, that contains this text.
    pub fn refuse(&self, operation: &str, containing: &str) {
        self.shared.state().refused = Some((operation.to_owned(), containing.to_owned()));
    }

    /// Forwards every request again.
    pub fn let_through(&self) {
        self.shared.state().refused = None;
    }

    /// Answers the next `times` requests for this operation with an error of the service, such as
    /// `InvalidRequestException`.
    pub fn answer(&self, operation: &str, error: &str, times: u64) {
        let answered = (operation.to_owned(), error.to_owned(), times);
        self.shared.state().answered = Some(answered);
    }

    /// Stops the request with this number; the next one is number 0.
    pub fn stop_at(&self, number: u64, when: When) -> Stop {
        let stop = Stop::new(number, when);
        self.shared.state().stop = Some(stop.clone());
        stop
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, Inner> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST).await else { return broken() };
    let target = parts.headers.get("x-amz-target").and_then(|value| value.to_str().ok());
    let operation = target.and_then(|target| target.rsplit_once('.')).map_or("?", |(_, name)| name);
    let operation = operation.to_owned();
    let of_dynamodb = target.is_some_and(|target| target.starts_with("DynamoDB"));
    let names = |item: &str| of_dynamodb && String::from_utf8_lossy(&body).contains(item);
    let is_tally = names("tally#");
    let is_of_share = names("limit#key_share#") || names("limit#connection_share#");
    let is_counted = !is_tally && !is_of_share;
    let (url, stop) = {
        let mut state = shared.state();
        if let Some((refused, containing)) = &state.refused
            && *refused == operation
            && String::from_utf8_lossy(&body).contains(containing.as_str())
        {
            return broken();
        }
        if let Some((answered, error, times)) = &mut state.answered
            && *answered == operation
            && *times > 0
        {
            *times -= 1;
            return refusal(error);
        }
        state.counts.tallies += u64::from(is_tally);
        let stop = if is_counted {
            *state.counts.requests.entry(operation.clone()).or_default() += 1;
            state.stop.clone().filter(Stop::is_next)
        } else {
            None
        };
        (format!("{}{}", state.target, parts.uri), stop)
    };
    if let Some(stop) = &stop
        && !stop.hold(When::Before).await
    {
        return broken();
    }
    let body = if of_dynamodb { asking_for_capacity(&body) } else { body };
    let mut headers = parts.headers;
    headers.remove("content-length");
    headers.remove("host");
    let sent = shared.client.request(parts.method, url).headers(headers).body(body).send().await;
    let Ok(answer) = sent else { return broken() };
    let (status, headers) = (answer.status(), answer.headers().clone());
    let Ok(body) = answer.bytes().await else { return broken() };
    if of_dynamodb && status.is_success() && is_counted {
        shared.state().counts.add(&operation, &body);
    } else if !status.is_success() && is_counted {
        *shared.state().counts.refused.entry(operation).or_default() += 1;
    }
    if let Some(stop) = &stop
        && !stop.hold(When::After).await
    {
        return broken();
    }
    response(status, &headers, body)
}

fn response(status: StatusCode, headers: &HeaderMap, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    for (name, value) in headers {
        if name != "content-length" && name != "transfer-encoding" {
            response.headers_mut().append(name, value.clone());
        }
    }
    response
}

/// A refusal in the AWS JSON protocol.
fn refusal(error: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(format!(r#"{{"__type":"{error}"}}"#)));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

fn broken() -> Response<Body> {
    let mut response = Response::new(Body::from("the tap leads nowhere"));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}

/// Returns the same request with `ReturnConsumedCapacity` added.
fn asking_for_capacity(body: &Bytes) -> Bytes {
    match body.strip_prefix(b"{") {
        Some(rest) => [br#"{"ReturnConsumedCapacity":"INDEXES","#, rest].concat().into(),
        None => body.clone(),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    consumed_capacity: Option<OneOrMany>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(Capacity),
    Many(Vec<Capacity>),
}

#[derive(Deserialize)]
struct Capacity {
    #[serde(default, rename = "CapacityUnits")]
    all: f64,
    #[serde(default, rename = "WriteCapacityUnits")]
    write: Option<f64>,
    #[serde(default, rename = "ReadCapacityUnits")]
    read: Option<f64>,
}

impl Counts {
    fn add(&mut self, operation: &str, body: &[u8]) {
        let writes = !matches!(operation, "GetItem" | "BatchGetItem" | "Query" | "Scan");
        let Ok(Answer { consumed_capacity: Some(consumed) }) = serde_json::from_slice(body) else {
            return;
        };
        let all = match consumed {
            OneOrMany::One(one) => vec![one],
            OneOrMany::Many(many) => many,
        };
        for capacity in all {
            match (capacity.write, capacity.read) {
                (None, None) if writes => self.write_units += capacity.all,
                (None, None) => self.read_units += capacity.all,
                (write, read) => {
                    self.write_units += write.unwrap_or_default();
                    self.read_units += read.unwrap_or_default();
                }
            }
        }
    }
}
