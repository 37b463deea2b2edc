//! The caller of a request: the operator, an application, or a user of an application.
//!
//! The check happens here, in the function, so that it holds behind any front door. It reads the `Authorization`
//! header only, except in the portal, where a cookie names a session.
//!
//! Basic authentication is accepted by the proxy only, for clients that lack Bearer, and with API keys of applications
//! only. Browsers cache such a password and attach it to requests from pages of other sites. So no browser is asked for
//! one, and a request from another site's page changes nothing, whatever its credentials.

mod connection;
mod credentials;
mod discovery;
mod guarded_key;
pub mod jwt;
mod portal;

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ground::clock::Clock;
use jiff::Timestamp;
use oauth::pass::Credential;
use secrecy::SecretString;
use vault::api_keys::{self, ApiKeys, StoredKey};
use vault::audit::Audit;
use vault::connections::Connection;
use vault::ids::{ApiKeyId, ConnectionId, IntegrationId, UserId};
use vault::integrations::{Integration, Users};
use vault::limits::{LimitLedger, Source};
use vault::operator_key::OperatorKey;
use vault::passes::Pass;

use crate::cors_origins::CorsOrigins;
use crate::gateway::Request;
use crate::log::RequestLog;
use crate::problem::{Code, Problem};
pub use crate::role::Role;
use crate::routes::{self, Operation};
use crate::site;
use credentials::{Presented, Scheme};
use guarded_key::GuardedKey;
use jwt::{JwtVerifier, Refusal};

/// An authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Names the caller in logs: `operator`, `key:<id>`, `pass:<id>`, or `user:<digest>`, because the user's
    /// own name may be personal data.
    pub id: String,
    /// The kind of caller.
    pub kind: Kind,
    /// The API key that it presented, if any.
    pub api_key: Option<PresentedKey>,
}

/// An API key that a caller presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentedKey {
    /// Its public half.
    pub id: ApiKeyId,
    /// The time until which calls with it are counted before they are sent.
    pub calls_counted_until: Option<Timestamp>,
}

/// The kinds of callers, with their limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Configures integrations and keys.
    Operator,
    /// An application's back end.
    Application {
        /// The only integration that it can see, if it is limited to one.
        integration: Option<BoundIntegration>,
    },
    /// One user.
    User {
        /// The user, with the issuer of its token.
        user: UserId,
    },
    /// An MCP client that a user has let in.
    Client {
        /// The integration at whose endpoint it works.
        integration: IntegrationId,
        /// The user's connection.
        connection: ConnectionId,
    },
}

/// The integration that a key is bound to. A later integration with the same id is a different one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundIntegration {
    /// Its id.
    pub id: IntegrationId,
    /// When it was created.
    pub created_at: Option<Timestamp>,
}

impl BoundIntegration {
    fn is(&self, integration: &Integration) -> bool {
        self.id == integration.id
            && self.created_at.is_none_or(|created_at| created_at == integration.created_at)
    }
}

impl Caller {
    /// The caller's role.
    pub fn role(&self) -> Role {
        match self.kind {
            Kind::Operator => Role::Operator,
            Kind::Application { .. } => Role::Application,
            Kind::User { .. } | Kind::Client { .. } => Role::User,
        }
    }

    /// Notes the caller in the log of its request.
    pub fn note_in(&self, log: &RequestLog) {
        log.caller(&self.id, self.role(), self.api_key.as_ref().map(|key| &key.id));
    }

