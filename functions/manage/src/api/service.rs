//! `/service`, and the routes that describe the deployment: `/health` and `/openapi.json`.

use edge::config::PublicUrl;
use edge::respond;
use http::StatusCode;
use serde_json::json;
use vault::service::Status;

use super::wire::ServiceView;
use super::{Call, openapi};
use crate::HttpResult;

pub(super) async fn get(call: &Call<'_>) -> HttpResult {
    let settings = call.operations.service.settings().await?;
    respond::json(StatusCode::OK, &ServiceView::from(settings.status))
}

pub(super) async fn turn(call: &Call<'_>, status: Status) -> HttpResult {
    call.operations.turn_service(status, call.log).await?;
    respond::json(StatusCode::OK, &ServiceView::from(status))
}

/// Liveness and version, and nothing about the services behind the function (S-43).
pub(crate) fn health() -> HttpResult {
    respond::json(StatusCode::OK, &json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}))
}

pub(crate) fn openapi(public_url: &PublicUrl) -> HttpResult {
    respond::json(StatusCode::OK, &openapi::document(public_url))
}
