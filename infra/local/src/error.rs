//! The error of a local stack that does not start.

use aws_sdk_dynamodb::error::{DisplayErrorContext, SdkError};

/// The reason why the local stack does not start, as one line.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port is in use.
    #[error("port {port} is not free: {source}")]
    Port {
        /// The port.
        port: u16,
        /// The cause.
        source: std::io::Error,
    },
    /// Fewer than four ports follow this one.
    #[error("port {0} leaves no room for the four ports after it")]
    NoRoom(u16),
    /// The parameters reserve more executions than there are.
    #[error("more executions are reserved than the {0} that there are")]
    TooManyReserved(usize),
    /// The functions could not be built.
    #[error("the functions could not be built: {0}")]
    Build(String),
    /// An embedded service refused a request.
    #[error("the embedded AWS services refused {operation}: {message}")]
    Aws {
        /// The operation.
        operation: &'static str,
        /// The service's message.
        message: String,
    },
    /// The template cannot be read.
    #[error("infra/template.yaml cannot be read: {0}")]
    Template(String),
    /// The API refused a request of the greeting.
    #[error("the service did not answer as it should at the start: {0}")]
    Greeting(String),
    /// An error of the operating system.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl StartError {
    pub(crate) fn aws<E, R>(operation: &'static str, error: &SdkError<E, R>) -> Self
    where
        E: std::error::Error + 'static,
        R: std::fmt::Debug,
    {
        Self::Aws { operation, message: DisplayErrorContext(error).to_string() }
    }
}
