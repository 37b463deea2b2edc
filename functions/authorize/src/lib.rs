//! `GET /authorize?session=…`: a connect link becomes an authorization request at Entra. `/oauth/…` and `/.well-known/…`: the
//! authorization server for MCP clients, see [`oauth`].
//!
//! ```text
//!  browser ──session──> count the start ──> find the tenant ──> state, nonce, PKCE, binding cookie
//!                                                                       │
//!          <──302 to Entra, Set-Cookie: __Host-…─────── stored, hashed ─┘
//! ```
//!
//! It can read sessions, integrations, connections and passes. It has no access to tokens, client credentials or the sealing
//! key.

mod config;
mod oauth;
mod tenant;

use std::sync::Arc;

use crate::oauth::ClientDocuments;
pub use config::AuthorizeConfig;
use edge::claims_cookie::{self, SignIn};
use edge::config::PublicUrl;
use edge::deployment::Deployment;
use edge::gateway::{Body, Request};
use edge::log::RequestLog;
use edge::parameters::Query;
use edge::prefetch;
use edge::problem::{Code, Problem};
use edge::respond;
use edge::routes::{Operation, matched};
use edge::serve::HttpFunction;
use edge::sign_in::SignInRequest;
use entra::metadata::MetadataCache;
use ground::clock::Clock;
use ground::random::Random;
use http::header::SET_COOKIE;
use http::{HeaderMap, Response};
use jiff::Timestamp;
use tenant::OrganizationTenants;
use vault::audit::Audit;
use vault::connections::Connections;
use vault::ids::IntegrationId;
use vault::integrations::{Integration, Integrations, Status};
use vault::passes::Passes;
use vault::service::Service;
use vault::sessions::{
    AuthorizationFlow, ConnectSession, Purpose, SessionKey, SessionToken, Sessions, Start,
};

/// Everything that the function needs, created once per process.
pub struct Authorize {
    public_url: PublicUrl,
    clock: Arc<dyn Clock>,
    random: Random,
    sessions: Sessions,
    integrations: Integrations,
    connections: Connections,
    metadata: MetadataCache,
    tenants: OrganizationTenants,
    service: Service,
    passes: Passes,
    audit: Audit,
    client_documents: ClientDocuments,
}

impl Authorize {
    /// Makes the clients for a deployment.
    pub fn new(deployment: Deployment, config: AuthorizeConfig) -> Self {
        let clock = Arc::clone(&deployment.clock);
        Self {
            passes: deployment.passes(),
            audit: deployment.audit.clone(),
            client_documents: ClientDocuments::new(
                config.clients_url.map(|url| (deployment.http.clone(), url)),
                Arc::clone(&clock),
            ),
            sessions: deployment.sessions(),
            integrations: deployment.integrations(),
            connections: deployment.connections(),
            metadata: deployment.metadata(),
            service: deployment.service(),
            tenants: OrganizationTenants::new(deployment.devops(), Arc::clone(&clock)),
            public_url: deployment.config.public_url,
            clock,
            random: deployment.random,
        }
    }
}

impl HttpFunction for Authorize {
    type Content = Body;

    async fn handle(&self, request: Request, log: RequestLog) -> Result<Response<Body>, Problem> {
        match matched(&request) {
            Some(matched) if matched.route.operation != Operation::Authorize => {
                self.serve_client(matched, &request, &log).await
            }
            _ => self.start(&request, &log).await,
        }
    }
}

impl Authorize {
    /// Starts the sign-in of a connect link.
    async fn start(&self, request: &Request, log: &RequestLog) -> Result<Response<Body>, Problem> {
        prefetch::refuse(request.headers())?;
        let query = Query::of(request)?;
        self.service.require_running().await?;
        let token = SessionToken::from(query.required("session")?);
        let now = self.clock.now();
        let (session, session_key) = match self.sessions.start(&token, now).await? {
            Start::Started { session, key } => (session, key),
            Start::Unknown => return Err(Problem::new(Code::SessionUnknown)),
            Start::Expired { integration } => {
                return Err(self.refusal(Code::SessionExpired, &integration).await);
            }
            Start::UsedUp { integration } => {
                return Err(self.refusal(Code::SessionUsedUp, &integration).await);
            }
        };
        log.integration(&session.integration);
        let integration = self.usable_integration(&session).await?;
        self.redirect_to_entra(request.headers(), &integration, *session, session_key, now)
            .await
            .map_err(|problem| problem.branding(&integration.settings.branding))
    }

    async fn redirect_to_entra(
        &self,
        headers: &HeaderMap,
        integration: &Integration,
        session: ConnectSession,
        session_key: SessionKey,
        now: Timestamp,
    ) -> Result<Response<Body>, Problem> {
        let tenant = self
            .tenants
            .of(
                &integration.settings.tenant,
                &integration.settings.organizations,
                session.organization.as_ref(),
            )
            .await?;
        let known = self.connections.find(&session.integration, &session.user).await?;
        let sign_in = SignIn { integration: integration.id.clone(), tenant: tenant.clone() };
        // The browser's own are newer than those of an existing connection.
        let claims = claims_cookie::kept(headers, &sign_in).or_else(|| known?.claims_challenge);
        let login_hint = session.login_hint.clone();
        let flow = AuthorizationFlow {
            purpose: Purpose::Connect { session_key, session },
            client_id: integration.settings.client_id.clone(),
            tenant,
        };
        let (login_hint, claims) = (login_hint.as_deref(), claims.as_deref());
        let begun = SignInRequest { flow, login_hint, claims }
            .begin(&self.sessions, &self.public_url, &self.metadata, now, &self.random)
            .await?;
        let mut response = respond::found(&begun.location)?;
        response.headers_mut().append(SET_COOKIE, begun.cookie);
        Ok(response)
    }

    async fn usable_integration(&self, session: &ConnectSession) -> Result<Integration, Problem> {
        match self.integrations.get(&session.integration).await? {
            Some(integration) if integration.status == Status::Ready => Ok(integration),
            // The operator paused the integration, or the link outlived it: the same to the user.
            Some(integration) => {
                Err(Problem::new(Code::IntegrationNotReady)
                    .branding(&integration.settings.branding))
            }
            None => Err(Problem::new(Code::IntegrationNotReady)),
        }
    }

    /// Returns a refusal with the integration's branding, if that can be loaded.
    async fn refusal(&self, code: Code, integration: &IntegrationId) -> Problem {
        match self.integrations.get(integration).await {
            Ok(Some(integration)) => Problem::new(code).branding(&integration.settings.branding),
            Ok(None) | Err(_) => Problem::new(code),
        }
    }
}
