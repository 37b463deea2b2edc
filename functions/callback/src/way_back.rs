//! The address to which the browser goes after a sign-in.

use edge::config::PublicUrl;
use edge::problem::{Code, Problem};
use oauth::error::ErrorCode;
use oauth::issuer::Issuer;
use oauth::redirect_uri::RedirectUri;
use secrecy::{ExposeSecret, SecretString};
use url::Url;
use vault::integrations::{Integration, McpAccess};
use vault::sessions::{AuthorizationFlow, ClientRequest, Purpose};

/// Where a sign-in ends.
pub(crate) enum WayBack<'a> {
    /// The application's address; `None` is a page of ours, for a session without an address that is allowed now.
    Application(Option<&'a Url>),
    /// The MCP client's redirect URI.
    Client { request: &'a ClientRequest, issuer: Issuer },
}

impl<'a> WayBack<'a> {
    /// Returns the way back of a flow. An application's origins may have been narrowed since its session was created
    /// (S-09). Pages of the portal are always allowed.
    pub(crate) fn of(
        flow: &'a AuthorizationFlow,
        integration: Option<&Integration>,
        public_url: &PublicUrl,
    ) -> Self {
        match &flow.purpose {
            Purpose::Connect { session, .. } => {
                let is_allowed = |return_to: &&Url| {
                    let allows = |known: &Integration| known.settings.allows_return_to(return_to);
                    return_to.origin() == public_url.to_url().origin()
                        || integration.is_some_and(allows)
                };
                Self::Application(session.return_to.as_ref().filter(is_allowed))
            }
            Purpose::Client(request) => {
                let issuer = Issuer::new(public_url.as_str(), request.integration.as_str());
                Self::Client { request, issuer }
            }
        }
    }

    /// Refuses a sign-in whose end is not allowed any more.
    ///
    /// # Errors
    /// [`Code::ReturnToNotAllowed`], [`Code::McpDisabled`].
    pub(crate) fn require_still_allowed(
        &self,
        flow: &AuthorizationFlow,
        integration: &Integration,
    ) -> Result<(), Problem> {
        match (self, flow.session()) {
            (Self::Application(return_to), Some(session)) => {
                if session.return_to.as_ref() == *return_to {
                    return Ok(());
                }
                Err(Problem::new(Code::ReturnToNotAllowed))
            }
            _ if integration.settings.mcp.access == McpAccess::Off => {
                Err(Problem::new(Code::McpDisabled))
            }
            _ => Ok(()),
        }
    }
}

/// Returns the address of an MCP client with the code of its pass (RFC 6749 section 4.1.2, RFC 9207).
///
/// # Errors
/// [`Code::InternalError`] for a stored address that cannot be read.
pub(crate) fn with_code(
    request: &ClientRequest,
    issuer: &Issuer,
    code: &SecretString,
) -> Result<Url, Problem> {
    answer(request, issuer, &[("code", code.expose_secret())])
}

/// Returns the address of an MCP client with an error.
///
/// # Errors
/// As [`with_code`].
pub(crate) fn with_error(
    request: &ClientRequest,
    issuer: &Issuer,
    problem: &Problem,
) -> Result<Url, Problem> {
    let code = match problem.code() {
        Code::EntraUnavailable
        | Code::EntraThrottled
        | Code::DevopsUnavailable
        | Code::DevopsTimeout
        | Code::ServiceUnavailable => ErrorCode::TemporarilyUnavailable,
        code if code.status().is_server_error() => ErrorCode::ServerError,
        _ => ErrorCode::AccessDenied,
    };
    let description = format!("{}. {}", problem.code().title(), problem.code().advice());
    answer(request, issuer, &[("error", code.as_str()), ("error_description", &description)])
}

fn answer(
    request: &ClientRequest,
    issuer: &Issuer,
    parameters: &[(&str, &str)],
) -> Result<Url, Problem> {
    let unreadable = || Problem::new(Code::InternalError).cause("unreadable redirect URI");
    let redirect_uri = RedirectUri::parse(&request.pass.redirect_uri).ok_or_else(unreadable)?;
    Ok(redirect_uri.answered(parameters, request.state.as_deref(), issuer))
}
