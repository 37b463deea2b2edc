//! The sweep: a scan of the whole table for connections that are missing from the schedule.

use jiff::Timestamp;

use super::{Connection, Connections, Status, WHAT};
use crate::Error;
use crate::table::{Item, from_item, n, s, to_value};

/// A page of a sweep.
#[derive(Debug)]
pub struct Swept {
    /// The number of scanned items.
    pub seen: u64,
    /// Connections that should be scheduled and are not, or are long overdue.
    pub found: Vec<Connection>,
    /// The last key, unless the segment is done.
    pub next: Option<String>,
}

impl Connections {
    /// Scans a part of the table (not of the index) for connections that are active or unconfirmed, and without a due
    /// time, in a shard beyond `shards`, or due before `overdue_since`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is; [`Error::Corrupt`] for an unreadable item.
    pub async fn sweep(
        &self,
        segment: i32,
        segments: i32,
        after: Option<&str>,
        shards: u32,
        overdue_since: Timestamp,
    ) -> Result<Swept, Error> {
        let answer = self
            .client
            .scan()
            .table_name(&self.table)
            .segment(segment)
            .total_segments(segments)
            .set_exclusive_start_key(
                after.map(|key| Item::from([("pk".to_owned(), s(key))])),
            )
            .filter_expression(
                "(#status = :active OR attribute_exists(pending)) AND \
                 (attribute_not_exists(due_at) OR attribute_not_exists(due_shard) OR due_shard >= :shards \
                 OR due_at < :since)",
            )
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":active", to_value(WHAT, &Status::Active)?)
            .expression_attribute_values(":shards", n(shards))
            .expression_attribute_values(":since", n(overdue_since.as_second()))
            .send()
            .await
            .map_err(|e| Error::sdk("dynamodb", "Scan", &e))?;
        let items = answer.items.unwrap_or_default();
        let found =
            items.into_iter().map(|item| from_item(WHAT, item)).collect::<Result<_, _>>()?;
        let key = answer.last_evaluated_key.as_ref();
        let next = key.and_then(|key| key.get("pk")?.as_s().ok().cloned());
        Ok(Swept { seen: u64::try_from(answer.scanned_count).unwrap_or(0), found, next })
    }
}
