//! The consent of a user: a page that names the client, and the sign-in at Entra after it.
//!
//! Entra may remember its own consent, so this page is what keeps one client from getting a code by a sign-in that another
//! one or nobody began (the confused deputy). It is always shown, and nothing is stored before it is answered.

use edge::claims_cookie::{self, SignIn};
use edge::gateway::{Body, Request};
use edge::log::RequestLog;
use edge::page::{ClientOf, ConsentPage, RefusedClientPage};
use edge::parameters::Query;
use edge::problem::{Code, Problem};
use edge::sign_in::SignInRequest;
use edge::{cookies, csrf, prefetch, respond};
use ground::minted;
use http::header::SET_COOKIE;
use http::{HeaderMap, Response, StatusCode};
use oauth::authorization::{self, AuthorizationRequest};
use oauth::client::{Client, ClientId};
use oauth::error::{ErrorCode, OAuthError};
use oauth::redirect_uri::RedirectUri;
use oauth::scope::Scope;
use url::Url;
use vault::passes::NewPass;
use vault::sessions::{AuthorizationFlow, ClientRequest, Purpose, REQUEST_LIFETIME};

use super::Server;
use crate::Authorize;

/// A client whose identity and address are certain.
struct Asking {
    client: Client,
    redirect_uri: RedirectUri,
    state: Option<String>,
}

impl Authorize {
    /// Shows who wants to do what. Stores nothing.
    pub(super) async fn ask_consent(
        &self,
        server: &Server,
        request: &Request,
        log: &RequestLog,
    ) -> Result<Response<Body>, Problem> {
        prefetch::refuse(request.headers())?;
        let query = Query::of(request)?;
        let (asking, wanted) = match self.asked(server, &query, log).await? {
            Ok(asked) => asked,
            Err(refused) => return Ok(refused),
        };
        let kept = cookies::consent().read(request.headers())?;
        let secret = kept.filter(|kept| !is_empty(kept));
        let secret = secret.unwrap_or_else(|| minted::mint(&mut self.random.clone()));
        let settings = &server.integration.settings;
        let page = ConsentPage {
            client: asking.client_of(),
            destination: asking.redirect_uri.destination(),
            organizations: settings.organizations.reachable(None),
            may_write: server.widest == Scope::Write,
            asks_to_write: wanted.scope == Scope::Write,
            csrf: csrf::token(&secret),
            deny: asking.refused(server, &DENIED),
            branding: &settings.branding,
        };
        let mut response = page.response(StatusCode::OK);
        let lifetime = std::time::Duration::try_from(REQUEST_LIFETIME).unwrap_or_default();
        response.headers_mut().append(SET_COOKIE, cookies::consent().set(&secret, lifetime)?);
        Ok(response)
    }

    /// Takes the user's approval and leads to the sign-in at Entra.
    pub(super) async fn give_consent(
        &self,
        server: &Server,
        request: &Request,
        log: &RequestLog,
    ) -> Result<Response<Body>, Problem> {
        let form = form(request)?;
        require_own_form(request.headers(), &form)?;
        let query = Query::of(request)?;
        let (asking, wanted) = match self.asked(server, &query, log).await? {
            Ok(asked) => asked,
            Err(refused) => return Ok(refused),
        };
        let may_write = server.widest == Scope::Write && form.get("write") == Some("on");
        let pass = NewPass {
            client_id: asking.client.id,
            client_name: asking.client.name,
            redirect_uri: asking.redirect_uri.as_str().to_owned(),
            scope: if may_write { Scope::Write } else { Scope::Read },
            challenge: wanted.challenge,
        };
        let begun = self.lead_to_entra(server, pass, asking.state, request.headers()).await;
        begun.map_err(|problem| problem.branding(&server.integration.settings.branding))
    }

    async fn lead_to_entra(
        &self,
        server: &Server,
        pass: NewPass,
        state: Option<String>,
        headers: &HeaderMap,
    ) -> Result<Response<Body>, Problem> {
        let settings = &server.integration.settings;
        let tenant = self.tenants.of(&settings.tenant, &settings.organizations, None).await?;
        let id = server.integration.id.clone();
        let sign_in = SignIn { integration: id.clone(), tenant: tenant.clone() };
        let claims = claims_cookie::kept(headers, &sign_in);
        let purpose = Purpose::Client(ClientRequest {
            integration: id,
            scopes: settings.scopes.names().to_vec(),
            pass,
            state,
            is_repeated: claims.is_some(),
        });
        let flow = AuthorizationFlow { purpose, client_id: settings.client_id.clone(), tenant };
        let now = self.clock.now();
        let begun = SignInRequest { flow, login_hint: None, claims: claims.as_deref() }
            .begin(&self.sessions, &self.public_url, &self.metadata, now, &self.random)
            .await?;
        let mut response = respond::see_other(&begun.location)?;
        response.headers_mut().append(SET_COOKIE, begun.cookie);
        response.headers_mut().append(SET_COOKIE, cookies::consent().clear());
        Ok(response)
    }

