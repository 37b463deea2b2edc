//! The daily sweep: checks, from the whole table, that each connection is still scheduled, and reports client
//! credentials that expire soon.

use edge::metrics::{Metrics, Unit};
use jiff::{SignedDuration, Timestamp};
use lambda_runtime::Error;
use serde::Serialize;
use tokio::time::Instant;
use vault::client_credentials::EXPIRES_SOON;
use vault::connections::Connection;
use vault::events::Event;
use vault::integrations::Integration;

use crate::Refresh;
use crate::queue::{Message, Segment};

/// A connection that is due for longer than this is reported.
const LONG_OVERDUE: SignedDuration = SignedDuration::from_hours(2);

#[derive(Debug, Default, Serialize)]
pub(crate) struct Begun {
    segments: u32,
    expiring_credentials: u32,
}

impl Refresh {
    /// Sends a message for each segment of the table, reports client credentials that expire soon, and forgets refusing tenants
    /// that are no longer used.
    pub(crate) async fn begin_sweep(&self) -> Result<Begun, Error> {
        let now = self.clock.now();
        let integrations = self.integrations.list().await?;
        for integration in &integrations {
            self.integrations.forget_unused_tenants(integration, now).await?;
        }
        let expiring_credentials = self.report_expiring_credentials(&integrations, now).await;
        let segments = self.service.refresh_shards(self.shards).await?;
        for number in 0..segments {
            let message = Message::Sweep(Segment { number, of: segments, after: None });
            self.queue.send(&message, now).await?;
        }
        Ok(Begun { segments, expiring_credentials })
    }

    /// Reports how long the client credentials are still valid. Returns the number of those that expire soon.
    async fn report_expiring_credentials(&self, of: &[Integration], now: Timestamp) -> u32 {
        let mut expiring = 0;
        let mut metrics = Metrics::new("refresh");
        let mut fewest_days: Option<u64> = None;
        for integration in of {
            let Some(expires_at) = integration.credential.expires_at else { continue };
            let left = expires_at.duration_since(now);
            let days = u64::try_from(left.as_hours() / 24).unwrap_or_default();
            fewest_days = Some(fewest_days.map_or(days, |known| known.min(days)));
            if left < EXPIRES_SOON {
                let integration = &integration.id;
                let event = Event::IntegrationCredentialExpiring { integration, expires_at };
                self.events.send(&event).await;
                tracing::warn!(%integration, days, "the client credential expires soon");
                expiring += 1;
            }
        }
        metrics.add("CredentialsExpiring", Unit::Count, expiring.into());
        if let Some(days) = fewest_days {
            metrics.add("CredentialDaysLeft", Unit::Count, days);
        }
        edge::log::write_metrics(&metrics, now);
        expiring
    }

    /// Scans a segment until its end or the deadline. The rest goes back to the queue.
    pub(crate) async fn sweep(&self, segment: &Segment, deadline: Instant) -> Result<(), Error> {
        let shards = self.service.refresh_shards(self.shards).await?;
        let mut rest = segment.clone();
        let (mut seen, mut forgotten, mut overdue) = (0, 0, 0);
        let finished = loop {
            let now = self.clock.now();
            let (part, parts) = (i32::try_from(rest.number)?, i32::try_from(rest.of)?);
            let after = rest.after.as_deref();
            let swept =
                self.connections.sweep(part, parts, after, shards, now - LONG_OVERDUE).await?;
            seen += swept.seen;
            for connection in &swept.found {
                if is_scheduled(connection, shards) {
                    overdue += 1;
                } else {
                    tracing::error!(connection = %connection.id, "the schedule had forgotten a connection");
                    self.connections.reschedule(connection, Some(now)).await?;
                    forgotten += 1;
                }
            }
            rest.after = swept.next;
            if rest.after.is_none() {
                break true;
            }
            if Instant::now() >= deadline {
                break false;
            }
        };
        let now = self.clock.now();
        let mut metrics = Metrics::new("refresh");
        metrics.add("SweepItems", Unit::Count, seen);
        metrics.add("SweepForgotten", Unit::Count, forgotten);
        metrics.add("SweepLongOverdue", Unit::Count, overdue);
        edge::log::write_metrics(&metrics, now);
        tracing::info!(segment = rest.number, finished, seen, forgotten, overdue, "a sweep");
        if !finished {
            self.queue.send_on(&Message::Sweep(rest), now).await?;
        }
        Ok(())
    }
}

/// Returns whether the dispatcher will find the connection.
fn is_scheduled(connection: &Connection, shards: u32) -> bool {
    connection.due_at.is_some() && connection.due_shard.is_some_and(|shard| shard < shards)
}
