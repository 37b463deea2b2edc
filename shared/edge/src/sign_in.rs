//! The beginning of a sign-in at Entra: state, nonce, PKCE, the stored flow, and the cookie that binds it to the browser.

use std::time::Duration;

use entra::authorization::{AuthorizationRequest, Nonce, PkceVerifier, State};
use entra::metadata::MetadataCache;
use ground::random::Random;
use http::HeaderValue;
use jiff::Timestamp;
use url::Url;
use vault::sessions::{AuthorizationFlow, Binding, FlowSecrets, REQUEST_LIFETIME, Sessions};

use crate::config::PublicUrl;
use crate::cookies;
use crate::problem::Problem;

/// A sign-in that is about to begin.
pub struct SignInRequest<'a> {
    /// The context that the callback needs.
    pub flow: AuthorizationFlow,
    /// The account that Entra suggests.
    pub login_hint: Option<&'a str>,
    /// A claims challenge to satisfy, JSON.
    pub claims: Option<&'a str>,
}

/// A sign-in that has begun.
pub struct Begun {
    /// The address at Entra to which the browser goes.
    pub location: Url,
    /// The `Set-Cookie` of the binding.
    pub cookie: HeaderValue,
}

impl SignInRequest<'_> {
    /// Finds Entra's address for the flow's tenant, and stores the flow.
    ///
    /// # Errors
    /// The problem of a sign-in if Entra has no discovery document for the tenant, or does not answer;
    /// [`crate::problem::Code::ServiceUnavailable`] if DynamoDB does not answer.
    pub async fn begin(
        self,
        sessions: &Sessions,
        public_url: &PublicUrl,
        metadata: &MetadataCache,
        now: Timestamp,
        random: &Random,
    ) -> Result<Begun, Problem> {
        let metadata = metadata.get(&self.flow.tenant).await;
        let metadata = metadata.map_err(|error| Problem::of_sign_in(&error.into()))?;
        let rng = &mut random.clone();
        let (state, binding) = (State::mint(rng), Binding::mint(rng));
        let (verifier, nonce) = (PkceVerifier::mint(rng), Nonce::mint(rng));
        let location = AuthorizationRequest {
            client_id: &self.flow.client_id,
            redirect_uri: &public_url.redirect_uri(),
            scopes: &devops::scopes::request(self.flow.scopes()),
            state: &state,
            nonce: &nonce,
            code_challenge: &verifier.challenge(),
            login_hint: self.login_hint,
            claims: self.claims,
        }
        .url(&metadata);
        let secrets = FlowSecrets { code_verifier: verifier.into_secret(), nonce };
        sessions.open_flow(self.flow, &state, &binding, &secrets, now).await?;
        let lifetime = Duration::try_from(REQUEST_LIFETIME).unwrap_or_default();
        let cookie = cookies::binding(&state).set(binding.secret(), lifetime)?;
        Ok(Begun { location, cookie })
    }
}
