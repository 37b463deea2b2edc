//! Dead letters: messages that failed five times. Nothing is lost with them, because the next minute's
//! dispatch sends their like again. What remains to be done is to find what a worker died of, if it
//! did, and to put it aside.

use edge::metrics::{Metrics, Unit};
use jiff::SignedDuration;
use lambda_runtime::Error;
use tokio::time::Instant;
use vault::connections::Connection;

use crate::Refresh;
use crate::queue::Message;

/// How long a connection is left alone under which a worker died.
const PUT_ASIDE_FOR: SignedDuration = SignedDuration::from_hours(1);
/// Due rows that are looked at in one call.
const PAGE: i32 = 200;

impl Refresh {
    /// Puts aside the connections of the message's shard whose lease was neither ended nor is held any
    /// more: whoever had it never came to the end. Changes nothing but when they are due.
    pub(crate) async fn bury(&self, message: &Message, deadline: Instant) -> Result<(), Error> {
        let now = self.clock.now();
        let mut put_aside = 0;
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
                        tracing::error!(connection = %connection.id, "a worker ended while it renewed this; it is put aside");
                        let until = now + PUT_ASIDE_FOR;
                        put_aside += u64::from(connections.postpone(row, until).await?);
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
        metrics.add("DeadLettersPutAside", Unit::Count, put_aside);
        edge::log::write_metrics(&metrics, now);
        Ok(())
    }
}

fn was_abandoned(connection: &Connection, now: jiff::Timestamp) -> bool {
    connection.lease_until.is_some() && !connection.is_leased(now)
}
