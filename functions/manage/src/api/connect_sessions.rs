//! `POST /connect-sessions`: the link with which one user's browser starts connecting.

use devops::organization::OrganizationName;
use devops::scopes;
use edge::caller::{Caller, Kind};
use edge::gateway::{Body, Request};
use edge::log::RequestLog;
use edge::parameters::{JSON_LIMIT, json_body};
use edge::problem::{Code, Problem};
use edge::respond;
use edge::wire::rfc3339;
use http::{Response, StatusCode};
use secrecy::ExposeSecret;
use url::Url;
use vault::ids::UserId;
use vault::integrations::{Confirmation, Integration, Organizations, Status};
use vault::sessions::ConnectSession;

use crate::Manage;
use crate::api::wire::{ConnectSessionView, CreateConnectSession};

/// Longest return address, in bytes: it travels through a query string later.
const LONGEST_RETURN_TO: usize = 2048;

impl Manage {
    pub(crate) async fn create_session(
        &self,
        caller: &Caller,
        request: &Request,
        log: &RequestLog,
    ) -> Result<Response<Body>, Problem> {
        let wish: CreateConnectSession = json_body(request, JSON_LIMIT)?;
        log.integration(&wish.integration);
        let view = self.open_session(caller, wish, None).await?;
        respond::json(StatusCode::CREATED, &view)
    }

    /// Makes a connect session. `finished_by_us`: where the portal itself finishes what it started; no caller's
    /// return address can be one of ours.
    pub(crate) async fn open_session(
        &self,
        caller: &Caller,
        wish: CreateConnectSession,
        finished_by_us: Option<Url>,
    ) -> Result<ConnectSessionView, Problem> {
        let user = acting_user(caller, wish.user)?;
        let integration = self.visible_integration(caller, &wish.integration).await?;
        edge::switch::running(&self.service).await?;
        if integration.status != Status::Ready {
            return Err(Problem::new(Code::IntegrationNotReady));
        }
        let session = ConnectSession {
            organization: organization(&integration, wish.organization)?,
            return_to: match finished_by_us {
                Some(own) => Some(own),
                None => return_to(&integration, wish.return_to)?,
            },
            login_hint: login_hint(wish.login_hint)?,
            scopes: requested_scopes(&integration, wish.scopes)?,
            integration: integration.id,
            user,
        };
        let now = self.clock.now();
        let (token, expires_at) =
            self.sessions.create(session, now, &mut self.random.clone()).await?;
        let mut connect_url = self.public_url.to_url();
        connect_url.set_path("/authorize");
        connect_url.query_pairs_mut().append_pair("session", token.expose_secret());
        Ok(ConnectSessionView {
            connect_url: connect_url.to_string(),
            expires_at: rfc3339(expires_at),
        })
    }
}

/// The user that a caller acts for: an application names one, a user is one.
pub(crate) fn acting_user(caller: &Caller, named: Option<UserId>) -> Result<UserId, Problem> {
    match (&caller.kind, named) {
        (Kind::User { user }, Some(named)) if named != *user => {
            Err(Problem::new(Code::UserMismatch))
        }
        (Kind::User { user }, _) => Ok(user.clone()),
        (_, Some(named)) => Ok(named),
        (_, None) => Err(Problem::field("user", "name the signed-in user of your application")),
    }
}

fn organization(
    integration: &Integration,
    named: Option<String>,
) -> Result<Option<OrganizationName>, Problem> {
    let Some(named) = named else {
        return match integration.settings.organizations {
            Organizations::Any => Err(Problem::field(
                "organization",
                "this integration serves any organization, so each session names one",
            )),
            Organizations::Named(_) => Ok(None),
        };
    };
    let name: OrganizationName = named
        .parse()
        .map_err(|_| Problem::field("organization", "an organization's name, such as mycompany"))?;
    if integration.settings.organizations.allow(&name) {
        Ok(Some(name))
    } else {
        Err(Problem::new(Code::OrganizationNotAllowed))
    }
}

/// The return address, if its origin is exactly one of the integration's (RFC 9700 section 4.11).
fn return_to(integration: &Integration, given: Option<String>) -> Result<Option<Url>, Problem> {
    let refused = || Problem::new(Code::ReturnToNotAllowed);
    let Some(text) = given else {
        return match integration.settings.confirmation {
            Confirmation::None => Ok(None),
            Confirmation::Required => Err(Problem::field(
                "return_to",
                "the confirmation travels to this address, so it is needed unless the integration's confirmation is none",
            )),
        };
    };
    // Whatever the WHATWG parser would drop or turn is refused, so that every reader sees one address.
    let ambiguous = |c: char| c.is_control() || c.is_whitespace() || c == '\\';
    if text.len() > LONGEST_RETURN_TO || text.contains(ambiguous) || !text.contains("://") {
        return Err(refused());
    }
    let url = Url::parse(&text).map_err(|_| refused())?;
    let allowed =
        integration.settings.allowed_return_origins.iter().any(|origin| origin.covers(&url));
    if allowed { Ok(Some(url)) } else { Err(refused()) }
}

fn login_hint(given: Option<String>) -> Result<Option<String>, Problem> {
    match given {
        Some(hint) if hint.is_empty() || hint.len() > 256 || hint.chars().any(char::is_control) => {
            Err(Problem::field("login_hint", "an account name of 1 to 256 bytes"))
        }
        hint => Ok(hint),
    }
}

/// The integration's scopes, or fewer: each must be one of them or be included in one of them.
fn requested_scopes(
    integration: &Integration,
    given: Option<Vec<String>>,
) -> Result<Vec<String>, Problem> {
    let Some(mut wanted) = given else { return Ok(integration.settings.scopes.clone()) };
    if wanted.is_empty() {
        return Err(Problem::field("scopes", "at least one scope, or leave the field out"));
    }
    wanted.dedup();
    let covered = |name: &String| scopes::covers(&integration.settings.scopes, name);
    if wanted.iter().all(covered) { Ok(wanted) } else { Err(Problem::new(Code::ScopeNotAllowed)) }
}
