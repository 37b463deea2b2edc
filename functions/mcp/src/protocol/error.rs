//! Errors of the protocol, as opposed to those of a tool, which are results.

use std::fmt;

use http::StatusCode;
use serde_json::{Value, json};

/// The codes of JSON-RPC 2.0 and of the Model Context Protocol 2026-07-28.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorCode {
    /// The body is not JSON.
    Parse,
    /// The body is not one message.
    InvalidRequest,
    /// The method does not exist.
    MethodNotFound,
    /// The parameters are not those of the method.
    InvalidParams,
    /// A header and the body differ.
    HeaderMismatch,
    /// The version is not served.
    UnsupportedProtocolVersion,
}

impl ErrorCode {
    const fn number(self) -> i32 {
        match self {
            Self::Parse => -32700,
            Self::InvalidRequest => -32600,
            Self::MethodNotFound => -32601,
            Self::InvalidParams => -32602,
            Self::HeaderMismatch => -32020,
            Self::UnsupportedProtocolVersion => -32022,
        }
    }
}

/// An error of the protocol.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ProtocolError {
    pub(crate) code: ErrorCode,
    /// The status of the answer.
    pub(crate) status: StatusCode,
    message: String,
    data: Option<Value>,
}

impl ProtocolError {
    /// An error that is answered with 400.
    pub(crate) fn new(code: ErrorCode, message: impl fmt::Display) -> Self {
        let message = message.to_string();
        Self { code, status: StatusCode::BAD_REQUEST, message, data: None }
    }

    /// The same with another status.
    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// The same with data.
    pub(crate) fn with_data(self, data: Value) -> Self {
        Self { data: Some(data), ..self }
    }

    /// The message of the answer. `id` is that of the request, or `null` if it could not be read.
    pub(crate) fn message(&self, id: &Value) -> Value {
        let mut error = json!({"code": self.code.number(), "message": self.message});
        if let Some(data) = &self.data {
            error["data"] = data.clone();
        }
        json!({"jsonrpc": "2.0", "id": id, "error": error})
    }
}
