//! The proxy: `ANY /proxy/{connection}/{host}/{path…}` becomes a call of Azure DevOps with the user's token.
//!
//! ```text
//!  authenticate ─> target ─> request headers ─> calls ─> response headers, addresses ─> answer, whole or as it comes
//!                    └─> with `x-ado-connect-dry: 1`: a description of the call instead
//! ```
//!
//! Everything between the two headers is in the crate `calls`: policy, limits, token, retries. This crate also answers
//! the two routes that need the same token: refresh now, and hand out the token.

mod dry;
mod forward;
mod handout;

use std::sync::Arc;

use calls::Calls;
use edge::caller::Authenticator;
use edge::config::{Config, FromVariables as _, PublicUrl, ResponseMode};
use edge::deployment::Deployment;
use edge::gateway::Request;
use edge::log::RequestLog;
use edge::problem::{Code, Problem};
use edge::routes::{Function, Operation, matched};
use edge::serve::HttpFunction;
use edge::streaming::Content;
use ground::clock::Clock;
use http::Response;
use vault::audit::Audit;

use crate::forward::Forwarder;
use crate::handout::Handout;

/// Everything the proxy needs, made once per process.
pub struct Proxy {
    public_url: PublicUrl,
    response_mode: ResponseMode,
    clock: Arc<dyn Clock>,
    authenticator: Authenticator,
    audit: Audit,
    calls: Arc<Calls>,
    forwarder: Forwarder,
    handout: Handout,
}

impl Proxy {
    /// Reads the configuration and makes the clients.
    ///
    /// # Errors
    /// If the environment lacks something; the error names everything that is missing.
    pub async fn from_environment() -> Result<Self, lambda_runtime::Error> {
        let deployment = Deployment::new(Config::from_environment()?).await?;
        let refresher = deployment.refresher().await;
        let calls = Arc::new(Calls::of(&deployment, refresher.clone()));
        Ok(Self {
            authenticator: deployment.authenticator(),
            forwarder: Forwarder::new(&deployment, Arc::clone(&calls)),
            handout: Handout {
                calls: Arc::clone(&calls),
                connections: deployment.connections(),
                refresher,
                limits: deployment.limits(),
                audit: deployment.audit.clone(),
                clock: Arc::clone(&deployment.clock),
            },
            calls,
            response_mode: deployment.config.response_mode,
            public_url: deployment.config.public_url,
            clock: deployment.clock,
            audit: deployment.audit,
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

    fn audit(&self) -> Option<&Audit> {
        Some(&self.audit)
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
        let id = matched.parameter("connection").unwrap_or_default();
        let roles = matched.route.callers;
        let admitted = self.calls.admit(&self.authenticator, &request, roles, id, &log).await?;
        match matched.route.operation {
            Operation::Proxy => {
                Box::pin(self.forwarder.forward(admitted, &matched, request, &log)).await
            }
            Operation::RefreshConnection => {
                let renewed = self.handout.refresh_now(admitted, id, &log).await;
                renewed.map(|response| response.map(Content::from))
            }
            Operation::HandOutToken => {
                let handed_out = self.handout.hand_out(admitted, id, &log).await;
                handed_out.map(|response| response.map(Content::from))
            }
            _ => Err(Problem::new(Code::NotFound)),
        }
    }
}
