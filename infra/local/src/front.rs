//! The parts that all listeners of this process share: the limits of Lambda and API Gateway, serving on the loopback addresses of one port, and
//! responses of text.

use std::fmt::Display;

use axum::Router;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Largest event that Lambda takes, in bytes; binary bodies are in it as base64.
pub(crate) const LARGEST_EVENT: usize = 6 * 1024 * 1024;
/// Largest request that an HTTP or REST API takes, in bytes.
pub(crate) const LARGEST_REQUEST: usize = 10 * 1024 * 1024;
/// Largest request line and headers that an HTTP or REST API takes, in bytes.
pub(crate) const LARGEST_HEADERS: usize = 10_240;

/// Serves on a listener until the task is aborted; `name` is for the message if it cannot.
pub(crate) fn serve(
    app: Router,
    listener: TcpListener,
    name: impl Display + Send + 'static,
) -> JoinHandle<()> {
    // The last bytes of a body do not wait for an acknowledgement of those before.
    let listener = listener.tap_io(|connection| {
        let _ = connection.set_nodelay(true);
    });
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

/// The bytes of the request line and the headers. The names count as well, although AWS' quota does not mention them.
pub(crate) fn header_block(parts: &Parts) -> usize {
    const REST_OF_THE_LINE: usize = "  HTTP/1.1".len();
    let headers = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
    let target = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
    parts.method.as_str().len() + target + REST_OF_THE_LINE + headers.sum::<usize>()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use axum::http::Request;

    use super::*;

    #[test]
    fn the_request_line_counts_as_headers_do() {
        let request = Request::get("/a?b=c").header("x-name", "value").body(()).unwrap();
        let (parts, ()) = request.into_parts();
        assert_eq!(header_block(&parts), "GET /a?b=c HTTP/1.1x-namevalue".len());
    }
}
