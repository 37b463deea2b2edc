//! The HTTP front: an HTTP API of API Gateway.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response, StatusCode};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::event;
use crate::front::{self, LARGEST_EVENT, text_response};
use crate::routes::Routes;
use crate::runtime::{Function, InvokeError};

/// Largest request that an HTTP API takes, in bytes.
const LARGEST_REQUEST: usize = 10 * 1024 * 1024;
/// Largest header block that an HTTP API takes, in bytes.
const LARGEST_HEADERS: usize = 10_240;

/// The HTTP API.
pub(crate) struct Gateway {
    pub(crate) routes: Routes,
    pub(crate) functions: Arc<HashMap<String, Arc<Function>>>,
    /// `http://localhost:8080`
    pub(crate) public_url: String,
}

impl Gateway {
    /// Serves on these listeners.
    pub(crate) fn serve(self, listeners: Vec<TcpListener>) -> Vec<JoinHandle<()>> {
        let app = Router::new().fallback(answer).with_state(Arc::new(self));
        front::serve_all(&app, listeners, "gateway")
    }

    /// A refusal of the gateway itself, as a problem document of the service.
    fn problem(&self, status: StatusCode, code: &str, title: &str, advice: &str) -> Response<Body> {
        let request_id = Uuid::new_v4().to_string();
        let body = json!({
            "type": format!("{}/problems/{code}", self.public_url),
            "title": title,
            "status": status.as_u16(),
            "code": code,
            "advice": advice,
            "request_id": request_id,
        });
        text_response(status, "application/problem+json", body.to_string())
    }

    fn too_large(&self) -> Response<Body> {
        self.problem(
            StatusCode::PAYLOAD_TOO_LARGE,
            "request_too_large",
            "The request is too large",
            "Send a smaller request; the limits are in the documentation.",
        )
    }
}

async fn answer(State(gateway): State<Arc<Gateway>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    if header_bytes(&parts.headers) > LARGEST_HEADERS {
        return gateway.problem(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "header_too_large",
            "The request's headers are too large",
            "Send fewer or shorter headers; an HTTP API takes 10,240 bytes in all.",
        );
    }
    let Ok(body) = to_bytes(body, LARGEST_REQUEST).await else { return gateway.too_large() };
    let Some(matched) = gateway.routes.find(parts.method.as_str(), parts.uri.path()) else {
        return message(StatusCode::NOT_FOUND, "Not Found");
    };
    let host = gateway.public_url.split("://").nth(1).unwrap_or_default();
    let event = event::from_request(&parts, &body, &matched, host).to_string().into_bytes();
    if event.len() > LARGEST_EVENT {
        return gateway.too_large();
    }
    let Some(function) = gateway.functions.get(matched.route.function.as_str()) else {
        return message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
    };
    // The functions' own timeouts are below an HTTP API's 30 seconds.
    match function.invoke(event).await {
        Ok(answer) => event::to_response(&answer)
            .unwrap_or_else(|| message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")),
        Err(InvokeError::TimedOut { .. }) => {
            message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
        }
        Err(error) => {
            eprintln!("{error}");
            message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }
    }
}

fn header_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

/// An error of API Gateway itself.
pub(crate) fn message(status: StatusCode, text: &str) -> Response<Body> {
    text_response(status, "application/json", json!({"message": text}).to_string())
}
