//! Where an identity provider publishes its keys (`OpenID` Connect Discovery 1.0 §4).

use std::sync::Arc;
use std::time::Duration;

use entra::clock::Clock;
use jiff::Timestamp;
use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;

use crate::config::is_loopback;

/// How long an answer is good for; a stale one is still used while there is no new one.
const FRESH_FOR: Duration = Duration::from_hours(24);
/// How long a failure keeps us from asking again, so that requests with invented tokens do not
/// become requests to the provider.
const PAUSE: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_millis(1_500);
const LIMIT: usize = 150_000;

/// Finds the key set's address, asking the provider at most once at a time.
#[derive(Clone)]
pub(super) struct Discovery {
    http: reqwest::Client,
    issuer: String,
    clock: Arc<dyn Clock>,
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    keys: Option<(Url, Timestamp)>,
    failed_at: Option<Timestamp>,
}

/// Why the address is not known. Holds no part of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unknown {
    #[error("the discovery document cannot be read")]
    Unreachable,
    #[error("the discovery document is too large or not JSON")]
    Unreadable,
    #[error("the discovery document names another issuer")]
    OtherIssuer,
    #[error("the discovery document names keys that are neither https nor on this machine")]
    UnusableKeys,
    #[error("the discovery document could not be read a moment ago")]
    Paused,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: Url,
}

impl Discovery {
    /// Asks nothing yet. `http` must not follow redirects.
    pub(super) fn new(http: reqwest::Client, issuer: String, clock: Arc<dyn Clock>) -> Self {
        Self { http, issuer, clock, known: Arc::default() }
    }

    /// The address of the issuer's key set.
    pub(super) async fn jwks_uri(&self) -> Result<Url, Unknown> {
        // Held while asking: whoever comes meanwhile waits for the same answer.
        let mut known = self.known.lock().await;
        let now = self.clock.now();
        let within =
            |since: Timestamp, limit: Duration| now.duration_since(since).unsigned_abs() < limit;
        if let Some((url, read_at)) = &known.keys
            && within(*read_at, FRESH_FOR)
        {
            return Ok(url.clone());
        }
        let asked = match known.failed_at {
            Some(failed_at) if within(failed_at, PAUSE) => Err(Unknown::Paused),
            _ => self.ask().await.inspect_err(|_| known.failed_at = Some(now)),
        };
        match (asked, &known.keys) {
            (Ok(url), _) => {
                known.keys = Some((url.clone(), now));
                known.failed_at = None;
                Ok(url)
            }
            (Err(_), Some((stale, _))) => Ok(stale.clone()),
            (Err(unknown), None) => Err(unknown),
        }
    }

    async fn ask(&self) -> Result<Url, Unknown> {
        let address =
            format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let request = self.http.get(address).timeout(TIMEOUT);
        let mut response = request.send().await.map_err(|_| Unknown::Unreachable)?;
        if response.status() != 200 {
            return Err(Unknown::Unreachable);
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|_| Unknown::Unreachable)? {
            if body.len() + chunk.len() > LIMIT {
                return Err(Unknown::Unreadable);
            }
            body.extend_from_slice(&chunk);
        }
        let document: Document = serde_json::from_slice(&body).map_err(|_| Unknown::Unreadable)?;
        if document.issuer != self.issuer {
            return Err(Unknown::OtherIssuer);
        }
        let local = self.issuer.parse().is_ok_and(|issuer| is_loopback(&issuer));
        match document.jwks_uri.scheme() {
            "https" => Ok(document.jwks_uri),
            "http" if local && is_loopback(&document.jwks_uri) => Ok(document.jwks_uri),
            _ => Err(Unknown::UnusableKeys),
        }
    }
}
