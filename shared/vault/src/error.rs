//! Errors of the vault.

use aws_sdk_dynamodb::error::SdkError;

/// A failure of the vault itself. Outcomes that callers distinguish (absent, already used, leased by another) are
/// results of the operations, not errors.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// An AWS service failed or did not answer; a later attempt may succeed.
    #[error("{service} did not answer {operation}: {message}")]
    Unavailable {
        /// The service's short name, such as `dynamodb`.
        service: &'static str,
        /// The API operation.
        operation: &'static str,
        /// The service's error code or the transport failure; never a value from the request.
        message: String,
    },
    /// A stored item is not of the expected form.
    #[error("a stored {what} cannot be read: {reason}")]
    Corrupt {
        /// The kind of item.
        what: &'static str,
        /// The item's key or the fault; never a stored value.
        reason: String,
    },
    /// A sealed value does not open: it was altered or moved.
    #[error("a sealed {field} does not open")]
    Unsealable {
        /// The field's name.
        field: &'static str,
    },
    /// AWS gives this deployment no token for Entra until its configuration is changed.
    #[error("AWS gives no token for Entra: {code}")]
    NotFederated {
        /// STS' error code.
        code: String,
    },
    /// Concurrent changes of the item outlasted our attempts.
    #[error("the {what} is being changed by others")]
    Contended {
        /// The kind of item.
        what: &'static str,
    },
}

impl Error {
    /// From an SDK error: keeps its code and drops everything that could hold a value.
    pub(crate) fn sdk<E, R>(
        service: &'static str,
        operation: &'static str,
        error: &SdkError<E, R>,
    ) -> Self
    where
        E: aws_sdk_dynamodb::error::ProvideErrorMetadata,
    {
        let message = match error {
            SdkError::ServiceError(context) => {
                context.err().code().unwrap_or("unknown service error").to_owned()
            }
            SdkError::TimeoutError(_) => "timeout".to_owned(),
            SdkError::DispatchFailure(_) => "connection failure".to_owned(),
            SdkError::ResponseError(_) => "unreadable response".to_owned(),
            _ => "request construction failure".to_owned(),
        };
        Self::Unavailable { service, operation, message }
    }

    pub(crate) fn corrupt(what: &'static str, reason: impl std::fmt::Display) -> Self {
        Self::Corrupt { what, reason: reason.to_string() }
    }
}
