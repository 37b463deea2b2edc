//! The management API and the portal: integrations, connect sessions, connections, API keys, and their description.
//!
//! ```text
//!  api ─────┐    JSON: one function a route
//!           ├──> operations ──> vault, entra, devops
//!  portal ──┘    HTML: one file a subject, one template a page
//! ```
//!
//! An operation knows neither requests nor pages. Nothing here opens a token, and this function may not use the key
//! that seals them: deleting and confirming a connection only names the tokens' item.

pub mod api;
mod operations;
mod portal;

use std::sync::Arc;

use edge::caller::Authenticator;
use edge::config::{Config, FromVariables as _, Portal as PortalSetting, PublicUrl};
use edge::deployment::Deployment;
use edge::gateway::{Body, Request};
use edge::log::RequestLog;
use edge::problem::{Code, Problem};
use edge::routes::{Function, Operation, matched};
use edge::serve::HttpFunction;
use ground::clock::Clock;
use http::Response;
use vault::service::Service;
use vault::tallies::Tallies;

use operations::api_keys::ApiKeyOperations;
use operations::connect_sessions::ConnectSessionOperations;
use operations::connections::ConnectionOperations;
use operations::gateway_client::GatewayClient;
use operations::integrations::IntegrationOperations;
use operations::verify::Verifier;
use portal::session::PortalSessions;

/// An answer to a request.
pub(crate) type HttpResult = Result<Response<Body>, Problem>;

/// Everything the management API needs, made once per process.
pub struct Manage {
    public_url: PublicUrl,
    clock: Arc<dyn Clock>,
    authenticator: Authenticator,
    integrations: IntegrationOperations,
    verifier: Verifier,
    connect_sessions: ConnectSessionOperations,
    connections: ConnectionOperations,
    api_keys: ApiKeyOperations,
    service: Service,
    portal_sessions: PortalSessions,
    gateway: GatewayClient,
    tallies: Tallies,
    has_portal: bool,
    /// Shards of the refresh schedule.
    refresh_shards: u32,
}

impl Manage {
    /// Reads the configuration and makes the clients.
    ///
    /// # Errors
    /// When the environment lacks something; the error names everything that is missing.
    pub async fn from_environment() -> Result<Self, lambda_runtime::Error> {
        let deployment = Deployment::new(Config::from_environment()?).await?;
        let config = &deployment.config;
        let clock = || Arc::clone(&deployment.clock);
        let (authenticator, service) = (deployment.authenticator(), deployment.service());
        let credentials = deployment.client_credentials().await;
        let connections = ConnectionOperations {
            connections: deployment.connections(),
            integrations: deployment.integrations(),
            events: deployment.events(),
            clock: clock(),
            random: deployment.random.clone(),
        };
        let api_keys = ApiKeyOperations {
            api_keys: deployment.api_keys(),
            integrations: deployment.integrations(),
            clock: clock(),
            random: deployment.random.clone(),
        };
        Ok(Self {
            integrations: IntegrationOperations {
                integrations: deployment.integrations(),
                credentials: credentials.clone(),
                connections: connections.clone(),
                clock: clock(),
                public_url: config.public_url.clone(),
                authority: config.authority.clone(),
            },
            verifier: Verifier {
                integrations: deployment.integrations(),
                credentials,
                metadata: deployment.metadata(),
                entra: deployment.token_client(),
                devops: deployment.devops(),
                http: deployment.http.clone(),
                authority: config.authority.clone(),
                public_url: config.public_url.clone(),
                clock: clock(),
            },
            connect_sessions: ConnectSessionOperations {
                sessions: deployment.sessions(),
                integrations: deployment.integrations(),
                service: service.clone(),
                public_url: config.public_url.clone(),
                clock: clock(),
                random: deployment.random.clone(),
            },
            portal_sessions: PortalSessions {
                sessions: deployment.sessions(),
                authenticator: authenticator.clone(),
                public_url: config.public_url.clone(),
                clock: clock(),
                random: deployment.random.clone(),
            },
            gateway: GatewayClient {
                public_url: config.public_url.clone(),
                http: deployment.http.clone(),
                api_keys: api_keys.clone(),
            },
            connections,
            api_keys,
            service,
            authenticator,
            tallies: deployment.tallies(),
            has_portal: config.portal == PortalSetting::On,
            refresh_shards: config.refresh_shards.get(),
            clock: clock(),
            public_url: config.public_url.clone(),
        })
    }
}

impl HttpFunction for Manage {
    type Content = Body;

    fn function(&self) -> Function {
        Function::Manage
    }

    fn public_url(&self) -> &PublicUrl {
        &self.public_url
    }

    fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    async fn handle(&self, request: Request, log: RequestLog) -> HttpResult {
        let Some(matched) = matched(&request).cloned() else {
            return Err(Problem::new(Code::NotFound));
        };
        match matched.route.operation {
            Operation::Health => return api::service::health(),
            Operation::OpenApi => return api::service::openapi(&self.public_url),
            Operation::Portal
            | Operation::PortalAddress
            | Operation::PortalPage
            | Operation::PortalAction
                if !self.has_portal =>
            {
                return Err(Problem::new(Code::NotFound));
            }
            Operation::Portal => return portal::answer(self, &request, "", &log).await,
            Operation::PortalAddress => return portal::first_page(),
            Operation::PortalPage | Operation::PortalAction => {
                let page = matched.parameter("page").unwrap_or_default();
                return portal::answer(self, &request, page, &log).await;
            }
            _ => {}
        }
        let caller = self.authenticator.authenticate(request.headers()).await?;
        log.caller(&caller.id);
        caller.require(matched.route.callers)?;
        api::answer(self, &caller, &matched, &request, &log).await
    }
}
