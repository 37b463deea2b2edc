//! `/api-keys`: create (shown once), list, delete.

use edge::gateway::Request;
use edge::parameters::{JSON_LIMIT, json_body};
use edge::respond;
use http::StatusCode;

use super::wire::{ApiKeyView, CreateApiKey, List, NewApiKeyView};
use crate::HttpResult;
use crate::operations::api_keys::ApiKeyOperations;

pub(super) async fn create(api_keys: &ApiKeyOperations, request: &Request) -> HttpResult {
    let body: CreateApiKey = json_body(request, JSON_LIMIT)?;
    let new = api_keys.create(body.into()).await?;
    respond::json(StatusCode::CREATED, &NewApiKeyView::from(new))
}

pub(super) async fn list(api_keys: &ApiKeyOperations) -> HttpResult {
    let items: Vec<_> = api_keys.list().await?.into_iter().map(ApiKeyView::from).collect();
    respond::json(StatusCode::OK, &List { items, next_cursor: None })
}

pub(super) async fn delete(api_keys: &ApiKeyOperations, id: &str) -> HttpResult {
    api_keys.revoke(id).await?;
    Ok(respond::no_content())
}
