//! `GET /integration-callback`: Entra's answer becomes a connection, or an error.
//!
//! ```text
//!  state + cookie ─take, once─> code ─redeem─> ID token ─validate─> organization ─check─> stored, pending
//!                                                                                             │
//!        303 to the application with connection_id and confirmation, or with error  <─────────┘
//!        303 to the MCP client with a code, or with error
//! ```
//!
//! An error before the state is matched to this browser is shown here; a later one goes back with the browser to the
//! application or the MCP client.

mod admin_consent;
mod client;
mod exchange;
mod membership;
mod outcome;
mod refusal;
mod way_back;

use std::sync::Arc;

use devops::client::DevopsClient;
use devops::organization::OrganizationName;
use edge::claims_cookie;
use edge::config::PublicUrl;
use edge::deployment::Deployment;
use edge::gateway::{Body, Request};
use edge::log::RequestLog;
use edge::page::Connected;
use edge::parameters::Query;
use edge::prefetch;
use edge::problem::{Code, Problem};
use edge::serve::HttpFunction;
use entra::authorization::State;
use entra::cloud::Authority;
use entra::identifiers::TenantId;
use entra::jwks::KeyCache;
use entra::metadata::MetadataCache;
use entra::token::{TokenClient, TokenResponse};
use ground::clock::Clock;
use ground::random::Random;
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue, Response};
use secrecy::SecretString;
use vault::audit::{Audit, AuditEvent, What};
use vault::client_credentials::ClientCredentials;
use vault::connections::{Account, Completed, Completion, Connections, Origin};
use vault::events::{ConnectionDetail, Event, Events};
use vault::ids::{IntegrationId, UserId};
use vault::integrations::{Integration, Integrations, Status};
use vault::schedule::Lifetime;
use vault::service::Service;
use vault::sessions::{AuthorizationFlow, Binding, FlowSecrets, Purpose, Sessions, TakenFlow};
use vault::tokens::{TokenPair, TokenStore};

use crate::exchange::{Redeemed, Unredeemed};
use crate::outcome::Outcome;
use crate::way_back::WayBack;

/// The parameters of an authorization response that must decode and may come only once. Of others, such as
/// `error_description`, the first counts.
const ANSWER: &[&str] =
    &["code", "state", "iss", "error", "suberror", "error_subcode", "admin_consent"];

/// A person who has signed in and may use the integration's organizations.
struct SignedIn {
    tokens: TokenResponse,
    account: Account,
    organization: Option<OrganizationName>,
    user: UserId,
}

/// Everything that the function needs, created once per process.
pub struct Callback {
    public_url: PublicUrl,
    authority: Authority,
    clock: Arc<dyn Clock>,
    random: Random,
    sessions: Sessions,
    integrations: Integrations,
    connections: Connections,
    tokens: TokenStore,
    credentials: ClientCredentials,
    metadata: MetadataCache,
    keys: KeyCache,
    entra: TokenClient,
    devops: DevopsClient,
    events: Events,
    audit: Audit,
    service: Service,
}

impl Callback {
    /// Makes the clients for a deployment.
    pub async fn new(deployment: Deployment) -> Self {
        Self {
            sessions: deployment.sessions(),
            integrations: deployment.integrations(),
            connections: deployment.connections(),
            tokens: deployment.tokens(),
            credentials: deployment.client_credentials().await,
            metadata: deployment.metadata(),
            keys: deployment.signing_keys(),
            entra: deployment.token_client(),
            devops: deployment.devops(),
            events: deployment.events(),
            audit: deployment.audit.clone(),
            service: deployment.service(),
            public_url: deployment.config.public_url,
            authority: deployment.config.authority,
            clock: deployment.clock,
            random: deployment.random,
        }
    }
}

impl HttpFunction for Callback {
    type Content = Body;

