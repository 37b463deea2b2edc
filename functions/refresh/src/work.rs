//! The worker: handles messages until shortly before its deadline.

use std::time::Duration;

use ground::clock::Clock;
use lambda_runtime::{Context, Error};
use tokio::time::Instant;
use vault::refresh::drain::Tally;
use vault::tallies::Counter;

use crate::Refresh;
use crate::queue::{BatchItemFailure, BatchResponse, Message, Record};
use crate::report::report;

/// Time reserved for running refreshes before the deadline: one takes at most 8 s at Entra and 10 s to store.
const KEPT: Duration = Duration::from_secs(20);

/// Returns the time after which a worker starts nothing new.
pub(crate) fn deadline(context: &Context, clock: &dyn Clock) -> Instant {
    let left = clock.left_until(context.deadline()).unwrap_or_default();
    Instant::now() + left.saturating_sub(KEPT).max(left / 2)
}

impl Refresh {
    /// Handles the messages of an SQS event. Returns the failed ones, for redelivery.
    pub(crate) async fn work(&self, records: Vec<Record>, deadline: Instant) -> BatchResponse {
        let mut response = BatchResponse::default();
        for record in records {
            // A FIFO batch stops at its first failure, to keep the order within the group.
            let stopped = !response.batch_item_failures.is_empty();
            let handled = !stopped && self.handle_message(&record, deadline).await;
            if !handled {
                let failure = BatchItemFailure { item_identifier: record.message_id };
                response.batch_item_failures.push(failure);
            }
        }
        response
    }

    async fn handle_message(&self, record: &Record, deadline: Instant) -> bool {
        let Ok(message) = serde_json::from_str::<Message>(&record.body) else {
            tracing::error!("a message of the refresh queue is not one of ours");
            return false;
        };
        let dead = self.dead_letters_arn.as_ref().is_some_and(|arn| *arn == record.source);
        let done = match &message {
            _ if dead => self.handle_dead_letter(&message, deadline).await,
            Message::DueShard(shard) => self.drain_shard(*shard, deadline).await,
            Message::Sweep(segment) => self.sweep(segment, deadline).await,
        };
        if let Err(error) = &done {
            tracing::error!(?message, "a message could not be handled: {error}");
        }
        done.is_ok()
    }

    async fn drain_shard(&self, shard: u32, deadline: Instant) -> Result<(), Error> {
        // The kill switch. Due connections stay due.
        if self.service.is_paused().await? {
            return Ok(());
        }
        let drained = self.drain.shard(shard, deadline).await;
        let (metered, lost) = (self.refresher.take_metered(), self.audit.take_lost());
        report(shard, &drained, metered, lost, self.clock.now());
        if drained.failure.is_none() && !drained.finished {
            self.queue.send_rest(&Message::DueShard(shard), self.clock.now()).await?;
        }
        // A shard that cannot even be read fails, too.
        let is_unread = drained.failure.is_some() && drained.tally.failed == 0;
        self.tallies.count(Counter::OwnFailures, u64::from(is_unread));
        self.count(&drained.tally).await;
        drained.failure.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Counts the results of a shard's connections, for the portal.
    async fn count(&self, tally: &Tally) {
        for (counter, number) in [
            (Counter::Renewed, tally.renewed),
            (Counter::Unavailable, tally.unavailable),
            (Counter::Throttled, tally.throttled),
            (Counter::Refused, tally.refused),
            (Counter::CredentialRejected, tally.credential_rejected),
            (Counter::TenantRefused, tally.tenant_refused),
            (Counter::Misconfigured, tally.misconfigured),
            (Counter::ReauthorizationRequired, tally.reauthorization_required),
            (Counter::OwnFailures, tally.failed),
        ] {
            self.tallies.count(counter, number);
        }
        self.tallies.write().await;
    }
}

#[cfg(test)]
mod tests {
    use ground::clock::StoppedClock;
    use jiff::Timestamp;

    use super::*;

    /// How long a worker begins new work, in seconds, with so many seconds of Lambda's time left.
    fn works_for(left: i64) -> u64 {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let clock = StoppedClock::at(now);
        let mut context = Context::default();
        context.deadline = u64::try_from(now.as_millisecond() + left * 1000).unwrap();
        deadline(&context, &*clock).duration_since(Instant::now()).as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_keeps_time_for_what_is_under_way() {
        assert_eq!(works_for(300), 280);
        assert_eq!(works_for(60), 40);
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_with_little_time_uses_half_of_it() {
        assert_eq!(works_for(30), 15);
        assert_eq!(works_for(10), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_without_time_begins_nothing() {
        assert_eq!(works_for(0), 0);
        assert_eq!(works_for(-5), 0);
    }
}
