//! The parts that all listeners of this process share: Lambda's limit, serving on the loopback addresses of one port, and
//! responses of text.

use std::fmt::Display;

use axum::Router;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::{Response, StatusCode};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Largest event that Lambda takes, in bytes; binary bodies are in it as base64.
pub(crate) const LARGEST_EVENT: usize = 6 * 1024 * 1024;

/// Serves on a listener until the task is aborted; `name` is for the message if it cannot.
pub(crate) fn serve(
    app: Router,
    listener: TcpListener,
    name: impl Display + Send + 'static,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, app).await {
            eprintln!("the {name} stopped: {error}");
        }
    })
}

/// Serves on each listener, as [`serve`] does.
pub(crate) fn serve_all(
    app: &Router,
    listeners: Vec<TcpListener>,
    name: &'static str,
) -> Vec<JoinHandle<()>> {
    listeners.into_iter().map(|listener| serve(app.clone(), listener, name)).collect()
}

/// A response whose body is a text of this type.
pub(crate) fn text_response(
    status: StatusCode,
    content_type: &'static str,
    text: impl Into<Body>,
) -> Response<Body> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
