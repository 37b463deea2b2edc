//! The dispatcher: one message for each shard with a due connection.

use edge::metrics::{Metrics, Unit};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use lambda_runtime::Error;
use serde::Serialize;
use vault::integrations::Status;

use crate::Refresh;
use crate::queue::Message;

/// Shards that are read at the same time.
const AT_ONCE: usize = 16;

#[derive(Debug, Default, Serialize)]
pub(crate) struct Dispatched {
    /// Shards with a due connection.
    shards: u32,
    paused: bool,
}

impl Refresh {
    /// Sends a message for each due shard. A second run within [`DISPATCHED_EVERY`](vault::schedule::DISPATCHED_EVERY) sends nothing new.
    pub(crate) async fn dispatch(&self) -> Result<Dispatched, Error> {
        let now = self.clock.now();
        let mut metrics = Metrics::new("refresh");
        let mut dispatched = Dispatched::default();
        if self.service.is_paused().await? {
            tracing::warn!("the service is paused: nothing is renewed");
            dispatched.paused = true;
        } else {
            let oldest = self.dispatch_due(now, &mut dispatched).await?;
            let overdue = oldest.map_or(0, |due| now.duration_since(due).as_secs());
            let overdue = u64::try_from(overdue).unwrap_or_default();
            metrics.add("OldestOverdueSeconds", Unit::Seconds, overdue);
        }
        metrics.add("DueShards", Unit::Count, dispatched.shards.into());
        metrics.add("ServicePaused", Unit::Count, dispatched.paused.into());
        self.count_stopped_integrations(&mut metrics).await?;
        edge::log::write_metrics(&metrics, now);
        Ok(dispatched)
    }

    /// Returns the due time of the oldest row.
    async fn dispatch_due(
        &self,
        now: Timestamp,
        dispatched: &mut Dispatched,
    ) -> Result<Option<Timestamp>, Error> {
        let shards = self.service.refresh_shards(self.shards).await?;
        let mut heads = stream::iter(0..shards)
            .map(|shard| async move { Ok::<_, Error>((shard, self.head(shard, now).await?)) })
            .buffer_unordered(AT_ONCE);
        let mut oldest: Option<Timestamp> = None;
        while let Some((shard, due_at)) = heads.try_next().await? {
            let Some(due_at) = due_at else { continue };
            oldest = Some(oldest.map_or(due_at, |known| known.min(due_at)));
            self.queue.send(&Message::DueShard(shard), now).await?;
            dispatched.shards += 1;
        }
        Ok(oldest)
    }

    async fn head(&self, shard: u32, now: Timestamp) -> Result<Option<Timestamp>, Error> {
        let page = self.connections.due_in_shard(shard, now, None, 1).await?;
        Ok(page.rows.first().map(|row| row.due_at))
    }

    async fn count_stopped_integrations(&self, metrics: &mut Metrics) -> Result<(), Error> {
        let integrations = self.integrations.list().await?;
        for (name, status) in [
            ("IntegrationsCredentialRejected", Status::CredentialRejected),
            ("IntegrationsPaused", Status::Paused),
        ] {
            let stopped = integrations.iter().filter(|one| one.status == status).count();
            metrics.add(name, Unit::Count, u64::try_from(stopped)?);
        }
        Ok(())
    }
}
