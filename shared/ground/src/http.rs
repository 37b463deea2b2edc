//! HTTP to other services: the one client of a process, bounded bodies, and the addresses that may receive a secret.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use url::{Host, Url};

use crate::public_addresses::PublicAddresses;
use crate::tls;

/// The reasons why there is no HTTP client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// TLS lacks what it needs.
    #[error("no TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The rest of the client cannot be set up.
    #[error("no HTTP client: {0}")]
    Http(#[from] reqwest::Error),
}

/// Creates the one HTTP client of a process, for Entra, Azure DevOps and AWS alike: rustls, HTTP/1.1 (Azure DevOps refuses
/// large uploads over HTTP/2), no redirects, 1 s to connect. Idle sockets are closed after 50 s, before they break in a
/// frozen environment.
///
/// # Errors
/// If the TLS back end cannot be set up.
pub fn client() -> Result<reqwest::Client, ClientError> {
    Ok(builder()?.build()?)
}

/// Creates a client for addresses that strangers choose: as [`client`], over TLS, to public addresses, and with 3 s for
/// a whole request.
///
/// # Errors
/// As [`client`].
pub fn client_for_strangers(resolver: PublicAddresses) -> Result<reqwest::Client, ClientError> {
    let client = builder()?
        .https_only(true)
        .timeout(Duration::from_secs(3))
        .dns_resolver(Arc::new(resolver))
        .build()?;
    Ok(client)
}

#[expect(clippy::disallowed_methods, reason = "the one place that makes HTTP clients")]
fn builder() -> Result<reqwest::ClientBuilder, ClientError> {
    let builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls::client_config()?)
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(1))
        .pool_idle_timeout(Duration::from_secs(50))
        .no_proxy()
        .user_agent(concat!("ado-connect/", env!("CARGO_PKG_VERSION")));
    Ok(builder)
}

/// The reasons why a body was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The connection broke, or the client's deadline passed.
    #[error("the connection broke: {0}")]
    Broken(#[from] reqwest::Error),
    /// The body is larger than the caller's limit.
    #[error("the body is too large")]
    TooLarge,
}

/// The first bytes of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The bytes, at most as many as requested.
    pub bytes: Bytes,
    /// Whether the body ends here.
    pub is_whole: bool,
}

/// Reads a whole body of at most `at_most` bytes.
///
/// # Errors
/// [`ReadError::TooLarge`] if there are more bytes; [`ReadError::Broken`] if the connection breaks.
pub async fn read(response: reqwest::Response, at_most: usize) -> Result<Bytes, ReadError> {
    let start = read_start(response, at_most).await?;
    if start.is_whole { Ok(start.bytes) } else { Err(ReadError::TooLarge) }
}

/// Reads the first `at_most` bytes of a body, and drops the rest unread.
///
/// # Errors
/// If the connection breaks before that.
pub async fn read_start(
    mut response: reqwest::Response,
    at_most: usize,
) -> Result<Start, reqwest::Error> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > at_most {
            bytes.truncate(at_most);
            return Ok(Start { bytes: bytes.freeze(), is_whole: false });
        }
    }
    Ok(Start { bytes: bytes.freeze(), is_whole: true })
}

/// Reads the beginning of a body: at least `at_least` bytes, all of it, or as much as comes within `time`. The rest can
/// still be read.
///
/// # Errors
/// If the connection breaks before that.
pub async fn read_ahead(
    response: &mut reqwest::Response,
    at_least: usize,
    time: Duration,
) -> Result<Bytes, reqwest::Error> {
    let end = tokio::time::Instant::now() + time;
    let mut bytes = BytesMut::new();
    while bytes.len() < at_least
        && let Ok(chunk) = tokio::time::timeout_at(end, response.chunk()).await
        && let Some(chunk) = chunk?
    {
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

/// Returns whether a URL's host is this machine: `localhost`, or any loopback address (RFC 6761 section 6.3, RFC 1122
/// section 3.2.1.3, RFC 4291 section 2.5.3).
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Returns whether secrets may be sent to a URL: `https`, or `http` on this machine. The W3C calls such origins
/// potentially trustworthy (Secure Contexts, section 3.1).
pub fn is_trustworthy(url: &Url) -> bool {
    match url.scheme() {
        "https" => true,
        "http" => is_loopback(url),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trustworthy(url: &str) -> bool {
        is_trustworthy(&url.parse().unwrap())
    }

    #[test]
    fn https_and_this_machine_are_trustworthy() {
        for url in [
            "https://login.microsoftonline.com",
            "http://localhost:8080/x",
            "http://127.0.0.1",
            "http://127.8.9.10:1",
            "http://[::1]:9",
        ] {
            assert!(trustworthy(url), "{url}");
        }
    }

    #[test]
    fn plain_http_to_another_machine_is_not_trustworthy() {
        for url in [
            "http://login.microsoftonline.com",
            "http://localhost.mycompany.example",
            "http://128.0.0.1",
            "http://0.0.0.0",
            "http://[::2]",
            "ftp://localhost",
            "data:text/plain,localhost",
        ] {
            assert!(!trustworthy(url), "{url}");
        }
    }

    async fn answer_of(bytes: usize) -> reqwest::Response {
        let app = axum::Router::new().fallback(move || async move { vec![b'x'; bytes] });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        client().unwrap().get(url).send().await.unwrap()
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit_and_not_beyond() {
        assert_eq!(read(answer_of(100_000).await, 100_000).await.unwrap().len(), 100_000);
        let refused = read(answer_of(100_001).await, 100_000).await;
        assert!(matches!(refused, Err(ReadError::TooLarge)), "{refused:?}");
    }

    #[tokio::test]
    async fn the_start_of_a_body_is_cut_at_its_limit() {
        let start = read_start(answer_of(100_001).await, 100_000).await.unwrap();
        assert_eq!((start.bytes.len(), start.is_whole), (100_000, false));
        let start = read_start(answer_of(100_000).await, 100_000).await.unwrap();
        assert_eq!((start.bytes.len(), start.is_whole), (100_000, true));
    }
}
