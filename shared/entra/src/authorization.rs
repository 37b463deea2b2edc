//! The authorization request (RFC 6749 section 4.1.1, RFC 7636, OpenID Connect Core section 3.1.2.1).

use std::borrow::Cow;

use oauth2::{AuthUrl, CsrfToken, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::claims;
use crate::identifiers::ClientId;
use crate::metadata::Metadata;

/// The identity scopes that every request asks for: `profile` for `oid`, `offline_access` for a refresh token.
pub const IDENTITY_SCOPES: [&str; 3] = ["openid", "profile", "offline_access"];

ground::minted_secret! {
    /// The `state` of an authorization request (RFC 6749 section 4.1.1): identifies it when the browser comes back.
    State
}

ground::minted_secret! {
    /// The `nonce` of an authorization request (OpenID Connect Core section 3.1.2.1): comes back in the ID token.
    Nonce
}

ground::minted_secret! {
    /// A `code_verifier` (RFC 7636 section 4.1).
    PkceVerifier
}

impl PkceVerifier {
    /// Returns its `code_challenge`, by S256.
    pub fn challenge(&self) -> PkceCodeChallenge {
        let verifier = PkceCodeVerifier::new(self.0.expose_secret().to_owned());
        PkceCodeChallenge::from_code_verifier_sha256(&verifier)
    }

    /// Returns the verifier, to be stored until the code arrives.
    pub fn into_secret(self) -> SecretString {
        self.0
    }
}

/// One authorization request. The response arrives in the query (`response_mode=query`), because a form post would lack
/// our `SameSite=Lax` cookie.
pub struct AuthorizationRequest<'a> {
    /// The Application (client) ID.
    pub client_id: &'a ClientId,
    /// The address to which Entra sends the browser back, exactly as registered.
    pub redirect_uri: &'a Url,
    /// Scopes of Azure DevOps, with the resource's prefix. [`IDENTITY_SCOPES`] are added.
    pub scopes: &'a [String],
    /// Identifies the request when the browser comes back.
    pub state: &'a State,
    /// Returned in the ID token.
    pub nonce: &'a Nonce,
    /// The result of [`PkceVerifier::challenge`].
    pub code_challenge: &'a PkceCodeChallenge,
    /// The account that Entra suggests.
    pub login_hint: Option<&'a str>,
    /// A claims challenge to satisfy, JSON.
    pub claims: Option<&'a str>,
}

impl AuthorizationRequest<'_> {
    /// Returns the URL to which the browser is sent.
    pub fn url(&self, metadata: &Metadata) -> Url {
        let client =
            oauth2::basic::BasicClient::new(oauth2::ClientId::new(self.client_id.to_string()))
                .set_auth_uri(AuthUrl::from_url(metadata.authorization_endpoint.clone()));
        let identity = IDENTITY_SCOPES.iter().map(|scope| Scope::new((*scope).to_owned()));
        let resource = self.scopes.iter().map(|scope| Scope::new(scope.clone()));
        let state = CsrfToken::new(self.state.secret().expose_secret().to_owned());
        let mut request = client
            .authorize_url(|| state)
            .set_redirect_uri(Cow::Owned(RedirectUrl::from_url(self.redirect_uri.clone())))
            .add_scopes(identity.chain(resource))
            .set_pkce_challenge(self.code_challenge.clone())
            .add_extra_param("response_mode", "query")
            .add_extra_param("nonce", self.nonce.secret().expose_secret().to_owned())
            .add_extra_param("claims", claims::with_capability(self.claims));
        if let Some(hint) = self.login_hint {
            request = request.add_extra_param("login_hint", hint.to_owned());
        }
        request.url().0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::{HashMap, HashSet};

    use ground::random::Random;

    use super::*;

    fn metadata() -> Metadata {
        serde_json::from_value(serde_json::json!({
            "issuer": "https://login.microsoftonline.com/{tenantid}/v2.0",
            "authorization_endpoint": "https://login.microsoftonline.com/organizations/oauth2/v2.0/authorize",
            "token_endpoint": "https://login.microsoftonline.com/organizations/oauth2/v2.0/token",
            "jwks_uri": "https://login.microsoftonline.com/organizations/discovery/v2.0/keys",
        }))
        .unwrap()
    }

    #[test]
    fn the_url_asks_for_a_code_with_pkce_state_nonce_and_the_capability() {
        let verifier =
            PkceVerifier(SecretString::from("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        let url = AuthorizationRequest {
            client_id: &"11111111-1111-4111-8111-111111111111".parse().unwrap(),
            redirect_uri: &"https://gateway.example/integration-callback".parse().unwrap(),
            scopes: &["499b84ac-1321-427f-aa17-267ca6975798/vso.code".to_owned()],
            state: &"the-state".into(),
            nonce: &"the-nonce".into(),
            code_challenge: &verifier.challenge(),
            login_hint: Some("ada@mycompany.example"),
            claims: None,
        }
        .url(&metadata());
        assert!(
            url.as_str().starts_with(
                "https://login.microsoftonline.com/organizations/oauth2/v2.0/authorize?"
            )
        );
        let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
        let expected = [
            ("response_type", "code"),
            ("client_id", "11111111-1111-4111-8111-111111111111"),
            ("redirect_uri", "https://gateway.example/integration-callback"),
            (
                "scope",
                "openid profile offline_access 499b84ac-1321-427f-aa17-267ca6975798/vso.code",
            ),
            ("state", "the-state"),
            ("nonce", "the-nonce"),
            ("response_mode", "query"),
            ("code_challenge_method", "S256"),
            // The pair of RFC 7636 appendix B.
            ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
            ("login_hint", "ada@mycompany.example"),
            ("claims", r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#),
        ];
        for (name, value) in expected {
            assert_eq!(query[name], value, "{name}");
        }
        assert_eq!(query.len(), expected.len());
    }

    #[test]
    fn verifiers_are_fresh_and_within_rfc_7636() {
        let mut seen = HashSet::new();
        for _ in 0..100_000 {
            let verifier =
                PkceVerifier::mint(&mut Random::System).into_secret().expose_secret().to_owned();
            assert_eq!(verifier.len(), 43);
            assert!(verifier.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)));
            assert!(seen.insert(verifier));
        }
    }
}
