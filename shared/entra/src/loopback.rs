//! A server for this crate's tests: it answers by path, records its requests, and can hang or fail.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use jiff::Timestamp;

use ground::clock::StoppedClock;

/// A reply: status, headers, body.
pub(crate) type Reply = (u16, Vec<(&'static str, String)>, String);

#[derive(Default)]
struct Shared {
    replies: HashMap<String, Reply>,
    asked: Vec<(String, String)>,
}

/// The server.
#[derive(Clone)]
pub(crate) struct Loopback {
    pub(crate) url: String,
    shared: Arc<Mutex<Shared>>,
}

impl Loopback {
    pub(crate) async fn start() -> Self {
        let shared: Arc<Mutex<Shared>> = Arc::default();
        let state = Arc::clone(&shared);
        let app = Router::new().fallback(move |request: Request| {
            let state = Arc::clone(&state);
            async move {
                let path = request.uri().path().to_owned();
                let body = to_bytes(request.into_body(), 1 << 20).await.unwrap();
                let mut state = state.lock().unwrap();
                state.asked.push((path.clone(), String::from_utf8(body.to_vec()).unwrap()));
                let (status, headers, body) =
                    state.replies.get(&path).cloned().unwrap_or((404, Vec::new(), String::new()));
                let mut response = Response::builder().status(status);
                for (name, value) in headers {
                    response = response.header(name, value);
                }
                response.body(Body::from(body)).unwrap()
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, shared }
    }

    /// Sets the reply to a path from now on.
    pub(crate) fn reply(&self, path: &str, status: u16, body: impl Into<String>) {
        self.reply_with(path, (status, Vec::new(), body.into()));
    }

    pub(crate) fn reply_with(&self, path: &str, reply: Reply) {
        self.shared.lock().unwrap().replies.insert(path.to_owned(), reply);
    }

    /// Returns the bodies of the requests to a path.
    pub(crate) fn asked(&self, path: &str) -> Vec<String> {
        let shared = self.shared.lock().unwrap();
        shared
            .asked
            .iter()
            .filter(|(asked, _)| asked == path)
            .map(|(_, body)| body.clone())
            .collect()
    }
}

/// Returns a clock that is stopped until it is moved.
pub(crate) fn stopped_clock() -> Arc<StoppedClock> {
    StoppedClock::at(Timestamp::from_second(1_800_000_000).unwrap())
}
