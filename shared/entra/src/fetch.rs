//! Reading a public JSON document: bounded in time and size.

use std::time::Duration;

use serde::de::DeserializeOwned;

/// API Gateway's own limits for its JWT authorizer are good ones: 1.5 s and 150,000 bytes.
const TIMEOUT: Duration = Duration::from_millis(1500);
const LARGEST: usize = 150_000;

/// Why a document could not be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FetchError {
    /// No answer in time, or none at all.
    #[error("no answer")]
    NoAnswer,
    /// An answer other than 200.
    #[error("status {0}")]
    Status(u16),
    /// More than 150,000 bytes.
    #[error("the document is too large")]
    TooLarge,
    /// Not the JSON that it should be.
    #[error("the document cannot be read")]
    Malformed,
}

/// Gets and parses a document.
pub(crate) async fn json<T: DeserializeOwned>(
    http: &reqwest::Client,
    url: &str,
) -> Result<T, FetchError> {
    let fetched = async {
        let mut answer = http.get(url).send().await.map_err(|_| FetchError::NoAnswer)?;
        if answer.status() != http::StatusCode::OK {
            return Err(FetchError::Status(answer.status().as_u16()));
        }
        read_up_to(&mut answer, LARGEST).await
    };
    let body = tokio::time::timeout(TIMEOUT, fetched).await.map_err(|_| FetchError::NoAnswer)??;
    serde_json::from_slice(&body).map_err(|_| FetchError::Malformed)
}

/// The whole body, unless it is larger than `most` bytes.
pub(crate) async fn read_up_to(
    answer: &mut reqwest::Response,
    most: usize,
) -> Result<Vec<u8>, FetchError> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|_| FetchError::NoAnswer)? {
        if body.len() + chunk.len() > most {
            return Err(FetchError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
