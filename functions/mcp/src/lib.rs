//! The MCP endpoint: `ANY /mcp/{connection}` offers Azure DevOps as tools to an agent, with a user's token.
//!
//! ```text
//!  origin ─> caller ─> method ─> protocol ── JSON-RPC, one message ──> tools ── what this caller may have
//!                                   │                                    │
//!                                   │                                 engine ── arguments, address, answer
//!                                   │                                    │
//!                                   └──────── one JSON answer <──────  calls ── policy, limits, token, retries
//! ```
//!
//! A tool is a row of [`tools::table`]; the engine makes its call and shows what matters of the answer. Nothing is kept
//! between requests. Every call of Azure DevOps goes through the crate `calls`, so a tool may do what the proxy may do.

mod caller;
mod crafted;
pub mod engine;
mod protocol;
pub mod tools;

use std::sync::Arc;

use calls::Calls;
use calls::deadlines::Deadlines;
use edge::caller::Authenticator;
use edge::config::{PublicUrl, ResponseMode};
use edge::cors_origins::CorsOrigins;
use edge::deployment::Deployment;
use edge::gateway::{Body, Request};
use edge::log::RequestLog;
use edge::problem::{Code, Problem};
use edge::routes::{Matched, matched};
use edge::serve::HttpFunction;
use edge::site;
use ground::clock::Clock;
use ground::random::Random;
use http::{Method, Response};
use lambda_runtime::Context;
use vault::audit::Audit;
use vault::connections::Connections;
use vault::passes::Passes;

use crate::caller::challenged;
use crate::engine::people;
use crate::engine::session::{KnownIds, Process, Session};
use crate::tools::selection::{Narrowing, Selection};

/// Everything that the endpoint needs, made once per process.
pub struct Mcp {
    public_url: PublicUrl,
    cors_origins: CorsOrigins,
    clock: Arc<dyn Clock>,
    authenticator: Authenticator,
    connections: Connections,
    passes: Passes,
    audit: Audit,
    calls: Calls,
    known_ids: KnownIds,
    random: Random,
}

impl Mcp {
    /// Makes the clients for a deployment.
    pub async fn new(deployment: Deployment) -> Self {
        let refresher = deployment.refresher().await;
        Self {
            authenticator: deployment.authenticator(),
            calls: Calls::of(&deployment, refresher),
            connections: deployment.connections(),
            passes: deployment.passes(),
            known_ids: KnownIds::new(Arc::clone(&deployment.clock), people::KNOWN_FOR),
            cors_origins: deployment.config.cors_origins,
            public_url: deployment.config.public_url,
            random: deployment.random,
            clock: deployment.clock,
            audit: deployment.audit,
        }
    }
}

impl HttpFunction for Mcp {
    type Content = Body;

    async fn handle(&self, request: Request, log: RequestLog) -> Result<Response<Body>, Problem> {
        let Some(matched) = matched(&request).cloned() else {
            return Err(Problem::new(Code::NotFound));
        };
        let answered = self.answer(&matched, request, &log).await;
        answered.map_err(|problem| challenged(problem, &self.public_url, &matched))
    }
}

impl Mcp {
    async fn answer(
        &self,
        matched: &Matched,
        request: Request,
        log: &RequestLog,
    ) -> Result<Response<Body>, Problem> {
        let end = request.extensions().get().map(Context::deadline);
        let left = end.and_then(|end| self.clock.left_until(end));
        let deadlines = Deadlines::new(ResponseMode::Buffered, left);
        site::require_origin(request.headers(), &self.public_url, &self.cors_origins)?;
        let target = matched.parameter("connection").unwrap_or_default();
        let found = self.find(target, matched.route.callers, &request, log).await?;
        let suffixes = matched.parameter("narrowing").unwrap_or_default();
        let narrowing = Narrowing::new(suffixes, request.headers())?;
        let selection = Selection::new(
            &found.integration.settings.mcp,
            found.pass.as_ref().map(|pass| pass.scope),
            narrowing,
        );
        if request.method() != Method::POST {
            return Err(Problem::new(Code::MethodNotAllowed).allow("POST"));
        }
        let process = Process {
            calls: &self.calls,
            known_ids: &self.known_ids,
            public_url: &self.public_url,
            random: &self.random,
        };
        let session = Session::new(process, found, selection.offer(), deadlines, log);
        let (parts, body) = request.into_parts();
        protocol::answer(&parts.headers, &body, &selection, &session).await
    }
}
