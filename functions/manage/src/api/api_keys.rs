//! `/api-keys`: create (shown once), list, delete.

use edge::respond;
use http::StatusCode;

use super::Call;
use super::wire::{ApiKeyView, CreateApiKey, List, NewApiKeyView};
use crate::HttpResult;

pub(super) async fn create(call: &Call<'_>) -> HttpResult {
    let body: CreateApiKey = call.body()?;
    let new = call.operations.api_keys.create(body.into(), call.log).await?;
    respond::json(StatusCode::CREATED, &NewApiKeyView::from(new))
}

pub(super) async fn list(call: &Call<'_>) -> HttpResult {
    let keys = call.operations.api_keys.list().await?;
    let items: Vec<_> = keys.into_iter().map(ApiKeyView::from).collect();
    respond::json(StatusCode::OK, &List { items, next_cursor: None })
}

pub(super) async fn delete(call: &Call<'_>) -> HttpResult {
    call.operations.api_keys.revoke(call.parameter("key"), call.log).await?;
    Ok(respond::no_content())
}
