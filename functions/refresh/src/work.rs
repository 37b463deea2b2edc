//! The worker: drains a due shard until nothing is left or its time is nearly up.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt as _;
use futures_util::stream;
use lambda_runtime::Context;
use tokio::time::Instant;
use vault::ids::ConnectionId;
use vault::refresh::DueOutcome;

use crate::{BatchItemFailure, BatchResponse, DueShard, Record, Refresh};

/// Connections that are renewed at the same time.
const CONCURRENCY: usize = 16;
/// Connections that are read from the due index at once.
const PAGE: i32 = 200;
/// Time kept for what is under way when the deadline nears: one refresh takes at most 8 s at Entra.
const KEPT: Duration = Duration::from_secs(15);

/// When a worker stops beginning anything new.
pub(crate) fn deadline(context: &Context) -> Instant {
    let left = context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
    Instant::now() + left.saturating_sub(KEPT).max(left / 2)
}

/// What a worker did in one shard.
#[derive(Debug, Default)]
struct Tally {
    renewed: u32,
    erased: u32,
    later: u32,
    reauthorization_required: u32,
    failed: u32,
}

impl Refresh {
    /// Handles the messages of an SQS event; those that could not be handled are named for redelivery.
    pub(crate) async fn work(&self, records: Vec<Record>, deadline: Instant) -> BatchResponse {
        let mut response = BatchResponse::default();
        for record in records {
            // A FIFO batch stops at its first failure, or order within the group would be lost.
            let stopped = !response.batch_item_failures.is_empty();
            let handled = !stopped && self.handle_message(&record.body, deadline).await;
            if !handled {
                let failure = BatchItemFailure { item_identifier: record.message_id };
                response.batch_item_failures.push(failure);
            }
        }
        response
    }

    async fn handle_message(&self, body: &str, deadline: Instant) -> bool {
        let Ok(DueShard { shard }) = serde_json::from_str(body) else {
            tracing::error!("a message of the refresh queue is not one of ours");
            return false;
        };
        match self.drain(shard, deadline).await {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(shard, "a due shard could not be drained: {error}");
                false
            }
        }
    }

    async fn drain(&self, shard: u32, deadline: Instant) -> Result<(), lambda_runtime::Error> {
        let mut seen = HashSet::new();
        let mut tally = Tally::default();
        let finished = loop {
            let now = self.clock.now();
            let due = self.refresher.connections.due_in_shard(shard, now, PAGE).await?;
            // The index lags behind and failures stay due: what was handled once waits for the next minute.
            let new: Vec<ConnectionId> =
                due.into_iter().filter(|id| seen.insert(id.clone())).collect();
            if new.is_empty() {
                break true;
            }
            self.renew_all(&new, deadline, &mut tally).await;
            if Instant::now() >= deadline {
                break false;
            }
        };
        if !finished {
            self.requeue(shard, self.clock.now()).await?;
        }
        tracing::info!(
            shard,
            finished,
            renewed = tally.renewed,
            erased = tally.erased,
            later = tally.later,
            reauthorization_required = tally.reauthorization_required,
            failed = tally.failed,
            "a due shard was handled",
        );
        Ok(())
    }

    async fn renew_all(&self, due: &[ConnectionId], deadline: Instant, tally: &mut Tally) {
        let mut outcomes = stream::iter(due)
            .take_while(|_| std::future::ready(Instant::now() < deadline))
            .map(|id| async move { (id, self.refresher.handle_due(id, deadline).await) })
            .buffer_unordered(CONCURRENCY);
        while let Some((id, outcome)) = outcomes.next().await {
            match outcome {
                Ok(DueOutcome::Renewed) => tally.renewed += 1,
                Ok(DueOutcome::Erased | DueOutcome::Orphaned) => tally.erased += 1,
                Ok(DueOutcome::Nothing) => {}
                Ok(DueOutcome::Later) => tally.later += 1,
                Ok(DueOutcome::ReauthorizationRequired) => tally.reauthorization_required += 1,
                Err(error) => {
                    tracing::error!(connection = %id, "a due connection could not be handled: {error}");
                    tally.failed += 1;
                }
            }
        }
    }
}
