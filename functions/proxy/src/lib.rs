//! The proxy: `ANY /proxy/{connection}/{host}/{path…}` becomes a call of Azure DevOps with the user's token.
//!
//! ```text
//!  authenticate ─> connection, address ─> policy ─> limits ─> token ─> send ─> judge ─> response headers
//!                                                              ^                │ rejected: renew once,
//!                                                              └────────────────┘ send once more
//! ```
//!
//! It also answers the two routes that need the same token: refresh now, and hand out the token. It
//! never follows a redirect, never retries what might have been done, and nobody waits for anything to be written unless
//! the operator has calls limited.

mod connection;
mod deadlines;
mod dry;
mod forward;
mod handout;
mod me;
mod pace;
mod refusal;
mod send;
mod target;

use std::sync::Arc;

use devops::client::DevopsClient;
use edge::caller::Authenticator;
use edge::config::{BaseUrl, Config, FromVariables as _, PublicUrl, ResponseMode};
use edge::deployment::Deployment;
use edge::gateway::Request;
use edge::log::RequestLog;
use edge::metrics::Unit;
use edge::problem::{Code, Problem};
use edge::routes::{Function, Operation, matched};
use edge::serve::HttpFunction;
use edge::streaming::Content;
use ground::clock::Clock;
use ground::random::Random;
use http::Response;
use vault::connections::Connections;
use vault::integrations::Integrations;
use vault::limits::LimitLedger;
use vault::refresh::Refresher;
use vault::service::Service;
use vault::tallies::{Counter, Tallies};

use crate::me::{KnownIntegrations, known_integrations};

/// Everything the proxy needs, made once per process.
pub struct Proxy {
    public_url: PublicUrl,
    response_mode: ResponseMode,
    /// Where answers of any size can be had.
    streaming_url: Option<BaseUrl>,
    /// Where this proxy is reached, which addresses in answers point back at.
    base_url: String,
    clock: Arc<dyn Clock>,
    random: Random,
    authenticator: Authenticator,
    connections: Connections,
    integrations: Integrations,
    refresher: Refresher,
    devops: DevopsClient,
    service: Service,
    limits: LimitLedger,
    tallies: Tallies,
    known_integrations: KnownIntegrations,
}

impl Proxy {
    /// Reads the configuration and makes the clients.
    ///
    /// # Errors
    /// When the environment lacks something; the error names everything that is missing.
    pub async fn from_environment() -> Result<Self, lambda_runtime::Error> {
        let deployment = Deployment::new(Config::from_environment()?).await?;
        let config = &deployment.config;
        let base_url = match (&config.streaming_url, config.response_mode) {
            (Some(own), ResponseMode::Streamed) => own.as_str(),
            _ => config.public_url.as_str(),
        };
        Ok(Self {
            base_url: base_url.to_owned(),
            response_mode: config.response_mode,
            authenticator: deployment.authenticator(),
            connections: deployment.connections(),
            integrations: deployment.integrations(),
            refresher: deployment.refresher().await,
            devops: deployment.devops(),
            service: deployment.service(),
            limits: deployment.limits(),
            tallies: deployment.tallies(),
            known_integrations: known_integrations(Arc::clone(&deployment.clock)),
            streaming_url: deployment.config.streaming_url,
            public_url: deployment.config.public_url,
            clock: deployment.clock,
            random: deployment.random,
        })
    }
}

impl HttpFunction for Proxy {
    type Content = Content;

    fn function(&self) -> Function {
        Function::Proxy
    }

    fn public_url(&self) -> &PublicUrl {
        &self.public_url
    }

    fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    fn response_mode(&self) -> ResponseMode {
        self.response_mode
    }

    async fn handle(
        &self,
        request: Request,
        log: RequestLog,
    ) -> Result<Response<Content>, Problem> {
        let Some(matched) = matched(&request).cloned() else {
            return Err(Problem::new(Code::NotFound));
        };
        let caller = self.authenticator.authenticate(request.headers()).await?;
        log.caller(&caller.id);
        caller.require(matched.route.callers)?;
        self.service.require_running().await?;
        let path = |name| matched.parameter(name).unwrap_or_default();
        let answered = match matched.route.operation {
            Operation::Proxy => {
                let call = Box::pin(self.forward(&caller, &matched, request, &log));
                self.counted(call).await
            }
            Operation::RefreshConnection => {
                let renewed = self.refresh_now(&caller, path("connection"), &log).await;
                renewed.map(|response| response.map(Content::from))
            }
            Operation::HandOutToken => {
                let handed_out = self.hand_out(&caller, path("connection"), &log).await;
                handed_out.map(|response| response.map(Content::from))
            }
            _ => Err(Problem::new(Code::NotFound)),
        };
        self.tell_renewals(&log);
        answered
    }
}

impl Proxy {
    /// A call, counted. What was counted is written while Azure DevOps works, so that hardly anybody waits for it.
    async fn counted(
        &self,
        call: impl Future<Output = Result<Response<Content>, Problem>>,
    ) -> Result<Response<Content>, Problem> {
        self.tallies.count(Counter::Calls, 1);
        let (answered, ()) = tokio::join!(call, self.tallies.write());
        let status = match &answered {
            Ok(response) => response.status(),
            Err(problem) => problem.code().status(),
        };
        if status.is_server_error() {
            self.tallies.count(Counter::CallsFailed, 1);
            self.tallies.write_failures().await;
        }
        answered
    }

    /// What renewing cost, where anything was renewed.
    fn tell_renewals(&self, log: &RequestLog) {
        let metered = self.refresher.take_metered();
        for (name, value) in [
            ("TokenRequests", metered.token_requests),
            ("TokensRenewed", metered.renewals),
            ("TokensUnsaved", metered.unsaved_tokens),
        ] {
            if value > 0 {
                log.metric(name, Unit::Count, value);
            }
        }
    }
}
