//! The authorization server for MCP clients: OAuth 2.1 over the crate `oauth`, with the user's sign-in at Entra in the
//! middle.
//!
//! ```text
//!  client ──> documents          what there is
//!         ──> register           an id that contains its registration; nothing is stored
//!  browser ─> consent ──GET───>  a page; nothing is stored
//!                     ──POST──>  the flow is stored ──> Entra ──> the function `callback` ──> code
//!  client ──> token              code or refresh token ──> the next pair
//!         ──> revoke
//! ```

mod client_documents;
mod consent;
mod documents;
mod tokens;

use edge::gateway::{Body, Request};
use edge::log::RequestLog;
use edge::problem::{Code, Problem};
use edge::respond;
use edge::routes::{Matched, Operation};
use http::header::CACHE_CONTROL;
use http::{HeaderValue, Response, StatusCode};
use oauth::error::OAuthError;
use oauth::issuer::Issuer;
use oauth::scope::Scope;
use serde::Serialize;
use vault::integrations::{Integration, McpAccess, Status};

use crate::Authorize;

pub(crate) use self::client_documents::ClientDocuments;

/// An integration as an authorization server.
struct Server {
    integration: Integration,
    issuer: Issuer,
    /// The widest scope that there is.
    widest: Scope,
}

/// The reason why a client gets no answer.
enum Refusal {
    /// In the words of OAuth.
    OAuth(OAuthError),
    /// In ours.
    Problem(Problem),
}

impl From<OAuthError> for Refusal {
    fn from(error: OAuthError) -> Self {
        Self::OAuth(error)
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        match problem.code() {
            Code::DuplicateParameter | Code::InvalidRequest => {
                Self::OAuth(OAuthError::request("The body is not a form with each parameter once."))
            }
            _ => Self::Problem(problem),
        }
    }
}

impl From<vault::Error> for Refusal {
    fn from(error: vault::Error) -> Self {
        Self::Problem(error.into())
    }
}

impl Authorize {
    /// Answers a route of the authorization server.
    pub(crate) async fn serve_client(
        &self,
        matched: &Matched,
        request: &Request,
        log: &RequestLog,
    ) -> Result<Response<Body>, Problem> {
        let parameter = |name| matched.parameter(name).unwrap_or_default();
        let server = |id| self.server(id, log);
        match matched.route.operation {
            Operation::ProtectedResource => {
                let (id, below) = documents::target(parameter("resource"))?;
                documents::protected_resource(&server(id).await?, below)
            }
            Operation::AuthorizationServer => {
                let (id, _) = documents::target(parameter("issuer"))?;
                documents::authorization_server(&server(id).await?)
            }
            Operation::AskConsent => {
                let server = server(parameter("integration")).await?;
                self.ask_consent(&server, request, log).await
            }
            Operation::GiveConsent => {
                let server = server(parameter("integration")).await?;
                self.give_consent(&server, request, log).await
            }
            Operation::RegisterClient => {
                server(parameter("integration")).await?;
                answered(tokens::register(request))
            }
            Operation::TurnPass => {
                let server = server(parameter("integration")).await?;
                answered(self.turn(&server, request, log).await)
            }
            Operation::RevokePass => {
                let server = server(parameter("integration")).await?;
                answered(self.revoke(&server, request, log).await)
            }
            _ => Err(Problem::new(Code::NotFound)),
        }
    }

    /// Finds an integration that has an MCP endpoint. One without is nowhere to be seen.
    async fn server(&self, id: &str, log: &RequestLog) -> Result<Server, Problem> {
        let none = || Problem::new(Code::NotFound);
        let id = id.parse().map_err(|_| none())?;
        let integration = self.integrations.get(&id).await?.ok_or_else(none)?;
        log.integration(&integration.id);
        let widest = match integration.settings.mcp.access {
            McpAccess::Off => return Err(none()),
            McpAccess::Read => Scope::Read,
            McpAccess::Write => Scope::Write,
        };
        let issuer = Issuer::new(self.public_url.as_str(), id.as_str());
        Ok(Server { integration, issuer, widest })
    }
}

impl Server {
    /// Refuses new sign-ins and tokens while the integration cannot be used.
    fn require_ready(&self) -> Result<(), Problem> {
        if self.integration.status == Status::Ready {
            return Ok(());
        }
        let branding = &self.integration.settings.branding;
        Err(Problem::new(Code::IntegrationNotReady).branding(branding))
    }

    /// The name that people know.
    fn title(&self) -> &str {
        let brand = self.integration.settings.branding.name.as_ref();
        brand.map_or(self.integration.id.as_str(), |name| name.as_str())
    }
}

/// Returns an answer in the words of OAuth, or the problem that has none.
fn answered(result: Result<Response<Body>, Refusal>) -> Result<Response<Body>, Problem> {
    match result {
        Ok(response) => Ok(response),
        Err(Refusal::OAuth(error)) => uncached_json(StatusCode::BAD_REQUEST, &error.document()),
        Err(Refusal::Problem(problem)) => Err(problem),
    }
}

fn uncached_json(status: StatusCode, value: &impl Serialize) -> Result<Response<Body>, Problem> {
    let mut response = respond::json(status, value)?;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
