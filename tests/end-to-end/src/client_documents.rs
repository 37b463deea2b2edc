//! The hosts of the metadata documents of MCP clients.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::Value;

/// Starts the hosts of these documents, by their addresses. Returns the address that takes the place of all hosts
/// (`CLIENTS_URL`).
///
/// # Panics
/// If no port can be had, or an address is not one of the web.
pub async fn client_documents(documents: &[(&str, Value)]) -> String {
    let known = documents.iter().map(|(address, document)| {
        let path = address.strip_prefix("https://").expect("an address").to_owned();
        (path, document.to_string())
    });
    let known: BTreeMap<String, String> = known.collect();
    let answer = |Path(path): Path<String>, State(known): State<BTreeMap<String, String>>| async move {
        match known.get(&path) {
            Some(text) => ([("content-type", "application/json")], text.clone()).into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        }
    };
    let app = Router::new().route("/{*path}", get(answer)).with_state(known);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    url
}
