//! Token and revocation requests (RFC 6749 sections 4.1.3 and 6, RFC 7009).

use secrecy::SecretString;
use serde::Serialize;

use crate::Parameters;
use crate::authorization::require_resource;
use crate::error::{ErrorCode, OAuthError};
use crate::issuer::Issuer;
use crate::pass::Credential;
use crate::scope::Scope;

/// A request for the next pair of tokens.
#[derive(Debug)]
pub struct TokenRequest {
    /// The client that asks.
    pub client_id: String,
    /// The code or the refresh token.
    pub credential: Credential,
    /// What proves the right to use it.
    pub grant: Grant,
}

/// The grant types.
#[derive(Debug)]
pub enum Grant {
    /// `authorization_code`.
    Code {
        /// The redirect URI of the authorization request.
        redirect_uri: String,
        /// RFC 7636's `code_verifier`.
        verifier: SecretString,
    },
    /// `refresh_token`.
    Refresh {
        /// The scope, if the client wants to be sure to have it.
        scope: Option<Scope>,
    },
}

impl TokenRequest {
    /// Reads the form of a request.
    ///
    /// # Errors
    /// The error to answer with. A code or refresh token of another form is [`ErrorCode::InvalidGrant`].
    pub fn read(form: &impl Parameters, issuer: &Issuer) -> Result<Self, OAuthError> {
        let required = |name, description| form.given(name).ok_or(OAuthError::request(description));
        let (name, grant) = match required("grant_type", "grant_type is missing.")? {
            "authorization_code" => {
                let redirect_uri = required("redirect_uri", "redirect_uri is missing.")?.to_owned();
                let verifier = required("code_verifier", "code_verifier is missing.")?.into();
                ("code", Grant::Code { redirect_uri, verifier })
            }
            "refresh_token" => {
                let scope = form.given("scope").map(|scope| Scope::requested(Some(scope)));
                ("refresh_token", Grant::Refresh { scope })
            }
            _ => {
                let description = "grant_type must be authorization_code or refresh_token.";
                return Err(OAuthError::new(ErrorCode::UnsupportedGrantType, description));
            }
        };
        let client_id = required("client_id", "client_id is missing.")?.to_owned();
        let credential = required(name, "The code or refresh token is missing.")?;
        require_resource(form, issuer)?;
        let credential = Credential::parse_pass(&credential.into())
            .ok_or(OAuthError::grant("This is no code or refresh token of this server."))?;
        Ok(Self { client_id, credential, grant })
    }
}

/// A pair of tokens as it is answered (RFC 6749 section 5.1). Its texts are secrets, so it is only ever sent.
#[derive(Serialize)]
pub struct TokenAnswer<'a> {
    /// The access token.
    pub access_token: &'a str,
    /// `Bearer`.
    pub token_type: &'static str,
    /// Seconds.
    pub expires_in: i64,
    /// The next refresh token.
    pub refresh_token: &'a str,
    /// The scope of both.
    pub scope: &'static str,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn read(form: &[(&str, &str)]) -> Result<TokenRequest, ErrorCode> {
        let form: BTreeMap<_, _> =
            form.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let issuer = Issuer::new("https://gateway.example", "azure-devops");
        TokenRequest::read(&form, &issuer).map_err(|error| error.code)
    }

    fn code() -> String {
        format!("adop_{}_{}", "0".repeat(32), "s".repeat(43))
    }

    #[test]
    fn both_grants_are_read() {
        let code = code();
        let grant = read(&[
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("client_id", "c"),
            ("redirect_uri", "https://app.example/cb"),
            ("code_verifier", "v"),
            ("resource", "https://gateway.example/"),
        ]);
        assert!(matches!(grant, Ok(TokenRequest { grant: Grant::Code { .. }, .. })));
        let grant = read(&[
            ("grant_type", "refresh_token"),
            ("refresh_token", &code),
            ("client_id", "c"),
            ("scope", "read"),
        ]);
        let scope = Some(Scope::Read);
        assert!(
            matches!(grant, Ok(TokenRequest { grant: Grant::Refresh { scope: s }, .. }) if s == scope)
        );
    }

    #[test]
    fn every_fault_has_the_code_of_its_rfc() {
        let code = code();
        let refresh = [("grant_type", "refresh_token"), ("client_id", "c")];
        for (form, expected) in [
            (vec![], ErrorCode::InvalidRequest),
            (vec![("grant_type", "password")], ErrorCode::UnsupportedGrantType),
            (
                vec![("grant_type", "authorization_code"), ("code", &code)],
                ErrorCode::InvalidRequest,
            ),
            (refresh.to_vec(), ErrorCode::InvalidRequest),
            (vec![refresh[0], ("refresh_token", &code)], ErrorCode::InvalidRequest),
            ([&refresh[..], &[("refresh_token", "x")]].concat(), ErrorCode::InvalidGrant),
            ([&refresh[..], &[("refresh_token", "adoc_1_s")]].concat(), ErrorCode::InvalidGrant),
            (
                [&refresh[..], &[("refresh_token", &code), ("resource", "https://x.example")]]
                    .concat(),
                ErrorCode::InvalidTarget,
            ),
        ] {
            assert_eq!(read(&form).err(), Some(expected), "{form:?}");
        }
    }
}
