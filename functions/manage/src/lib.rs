//! The management API and the portal: integrations, connect sessions, connections, API keys, and their description.
//!
//! ```text
//!  api ─────┐    JSON: one function a route
//!           ├──> operations ──> vault, entra, devops
//!  portal ──┘    HTML: one file a subject, one template a page
//! ```
//!
//! An operation handles neither requests nor pages. Nothing here opens a token, and this function may not use the key
//! that seals them: deleting and confirming a connection only names the tokens' item.

pub mod api;
mod operations;
mod portal;

use std::sync::Arc;

use edge::caller::Authenticator;
use edge::config::{Portal as PortalSetting, PublicUrl};
use edge::deployment::Deployment;
use edge::gateway::{Body, Request};
use edge::log::RequestLog;
use edge::problem::{Code, Problem};
use edge::routes::{Operation, matched};
use edge::serve::HttpFunction;
use ground::clock::Clock;
use http::Response;
use vault::audit::Audit;

use api::Call;
use operations::Operations;
use portal::session::PortalSessions;

/// An answer to a request.
pub(crate) type HttpResult = Result<Response<Body>, Problem>;

/// Everything the management API needs, made once per process.
pub struct Manage {
    public_url: PublicUrl,
    clock: Arc<dyn Clock>,
    authenticator: Authenticator,
    audit: Audit,
    operations: Operations,
    portal_sessions: PortalSessions,
    has_portal: bool,
}

impl Manage {
    /// Makes the clients for a deployment.
    pub async fn new(deployment: Deployment) -> Self {
        let authenticator = deployment.authenticator();
        Self {
            operations: Operations::new(&deployment).await,
            portal_sessions: PortalSessions {
                sessions: deployment.sessions(),
                authenticator: authenticator.clone(),
                audit: deployment.audit.clone(),
                public_url: deployment.config.public_url.clone(),
                clock: Arc::clone(&deployment.clock),
                random: deployment.random.clone(),
            },
            authenticator,
            has_portal: deployment.config.portal == PortalSetting::On,
            audit: deployment.audit,
            clock: deployment.clock,
            public_url: deployment.config.public_url,
        }
    }
}

impl HttpFunction for Manage {
    type Content = Body;

    async fn handle(&self, request: Request, log: RequestLog) -> HttpResult {
        let Some(matched) = matched(&request) else {
            return Err(Problem::new(Code::NotFound));
        };
        match matched.route.operation {
            Operation::Health => return api::service::health(),
            Operation::OpenApi => return api::service::openapi(&self.public_url),
            Operation::Portal
            | Operation::PortalAddress
            | Operation::PortalPage
            | Operation::PortalAction => {
                if !self.has_portal {
                    return Err(Problem::new(Code::NotFound));
                }
                return portal::answer(self, &request, matched, &log).await;
            }
            _ => {}
        }
        let caller = &self.authenticator.identify(&request, &log, &self.audit).await?;
        caller.require(matched.route.callers)?;
        let (operations, request, log) = (&self.operations, &request, &log);
        api::answer(&Call { operations, caller, matched, request, log }).await
    }
}
