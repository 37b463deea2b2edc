//! Connect sessions: the link with which one user's browser starts connecting.

use std::sync::Arc;

use devops::organization::OrganizationName;
use devops::scopes;
use edge::caller::{Caller, Kind};
use edge::config::PublicUrl;
use edge::problem::{Code, Problem};
use ground::clock::Clock;
use ground::random::Random;
use jiff::Timestamp;
use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::Deserialize;
use url::Url;
use vault::ids::{IntegrationId, UserId};
use vault::integrations::{
    Confirmation, Integration, Integrations, Organizations, Status, Users, return_address,
};
use vault::service::Service;
use vault::sessions::{ConnectSession, Sessions};

use super::visible::visible_integration;

/// Creates connect sessions.
pub(crate) struct ConnectSessionOperations {
    pub(crate) sessions: Sessions,
    pub(crate) integrations: Integrations,
    pub(crate) service: Service,
    pub(crate) public_url: PublicUrl,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Random,
}

/// `POST /connect-sessions`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateConnectSession {
    /// The integration to connect under.
    pub integration: IntegrationId,
    /// The application's own name for its signed-in user. A caller with a JWT may leave it out.
    pub user: Option<UserId>,
    /// The Azure DevOps organization, if the integration serves several or any.
    pub organization: Option<String>,
    /// Where the browser goes afterwards.
    pub return_to: Option<String>,
    /// The account to suggest on Microsoft's sign-in page.
    pub login_hint: Option<String>,
    /// Fewer scopes than the integration's.
    pub scopes: Option<Vec<String>>,
}

/// A connect session's link.
pub(crate) struct ConnectLink {
    pub(crate) url: Url,
    pub(crate) expires_at: Timestamp,
}

impl ConnectSessionOperations {
    /// Creates a session that ends at a page of the application.
    ///
    /// # Errors
    /// [`Code::UserMismatch`], [`Code::IntegrationNotFound`], [`Code::CallerNotAllowed`], [`Code::ServicePaused`],
    /// [`Code::IntegrationNotReady`], [`Code::OrganizationNotAllowed`], [`Code::ReturnToNotAllowed`],
    /// [`Code::ScopeNotAllowed`], or [`Code::InvalidRequest`] naming the field.
    pub(crate) async fn create(
        &self,
        caller: &Caller,
        request: CreateConnectSession,
    ) -> Result<ConnectLink, Problem> {
        self.create_ending_at(caller, request, return_to).await
    }

    /// Creates a session that ends in the portal, where an operator confirms the connection.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub(crate) async fn create_for_portal(
        &self,
        caller: &Caller,
        request: CreateConnectSession,
    ) -> Result<ConnectLink, Problem> {
        // No caller's own return address can be one of the portal's.
        let mut page = self.public_url.to_url();
        page.set_path("/portal/connected");
        self.create_ending_at(caller, request, |_, _| Ok(Some(page))).await
    }

    async fn create_ending_at(
        &self,
        caller: &Caller,
        request: CreateConnectSession,
        end: impl FnOnce(&Integration, Option<String>) -> Result<Option<Url>, Problem>,
    ) -> Result<ConnectLink, Problem> {
        let user = acting_user(caller, request.user)?;
        let integration =
            visible_integration(&self.integrations, caller, &request.integration).await?;
        require_naming(caller, &user, &integration)?;
        let names_itself = matches!(caller.kind, Kind::User { .. });
        if names_itself && integration.settings.confirmation == Confirmation::None {
            // The user could send the link to somebody else and get that person's account.
            return Err(Problem::new(Code::CallerNotAllowed));
        }
        self.service.require_running().await?;
        if integration.status != Status::Ready {
            return Err(Problem::new(Code::IntegrationNotReady));
        }
        let session = ConnectSession {
            organization: organization(&integration, request.organization)?,
            return_to: end(&integration, request.return_to)?,
            login_hint: login_hint(request.login_hint)?,
            scopes: requested_scopes(&integration, request.scopes)?,
            integration: integration.id,
            user,
        };
        let (now, mut random) = (self.clock.now(), self.random.clone());
        let (token, expires_at) = self.sessions.create(session, now, &mut random).await?;
        let mut url = self.public_url.to_url();
        url.set_path("/authorize");
        url.query_pairs_mut().append_pair("session", token.secret().expose_secret());
        Ok(ConnectLink { url, expires_at })
    }
}

