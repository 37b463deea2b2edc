//! A stand-in for Entra's token endpoint: it waits, answers with tokens of real sizes, and counts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{Form, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::Instant;

/// Usual sizes of an access token for Azure DevOps and of a refresh token, in bytes.
const ACCESS_TOKEN_BYTES: usize = 2200;
const REFRESH_TOKEN_BYTES: usize = 1500;

/// The token endpoint.
#[derive(Clone)]
pub(crate) struct EntraStandIn {
    url: String,
    delay: Duration,
    counted: Arc<Mutex<Counted>>,
}

/// The exchanges received.
#[derive(Default)]
pub(crate) struct Counted {
    /// The time of each exchange.
    pub(crate) arrivals: Vec<Instant>,
    /// Number of renewals of each connection's tokens.
    pub(crate) by_connection: HashMap<u32, u32>,
}

impl Counted {
    /// Returns the largest number of exchanges within one second.
    pub(crate) fn peak_rate(&self) -> usize {
        let mut times = self.arrivals.clone();
        times.sort_unstable();
        let mut first = 0;
        let mut peak = 0;
        for (last, time) in times.iter().enumerate() {
            while *time - times[first] >= Duration::from_secs(1) {
                first += 1;
            }
            peak = peak.max(last + 1 - first);
        }
        peak
    }
}

impl EntraStandIn {
    /// Starts the endpoint on a free port.
    pub(crate) async fn start(delay: Duration) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://localhost:{}", listener.local_addr()?.port());
        let stand_in = Self { url, delay, counted: Arc::default() };
        let app = Router::new()
            .route("/{tenant}/v2.0/.well-known/openid-configuration", get(discovery))
            .route("/{tenant}/oauth2/v2.0/token", post(token))
            .with_state(stand_in.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(stand_in)
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the first access token and refresh token of a connection.
    pub(crate) fn first_tokens(connection: u32) -> (String, String) {
        (
            padded(&format!("at.{connection}."), ACCESS_TOKEN_BYTES),
            padded(&format!("rt.{connection}."), REFRESH_TOKEN_BYTES),
        )
    }
}

async fn discovery(State(stand_in): State<EntraStandIn>) -> Json<Value> {
    let base = format!("{}/tenant", stand_in.url);
    Json(json!({
        "issuer": format!("{base}/v2.0"),
        "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
        "token_endpoint": format!("{base}/oauth2/v2.0/token"),
        "jwks_uri": format!("{base}/discovery/v2.0/keys"),
    }))
}

async fn token(
    State(stand_in): State<EntraStandIn>,
    Form(form): Form<HashMap<String, String>>,
) -> Json<Value> {
    let presented = form.get("refresh_token").map(String::as_str).unwrap_or_default();
    let connection =
        presented.split('.').nth(1).and_then(|text| text.parse().ok()).unwrap_or(u32::MAX);
    {
        let mut counted = stand_in.counted();
        counted.arrivals.push(Instant::now());
        *counted.by_connection.entry(connection).or_default() += 1;
    }
    tokio::time::sleep(stand_in.delay).await;
    let (access, refresh) = EntraStandIn::first_tokens(connection);
    Json(json!({
        "token_type": "Bearer", "expires_in": 4500, "scope": "vso.code_write vso.work_write",
        "access_token": access, "refresh_token": refresh,
    }))
}

fn padded(text: &str, bytes: usize) -> String {
    format!("{text:x<bytes$}")
}
