//! `POST /connections/{connection}/refresh` and `POST /connections/{connection}/token`.

use edge::caller::Caller;
use edge::gateway::Body;
use edge::log::RequestLog;
use edge::problem::{Code, Problem};
use edge::respond;
use http::{Response, StatusCode};
use secrecy::ExposeSecret;
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;
use vault::connections::Connection;
use vault::integrations::Integration;
use vault::refresh::Cause;

use crate::Proxy;
use crate::connection::{reconnecting, usable};
use crate::refusal;

/// How long one of these requests waits for Entra, or for another caller who asks Entra.
const BUDGET: Duration = Duration::from_secs(20);

impl Proxy {
    pub(crate) async fn refresh_now(
        &self,
        caller: &Caller,
        id: &str,
        log: &RequestLog,
    ) -> Result<Response<Body>, Problem> {
        let (connection, integration) = self.visible(caller, id, log).await?;
        let id = connection.id.clone();
        self.renew_now(&connection, &integration)
            .await
            .map_err(|problem| reconnecting(problem, &connection, &integration))?;
        let renewed = self.connections.get(&id).await?;
        let renewed = renewed.ok_or_else(|| Problem::new(Code::ConnectionNotFound))?;
        respond::json(StatusCode::OK, &edge::wire::ConnectionView::from(&renewed))
    }

    async fn renew_now(
        &self,
        connection: &Connection,
        integration: &Integration,
    ) -> Result<(), Problem> {
        usable(connection, integration)?;
        let deadline = Instant::now() + BUDGET;
        let version =
            self.refresher.stored_version(connection).await.map_err(refusal::of_refresh)?;
        let renewed = self
            .refresher
            .renew(connection.clone(), integration, Cause::Requested { version }, deadline)
            .await;
        renewed.map(drop).map_err(refusal::of_refresh)
    }

    pub(crate) async fn hand_out(
        &self,
        caller: &Caller,
        id: &str,
        log: &RequestLog,
    ) -> Result<Response<Body>, Problem> {
        let (connection, integration) = self.visible(caller, id, log).await?;
        if !integration.settings.allow_token_handout {
            return Err(Problem::new(Code::TokenHandoutDisabled));
        }
        usable(&connection, &integration)?;
        let deadline = Instant::now() + BUDGET;
        let token = self.refresher.access_token(&connection, &integration, deadline).await;
        let token = token
            .map_err(|error| reconnecting(refusal::of_refresh(error), &connection, &integration))?;
        tracing::info!(
            audit = "token_handed_out", caller = %caller.id, connection = %connection.id,
            integration = %connection.integration, "an access token was handed out",
        );
        let body = json!({
            "access_token": token.bearer.secret().expose_secret(),
            "token_type": "Bearer",
            "expires_at": edge::wire::rfc3339(token.expires_at),
        });
        respond::json(StatusCode::OK, &body)
    }
}
