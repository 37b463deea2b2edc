//! `POST /connect-sessions`.

use edge::respond;
use http::StatusCode;

use super::Call;
use super::wire::{ConnectSessionView, CreateConnectSession};
use crate::HttpResult;

pub(super) async fn create(call: &Call<'_>) -> HttpResult {
    let body: CreateConnectSession = call.body()?;
    call.log.integration(&body.integration);
    let link = call.operations.connect_sessions.create(call.caller, body).await?;
    respond::json(StatusCode::CREATED, &ConnectSessionView::from(link))
}
