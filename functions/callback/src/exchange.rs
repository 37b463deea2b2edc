//! Exchanges the code for tokens and a verified identity.

use edge::claims_cookie::{self, SignIn};
use edge::parameters::Query;
use edge::problem::{Code, Problem};
use entra::id_token::{self, IdTokenError, IdTokenExpectations, Identity};
use entra::identifiers::Tenant;
use entra::token::{CodeRequest, TokenError, TokenResponse};
use http::header::SET_COOKIE;
use secrecy::SecretString;
use vault::client_credentials::CredentialUseError;
use vault::integrations::Integration;
use vault::sessions::{AuthorizationFlow, FlowSecrets};

use crate::Callback;

pub(crate) struct Redeemed {
    pub(crate) tokens: TokenResponse,
    pub(crate) identity: Identity,
}

/// The reason why a code was not redeemed.
pub(crate) struct Unredeemed {
    pub(crate) problem: Problem,
    /// The claims challenge with which Entra would redeem the next one, JSON.
    pub(crate) claims: Option<String>,
}

impl From<Problem> for Unredeemed {
    fn from(problem: Problem) -> Self {
        Self { problem, claims: None }
    }
}

/// The sign-ins to which the claims of a refused one belong.
pub(crate) fn sign_in(flow: &AuthorizationFlow) -> SignIn {
    SignIn { integration: flow.integration().clone(), tenant: flow.tenant.clone() }
}

impl Callback {
    pub(crate) async fn redeem(
        &self,
        integration: &Integration,
        flow: &AuthorizationFlow,
        secrets: &FlowSecrets,
        code: &SecretString,
        query: &Query,
    ) -> Result<Redeemed, Unredeemed> {
        let metadata = self.metadata.get(&flow.tenant).await;
        let metadata = metadata.map_err(|error| Problem::of_sign_in(&error.into()))?;
        // RFC 9207: an answer comes from elsewhere if its `iss` is another's, or is absent although the server promises
        // one. Such an answer is refused here, before its code and our secret are sent.
        let is_from_elsewhere = match query.get("iss") {
            Some(iss) => !metadata.may_be_issuer(iss),
            None => metadata.iss_parameter_supported,
        };
        if is_from_elsewhere {
            return Err(Problem::new(Code::IssuerMismatch).into());
        }
        let redirect_uri = self.public_url.redirect_uri();
        let scopes = devops::scopes::request(flow.scopes());
        let (metadata, redirect_uri, scopes) = (&metadata, &redirect_uri, &scopes);
        let asked = self
            .credentials
            .with_live(&integration.id, |credential| async move {
                let code_request = CodeRequest {
                    client_id: &integration.settings.client_id,
                    credential: &credential,
                    code,
                    redirect_uri,
                    code_verifier: &secrets.code_verifier,
                    scopes,
                };
                self.entra.exchange_code(metadata, code_request).await
            })
            .await;
        let tokens = match asked {
            Ok(tokens) => tokens,
            Err(
                CredentialUseError::Missing
                | CredentialUseError::Vault(vault::Error::NotFederated { .. }),
            ) => return Err(Problem::new(Code::IntegrationNotReady).into()),
            Err(CredentialUseError::Vault(error)) => return Err(Problem::from(error).into()),
            Err(CredentialUseError::Entra(error)) => {
                let problem = self.exchange_refused(integration, &error).await;
                let keep = |claims: &str| claims_cookie::keep(&sign_in(flow), claims);
                let cookie = error.claims.as_deref().and_then(keep);
                let problem = match cookie {
                    Some(cookie) => problem.header(SET_COOKIE, cookie),
                    None => problem,
                };
                return Err(Unredeemed { problem, claims: error.claims });
            }
        };
        let identity = self.identify(integration, flow, secrets, metadata, &tokens).await?;
        // Where tenants share an address, the answer's `iss` depends on the user's tenant.
        if query.get("iss").is_some_and(|iss| iss != identity.issuer) {
            return Err(Problem::new(Code::IssuerMismatch).into());
        }
        Ok(Redeemed { tokens, identity })
    }

    async fn identify(
        &self,
        integration: &Integration,
        flow: &AuthorizationFlow,
        secrets: &FlowSecrets,
        metadata: &entra::metadata::Metadata,
        tokens: &TokenResponse,
    ) -> Result<Identity, Problem> {
        let id_token = tokens
            .id_token
            .as_ref()
            .ok_or_else(|| Problem::new(Code::IdTokenInvalid).cause("Entra sent no ID token"))?;
        let mut tenants = integration.settings.allowed_tenants.clone();
        if let (Tenant::Id(asked), true) = (&flow.tenant, tenants.is_empty()) {
            tenants.push(asked.clone());
        }
        let expected = IdTokenExpectations {
            client_id: &integration.settings.client_id,
            nonce: &secrets.nonce,
            tenants: &tenants,
        };
        let now = self.clock.now();
        let mut validated =
            id_token::validate(&expected, id_token, metadata, &self.keys, now).await;
        // A tenant can give an app signing keys of its own, which only the app's metadata leads to.
        if validated.as_ref().is_err_and(|error| *error == IdTokenError::UnknownKey)
            && let Some(tenant) = id_token::unverified_tenant(id_token)
            && let Ok(metadata) =
                self.metadata.of_app(&Tenant::Id(tenant), expected.client_id).await
        {
            validated = id_token::validate(&expected, id_token, &metadata, &self.keys, now).await;
        }
        validated.map_err(|error| match error {
            IdTokenError::PersonalMicrosoftAccount => Problem::new(Code::PersonalAccount),
            IdTokenError::TenantNotAllowed => Problem::new(Code::WrongTenant),
            IdTokenError::KeysUnavailable => Problem::of_sign_in(&TokenError::no_answer()),
            error => Problem::new(Code::IdTokenInvalid).cause(error),
        })
    }

    async fn exchange_refused(&self, integration: &Integration, error: &TokenError) -> Problem {
        tracing::warn!(
            integration = %integration.id, class = ?error.class, error = error.error.as_deref(),
            suberror = error.suberror.as_deref(), codes = ?error.codes,
            correlation_id = error.correlation_id.as_deref(), "a code could not be redeemed",
        );
        let now = self.clock.now();
        let (reason, events) = (error.error.as_deref(), &self.events);
        if integration.is_rejected_by(error, now)
            && let Err(error) =
                self.integrations.reject_credential(integration, reason, events, now).await
        {
            tracing::warn!(integration = %integration.id, "the integration could not be marked: {error}");
        }
        Problem::of_sign_in(error)
    }
}
