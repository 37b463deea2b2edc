//! Signing in and out.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use edge::caller::Authenticator;
use edge::config::PublicUrl;
use edge::cookies;
use edge::gateway::Request;
use edge::log::RequestLog;
use edge::page::{self, Allowed, Forms};
use edge::problem::{Code, Problem};
use ground::clock::Clock;
use ground::random::Random;
use http::header::SET_COOKIE;
use http::uri::PathAndQuery;
use http::{Method, StatusCode};
use url::{Position, Url};
use vault::audit::{Audit, AuditEvent, What};
use vault::sessions::{PORTAL_LIFETIME, Sessions};

use super::draft::{self, KeptFields};
use super::form::Form;
use super::frame::to;
use super::visit::Operator;
use crate::HttpResult;

/// Operators' sessions in the portal.
pub(crate) struct PortalSessions {
    pub(crate) sessions: Sessions,
    pub(crate) authenticator: Authenticator,
    pub(crate) audit: Audit,
    pub(crate) public_url: PublicUrl,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Random,
}

/// Why a browser is shown the sign-in page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reason {
    /// It asked for the sign-in page.
    Asked,
    /// It asked for another page without a session.
    Needed,
    /// It sent a form, and its session has expired.
    Ended,
    /// It sent a key that is no operator's.
    WrongKey,
    /// It sent a key while all keys are refused, for this reason.
    Refused(String),
    /// The operator signed out.
    SignedOut,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'a> {
    reason: Reason,
    /// The page after the sign-in.
    next: &'a str,
    kept: KeptFields,
}

impl SignInPage<'_> {
    fn shown(&self) -> HttpResult {
        let status = match self.reason {
            Reason::Asked | Reason::SignedOut => StatusCode::OK,
            Reason::Needed | Reason::Ended | Reason::WrongKey | Reason::Refused(_) => {
                StatusCode::UNAUTHORIZED
            }
        };
        let html = self.render().map_err(|error| Problem::new(Code::InternalError).cause(error))?;
        let allowed = Allowed { forms: Forms::Own, ..Allowed::default() };
        Ok(page::response(status, html, &allowed))
    }
}

/// Shows the sign-in page that leads to the first page.
///
/// # Errors
/// [`Code::InternalError`] when the template fails.
pub(super) fn plain_sign_in(reason: Reason) -> HttpResult {
    SignInPage { reason, next: "", kept: KeptFields::default() }.shown()
}

/// Shows the sign-in page to a request without a session; it leads on to the requested page.
///
/// # Errors
/// [`Code::InternalError`] when the template fails; [`Code::DuplicateParameter`] as [`cookies::HostCookie::read`].
pub(super) fn sign_in_first(request: &Request) -> HttpResult {
    let next = request.uri().path_and_query().map_or("", PathAndQuery::as_str);
    let (reason, kept) = match (request.method(), request.uri().path()) {
        (&Method::POST, path) => {
            let session = cookies::portal().read(request.headers())?;
            let kept = Form::of(request).map(|form| KeptFields::of(&form, path, session.as_ref()));
            // An unreadable form has no fields to keep.
            (Reason::Ended, kept.unwrap_or_default())
        }
        (_, "/") => (Reason::Asked, KeptFields::default()),
        _ => (Reason::Needed, KeptFields::default()),
    };
    SignInPage { reason, next, kept }.shown()
}

impl PortalSessions {
    /// Returns the operator whose session a request carries.
    pub(super) async fn operator(&self, request: &Request) -> Result<Option<Operator>, Problem> {
        let Some(session) = cookies::portal().read(request.headers())? else { return Ok(None) };
        let Some(known) = self.sessions.use_portal(&session, self.clock.now()).await? else {
            return Ok(None);
        };
        let caller = self.authenticator.operator_behind(&known.key).await?;
        Ok(caller.map(|caller| Operator { caller, draft: known.draft, session }))
    }

