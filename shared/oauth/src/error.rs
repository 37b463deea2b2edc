//! The errors of the protocol, with the codes of RFC 6749, RFC 7591 and RFC 8707.

use serde::Serialize;

/// A refusal that a client reads. Its description never repeats a value of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}: {description}", .code.as_str())]
pub struct OAuthError {
    /// The error code.
    pub code: ErrorCode,
    /// A sentence for the developer of the client.
    pub description: &'static str,
}

/// The codes that are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// A parameter is missing, malformed or repeated.
    InvalidRequest,
    /// The client is unknown.
    InvalidClient,
    /// The code or refresh token is not valid, or another client's.
    InvalidGrant,
    /// The client may not be used here.
    UnauthorizedClient,
    /// The grant type is not served.
    UnsupportedGrantType,
    /// The response type is not served.
    UnsupportedResponseType,
    /// The scope exceeds what was granted.
    InvalidScope,
    /// The user or the operator's rules refuse.
    AccessDenied,
    /// The resource is another server's (RFC 8707).
    InvalidTarget,
    /// The server failed.
    ServerError,
    /// The server cannot answer now.
    TemporarilyUnavailable,
    /// No redirect URI of a registration can be used (RFC 7591).
    InvalidRedirectUri,
    /// A registration is malformed (RFC 7591).
    InvalidClientMetadata,
}

impl ErrorCode {
    /// Returns the code as it is sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::AccessDenied => "access_denied",
            Self::InvalidTarget => "invalid_target",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidClientMetadata => "invalid_client_metadata",
        }
    }
}

impl OAuthError {
    /// Returns an error.
    pub const fn new(code: ErrorCode, description: &'static str) -> Self {
        Self { code, description }
    }

    /// Returns a fault of the request.
    pub const fn request(description: &'static str) -> Self {
        Self::new(ErrorCode::InvalidRequest, description)
    }

    /// Returns a refusal of a code or refresh token.
    pub const fn grant(description: &'static str) -> Self {
        Self::new(ErrorCode::InvalidGrant, description)
    }

    /// Returns the document of a token or registration endpoint (RFC 6749 section 5.2).
    pub fn document(&self) -> ErrorDocument {
        ErrorDocument { error: self.code.as_str(), error_description: self.description }
    }
}

/// An error as a JSON document.
#[derive(Debug, Serialize)]
pub struct ErrorDocument {
    error: &'static str,
    error_description: &'static str,
}
