//! Who calls, and with whose connection.

use calls::Admitted;
use edge::caller::{Caller, Role};
use edge::config::PublicUrl;
use edge::gateway::Request;
use edge::log::RequestLog;
use edge::problem::{Code, Problem};
use edge::routes::Matched;
use oauth::issuer::Issuer;
use oauth::pass::Credential;
use oauth::scope::Scope;
use vault::connections::{Connection, Status};
use vault::ids::IntegrationId;
use vault::integrations::{Integration, McpAccess};
use vault::passes::Pass;

use crate::Mcp;

/// A caller's connection, whose integration has an endpoint.
pub(crate) struct Found {
    /// The caller, with the items that decide about its calls.
    pub(crate) admitted: Admitted,
    pub(crate) connection: Connection,
    pub(crate) integration: Integration,
    /// What the user has let the client do, if the caller is an MCP client.
    pub(crate) pass: Option<Pass>,
}

impl Mcp {
    /// Finds the connection that an address names, for a caller with one of these roles: by its id, or by that of the
    /// integration under which the caller is a user.
    ///
    /// # Errors
    /// A [`Problem`] if the caller is not accepted or may not know of the connection, and [`Code::McpDisabled`] if its
    /// integration has no endpoint.
    pub(crate) async fn find(
        &self,
        target: &str,
        roles: &[Role],
        request: &Request,
        log: &RequestLog,
    ) -> Result<Found, Problem> {
        // Ids of connections have an underscore, and those of integrations have none.
        if !target.contains('_') {
            return self.find_own(target, request, log).await;
        }
        let admitted = self.calls.admit(&self.authenticator, request, roles, target, log).await?;
        let (connection, integration) = admitted.clone().connection(target, log)?;
        offered(Found { admitted, connection, integration, pass: None })
    }

    /// Finds the connection of a pass, or the calling user's own one under an integration.
    async fn find_own(
        &self,
        integration: &str,
        request: &Request,
        log: &RequestLog,
    ) -> Result<Found, Problem> {
        let none = || Problem::new(Code::ConnectionNotFound);
        let id: IntegrationId = integration.parse().map_err(|_| none())?;
        if let Some(access) = self.authenticator.credentials(request)?.access_token() {
            return self.find_of_pass(&id, &access, log).await;
        }
        let caller = self.authenticator.identify(request, log, &self.audit).await?;
        caller.require(&[Role::User]).map_err(|problem| {
            problem.detail("The address with an integration is for its users. Others name a connection: /mcp/conn_….")
        })?;
        let user = caller.user().ok_or_else(none)?;
        let connection = self.connections.find(&id, user).await?.ok_or_else(none)?;
        let admitted = self.calls.admit_known(caller, Some(&connection.id)).await?;
        let (connection, integration) =
            admitted.clone().connection(&connection.id.to_string(), log)?;
        offered(Found { admitted, connection, integration, pass: None })
    }

    /// Finds the connection of a client that a user has let in. The pass is valid at its own integration only.
    async fn find_of_pass(
        &self,
        integration: &IntegrationId,
        access: &Credential,
        log: &RequestLog,
    ) -> Result<Found, Problem> {
        let ended = || Problem::new(Code::InvalidCredentials).cause("no pass of this integration");
        let pass = self.passes.of_access(access, self.clock.now()).await?;
        let pass = pass.filter(|pass| pass.integration == *integration).ok_or_else(ended)?;
        let caller = Caller::of_pass(&pass);
        caller.note(log, &self.audit).await;
        let admitted = self.calls.admit_known(caller, Some(&pass.connection)).await?;
        let (connection, integration) =
            admitted.clone().connection(pass.connection.as_str(), log).map_err(|_| ended())?;
        let found = offered(Found { admitted, connection, integration, pass: Some(pass) })?;
        if found.connection.status == Status::ReauthorizationRequired {
            return Err(Problem::new(Code::ConnectionReauthorizationRequired));
        }
        Ok(found)
    }
}

/// Adds to a refusal at an integration's address how a client gets what it lacks: the metadata of the authorization server,
/// and the scope.
pub(crate) fn challenged(problem: Problem, public_url: &PublicUrl, matched: &Matched) -> Problem {
    let target = matched.parameter("connection").unwrap_or_default();
    let Ok(integration) = target.parse::<IntegrationId>() else { return problem };
    let error = match problem.code() {
        Code::MissingCredentials => None,
        Code::InvalidCredentials | Code::ConnectionReauthorizationRequired => Some("invalid_token"),
        Code::WriteNotGranted => Some("insufficient_scope"),
        _ => return problem,
    };
    // Other suffixes are no endpoint's, and could end the quoted text.
    let is_plain =
        |byte: u8| byte.is_ascii_lowercase() || matches!(byte, b'/' | b',' | b'_' | b'-');
    let below = matched.parameter("narrowing").filter(|below| below.bytes().all(is_plain));
    let issuer = Issuer::new(public_url.as_str(), integration.as_str());
    problem.challenge(&issuer.challenge(below.unwrap_or_default(), error, Scope::Write))
}

fn offered(found: Found) -> Result<Found, Problem> {
    match found.integration.settings.mcp.access {
        McpAccess::Off => Err(Problem::new(Code::McpDisabled)),
        McpAccess::Read | McpAccess::Write => Ok(found),
    }
}