    async fn handle(&self, request: Request, log: RequestLog) -> Result<Response<Body>, Problem> {
        prefetch::refuse(request.headers())?;
        let query = Query::of_answer(&request, ANSWER)?;
        if let Some(page) = admin_consent::answer(&query) {
            return page;
        }
        let state = State::from(query.required("state")?);
        // Before the state is taken, so that the browser can come again when the service resumes.
        self.service.require_running().await?;
        let cookie = edge::cookies::binding(&state);
        // An empty binding matches no row. The row distinguishes an unknown state from another browser's.
        let binding = Binding::from(cookie.read(request.headers())?.unwrap_or_default());
        let now = self.clock.now();
        let (flow, secrets) = match self.sessions.take_flow(&state, &binding, now).await? {
            TakenFlow::Taken { flow, secrets } => (flow, secrets),
            TakenFlow::Unknown => return Err(Problem::new(Code::StateUnknown)),
            TakenFlow::Expired { integration } => {
                return Err(self.shown(Problem::new(Code::StateExpired), &integration).await);
            }
            TakenFlow::OtherBrowser { integration } => {
                return Err(self.shown(Problem::new(Code::BrowserMismatch), &integration).await);
            }
        };
        log.integration(flow.integration());
        let integration = self.integrations.get(flow.integration()).await;
        let known = integration.as_ref().ok().and_then(Option::as_ref);
        let way_back = WayBack::of(&flow, known, &self.public_url);
        let finished = self.finish(&flow, &secrets, &query, integration, &way_back).await;
        let outcome = finished.unwrap_or_else(Outcome::Refused);
        if let Some(connection) = outcome.connection() {
            log.connection(connection);
            let is_admitted = matches!(outcome, Outcome::Admitted { .. });
            let pass = is_admitted.then_some(What::PassCreated);
            for what in [What::ConnectionConnected].into_iter().chain(pass) {
                let event = AuditEvent::of_connection(what, connection, flow.integration());
                self.audit.record(&log.actor(), &event).await;
            }
        }
        // The cookie is used up, whether the flow succeeded or failed.
        let cleared = cookie.clear();
        let claims = claims_cookies(&outcome, &flow, request.headers());
        match outcome.response(&way_back, &log) {
            Ok(mut response) => {
                for cookie in claims.into_iter().chain([cleared]) {
                    response.headers_mut().append(SET_COOKIE, cookie);
                }
                Ok(response)
            }
            Err(problem) => {
                let problem = self.shown(problem, flow.integration()).await;
                Err(problem.header(SET_COOKIE, cleared))
            }
        }
    }
}

impl Callback {
    /// Adds the integration's branding and its admin consent link to a problem that is shown here, if the integration
    /// can be loaded.
    async fn shown(&self, problem: Problem, integration: &IntegrationId) -> Problem {
        let Ok(Some(integration)) = self.integrations.get(integration).await else {
            return problem;
        };
        let problem = problem.branding(&integration.settings.branding);
        match problem.code() {
            // In tenants where users cannot consent, an administrator can consent for all of them.
            Code::AdminApprovalRequired
            | Code::ConsentRequired
            | Code::SignInCancelled
            | Code::TenantRefused => problem.admin_consent_url(self.authority.admin_consent_url(
                &integration.settings.client_id,
                devops::scopes::RESOURCE_ID,
                &self.public_url.redirect_uri(),
            )),
            _ => problem,
        }
    }

    /// Runs the rest of the flow, after the state was matched to this browser.
    async fn finish(
        &self,
        flow: &AuthorizationFlow,
        secrets: &FlowSecrets,
        query: &Query,
        integration: Result<Option<Integration>, vault::Error>,
        way_back: &WayBack<'_>,
    ) -> Result<Outcome, Problem> {
        if let Some(error) = query.get("error") {
            return Err(refusal::of(error, query));
        }
        let code = SecretString::from(query.required("code")?);
        let integration = same_integration(flow, integration?)?;
        way_back.require_still_allowed(flow, &integration)?;
        let redeemed = match self.redeem(&integration, flow, secrets, &code, query).await {
            Ok(redeemed) => redeemed,
            Err(Unredeemed { problem, claims }) => {
                let again = self.sign_in_again(flow, claims.as_deref()).await?;
                return again.map(Outcome::Again).ok_or(problem);
            }
        };
        self.tenant_accepted(&integration, &redeemed.identity.tenant_id).await;
        let organization = self
            .check_membership(&integration, flow.organization(), &redeemed.tokens.access_token)
            .await?;
        let Redeemed { tokens, identity } = redeemed;
        let account = Account {
            tenant_id: identity.tenant_id,
            object_id: identity.object_id,
            name: identity.name,
            username: identity.username,
        };
        let user = match &flow.purpose {
            Purpose::Connect { session, .. } => session.user.clone(),
            Purpose::Client(_) => UserId::of_account(&account.tenant_id, &account.object_id),
        };
        if let Purpose::Client(request) = &flow.purpose
            && let known = self.connections.find(&request.integration, &user).await?
            && let claims = known.and_then(|known| known.claims_challenge)
            && let Some(again) = self.sign_in_again(flow, claims.as_deref()).await?
        {
            return Ok(Outcome::Again(again));
        }
        let signed_in = SignedIn { tokens, account, organization, user };
        self.store(flow, &integration, signed_in).await
    }