/// Returns the user that a caller acts for: an application names one, a user is one.
///
/// # Errors
/// [`Code::UserMismatch`] if a user names another one; [`Code::InvalidRequest`] if an application names none.
pub(crate) fn acting_user(caller: &Caller, named: Option<UserId>) -> Result<UserId, Problem> {
    match (&caller.kind, named) {
        (Kind::User { user }, Some(named)) if !is_named(user, &named) => {
            Err(Problem::new(Code::UserMismatch))
        }
        (Kind::User { user }, _) => Ok(user.clone()),
        (_, Some(named)) => Ok(named),
        (_, None) => Err(Problem::field("user", "name the signed-in user of your application")),
    }
}

/// Whether `named` is this user, with or without the issuer.
pub(crate) fn is_named(user: &UserId, named: &UserId) -> bool {
    named == user || named.as_str() == user.name()
}

/// Refuses a user whom this caller may not name under this integration: users of an issuer name themselves, and no
/// application names one of them. An operator may connect any user of the integration's kind.
///
/// # Errors
/// [`Code::CallerNotAllowed`], or [`Code::InvalidRequest`] naming the field `user`.
pub(crate) fn require_naming(
    caller: &Caller,
    user: &UserId,
    integration: &Integration,
) -> Result<(), Problem> {
    if user.is_account() {
        return Err(Problem::field("user", "`entra:` begins the users of MCP clients only"));
    }
    let of_issuer = user.issuer().is_some();
    match (&caller.kind, integration.settings.users) {
        (Kind::User { .. }, Users::Application) | (Kind::Application { .. }, Users::Jwt) => {
            Err(Problem::new(Code::CallerNotAllowed))
        }
        (Kind::Operator, Users::Jwt) if !of_issuer => Err(Problem::field(
            "user",
            "users of this integration name themselves: enter the issuer of their tokens, `|`, and the user's name",
        )),
        (_, Users::Application) if of_issuer => Err(Problem::field(
            "user",
            "an address and `|` begin the names of an identity provider's users only",
        )),
        _ => Ok(()),
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

/// Returns the return address, if its origin is exactly one of the integration's.
fn return_to(integration: &Integration, given: Option<String>) -> Result<Option<Url>, Problem> {
    let Some(text) = given else {
        return match integration.settings.confirmation {
            Confirmation::None => Ok(None),
            Confirmation::Required => Err(Problem::field(
                "return_to",
                "the confirmation travels to this address, so it is needed unless the integration's confirmation is none",
            )),
        };
    };
    let address = return_address(&integration.settings.allowed_return_origins, &text);
    address.map(Some).ok_or_else(|| Problem::new(Code::ReturnToNotAllowed))
}

fn login_hint(given: Option<String>) -> Result<Option<String>, Problem> {
    match given {
        Some(hint) if hint.is_empty() || hint.len() > 256 || hint.chars().any(char::is_control) => {
            Err(Problem::field("login_hint", "an account name of 1 to 256 bytes"))
        }
        hint => Ok(hint),
    }
}

/// Returns the scopes to ask for: the integration's, or fewer. Each must be one of them or be included in one.
fn requested_scopes(
    integration: &Integration,
    given: Option<Vec<String>>,
) -> Result<Vec<String>, Problem> {
    let Some(mut wanted) = given else { return Ok(integration.settings.scopes.names().to_vec()) };
    if wanted.is_empty() {
        return Err(Problem::field("scopes", "at least one scope, or leave the field out"));
    }
    wanted.dedup();
    let covered = |name: &String| scopes::covers(integration.settings.scopes.names(), name);
    if wanted.iter().all(covered) { Ok(wanted) } else { Err(Problem::new(Code::ScopeNotAllowed)) }
}
