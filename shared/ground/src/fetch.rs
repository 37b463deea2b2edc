//! Fetches public JSON documents, bounded in time and size.

use std::time::Duration;

use ::http::Response;
use serde::de::DeserializeOwned;

use crate::transport::{Transport, TransportError};

/// The limits of API Gateway's JWT authorizer: 1.5 s and 150,000 bytes.
const TIMEOUT: Duration = Duration::from_millis(1500);
const LARGEST: usize = 150_000;

/// The reasons why a document could not be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FetchError {
    /// No reply in time, or none at all.
    #[error("no answer")]
    NoAnswer,
    /// A status other than 200.
    #[error("status {0}")]
    Status(u16),
    /// More than 150,000 bytes.
    #[error("the document is too large")]
    TooLarge,
    /// The body is not the expected JSON.
    #[error("the document cannot be read")]
    Malformed,
}

/// Gets and parses a document.
///
/// # Errors
/// [`FetchError`] if the document cannot be read within 1.5 seconds.
pub async fn json<T: DeserializeOwned>(transport: &Transport, url: &str) -> Result<T, FetchError> {
    let answer = get(transport, url).await?;
    if answer.status() != ::http::StatusCode::OK {
        return Err(FetchError::Status(answer.status().as_u16()));
    }
    parse(&answer)
}

/// Gets a document, whatever its status.
///
/// # Errors
/// [`FetchError`] if there is no answer of this size within 1.5 seconds.
pub async fn get(transport: &Transport, url: &str) -> Result<Response<Vec<u8>>, FetchError> {
    let request = ::http::Request::get(url).body(Vec::new()).map_err(|_| FetchError::NoAnswer)?;
    let fetched = tokio::time::timeout(TIMEOUT, transport.send(request, LARGEST)).await;
    fetched.map_err(|_| FetchError::NoAnswer)?.map_err(|error| match error {
        TransportError::NoAnswer => FetchError::NoAnswer,
        TransportError::TooLarge => FetchError::TooLarge,
    })
}

/// Parses the body of an answer.
///
/// # Errors
/// [`FetchError::Malformed`] if it is not the expected JSON.
pub fn parse<T: DeserializeOwned>(answer: &Response<Vec<u8>>) -> Result<T, FetchError> {
    serde_json::from_slice(answer.body()).map_err(|_| FetchError::Malformed)
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_server_that_never_answers_is_given_up_after_a_second_and_a_half() {
        let silent = Transport::new(|_, _| Box::pin(std::future::pending()));
        let begun = Instant::now();
        let given_up = json::<()>(&silent, "https://id.mycompany.example/keys");
        let given_up = tokio::time::timeout(Duration::from_mins(1), given_up).await.unwrap();
        assert!(matches!(given_up, Err(FetchError::NoAnswer)));
        assert_eq!(begun.elapsed(), Duration::from_millis(1500));
    }

    #[tokio::test]
    async fn a_document_of_more_than_150_000_bytes_is_not_read() {
        let fetched = async |size: usize| {
            let padded = Transport::new(move |_, largest| {
                let mut body = b"1".to_vec();
                body.resize(size, b' ');
                let answer = (size <= largest).then(|| Response::new(body));
                Box::pin(std::future::ready(answer.ok_or(TransportError::TooLarge)))
            });
            json::<u8>(&padded, "https://id.mycompany.example/keys").await
        };
        assert_eq!(fetched(150_000).await.unwrap(), 1);
        assert!(matches!(fetched(150_001).await, Err(FetchError::TooLarge)));
    }
}