    async fn store(
        &self,
        flow: &AuthorizationFlow,
        integration: &Integration,
        SignedIn { tokens, account, organization, user }: SignedIn,
    ) -> Result<Outcome, Problem> {
        let connected = Connected {
            name: account.name.clone(),
            username: account.username.clone(),
            organization: organization.as_ref().map(ToString::to_string),
            branding: integration.settings.branding.clone(),
        };
        let lifetime = Lifetime::of(&tokens);
        let refresh = tokens.refresh_token.as_ref().ok_or_else(|| {
            Problem::new(Code::EntraMisconfigured).cause("Entra sent no refresh token")
        })?;
        let granted = devops::scopes::granted(&tokens.scopes);
        let completion = Completion {
            origin: match &flow.purpose {
                Purpose::Connect { session_key, .. } => Origin::Session(session_key),
                Purpose::Client(request) => Origin::Client(&request.pass),
            },
            user: &user,
            requested: flow.scopes(),
            integration,
            account,
            organization,
            scopes: granted.unwrap_or_else(|| flow.scopes().to_vec()),
            tokens: TokenPair {
                access: &tokens.access_token,
                access_expires_at: lifetime.expires_at,
                refresh,
            },
            lifetime,
        };
        let now = self.clock.now();
        let completed = self
            .connections
            .complete(&completion, &self.tokens, now, &mut self.random.clone())
            .await?;
        let outcome = match completed {
            Completed::Pending { connection, confirmation } => {
                return Ok(Outcome::Pending { connection, confirmation });
            }
            Completed::Active { connection } => Outcome::Active { connection, connected },
            Completed::Admitted { connection, code } => Outcome::Admitted { connection, code },
            Completed::DifferentAccount => return Err(Problem::new(Code::DifferentAccount)),
            Completed::IntegrationGone => return Err(Problem::new(Code::IntegrationNotReady)),
            Completed::SessionGone => return Err(Problem::new(Code::SessionUnknown)),
        };
        if let Some(connection) = outcome.connection() {
            let integration = flow.integration();
            let detail = ConnectionDetail { connection, integration, user: &user, reason: None };
            self.events.send(&Event::ConnectionCreated(detail)).await;
        }
        Ok(outcome)
    }

    /// A sign-in shows that its tenant lets the app in, so the connections of the tenant need not wait any longer.
    async fn tenant_accepted(&self, integration: &Integration, tenant: &TenantId) {
        if let Err(error) = self.integrations.accept_tenant(integration, tenant).await {
            tracing::warn!(integration = %integration.id, "the tenant stays marked as refusing: {error}");
        }
    }
}

/// Returns the current integration if it is ready and still has the app to which the user signed in (S-06).
fn same_integration(
    flow: &AuthorizationFlow,
    integration: Option<Integration>,
) -> Result<Integration, Problem> {
    let same = |integration: &Integration| {
        integration.status == Status::Ready && integration.settings.client_id == flow.client_id
    };
    integration.filter(same).ok_or_else(|| Problem::new(Code::IntegrationNotReady))
}

/// The cookies about the claims for the next sign-in: a refusal may set one, and a success forgets it.
fn claims_cookies(
    outcome: &Outcome,
    flow: &AuthorizationFlow,
    headers: &HeaderMap,
) -> Vec<HeaderValue> {
    if let Outcome::Refused(problem) = outcome {
        return problem.headers().get_all(SET_COOKIE).iter().cloned().collect();
    }
    claims_cookie::forget(headers, &exchange::sign_in(flow)).into_iter().collect()
}
