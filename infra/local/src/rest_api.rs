//! The streaming front: the REST API of the template, whose integrations stream.
//!
//! ```text
//!  request ── stage and its throttle, method, required headers ──> event of format 1.0 ──> function
//!                 │ refused: a gateway response of the template                              │
//!  response <─────┴──────────────── headers renamed <── status, headers, 8 zero bytes, body ─┘
//! ```
//!
//! It treats headers, queries and sizes as API Gateway does, so that clients meet here whatever they would meet there.
//! Sources, in the Amazon API Gateway developer guide: "Important notes", "Quotas for REST APIs", "Gateway responses",
//! "Set up a Lambda proxy integration with payload response streaming".

mod definition;
mod event;
mod headers;
mod refusal;
mod streamed;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use uuid::Uuid;

use crate::front::{self, LARGEST_EVENT, LARGEST_HEADERS, LARGEST_REQUEST, header_block};
use crate::gateway::message;
use crate::runtime::{Function, InvokeError};
use crate::runtime_api::Answer;
use crate::throttle::Throttle;

pub(crate) use definition::Definition;
use refusal::Refusal;
use streamed::Limits;

/// Limits of a streamed answer. Lambda breaks it off at 200 MB, and API Gateway after five minutes of silence. No document
/// says which megabytes; these are the smaller ones.
const LIMITS: Limits = Limits { bytes: 200_000_000, silence: Duration::from_mins(5) };

/// The REST API.
pub(crate) struct RestApi {
    pub(crate) definition: Definition,
    pub(crate) functions: Arc<HashMap<String, Arc<Function>>>,
    /// `localhost:8084`
    pub(crate) host: String,
    /// `http://localhost:8080`, the value of the stage variable `publicUrl`.
    pub(crate) public_url: String,
    pub(crate) throttle: Throttle,
}

/// A request on its way to an integration.
struct Received {
    parts: Parts,
    /// The path without the stage.
    path: String,
    request_id: String,
}

impl RestApi {
    /// Serves on these listeners.
    pub(crate) fn serve(self, listeners: Vec<TcpListener>) -> Vec<JoinHandle<()>> {
        let app = Router::new().fallback(answer).with_state(Arc::new(self));
        front::serve_all(&app, listeners, "streaming front")
    }

    async fn invoke(&self, received: &Received, body: Body) -> Result<Response<Body>, Refusal> {
        let Received { parts, path, request_id } = received;
        if !self.throttle.admits(Instant::now()) {
            return Err(Refusal::throttled());
        }
        let Some(found) = self.definition.find(parts.method.as_str(), path) else {
            return Err(Refusal::unknown_address(&parts.headers));
        };
        let missing = found.method.required_headers.iter().filter(|name| blank(parts, name));
        let missing: Vec<&str> = missing.map(String::as_str).collect();
        if !missing.is_empty() {
            return Err(Refusal::missing_parameters(&missing));
        }
        let too_large = |_| Refusal::request_too_large();
        let body = to_bytes(body, LARGEST_REQUEST).await.map_err(too_large)?;
        let event = event::from_request(parts, &body, &found, self, request_id).to_string();
        if event.len() > LARGEST_EVENT {
            return Err(Refusal::request_too_large());
        }
        let function = self.functions.get(&found.method.function);
        let function = function.ok_or_else(Refusal::integration_failure)?;
        let begun = function.begin(event.into_bytes());
        let answered = tokio::time::timeout(found.method.timeout, begun).await;
        match answered.map_err(|_| Refusal::integration_timeout())? {
            Ok(Answer::Streamed(pieces)) => {
                streamed::response(pieces, &LIMITS).await.ok_or_else(Refusal::malformed_answer)
            }
            Ok(Answer::Whole(_)) => Err(Refusal::malformed_answer()),
            Err(error) => {
                eprintln!("{error}");
                Err(match error {
                    InvokeError::Throttled { .. } => Refusal::no_execution(),
                    InvokeError::TimedOut { .. } => Refusal::integration_timeout(),
                    InvokeError::Start { .. } => Refusal::integration_failure(),
                    InvokeError::Ended { .. } | InvokeError::Failed { .. } => {
                        Refusal::malformed_answer()
                    }
                })
            }
        }
    }
}

async fn answer(State(api): State<Arc<RestApi>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    if header_block(&parts) > LARGEST_HEADERS {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return message(status, "Request Header Fields Too Large");
    }
    if parts.uri.query().is_some_and(|query| query.contains(['|', '{', '}'])) {
        return message(StatusCode::BAD_REQUEST, "Bad Request");
    }
    let Some(path) = api.definition.without_stage(parts.uri.path()).map(str::to_owned) else {
        return message(StatusCode::FORBIDDEN, "Forbidden");
    };
    let received = Received { parts, path, request_id: Uuid::new_v4().to_string() };
    let answered = api.invoke(&received, body).await;
    let mut response = answered.unwrap_or_else(|refusal| {
        refusal.response(&api.definition.gateway_responses, &api.public_url, &received.request_id)
    });
    headers::add_own(response.headers_mut(), &received.request_id);
    response
}

/// Whether a required header is absent or empty.
fn blank(parts: &Parts, name: &str) -> bool {
    parts.headers.get(name).is_none_or(|value| value.as_bytes().trim_ascii().is_empty())
}
