//! Dead letters: messages that failed five times. Nothing is lost with them, because the dispatch of the next minute
//! sends the same messages again. Only a connection that crashed its worker must be found and postponed.

use edge::metrics::{Metrics, Unit};
use jiff::SignedDuration;
use lambda_runtime::Error;
use tokio::time::Instant;
use vault::connections::Connection;

use crate::Refresh;
use crate::queue::Message;

/// The delay of a connection whose worker crashed.
const POSTPONED_FOR: SignedDuration = SignedDuration::from_hours(1);
/// Due rows read in one call.
const PAGE: i32 = 200;

impl Refresh {
    /// Postpones the connections of the message's shard whose lease expired without being released: their worker
    /// crashed. Changes only their due time.
    pub(crate) async fn handle_dead_letter(
        &self,
        message: &Message,
        deadline: Instant,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let mut postponed = 0;
        if let Message::DueShard(shard) = message {
            let connections = &self.connections;
            let mut cursor = None;
            loop {
                let page = connections.due_in_shard(*shard, now, cursor.as_ref(), PAGE).await?;
                for row in &page.rows {
                    let Some(connection) = connections.get(&row.connection).await? else {
                        continue;
                    };
                    if was_abandoned(&connection, now) {
                        tracing::error!(connection = %connection.id, "a worker ended while it renewed this connection; the connection is postponed");
                        let until = now + POSTPONED_FOR;
                        postponed += u64::from(connections.postpone(row, until).await?);
                    }
                }
                cursor = page.next;
                if cursor.is_none() || Instant::now() >= deadline {
                    break;
                }
            }
        }
        let mut metrics = Metrics::new("refresh");
        metrics.add("DeadLetters", Unit::Count, 1);
        metrics.add("DeadLettersPutAside", Unit::Count, postponed);
        edge::log::write_metrics(&metrics, now);
        Ok(())
    }
}

fn was_abandoned(connection: &Connection, now: jiff::Timestamp) -> bool {
    connection.lease_until.is_some() && !connection.is_leased(now)
}
