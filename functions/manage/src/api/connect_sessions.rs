//! `POST /connect-sessions`.

use edge::caller::Caller;
use edge::gateway::Request;
use edge::log::RequestLog;
use edge::parameters::{JSON_LIMIT, json_body};
use edge::respond;
use http::StatusCode;

use super::wire::{ConnectSessionView, CreateConnectSession};
use crate::HttpResult;
use crate::operations::connect_sessions::ConnectSessionOperations;

pub(super) async fn create(
    sessions: &ConnectSessionOperations,
    caller: &Caller,
    request: &Request,
    log: &RequestLog,
) -> HttpResult {
    let body: CreateConnectSession = json_body(request, JSON_LIMIT)?;
    log.integration(&body.integration);
    let link = sessions.create(caller, body).await?;
    respond::json(StatusCode::CREATED, &ConnectSessionView::from(link))
}
