//! Signing in and out, and telling an operator's own forms from others'.

use askama::Template;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use edge::caller::Caller;
use edge::cookies;
use edge::gateway::{Body, Request};
use edge::log::RequestLog;
use edge::page::{self, Allowed, Forms};
use edge::problem::{Code, Problem};
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderName, Method, Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use std::time::Duration;
use url::Position;
use vault::sessions::{Draft, PORTAL_LIFETIME};

use super::Visit;
use super::form::Form;
use super::frame::to;
use super::kept::{self, Kept};
use crate::Manage;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// An operator who is signed in.
pub(super) struct Operator {
    /// As the log knows them.
    pub(super) caller: Caller,
    /// What they had entered when a former session ended.
    pub(super) draft: Option<Draft>,
    token: SecretString,
}

impl Operator {
    /// What the operator's forms carry, and nobody else can know.
    pub(super) fn form_token(&self) -> String {
        form_token(&self.token)
    }

    /// Lets a form pass that was sent from one of the operator's own pages.
    ///
    /// # Errors
    /// [`Code::FormRefused`].
    pub(super) fn require_token(&self, form: &Form) -> Result<(), Problem> {
        if is_of_session(form, &self.token) {
            return Ok(());
        }
        Err(Problem::new(Code::FormRefused).cause("another token, or none"))
    }
}

fn form_token(session: &SecretString) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, session.expose_secret().as_bytes());
    URL_SAFE_NO_PAD.encode(hmac::sign(&key, b"form"))
}

/// Whether a form was sent from a page of this session, which may be over.
pub(super) fn is_of_session(form: &Form, session: &SecretString) -> bool {
    let expected = form_token(session);
    verify_slices_are_equal(expected.as_bytes(), form.text("csrf").as_bytes()).is_ok()
}

/// Refuses what a browser says another site made it send. (Our pages name no referrer, so their `Origin` is `null`:
/// it tells nothing.)
///
/// # Errors
/// [`Code::FormRefused`].
pub(super) fn of_this_site(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(SEC_FETCH_SITE) {
        Some(site) if site != "same-origin" && site != "none" => {
            Err(Problem::new(Code::FormRefused).cause("sent from another site"))
        }
        _ => Ok(()),
    }
}

/// Why somebody sees the sign-in page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// They came to sign in.
    Asked,
    /// They asked for a page without being signed in.
    Needed,
    /// They sent a form, and their session is over.
    Ended,
    /// What they entered is no operator key.
    WrongKey,
    /// They signed out.
    SignedOut,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'a> {
    style: &'static str,
    reason: Reason,
    /// Where it leads to.
    next: &'a str,
    kept: Kept,
}

impl SignInPage<'_> {
    fn shown(&self) -> Result<Response<Body>, Problem> {
        let status = match self.reason {
            Reason::Asked | Reason::SignedOut => StatusCode::OK,
            Reason::Needed | Reason::Ended | Reason::WrongKey => StatusCode::UNAUTHORIZED,
        };
        let html = self.render().map_err(|error| Problem::new(Code::InternalError).cause(error))?;
        let allowed = Allowed { forms: Forms::Own, ..Allowed::default() };
        Ok(page::response(status, html, &allowed))
    }
}

/// The sign-in page that leads to the first page.
///
/// # Errors
/// [`Code::InternalError`] when the template fails.
pub(super) fn plain_sign_in(reason: Reason) -> Result<Response<Body>, Problem> {
    SignInPage { style: page::STYLE, reason, next: "", kept: Kept::default() }.shown()
}

/// The sign-in page for whoever asks for something without a session: it leads on to that.
///
/// # Errors
/// [`Code::InternalError`] when the template fails; [`Code::DuplicateParameter`] as [`cookies::HostCookie::read`].
pub(super) fn sign_in_first(request: &Request) -> Result<Response<Body>, Problem> {
    let next = &address(request);
    let (reason, kept) = match (request.method(), request.uri().path()) {
        (&Method::POST, path) => {
            let session = cookies::portal().read(request.headers())?;
            let kept = Form::of(request).map(|form| Kept::of(&form, path, session.as_ref()));
            // What cannot be read has nothing in it to keep.
            (Reason::Ended, kept.unwrap_or_default())
        }
        (_, "/") => (Reason::Asked, Kept::default()),
        _ => (Reason::Needed, Kept::default()),
    };
    SignInPage { style: page::STYLE, reason, next, kept }.shown()
}