    /// Begins a session for an operator who presents a key, or shows the sign-in page again.
    pub(super) async fn sign_in(&self, request: &Request, log: &RequestLog) -> HttpResult {
        let form = &Form::of(request)?;
        let next = form.text("next");
        let former = cookies::portal().read(request.headers())?;
        let kept = KeptFields::of(form, next, former.as_ref());
        let key = match form.secret("key") {
            Some(presented) => match self.authenticator.operator(&presented, request).await {
                Err(problem) if problem.code().status().is_client_error() => {
                    return self.refused(&problem, next, kept, log).await;
                }
                found => found?,
            },
            None => None,
        };
        let Some((key, caller)) = key else {
            // As with keys for the API: guessing must be noticed.
            log.problem(&Problem::new(Code::InvalidCredentials).cause("not an operator's key"));
            self.audit.record_refused_sign_in(&log.actor()).await;
            let reason = Reason::WrongKey;
            return SignInPage { reason, next, kept }.shown();
        };
        caller.note_in(log);
        // The new cookie overwrites its own, so nobody could end it later.
        if let Some(former) = former {
            self.sessions.end_portal(&former).await?;
        }
        let now = self.clock.now();
        let draft = kept.draft(next);
        let next = draft.as_ref().map_or_else(|| next.to_owned(), draft::page_of);
        let page = own_page(&self.public_url.to_url(), &next);
        let random = &mut self.random.clone();
        let token = self.sessions.begin_portal(key, draft, now, random).await?;
        let event = AuditEvent::of_service(What::PortalSignIn);
        self.audit.record(&log.actor(), &event).await;
        let mut response = to(&page)?;
        let lifetime = Duration::try_from(PORTAL_LIFETIME).unwrap_or_default();
        response.headers_mut().append(SET_COOKIE, cookies::portal().set(&token, lifetime)?);
        Ok(response)
    }

    /// Ends the session that a request carries.
    pub(super) async fn sign_out(&self, request: &Request, log: &RequestLog) -> HttpResult {
        let cookie = cookies::portal();
        if let Some(operator) = self.operator(request).await? {
            operator.require_own_form(&Form::of(request)?)?;
            self.sessions.end_portal(&operator.session).await?;
            operator.caller.note_in(log);
            let event = AuditEvent::of_service(What::PortalSignOut);
            self.audit.record(&log.actor(), &event).await;
        }
        let mut response = plain_sign_in(Reason::SignedOut)?;
        response.headers_mut().append(SET_COOKIE, cookie.clear());
        Ok(response)
    }

    /// Shows the sign-in page with the reason why all keys are refused.
    async fn refused(
        &self,
        problem: &Problem,
        next: &str,
        kept: KeptFields,
        log: &RequestLog,
    ) -> HttpResult {
        log.problem(problem);
        self.audit.record_refused_sign_in(&log.actor()).await;
        let why = problem.detail_text().unwrap_or(problem.code().title());
        let reason = Reason::Refused(why.trim_end_matches('.').to_owned());
        let mut response = SignInPage { reason, next, kept }.shown()?;
        *response.status_mut() = problem.code().status();
        response.headers_mut().extend(problem.headers());
        Ok(response)
    }
}

/// Returns the page of the portal that `next` names, or the first page: a sign-in leads nobody to another site.
fn own_page(home: &Url, next: &str) -> String {
    let is_path = next.starts_with('/') && !next.starts_with("//") && !next.contains('\\');
    let page = home.join(next).ok().filter(|url| {
        let is_portal = url.path() == "/" || url.path().starts_with("/portal/");
        is_path && is_portal && url.origin() == home.origin()
    });
    page.map_or_else(|| "/".to_owned(), |url| url[Position::BeforePath..].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_leads_back_to_the_page_and_never_to_another_site() {
        let home: Url = "https://gateway.example".parse().unwrap();
        for page in ["/", "/portal/integrations/new?draft=1", "/portal/connections?user=a%26b"] {
            assert_eq!(own_page(&home, page), page);
        }
        for other in [
            "",
            "portal/health",
            "//evil.example/portal/",
            "/\\evil.example",
            "https://evil.example/portal/",
            "https://gateway.example/portal/health",
            "/openapi.json",
            "/portal/../openapi.json",
        ] {
            assert_eq!(own_page(&home, other), "/", "{other}");
        }
    }
}
