//! Why the local stack does not start.

use aws_sdk_dynamodb::error::{DisplayErrorContext, SdkError};

/// Why the local stack does not start: one clear line.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port is taken.
    #[error("port {port} is not free: {source}")]
    Port {
        /// Which.
        port: u16,
        /// Why.
        source: std::io::Error,
    },
    /// There are not five ports from this one on.
    #[error("port {0} leaves no room for the four ports after it")]
    NoRoom(u16),
    /// The functions could not be built.
    #[error("the functions could not be built: {0}")]
    Build(String),
    /// An embedded service refused something.
    #[error("the embedded AWS services refused {operation}: {message}")]
    Aws {
        /// What was asked.
        operation: &'static str,
        /// What was said.
        message: String,
    },
    /// The template cannot be read.
    #[error("infra/template.yaml cannot be read: {0}")]
    Template(String),
    /// Our own API did not do what was asked at the start.
    #[error("the service did not answer as it should at the start: {0}")]
    Greeting(String),
    /// Anything of the operating system.
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
