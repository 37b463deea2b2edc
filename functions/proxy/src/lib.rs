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
use edge::deployment::Deployment;
use edge::gateway::Request;
use edge::log::RequestLog;
use edge::problem::{Code, Problem};
use edge::routes::{Operation, matched};
use edge::serve::HttpFunction;
use edge::streaming::Content;
use http::Response;

use crate::forward::Forwarder;
use crate::handout::Handout;

/// Everything the proxy needs, made once per process.
pub struct Proxy {
    authenticator: Authenticator,
    calls: Arc<Calls>,
    forwarder: Forwarder,
    handout: Handout,
}

impl Proxy {
    /// Makes the clients for a deployment.
    pub async fn new(deployment: Deployment) -> Self {
        let refresher = deployment.refresher().await;
        let calls = Arc::new(Calls::of(&deployment, refresher.clone()));
        Self {
            authenticator: deployment.authenticator(),
            forwarder: Forwarder::new(&deployment, Arc::clone(&calls)),
            handout: Handout {
                calls: Arc::clone(&calls),
                connections: deployment.connections(),
                refresher,
                limits: deployment.limits(),
                audit: deployment.audit,
                clock: deployment.clock,
            },
            calls,
        }
    }
}

impl HttpFunction for Proxy {
    type Content = Content;

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
