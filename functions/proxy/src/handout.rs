//! `POST /connections/{connection}/refresh` and `POST /connections/{connection}/token`.

use std::sync::Arc;
use std::time::Duration;

use calls::connection::{require_usable, with_reconnect_url};
use calls::{Admitted, Calls, note_renewals, refusal};
use edge::gateway::Body;
use edge::log::RequestLog;
use edge::problem::{Code, Problem};
use edge::respond;
use edge::wire::{ConnectionView, rfc3339};
use ground::clock::Clock;
use ground::random::Random;
use http::{Response, StatusCode};
use secrecy::ExposeSecret;
use serde_json::json;
use tokio::time::Instant;
use vault::audit::{Audit, AuditEvent, What};
use vault::connections::{Connection, Connections};
use vault::integrations::Integration;
use vault::limits::{Exceeded, LimitLedger, RENEWALS, Subject, Taken};
use vault::refresh::{AccessToken, RefreshError, Refresher};

/// How long one of these requests waits for Entra, or for another request that asks Entra.
const BUDGET: Duration = Duration::from_secs(20);

pub(crate) struct Handout {
    pub(crate) calls: Arc<Calls>,
    pub(crate) connections: Connections,
    pub(crate) refresher: Refresher,
    pub(crate) limits: LimitLedger,
    pub(crate) audit: Audit,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Handout {
    pub(crate) async fn refresh_now(
        &self,
        admitted: Admitted,
        id: &str,
        log: &RequestLog,
    ) -> Result<Response<Body>, Problem> {
        let (connection, integration) = admitted.connection(id, log)?;
        require_usable(&connection, &integration)?;
        self.count_renewal(&connection).await?;
        let deadline = Instant::now() + BUDGET;
        let renewed =
            self.refresher.renew_now(&log.actor(), &connection, &integration, deadline).await;
        self.calls.distrust(&connection.id).await;
        self.token(renewed, &connection, &integration, log)?;
        let renewed = self.connections.get(&connection.id).await?;
        let renewed = renewed.ok_or_else(|| Problem::new(Code::ConnectionNotFound))?;
        respond::json(StatusCode::OK, &ConnectionView::from(&renewed))
    }

    /// Counts a renewal that a caller forces, whether or not it succeeds.
    async fn count_renewal(&self, connection: &Connection) -> Result<(), Problem> {
        let (subject, now) = (Subject::Renewals(connection.id.clone()), self.clock.now());
        let taken = self.limits.take(&subject, RENEWALS, now, now, &mut Random::System).await?;
        match taken {
            Taken::Place(..) => Ok(()),
            Taken::Exceeded(Exceeded::Rate { retry_after }, _) => {
                Err(Problem::new(Code::RenewedRecently).retry_after(retry_after))
            }
            Taken::Exceeded(Exceeded::Concurrency, _) => Err(Problem::new(Code::RenewedRecently)),
        }
    }

    pub(crate) async fn hand_out(
        &self,
        admitted: Admitted,
        id: &str,
        log: &RequestLog,
    ) -> Result<Response<Body>, Problem> {
        let (connection, integration) = admitted.connection(id, log)?;
        if !integration.settings.allow_token_handout {
            return Err(Problem::new(Code::TokenHandoutDisabled));
        }
        require_usable(&connection, &integration)?;
        let deadline = Instant::now() + BUDGET;
        let actor = &log.actor();
        let token = self.refresher.access_token(actor, &connection, &integration, deadline).await;
        if token.as_ref().is_ok_and(|token| token.renewed) {
            self.calls.distrust(&connection.id).await;
        }
        let token = self.token(token, &connection, &integration, log)?;
        self.audit.record(actor, &AuditEvent::about(What::TokenHandedOut, &connection)).await;
        let body = json!({
            "access_token": token.bearer.secret().expose_secret(),
            "token_type": "Bearer",
            "expires_at": rfc3339(token.expires_at),
        });
        respond::json(StatusCode::OK, &body)
    }

    /// Returns the token, or the problem of a failed renewal. Adds the renewal to the request's metrics either way.
    fn token(
        &self,
        result: Result<AccessToken, RefreshError>,
        connection: &Connection,
        integration: &Integration,
        log: &RequestLog,
    ) -> Result<AccessToken, Problem> {
        note_renewals(&self.refresher, log);
        result.map_err(|error| {
            with_reconnect_url(refusal::of_refresh(error), connection, integration)
        })
    }
}
