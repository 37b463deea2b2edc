//! OAuth 2.0 and OpenID Connect with Microsoft Entra ID, as a confidential multitenant client.
//!
//! ```text
//!   authorize ──> authorization   the URL that the browser is sent to
//!   callback  ──> token           code -> tokens          id_token   who signed in
//!   refresh   ──> token           refresh token -> tokens
//!   manage    ──> token           client credentials, to verify a set-up
//!   rotate    ──> graph           a new client secret
//!                   │
//!        credential (secret, certificate)   metadata, jwks (discovered, cached)
//!                   │
//!              error_class: what a failed token request means, as one total function
//! ```
//!
//! It knows no AWS and stores nothing. It never retries, never follows a redirect, never reads an
//! access token, and never keeps Entra's `error_description`, which may hold personal data.

pub mod authorization;
pub mod authorize_error;
pub mod claims;
pub mod clock;
pub mod cloud;
pub mod credential;
pub mod error_class;
mod fetch;
pub mod graph;
pub mod id_token;
pub mod identifiers;
pub mod jwks;
#[cfg(test)]
mod loopback;
pub mod metadata;
pub mod token;
pub mod transport;

use std::time::Duration;

/// The one HTTP client of a process, for Entra and Azure DevOps alike: rustls, HTTP/1.1 (Azure DevOps
/// refuses large uploads over HTTP/2), no redirects, 1 s to connect, idle sockets dropped before a
/// frozen environment could find them dead.
///
/// # Errors
/// When the TLS back end cannot be set up.
pub fn http_client() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(1))
        .pool_idle_timeout(Duration::from_secs(50))
        .no_proxy()
        .user_agent(concat!("ado-connect/", env!("CARGO_PKG_VERSION")))
        .build()
}
