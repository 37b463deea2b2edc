//! The dispatcher: one message for each shard in which something is due.

use jiff::Timestamp;
use lambda_runtime::Error;
use serde::Serialize;

use crate::{DueShard, Refresh};

/// What a run of the dispatcher did.
#[derive(Debug, Serialize)]
pub(crate) struct Dispatched {
    shards: u32,
}

impl Refresh {
    /// Sends a message for each due shard. Repeated within the same minute it sends nothing new.
    pub(crate) async fn dispatch(&self) -> Result<Dispatched, Error> {
        let now = self.clock.now();
        let mut dispatched = Dispatched { shards: 0 };
        for shard in 0..self.shards {
            if !self.refresher.connections.due_in_shard(shard, now, 1).await?.is_empty() {
                let minute = now.as_second() / 60;
                self.send(shard, &format!("shard-{shard}-minute-{minute}")).await?;
                dispatched.shards += 1;
            }
        }
        tracing::info!(shards = dispatched.shards, "due shards were dispatched");
        Ok(dispatched)
    }

    /// Sends the rest of a shard back to the queue.
    pub(crate) async fn requeue(&self, shard: u32, now: Timestamp) -> Result<(), Error> {
        self.send(shard, &format!("shard-{shard}-rest-{}", now.as_nanosecond())).await
    }

    async fn send(&self, shard: u32, deduplication_id: &str) -> Result<(), Error> {
        self.queue
            .send_message()
            .queue_url(&self.queue_url)
            .message_body(serde_json::to_string(&DueShard { shard })?)
            .message_group_id(format!("shard-{shard}"))
            .message_deduplication_id(deduplication_id)
            .send()
            .await?;
        Ok(())
    }
}
