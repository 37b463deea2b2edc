//! The management API: integrations, connect sessions, connections, API keys, and what describes them.
//!
//! And the portal, which is the same for people. It configures and reads; it never opens a token. Deleting and confirming need no more than naming
//! the tokens' item, so this function has no use for the key that seals them.

pub mod api;
mod operations;
mod portal;

use std::sync::Arc;

use devops::client::DevopsClient;
use edge::caller::{Authenticator, Caller};
use edge::config::{Config, FromVariables as _, Portal, PublicUrl, ResponseMode};
use edge::deployment::Deployment;
use edge::gateway::{Body, Request};
use edge::log::RequestLog;
use edge::problem::{Code, Problem};
use edge::routes::{Function, Operation, matched};
use edge::serve::{self, Server};
use entra::metadata::MetadataCache;
use entra::token::TokenClient;
use ground::clock::Clock;
use ground::random::Random;
use http::Response;
use vault::api_keys::ApiKeys;
use vault::client_credentials::ClientCredentials;
use vault::connections::Connections;
use vault::events::Events;
use vault::ids::IntegrationId;
use vault::integrations::{Integration, Integrations};
use vault::service::{self, Service};
use vault::sessions::Sessions;
use vault::tallies::Tallies;

/// Everything the management API needs, made once per process.
pub struct Manage {
    pub(crate) public_url: PublicUrl,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Random,
    pub(crate) authenticator: Authenticator,
    pub(crate) integrations: Integrations,
    pub(crate) credentials: ClientCredentials,
    pub(crate) sessions: Sessions,
    pub(crate) connections: Connections,
    pub(crate) api_keys: ApiKeys,
    pub(crate) events: Events,
    pub(crate) service: Service,
    pub(crate) metadata: MetadataCache,
    pub(crate) entra: TokenClient,
    pub(crate) devops: DevopsClient,
    pub(crate) http: reqwest::Client,
    pub(crate) authority: entra::cloud::Authority,
    pub(crate) tallies: Tallies,
    has_portal: bool,
    /// Into how many parts the refresh schedule is split.
    pub(crate) refresh_shards: u32,
}

impl Manage {
    /// Answers events until the environment is shut down.
    ///
    /// # Errors
    /// When the Lambda runtime API fails.
    pub async fn run(self) -> Result<(), lambda_runtime::Error> {
        let manage = Arc::new(self);
        serve::run(Server {
            function: Function::Manage,
            public_url: manage.public_url.clone(),
            response_mode: ResponseMode::Buffered,
            clock: Arc::clone(&manage.clock),
            handler: move |request, log| {
                let manage = Arc::clone(&manage);
                // Boxed, because the compiler gives up on layouts as deep as this.
                Box::pin(async move { manage.handle(request, log).await })
            },
        })
        .await
    }

    /// Answers one request.
    ///
    /// # Errors
    /// A [`Problem`] for everything that is not done.
    pub async fn handle(
        &self,
        request: Request,
        log: RequestLog,
    ) -> Result<Response<Body>, Problem> {
        let Some(matched) = matched(&request).cloned() else {
            return Err(Problem::new(Code::NotFound));
        };
        match matched.route.operation {
            Operation::Health => return api::describe::health(),
            Operation::OpenApi => return api::describe::openapi(&self.public_url),
            Operation::Portal
            | Operation::PortalAddress
            | Operation::PortalPage
            | Operation::PortalAction
                if !self.has_portal =>
            {
                return Err(Problem::new(Code::NotFound));
            }
            Operation::Portal => return self.portal(&request, "", &log).await,
            Operation::PortalAddress => return portal::first_page(),
            Operation::PortalPage | Operation::PortalAction => {
                let page = matched.parameter("page").unwrap_or_default();
                return self.portal(&request, page, &log).await;
            }
            _ => {}
        }
        let caller = self.authenticator.authenticate(request.headers()).await?;
        log.caller(&caller);
        caller.require(matched.route.callers)?;
        let path = |name| matched.parameter(name).unwrap_or_default();
        match matched.route.operation {
            Operation::PutIntegration => {
                self.put_integration(path("integration"), &request, &log).await
            }
            Operation::PutClientCredential => {
                self.put_client_credential(path("integration"), &request, &log).await
            }
            Operation::ListIntegrations => self.list_integrations().await,
            Operation::GetIntegration => self.get_integration(path("integration"), &log).await,
            Operation::DeleteIntegration => {
                self.delete_integration(path("integration"), &log).await
            }
            Operation::VerifyIntegration => {
                self.verify_integration(path("integration"), &log).await
            }
            Operation::PauseIntegration => self.pause_integration(path("integration"), &log).await,
            Operation::ResumeIntegration => {
                self.resume_integration(path("integration"), &log).await
            }
            Operation::GetService => self.get_service().await,
            Operation::PauseService => self.turn_service(service::Status::Paused).await,
            Operation::ResumeService => self.turn_service(service::Status::Running).await,
            Operation::CreateConnectSession => self.create_session(&caller, &request, &log).await,
            Operation::ListConnections => self.list_connections(&caller, &request).await,
            Operation::GetConnection => {
                self.get_connection(&caller, path("connection"), &log).await
            }
            Operation::DeleteConnection => {
                self.delete_connection(&caller, path("connection"), &log).await
            }
            Operation::ConfirmConnection => {
                self.confirm_connection(&caller, path("connection"), &request, &log).await
            }
            Operation::CreateApiKey => self.create_api_key(&request).await,
            Operation::ListApiKeys => self.list_api_keys().await,
            Operation::DeleteApiKey => self.delete_api_key(path("key")).await,
            _ => Err(Problem::new(Code::NotFound)),
        }
    }

    /// The integration that a caller names, if it exists and the caller may see it.
    pub(crate) async fn visible_integration(
        &self,
        caller: &Caller,
        id: &IntegrationId,
    ) -> Result<Integration, Problem> {
        let not_found = || Problem::new(Code::IntegrationNotFound);
        if !caller.sees_integration(id) {
            return Err(not_found());
        }
        self.integrations.get(id).await?.ok_or_else(not_found)
    }
}

impl Manage {
    /// Reads the configuration and makes the clients.
    ///
    /// # Errors
    /// When the environment lacks something; the error names everything that is missing.
    pub async fn from_environment() -> Result<Self, lambda_runtime::Error> {
        let deployment = Deployment::new(Config::from_environment()?).await?;
        Ok(Self {
            authenticator: deployment.authenticator(),
            integrations: deployment.integrations(),
            credentials: deployment.client_credentials().await,
            sessions: deployment.sessions(),
            connections: deployment.connections(),
            api_keys: deployment.api_keys(),
            events: deployment.events(),
            service: deployment.service(),
            metadata: deployment.metadata(),
            entra: deployment.token_client(),
            devops: deployment.devops(),
            tallies: deployment.tallies(),
            has_portal: deployment.config.portal == Portal::On,
            refresh_shards: deployment.config.refresh_shards.get(),
            http: deployment.http,
            authority: deployment.config.authority,
            public_url: deployment.config.public_url,
            clock: deployment.clock,
            random: deployment.random,
        })
    }
}
