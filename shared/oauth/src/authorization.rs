//! Authorization requests (RFC 6749 section 4.1.1), after client and redirect URI are certain.

use crate::Parameters;
use crate::error::{ErrorCode, OAuthError};
use crate::issuer::Issuer;
use crate::pkce::CodeChallenge;
use crate::scope::Scope;

/// The most bytes of a client's `state`, which we keep while the user signs in.
const LONGEST_STATE: usize = 2_000;

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizationRequest {
    /// The challenge that the code's verifier must meet.
    pub challenge: CodeChallenge,
    /// The scope.
    pub scope: Scope,
}

/// Returns the client's `state`, which comes back with every answer.
///
/// # Errors
/// [`ErrorCode::InvalidRequest`] if it is too long to be kept.
pub fn state(parameters: &impl Parameters) -> Result<Option<&str>, OAuthError> {
    match parameters.get("state") {
        Some(state) if state.len() > LONGEST_STATE => {
            Err(OAuthError::request("state has more than 2000 bytes."))
        }
        state => Ok(state),
    }
}

impl AuthorizationRequest {
    /// Reads a request.
    ///
    /// # Errors
    /// The error with which the browser goes back to the client.
    pub fn read(parameters: &impl Parameters, issuer: &Issuer) -> Result<Self, OAuthError> {
        if parameters.given("response_type") != Some("code") {
            let description = "response_type must be code.";
            return Err(OAuthError::new(ErrorCode::UnsupportedResponseType, description));
        }
        if !matches!(parameters.given("response_mode"), None | Some("query")) {
            return Err(OAuthError::request("response_mode must be query."));
        }
        if parameters.given("code_challenge_method") != Some("S256") {
            return Err(OAuthError::request("code_challenge_method must be S256 (RFC 7636)."));
        }
        let challenge = parameters.given("code_challenge").and_then(CodeChallenge::parse);
        let challenge = challenge.ok_or(OAuthError::request(
            "code_challenge must be a SHA-256 in base64url (RFC 7636).",
        ))?;
        require_resource(parameters, issuer)?;
        Ok(Self { challenge, scope: Scope::requested(parameters.given("scope")) })
    }
}

/// Refuses a request for another server's resource (RFC 8707).
///
/// # Errors
/// [`ErrorCode::InvalidTarget`].
pub fn require_resource(parameters: &impl Parameters, issuer: &Issuer) -> Result<(), OAuthError> {
    if parameters.given("resource").is_none_or(|resource| issuer.is_resource(resource)) {
        return Ok(());
    }
    Err(OAuthError::new(ErrorCode::InvalidTarget, "resource is not this MCP endpoint."))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn read(changes: &[(&str, &str)]) -> Result<AuthorizationRequest, ErrorCode> {
        let whole = [
            ("response_type", "code"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("scope", "read write"),
            ("resource", "https://gateway.example/mcp/azure-devops"),
        ];
        let parameters: BTreeMap<_, _> = whole
            .iter()
            .chain(changes)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let issuer = Issuer::new("https://gateway.example", "azure-devops");
        AuthorizationRequest::read(&parameters, &issuer).map_err(|error| error.code)
    }

    #[test]
    fn a_whole_request_is_read() {
        let request = read(&[]);
        assert_eq!(request.as_ref().map(|request| request.scope), Ok(Scope::Write));
        assert_eq!(
            request.map(|request| request.challenge.as_str().to_owned()),
            Ok(CHALLENGE.to_owned())
        );
        assert_eq!(read(&[("scope", "")]).map(|request| request.scope), Ok(Scope::Read));
        assert!(read(&[("resource", ""), ("response_mode", "query")]).is_ok());
    }

    #[test]
    fn every_fault_has_the_code_of_its_rfc() {
        for (name, value, expected) in [
            ("response_type", "", ErrorCode::UnsupportedResponseType),
            ("response_type", "token", ErrorCode::UnsupportedResponseType),
            ("response_type", "code token", ErrorCode::UnsupportedResponseType),
            ("response_mode", "fragment", ErrorCode::InvalidRequest),
            ("code_challenge", "", ErrorCode::InvalidRequest),
            ("code_challenge", "short", ErrorCode::InvalidRequest),
            ("code_challenge_method", "", ErrorCode::InvalidRequest),
            ("code_challenge_method", "plain", ErrorCode::InvalidRequest),
            ("resource", "https://other.example/mcp/azure-devops", ErrorCode::InvalidTarget),
            ("resource", "https://gateway.example/mcp/other", ErrorCode::InvalidTarget),
        ] {
            assert_eq!(read(&[(name, value)]), Err(expected), "{name}={value}");
        }
    }

    #[test]
    fn a_state_that_is_too_long_to_keep_is_refused() {
        let with = |state: String| BTreeMap::from([("state".to_owned(), state)]);
        assert_eq!(state(&with("s".repeat(2_000))), Ok(Some("s".repeat(2_000).as_str())));
        assert!(state(&with("s".repeat(2_001))).is_err());
    }
}
