//! What describes the deployment: health, and the API's description.

use edge::config::PublicUrl;
use edge::gateway::Body;
use edge::problem::Problem;
use edge::respond;
use http::{Response, StatusCode};
use serde_json::json;

use crate::api::openapi;

/// Liveness and version; nothing about what is behind (S-43).
pub(crate) fn health() -> Result<Response<Body>, Problem> {
    respond::json(StatusCode::OK, &json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}))
}

pub(crate) fn openapi(public_url: &PublicUrl) -> Result<Response<Body>, Problem> {
    respond::json(StatusCode::OK, &openapi::document(public_url))
}