    /// Notes the caller in the log of its request, and the use of its API key in the audit trail.
    pub async fn note(&self, log: &RequestLog, audit: &Audit) {
        self.note_in(log);
        audit.record_use_of_key(&log.actor()).await;
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
    pub fn sees_integration(&self, integration: &Integration) -> bool {
        match &self.kind {
            Kind::Operator | Kind::Application { integration: None } => true,
            Kind::Application { integration: Some(only) } => only.is(integration),
            Kind::User { .. } => integration.settings.users == Users::Jwt,
            Kind::Client { integration: own, .. } => *own == integration.id,
        }
    }

    /// Whether the caller can see this connection of this integration.
    pub fn sees_connection(&self, connection: &Connection, integration: &Integration) -> bool {
        let is_own = match &self.kind {
            Kind::Operator | Kind::Application { .. } => true,
            Kind::User { user } => *user == connection.user,
            Kind::Client { connection: own, .. } => *own == connection.id,
        };
        connection.integration == integration.id && self.sees_integration(integration) && is_own
    }

    /// The user, if the caller is one. Resources of others do not exist for it.
    pub fn user(&self) -> Option<&UserId> {
        match &self.kind {
            Kind::User { user } => Some(user),
            Kind::Operator | Kind::Application { .. } | Kind::Client { .. } => None,
        }
    }

    /// The caller with an access token of this pass.
    pub fn of_pass(pass: &Pass) -> Self {
        let (integration, connection) = (pass.integration.clone(), pass.connection.clone());
        let kind = Kind::Client { integration, connection };
        Self { id: format!("pass:{}", pass.id), kind, api_key: None }
    }

    /// The caller that presents the stack's own operator key.
    fn operator() -> Self {
        Self { id: "operator".to_owned(), kind: Kind::Operator, api_key: None }
    }

    fn of_key(key: &api_keys::ApiKey) -> Self {
        let kind = match key.role {
            api_keys::Role::Operator => Kind::Operator,
            api_keys::Role::Application => {
                let created_at = key.integration_created_at;
                let bound = |id| BoundIntegration { id, created_at };
                Kind::Application { integration: key.integration.clone().map(bound) }
            }
        };
        let api_key =
            PresentedKey { id: key.id.clone(), calls_counted_until: key.calls_counted_until };
        Self { id: format!("key:{}", key.id), kind, api_key: Some(api_key) }
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
    operator_key: GuardedKey,
    jwt: Option<JwtVerifier>,
    cors_origins: CorsOrigins,
    clock: Arc<dyn Clock>,
}

impl Authenticator {
    /// Accepts these keys and, if configured, the tokens of one identity provider. `limits` counts wrong operator keys.
    pub fn new(
        api_keys: ApiKeys,
        operator_key: OperatorKey,
        limits: LimitLedger,
        jwt: Option<JwtVerifier>,
        cors_origins: CorsOrigins,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let operator_key = GuardedKey::new(operator_key, limits, Arc::clone(&clock));
        Self { api_keys, operator_key, jwt, cors_origins, clock }
    }

    /// The caller that a request's `Authorization` authenticates.
    ///
    /// # Errors
    /// As [`Self::credentials`] and [`Self::verify`].
    pub async fn authenticate(&self, request: &Request) -> Result<Caller, Problem> {
        let credentials = self.credentials(request)?;
        let stored = match credentials.api_key() {
            Some(id) => self.api_keys.stored(id).await?,
            None => None,
        };
        self.verify(&credentials, stored).await
    }

    /// As [`Self::authenticate`]. Notes the caller in the request's log, and the use of its API key in the audit trail.
    ///
    /// # Errors
    /// As [`Self::authenticate`].
    pub async fn identify(
        &self,
        request: &Request,
        log: &RequestLog,
        audit: &Audit,
    ) -> Result<Caller, Problem> {
        let caller = self.authenticate(request).await?;
        caller.note(log, audit).await;
        Ok(caller)
    }

    /// The credentials of a request, before anything is read.
    ///
    /// # Errors
    /// [`Code::CrossSiteRequest`], [`Code::MissingCredentials`] without an `Authorization` header,
    /// [`Code::HeaderTooLarge`] beyond 8 kB, and [`Code::InvalidCredentials`] for one that nobody could accept.
    pub fn credentials(&self, request: &Request) -> Result<Credentials, Problem> {
        let headers = request.headers();
        site::require_allowed(request.method(), headers, &self.cors_origins)?;
        let is_proxy = routes::matched(request)
            .is_some_and(|matched| matched.route.operation == Operation::Proxy);
        let offers_basic = is_proxy && !site::is_of_a_browser(headers);
        let presented = credentials::presented(headers);
        let presented = presented.map_err(|problem| offering(problem, offers_basic))?;
        let api_key = api_keys::Presented::parse(&presented.secret);
        let source = source(request);
        Ok(Credentials { presented, api_key, is_proxy, offers_basic, source })
    }

    /// The caller with these credentials. `stored` is the API key with the id that they name.
    ///
    /// # Errors
    /// [`Code::InvalidCredentials`] when they are not accepted on this route, [`Code::WrongKeysLimited`], and
    /// [`Code::ServiceUnavailable`] when they cannot be checked at the moment.
    pub async fn verify(
        &self,
        credentials: &Credentials,
        stored: Option<StoredKey>,
    ) -> Result<Caller, Problem> {
        let caller = match &credentials.api_key {
            Some(presented) => credentials.require_scheme(self.of_key(presented, stored)),
            None => self.without_key(credentials).await,
        };
        caller.map_err(|problem| offering(problem, credentials.offers_basic))
    }

    fn of_key(
        &self,
        presented: &api_keys::Presented,
        stored: Option<StoredKey>,
    ) -> Result<Caller, Problem> {
        let key = stored.and_then(|stored| stored.accept(presented, self.clock.now()));
        key.map(|key| Caller::of_key(&key)).ok_or_else(|| refused("no API key of ours"))
    }

    async fn without_key(&self, credentials: &Credentials) -> Result<Caller, Problem> {
        let Presented { scheme, secret } = &credentials.presented;
        if *scheme == Scheme::Basic {
            return Err(no_basic());
        }
        if Credential::looks_like_one(secret) {
            return Err(refused(
                "a credential of an MCP client, which counts at its endpoint only",
            ));
        }
        match &self.jwt {
            Some(jwt) if jwt::looks_like_one(secret) => user(jwt, secret).await,
            _ => match self.operator_key.version_of(secret, credentials.source).await? {
                Some(_) => Ok(Caller::operator()),
                None => Err(refused("neither an API key, nor a token, nor the operator key")),
            },
        }
    }
}

/// What a request presents as proof of its caller.
#[derive(Debug)]
pub struct Credentials {
    presented: Presented,
    api_key: Option<api_keys::Presented>,
    is_proxy: bool,
    /// Whether a refusal offers Basic authentication.
    offers_basic: bool,
    source: Source,
}

impl Credentials {
    /// The API key that they name. Nothing else is read for such credentials.
    pub fn api_key(&self) -> Option<&ApiKeyId> {
        self.api_key.as_ref().map(|key| &key.id)
    }

    /// The access token of an MCP client, if they are one.
    pub fn access_token(&self) -> Option<Credential> {
        let bears = self.presented.scheme == Scheme::Bearer;
        bears.then(|| Credential::parse_access(&self.presented.secret)).flatten()
    }

    /// Refuses Basic authentication where it does not count.
    fn require_scheme(&self, caller: Result<Caller, Problem>) -> Result<Caller, Problem> {
        let caller = caller?;
        let takes_basic = self.is_proxy && caller.kind != Kind::Operator;
        if takes_basic || self.presented.scheme == Scheme::Bearer {
            Ok(caller)
        } else {
            Err(no_basic())
        }
    }
}

fn offering(problem: Problem, offers_basic: bool) -> Problem {
    if offers_basic { problem.offering_basic() } else { problem }
}

/// Returns the source of a request. All requests without an address share one.
fn source(request: &Request) -> Source {
    request.extensions().get().copied().unwrap_or_else(|| Source::of(None))
}

fn no_basic() -> Problem {
    refused("Basic authentication where it does not count")
        .detail("Send `Authorization: Bearer <key>`. Basic counts for the proxy, with an application's API key.")
}

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
