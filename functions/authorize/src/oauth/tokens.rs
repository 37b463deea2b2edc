//! Registration, tokens and their end.

use edge::gateway::{Body, Request};
use edge::log::RequestLog;
use edge::parameters::JSON_LIMIT;
use http::header::{HeaderValue, PRAGMA};
use http::{Response, StatusCode};
use oauth::Parameters as _;
use oauth::client::{Client, Registered};
use oauth::error::{ErrorCode, OAuthError};
use oauth::pass::Credential;
use oauth::token::{Grant, TokenAnswer, TokenRequest};
use secrecy::ExposeSecret as _;
use vault::audit::{AuditEvent, What};
use vault::connections::Status;
use vault::passes::{ACCESS_LIFETIME, Known, Pass, StoredPass, Turned};

use super::{Refusal, Server, consent, uncached_json};
use crate::Authorize;

const INVALID: OAuthError =
    OAuthError::grant("The code or refresh token is not valid. Let the user sign in again.");

/// Answers a registration (RFC 7591), and stores nothing.
pub(super) fn register(request: &Request) -> Result<Response<Body>, Refusal> {
    if request.body().len() > JSON_LIMIT {
        let description = "The metadata are too long.";
        return Err(OAuthError::new(ErrorCode::InvalidClientMetadata, description).into());
    }
    let client = Client::register(request.body())?;
    Ok(uncached_json(StatusCode::CREATED, &Registered::from(&client))?)
}

impl Authorize {
    /// Answers a code or refresh token with the next pair (RFC 6749 sections 4.1.3 and 6).
    pub(super) async fn turn(
        &self,
        server: &Server,
        request: &Request,
        log: &RequestLog,
    ) -> Result<Response<Body>, Refusal> {
        let form = consent::form(request)?;
        let request = TokenRequest::read(&form, &server.issuer)?;
        self.service.require_running().await.map_err(edge::problem::Problem::from)?;
        let stored = self.passes.get(&request.credential.pass).await?.ok_or(INVALID)?;
        require_right(&stored, &request, server)?;
        let pass = stored.pass().clone();
        log.connection(&pass.connection);
        log.client(&pass.client_name);
        self.require_usable(&pass).await?;
        server.require_ready()?;
        let (now, mut random) = (self.clock.now(), self.random.clone());
        let turned = self.passes.turn(stored, &request.credential, now, &mut random).await?;
        let pair = match turned {
            Turned::Pair(pair) => pair,
            Turned::Invalid => return Err(INVALID.into()),
            Turned::Reused => {
                let event = AuditEvent::of_connection(
                    What::PassReused,
                    &pass.connection,
                    &pass.integration,
                );
                self.audit.record(&log.actor(), &event).await;
                return Err(INVALID.into());
            }
        };
        let (access, refresh) = (pair.access.access(), pair.refresh.turning());
        let answer = TokenAnswer {
            access_token: access.expose_secret(),
            token_type: "Bearer",
            expires_in: ACCESS_LIFETIME.as_secs(),
            refresh_token: refresh.expose_secret(),
            scope: pass.scope.as_str(),
        };
        let mut response = uncached_json(StatusCode::OK, &answer)?;
        response.headers_mut().insert(PRAGMA, HeaderValue::from_static("no-cache"));
        Ok(response)
    }

    /// Refuses a pass whose connection is gone or needs its user: the client then lets the user sign in, which mends it.
    async fn require_usable(&self, pass: &Pass) -> Result<(), Refusal> {
        let connection = self.connections.get(&pass.connection).await?;
        let is_usable = connection.is_some_and(|connection| {
            connection.integration == pass.integration && connection.status == Status::Active
        });
        if is_usable { Ok(()) } else { Err(INVALID.into()) }
    }

    /// Ends the pass of a token (RFC 7009). An unknown token is ended already.
    pub(super) async fn revoke(
        &self,
        server: &Server,
        request: &Request,
        log: &RequestLog,
    ) -> Result<Response<Body>, Refusal> {
        let form = consent::form(request)?;
        let token = form.given("token").ok_or(OAuthError::request("token is missing."))?;
        let client = form.given("client_id");
        let token = token.into();
        let (presented, is_access) = match Credential::parse_pass(&token) {
            Some(presented) => (Some(presented), false),
            None => (Credential::parse_access(&token), true),
        };
        if let Some(presented) = presented
            && let Some(stored) = self.passes.get(&presented.pass).await?
        {
            let pass = stored.pass();
            let is_its_own = if is_access {
                stored.takes_access(&presented, self.clock.now())
            } else {
                stored.knows(&presented).is_some()
            };
            let is_ours = pass.integration == server.integration.id;
            if is_its_own && is_ours && client.is_none_or(|client| client == pass.client_id) {
                self.passes.delete(&pass.id).await?;
                let event = AuditEvent::of_connection(
                    What::PassDeleted,
                    &pass.connection,
                    &pass.integration,
                );
                self.audit.record(&log.actor(), &event).await;
            }
        }
        Ok(Response::new(Body::new()))
    }
}

/// Refuses a credential that this client may not use here, or not so. The pass stays as it is: somebody who has intercepted
/// a code must not be able to end it.
fn require_right(
    stored: &StoredPass,
    request: &TokenRequest,
    server: &Server,
) -> Result<(), OAuthError> {
    let pass = stored.pass();
    if pass.integration != server.integration.id || pass.client_id != request.client_id {
        return Err(INVALID);
    }
    match (&request.grant, stored.knows(&request.credential)) {
        (Grant::Code { redirect_uri, verifier }, Some(Known::Code(challenge))) => {
            let is_met = *redirect_uri == pass.redirect_uri && challenge.is_met_by(verifier);
            if is_met { Ok(()) } else { Err(INVALID) }
        }
        (Grant::Code { redirect_uri, .. }, Some(Known::UsedCode)) => {
            if *redirect_uri == pass.redirect_uri { Ok(()) } else { Err(INVALID) }
        }
        (Grant::Refresh { scope }, Some(Known::RefreshToken)) => {
            if scope.is_none_or(|scope| scope <= pass.scope) {
                return Ok(());
            }
            Err(OAuthError::new(ErrorCode::InvalidScope, "The user has granted less."))
        }
        _ => Err(INVALID),
    }
}
