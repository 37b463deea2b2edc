//! The caller of a request: the operator, an application, or a user of an application.
//!
//! The check happens here, in the function, so that it holds behind any front door. It reads the `Authorization`
//! header only, except in the portal, where a cookie names a session.

mod connection;
mod credentials;
mod discovery;
pub mod jwt;
mod portal;

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ground::clock::Clock;
use http::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use vault::api_keys::{self, ApiKeys};
use vault::ids::{ApiKeyId, IntegrationId, UserId};
use vault::operator_key::OperatorKey;
use vault::secret_token::SecretHash;

use crate::problem::{Code, Problem};
use credentials::{Presented, Scheme};
use jwt::{JwtVerifier, Refusal};

/// The rights of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Configures integrations and keys.
    Operator,
    /// Connects users and calls Azure DevOps for them.
    Application,
    /// One user of an application, for itself.
    User,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// An authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Names the caller in logs: `operator`, `key:<id>`, or `user:<digest>`, because the user's
    /// own name may be personal data.
    pub id: String,
    /// The kind of caller.
    pub kind: Kind,
    /// The API key that it presented, if it was one.
    pub api_key: Option<ApiKeyId>,
}

/// The kinds of callers, with their limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Configures integrations and keys.
    Operator,
    /// An application's back end.
    Application {
        /// The only integration that it can see, if it is limited to one.
        integration: Option<IntegrationId>,
    },
    /// One user.
    User {
        /// The user's name at the application's identity provider.
        user: UserId,
    },
}

impl Caller {
    /// The caller's role.
    pub fn role(&self) -> Role {
        match self.kind {
            Kind::Operator => Role::Operator,
            Kind::Application { .. } => Role::Application,
            Kind::User { .. } => Role::User,
        }
    }

    /// Refuses a caller that has none of these roles.
    ///
    /// # Errors
    /// [`Code::RoleNotAllowed`], naming the roles.
    pub fn require(&self, roles: &[Role]) -> Result<(), Problem> {
        if roles.contains(&self.role()) {
            return Ok(());
        }
        let names: Vec<_> = roles.iter().map(Role::to_string).collect();
        Err(Problem::new(Code::RoleNotAllowed).detail(format!(
            "The caller is {}; this route is for {}.",
            self.role(),
            names.join(" and ")
        )))
    }

    /// Whether the caller can see this integration. To others it does not exist.
    pub fn sees_integration(&self, id: &IntegrationId) -> bool {
        match &self.kind {
            Kind::Operator | Kind::User { .. } | Kind::Application { integration: None } => true,
            Kind::Application { integration: Some(only) } => only == id,
        }
    }

    /// Whether the caller can see the connections of this integration and user.
    pub fn sees_connection(&self, integration: &IntegrationId, user: &UserId) -> bool {
        self.sees_integration(integration) && self.user().is_none_or(|own| own == user)
    }

    /// The user, if the caller is one. Resources of others do not exist for it.
    pub fn user(&self) -> Option<&UserId> {
        match &self.kind {
            Kind::User { user } => Some(user),
            Kind::Operator | Kind::Application { .. } => None,
        }
    }

    /// The caller that presents the stack's own operator key.
    fn operator() -> Self {
        Self { id: "operator".to_owned(), kind: Kind::Operator, api_key: None }
    }

    fn of_key(key: &api_keys::ApiKey) -> Self {
        let kind = match key.role {
            api_keys::Role::Operator => Kind::Operator,
            api_keys::Role::Application => {
                Kind::Application { integration: key.integration.clone() }
            }
        };
        Self { id: format!("key:{}", key.id), kind, api_key: Some(key.id.clone()) }
    }

    fn of_user(user: UserId) -> Self {
        let digest = URL_SAFE_NO_PAD.encode(digest(&SHA256, user.as_str().as_bytes()));
        let short = digest.get(..16).unwrap_or(&digest);
        Self { id: format!("user:{short}"), kind: Kind::User { user }, api_key: None }
    }
}

/// Finds the caller of a request.
#[derive(Clone)]
pub struct Authenticator {
    api_keys: ApiKeys,
    operator_key: OperatorKey,
    jwt: Option<JwtVerifier>,
    clock: Arc<dyn Clock>,
}

impl Authenticator {
    /// Accepts these keys and, if configured, the tokens of one identity provider.
    pub fn new(
        api_keys: ApiKeys,
        operator_key: OperatorKey,
        jwt: Option<JwtVerifier>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { api_keys, operator_key, jwt, clock }
    }

    /// The caller that a request's headers authenticate.
    ///
    /// # Errors
    /// [`Code::MissingCredentials`] without an `Authorization` header, [`Code::InvalidCredentials`]
    /// when it is not accepted, [`Code::HeaderTooLarge`] beyond 8 kB, and
    /// [`Code::ServiceUnavailable`] when it cannot be checked at the moment.
    pub async fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let Presented { scheme, secret } = credentials::presented(headers)?;
        match &self.jwt {
            _ if secret.expose_secret().starts_with(API_KEY_PREFIX) => self.api_key(&secret).await,
            Some(jwt) if scheme == Scheme::Bearer && jwt::looks_like_one(&secret) => {
                user(jwt, &secret).await
            }
            _ => self.operator_key(&secret).await,
        }
    }

    async fn api_key(&self, secret: &SecretString) -> Result<Caller, Problem> {
        match self.api_keys.authenticate(secret, self.clock.now()).await? {
            Some(key) => Ok(Caller::of_key(&key)),
            // The operator key is any text, and can look like one of the others.
            None => self.operator_key(secret).await,
        }
    }

    async fn operator_key(&self, secret: &SecretString) -> Result<Caller, Problem> {
        if self.operator_key.matches(&SecretHash::of(secret)).await? {
            Ok(Caller::operator())
        } else {
            Err(refused("neither an API key, nor a token, nor the operator key"))
        }
    }
}

/// The beginning of our API keys; the first operator key may be any text.
const API_KEY_PREFIX: &str = "adoc_";

async fn user(jwt: &JwtVerifier, token: &SecretString) -> Result<Caller, Problem> {
    match jwt.verify(token).await {
        Ok(user) => Ok(Caller::of_user(user)),
        Err(refusal @ Refusal::Unavailable(_)) => {
            Err(Problem::new(Code::ServiceUnavailable).cause(refusal))
        }
        // The broken rule is no secret, and the owner of the token needs it to mend the token.
        Err(refusal) => Err(refused(refusal.to_string()).detail(format!("The token {refusal}."))),
    }
}

fn refused(cause: impl fmt::Display) -> Problem {
    Problem::new(Code::InvalidCredentials).cause(cause)
}

#[cfg(test)]
mod tests;
