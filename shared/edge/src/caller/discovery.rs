//! The address of an identity provider's keys (OpenID Connect Discovery 1.0 section 4).

use std::sync::Arc;

use ground::clock::Clock;
use ground::fetch::{self, FetchError};
use ground::http::{is_loopback, is_trustworthy};
use ground::remembered::{AskError, Remembered};
use ground::transport::Transport;
use jiff::SignedDuration;
use serde::Deserialize;
use url::Url;

/// The age at which an address is asked for again; it is used on while there is no new one.
const FRESH_FOR: SignedDuration = SignedDuration::from_hours(24);
/// The pause after a failure, so that requests with invented tokens do not become requests to the provider.
const PAUSE: SignedDuration = SignedDuration::from_secs(30);

/// Finds the key set's address, with one request to the provider at a time.
#[derive(Clone)]
pub(super) struct Discovery {
    transport: Transport,
    issuer: String,
    found: Remembered<(), Url>,
    failed: Remembered<(), ()>,
}

/// Why the address is not known. Contains no part of the answer.
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

impl From<FetchError> for Unknown {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::NoAnswer | FetchError::Status(_) => Self::Unreachable,
            FetchError::TooLarge | FetchError::Malformed => Self::Unreadable,
        }
    }
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: Url,
}

impl Discovery {
    /// `transport` must not follow redirects.
    pub(super) fn new(transport: Transport, issuer: String, clock: Arc<dyn Clock>) -> Self {
        let found = Remembered::new(Arc::clone(&clock), FRESH_FOR)
            .or_stale(SignedDuration::MAX, SignedDuration::ZERO);
        let failed = Remembered::new(clock, PAUSE);
        Self { transport, issuer, found, failed }
    }

    /// Returns the address of the issuer's key set.
    pub(super) async fn jwks_uri(&self) -> Result<Url, Unknown> {
        self.found.get(&(), || self.ask_unless_paused()).await
    }

    async fn ask_unless_paused(&self) -> Result<Url, AskError<Unknown>> {
        if self.failed.known(&()).await.is_some() {
            return Err(Unknown::Paused.into());
        }
        match self.ask().await {
            Ok(url) => Ok(url),
            Err(unknown) => {
                self.failed.put(&(), ()).await;
                Err(unknown.into())
            }
        }
    }

    async fn ask(&self) -> Result<Url, Unknown> {
        let address =
            format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let document: Document = fetch::json(&self.transport, &address).await?;
        if document.issuer != self.issuer {
            return Err(Unknown::OtherIssuer);
        }
        if is_safe(&document.jwks_uri, &self.issuer) {
            Ok(document.jwks_uri)
        } else {
            Err(Unknown::UnusableKeys)
        }
    }
}

/// Whether nobody in between can change the keys of this issuer: they come by `https`, or all is on this machine.
fn is_safe(keys: &Url, issuer: &str) -> bool {
    let is_local = issuer.parse().is_ok_and(|issuer| is_loopback(&issuer));
    keys.scheme() == "https" || (is_local && is_trustworthy(keys))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_by_https_or_from_this_machine_to_this_machine() {
        const LOCAL: &str = "http://localhost:8080/realm";
        const REMOTE: &str = "https://id.mycompany.example";
        for (issuer, keys, expected) in [
            (REMOTE, "https://keys.mycompany.example/", true),
            (REMOTE, "http://keys.mycompany.example/", false),
            (REMOTE, "http://localhost:8080/", false),
            (REMOTE, "ftp://keys.mycompany.example/", false),
            (LOCAL, "https://keys.mycompany.example/", true),
            (LOCAL, "http://localhost:8081/", true),
            (LOCAL, "http://keys.mycompany.example/", false),
        ] {
            assert_eq!(is_safe(&keys.parse().unwrap(), issuer), expected, "{issuer} {keys}");
        }
    }
}
