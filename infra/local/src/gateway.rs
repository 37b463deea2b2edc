//! The HTTP front: an HTTP API of API Gateway, as unkind as AWS'.
//!
//! It decodes the path (see [`crate::decoded_path`]), adds the API's own CORS headers, throttles, and refuses in JSON of its
//! own. Where no document settles how AWS' behaves, [`GatewayOptions`] has a switch.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{HeaderValue, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response, StatusCode};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::StartError;
use crate::cors::{Cors, is_preflight};
use crate::decoded_path::decoded_path;
use crate::event::{self, InvalidTexts};
use crate::front::{
    self, LARGEST_EVENT, LARGEST_HEADERS, LARGEST_REQUEST, header_block, text_response,
};
use crate::response_parameters::{AbsentSources, ResponseParameters};
use crate::routes::{Matched, Routes};
use crate::runtime::{Function, InvokeError};
use crate::template::Template;
use crate::throttle::Throttle;

/// The longest wait for a function. The functions' own timeouts are shorter.
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(30);
/// The name under which API Gateway passes on a challenge that it renames.
const RENAMED_CHALLENGE: &str = "x-amzn-remapped-www-authenticate";

/// The settings of the HTTP API that a deployment or AWS decides.
#[derive(Debug, Clone, Default)]
pub struct GatewayOptions {
    /// The parameter `CorsOrigins`.
    pub cors_origins: Vec<String>,
    /// The treatment of `WWW-Authenticate` in a function's answer.
    pub challenges: Challenges,
    /// The copies of headers that a function has not sent.
    pub absent_sources: AbsentSources,
    /// The treatment of bodies that are texts in another encoding than UTF-8.
    pub invalid_texts: InvalidTexts,
}

/// The treatment of `WWW-Authenticate` in a function's answer. AWS documents the renaming for REST APIs only; one report
/// says that HTTP APIs rename it as well, another that they do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Challenges {
    /// Passed on as `x-amzn-Remapped-WWW-Authenticate`.
    #[default]
    Renamed,
    /// Passed on as they are.
    Kept,
}

/// The HTTP API.
pub(crate) struct Gateway {
    routes: Routes,
    functions: Arc<HashMap<String, Arc<Function>>>,
    /// `localhost:8080`
    host: String,
    throttle: Throttle,
    cors: Option<Cors>,
    response_parameters: ResponseParameters,
    challenges: Challenges,
    invalid_texts: InvalidTexts,
}

impl Gateway {
    /// The template's API in front of these functions.
    ///
    /// # Errors
    /// [`StartError::Template`] when the template is malformed.
    pub(crate) fn new(
        template: &Template,
        functions: Arc<HashMap<String, Arc<Function>>>,
        host: String,
        options: &GatewayOptions,
    ) -> Result<Self, StartError> {
        Ok(Self {
            routes: Routes::of_template()?,
            functions,
            host,
            throttle: Throttle::of_http_api(template)?,
            cors: Cors::of_template(template, &options.cors_origins)?,
            response_parameters: ResponseParameters::of_template(template, options.absent_sources)?,
            challenges: options.challenges,
            invalid_texts: options.invalid_texts,
        })
    }

    /// Serves on these listeners.
    pub(crate) fn serve(self, listeners: Vec<TcpListener>) -> Vec<JoinHandle<()>> {
        let app = Router::new().fallback(answer).with_state(Arc::new(self));
        front::serve_all(&app, listeners, "gateway")
    }

    async fn forward(&self, parts: &Parts, body: Body) -> Result<Response<Body>, Refusal> {
        if header_block(parts) > LARGEST_HEADERS {
            return Err(Refusal::HeadersTooLarge);
        }
        if !self.throttle.admits(Instant::now()) {
            return Err(Refusal::Throttled);
        }
        let body = to_bytes(body, LARGEST_REQUEST).await.map_err(|_| Refusal::RequestTooLarge)?;
        let path = decoded_path(parts.uri.path()).ok_or(Refusal::BadRequest)?;
        let Some(matched) = self.routes.find(parts.method.as_str(), &path) else {
            return self.without_route(parts);
        };
        let event =
            event::from_request(parts, &path, &body, &matched, &self.host, self.invalid_texts);
        let event = event.to_string();
        if event.len() > LARGEST_EVENT {
            return Err(Refusal::RequestTooLarge);
        }
        let mut response = self.invoke(&matched, event.into_bytes()).await?;
        let status = response.status();
        let headers = response.headers_mut();
        if self.challenges == Challenges::Renamed {
            rename_challenges(headers);
        }
        self.response_parameters.apply(&matched.route.function, status, headers);
        if let Some(cors) = &self.cors {
            cors.apply(parts, headers);
        }
        Ok(response)
    }

    /// With CORS, API Gateway answers those preflights that no route takes.
    fn without_route(&self, parts: &Parts) -> Result<Response<Body>, Refusal> {
        let cors = self.cors.as_ref().filter(|_| is_preflight(parts)).ok_or(Refusal::NotFound)?;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        cors.apply(parts, response.headers_mut());
        Ok(response)
    }

    async fn invoke(
        &self,
        matched: &Matched<'_>,
        event: Vec<u8>,
    ) -> Result<Response<Body>, Refusal> {
        let function =
            self.functions.get(matched.route.function.as_str()).ok_or(Refusal::Failed)?;
        let answered = tokio::time::timeout(INTEGRATION_TIMEOUT, function.invoke(event)).await;
        match answered.map_err(|_| Refusal::Unavailable)? {
            Ok(answer) => event::to_response(&answer).ok_or(Refusal::Failed),
            Err(InvokeError::Throttled { .. }) => Err(Refusal::Unavailable),
            // Out of Lambda's own time, which is an error of the function.
            Err(InvokeError::TimedOut { .. }) => Err(Refusal::Failed),
            Err(error) => {
                eprintln!("{error}");
                Err(Refusal::Failed)
            }
        }
    }
}

async fn answer(State(gateway): State<Arc<Gateway>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    gateway.forward(&parts, body).await.unwrap_or_else(Refusal::response)
}

/// An answer of API Gateway itself. It has no CORS headers here; no document settles whether AWS adds them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    BadRequest,
    NotFound,
    RequestTooLarge,
    HeadersTooLarge,
    Throttled,
    Failed,
    Unavailable,
}

impl Refusal {
    fn response(self) -> Response<Body> {
        let (status, text) = match self {
            Self::BadRequest => (StatusCode::BAD_REQUEST, "Bad Request"),
            Self::NotFound => (StatusCode::NOT_FOUND, "Not Found"),
            Self::RequestTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large"),
            Self::HeadersTooLarge => {
                (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "Request Header Fields Too Large")
            }
            Self::Throttled => (StatusCode::TOO_MANY_REQUESTS, "Too Many Requests"),
            Self::Failed => (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
        };
        message(status, text)
    }
}

fn rename_challenges(headers: &mut HeaderMap) {
    let challenges: Vec<HeaderValue> = headers.get_all(WWW_AUTHENTICATE).iter().cloned().collect();
    headers.remove(WWW_AUTHENTICATE);
    for challenge in challenges {
        headers.append(RENAMED_CHALLENGE, challenge);
    }
}

/// An error of API Gateway itself.
pub(crate) fn message(status: StatusCode, text: &str) -> Response<Body> {
    text_response(status, "application/json", json!({"message": text}).to_string())
}
