//! What describes the deployment: health, the API's description, the front page.

use edge::config::PublicUrl;
use edge::page::{Link, Page};
use edge::problem::Problem;
use edge::respond;
use http::{Response, StatusCode};
use lambda_http::Body;
use serde_json::json;

use crate::openapi;

/// Liveness and version; nothing about what is behind (SECURITY S-43).
pub(crate) fn health() -> Result<Response<Body>, Problem> {
    respond::json(StatusCode::OK, &json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}))
}

pub(crate) fn openapi(public_url: &PublicUrl) -> Result<Response<Body>, Problem> {
    respond::json(StatusCode::OK, &openapi::document(public_url))
}

/// What a browser sees at the gateway's own address.
pub(crate) fn front_page(public_url: &PublicUrl) -> Response<Body> {
    let mut openapi = public_url.to_url();
    openapi.set_path("/openapi.json");
    Page {
        title: "ado-connect".to_owned(),
        heading: "ado-connect".to_owned(),
        paragraphs: vec![
            "This service connects the users of an application to Azure DevOps and calls Azure DevOps on their behalf.".to_owned(),
            "If an application sent you here, go back to it and start connecting again.".to_owned(),
        ],
        link: Some(Link { text: "The API's description (OpenAPI)".to_owned(), to: openapi }),
        facts: vec![("Version", env!("CARGO_PKG_VERSION").to_owned())],
        ..Page::default()
    }
    .response(StatusCode::OK)
}