    /// Reads a request. Before client and redirect URI are certain, a fault is a problem; afterwards it is a page with a link
    /// that leads back to the client.
    async fn asked(
        &self,
        server: &Server,
        query: &Query,
        log: &RequestLog,
    ) -> Result<Result<(Asking, AuthorizationRequest), Response<Body>>, Problem> {
        self.service.require_running().await?;
        server.require_ready()?;
        let branded = |problem: Problem| problem.branding(&server.integration.settings.branding);
        let asking = self.asking(query).await.map_err(branded)?;
        log.client(&asking.client.name);
        let place = asking.client.place(&asking.redirect_uri).to_string();
        if !server.integration.settings.mcp.allows_client(&place) {
            return Ok(Err(asking.refusal(server, &NOT_ALLOWED)));
        }
        let asking = match authorization::state(query) {
            Ok(state) => Asking { state: state.map(str::to_owned), ..asking },
            Err(error) => return Ok(Err(asking.refusal(server, &error))),
        };
        Ok(match AuthorizationRequest::read(query, &server.issuer) {
            Ok(wanted) => Ok((asking, wanted)),
            Err(error) => Err(asking.refusal(server, &error)),
        })
    }

    async fn asking(&self, query: &Query) -> Result<Asking, Problem> {
        let client = match ClientId::parse(query.required("client_id")?) {
            Some(ClientId::Registered(client)) => client,
            Some(ClientId::Document(address)) => self.client_documents.client(&address).await?,
            None => return Err(Problem::new(Code::ClientUnknown)),
        };
        let redirect_uri = client.redirect_uri(query.required("redirect_uri")?);
        let redirect_uri = redirect_uri.ok_or_else(|| Problem::new(Code::RedirectUriNotAllowed))?;
        Ok(Asking { client, redirect_uri, state: None })
    }
}

const NOT_ALLOWED: OAuthError = OAuthError::new(
    ErrorCode::UnauthorizedClient,
    "The operator does not allow this client: mcp.clients of the integration.",
);
const DENIED: OAuthError = OAuthError::new(ErrorCode::AccessDenied, "The user refused.");

impl Asking {
    fn client_of(&self) -> ClientOf<'_> {
        let name = &self.client.name;
        match &self.client.host {
            Some(host) => ClientOf::Host { name, host },
            None => ClientOf::Nobody { name },
        }
    }

    fn refusal(&self, server: &Server, error: &OAuthError) -> Response<Body> {
        let page = RefusedClientPage {
            client: self.client_of(),
            destination: self.redirect_uri.destination(),
            fault: error.description,
            back: self.refused(server, error),
            branding: &server.integration.settings.branding,
        };
        page.response()
    }

    /// Returns the client's address with an error (RFC 6749 section 4.1.2.1, RFC 9207).
    fn refused(&self, server: &Server, error: &OAuthError) -> Url {
        let error = [("error", error.code.as_str()), ("error_description", error.description)];
        self.redirect_uri.answered(&error, self.state.as_deref(), &server.issuer)
    }
}

fn is_empty(secret: &secrecy::SecretString) -> bool {
    secrecy::ExposeSecret::expose_secret(secret).is_empty()
}

/// Reads the body of a form.
///
/// # Errors
/// As [`Query::parse`].
pub(super) fn form(request: &Request) -> Result<Query, Problem> {
    let body = str::from_utf8(request.body());
    Query::parse(body.map_err(|_| Problem::field("body", "is not text"))?)
}

/// Refuses a form that no page of ours in this browser has sent: its token belongs to the cookie, which no other host can
/// set.
///
/// # Errors
/// [`Code::FormRefused`].
fn require_own_form(headers: &HeaderMap, form: &Query) -> Result<(), Problem> {
    csrf::require_same_site(headers)?;
    let refused = || Problem::new(Code::FormRefused);
    let secret = cookies::consent().read(headers)?.ok_or_else(refused)?;
    if is_empty(&secret) || !csrf::is_token_of(form.get("csrf").unwrap_or_default(), &secret) {
        return Err(refused());
    }
    Ok(())
}