/// Path and query of a request, to come back to.
fn address(request: &Request) -> String {
    let uri = request.uri();
    match uri.query() {
        Some(query) => format!("{}?{query}", uri.path()),
        None => uri.path().to_owned(),
    }
}

impl Manage {
    /// The operator whose session a request carries.
    pub(super) async fn operator(&self, request: &Request) -> Result<Option<Operator>, Problem> {
        let Some(token) = cookies::portal().read(request.headers())? else { return Ok(None) };
        let Some(session) = self.sessions.use_portal(&token, self.clock.now()).await? else {
            return Ok(None);
        };
        let caller = self.authenticator.operator_behind(&session.key).await?;
        Ok(caller.map(|caller| Operator { caller, draft: session.draft, token }))
    }

    pub(super) async fn sign_in(
        &self,
        request: &Request,
        log: &RequestLog,
    ) -> Result<Response<Body>, Problem> {
        let form = &Form::of(request)?;
        let next = form.text("next");
        let former = cookies::portal().read(request.headers())?;
        let kept = Kept::of(form, next, former.as_ref());
        let key = match form.secret("key") {
            Some(presented) => self.authenticator.operator(&presented).await?,
            None => None,
        };
        let Some((key, caller)) = key else {
            // As where keys are presented to the API: guessing must not go unnoticed.
            log.problem(&Problem::new(Code::InvalidCredentials).cause("not an operator's key"));
            tracing::warn!(audit = "portal_sign_in_refused", "no operator key was presented");
            let reason = Reason::WrongKey;
            return SignInPage { style: page::STYLE, reason, next, kept }.shown();
        };
        log.caller(&caller);
        // Its cookie is overwritten, so nobody could end it any more.
        if let Some(former) = former {
            self.sessions.end_portal(&former).await?;
        }
        let now = self.clock.now();
        let draft = kept.draft(next);
        let page = self.own_page(&draft.as_ref().map_or_else(|| next.to_owned(), kept::page_of));
        let rng = &mut self.random.clone();
        let token = self.sessions.begin_portal(key, draft, now, rng).await?;
        tracing::info!(audit = "portal_sign_in", "an operator signed in");
        let mut response = to(&page)?;
        let lifetime = Duration::try_from(PORTAL_LIFETIME).unwrap_or_default();
        response.headers_mut().append(SET_COOKIE, cookies::portal().set(&token, lifetime)?);
        Ok(response)
    }

    /// What was entered before a session ended is of no use any more, once a form like it is saved.
    pub(super) async fn draft_is_saved(&self, visit: &Visit<'_>) {
        if visit.operator.draft.is_none() {
            return;
        }
        if let Err(error) = self.sessions.drop_draft(&visit.operator.token).await {
            tracing::warn!("what was saved is still shown as a draft: {error}");
        }
    }

    pub(super) async fn sign_out(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let cookie = cookies::portal();
        if let Some(operator) = self.operator(request).await? {
            operator.require_token(&Form::of(request)?)?;
            self.sessions.end_portal(&operator.token).await?;
            tracing::info!(audit = "portal_sign_out", caller = %operator.caller.id, "an operator signed out");
        }
        let mut response = plain_sign_in(Reason::SignedOut)?;
        response.headers_mut().append(SET_COOKIE, cookie.clear()?);
        Ok(response)
    }

    /// The page of ours that `next` names, else the first one: nobody is led elsewhere by signing in.
    fn own_page(&self, next: &str) -> String {
        let home = self.public_url.to_url();
        let is_path = next.starts_with('/') && !next.starts_with("//") && !next.contains('\\');
        let page = home.join(next).ok().filter(|url| {
            let is_portal = url.path() == "/" || url.path().starts_with("/portal/");
            is_path && is_portal && url.origin() == home.origin()
        });
        page.map_or_else(|| "/".to_owned(), |url| url[Position::BeforePath..].to_owned())
    }
}
