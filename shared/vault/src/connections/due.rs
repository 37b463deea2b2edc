//! The due index: finding the connections that are due, and rescheduling them.

use entra::identifiers::TenantId;
use jiff::Timestamp;
use serde::Deserialize;

use super::{Connection, Connections, Status, WHAT};
use crate::Error;
use crate::ids::{ConnectionId, IntegrationId};
use crate::table::{Condition, Item, from_item, n, to_value};

/// A row of the due index: enough to schedule a connection without reading it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Due {
    /// The connection.
    #[serde(rename = "pk")]
    pub connection: ConnectionId,
    /// Since when it is due.
    #[serde(with = "crate::seconds::required")]
    pub due_at: Timestamp,
    /// Its integration.
    pub integration: IntegrationId,
    /// The Entra tenant that renews its tokens.
    #[serde(rename = "tenant_id")]
    pub tenant: TenantId,
}

/// Some rows of a shard, the longest overdue first.
#[derive(Debug)]
pub struct DuePage {
    /// The rows.
    pub rows: Vec<Due>,
    /// The position of the next page, if there is one.
    pub next: Option<DueCursor>,
}

/// The end of a page.
#[derive(Debug, Clone)]
pub struct DueCursor(Item);

impl Connections {
    /// The connections of a shard that are due at `now`, at most `limit` after `cursor`. The index lags behind the table,
    /// so a connection in it may have been renewed a moment ago.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn due_in_shard(
        &self,
        shard: u32,
        now: Timestamp,
        cursor: Option<&DueCursor>,
        limit: i32,
    ) -> Result<DuePage, Error> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("by_due")
            .key_condition_expression("due_shard = :shard AND due_at <= :now")
            .expression_attribute_values(":shard", n(shard))
            .expression_attribute_values(":now", n(now.as_second()))
            .set_exclusive_start_key(cursor.map(|cursor| cursor.0.clone()))
            .limit(limit)
            .send()
            .await
            .map_err(|e| Error::sdk("dynamodb", "Query", &e))?;
        let items = answer.items.unwrap_or_default().into_iter();
        let rows = items.filter_map(|item| from_item(WHAT, item).ok()).collect();
        Ok(DuePage { rows, next: answer.last_evaluated_key.map(DueCursor) })
    }

    /// Puts off a due connection without reading it, because its integration cannot be used. Returns `false`, and changes
    /// nothing, if it is not active, was rescheduled, or waits for a confirmation, which must not be put off.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn postpone(&self, row: &Due, until: Timestamp) -> Result<bool, Error> {
        let update = self
            .update(&row.connection)
            .when("due_at", Condition::Is(n(row.due_at.as_second())))
            .when("status", Condition::Is(to_value(WHAT, &Status::Active)?))
            .when("pending", Condition::Absent);
        self.due(update, &row.connection, until).attempt(&self.client).await
    }

    /// Changes the due time of a connection that was not changed since it was read, or removes it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn reschedule(
        &self,
        known: &Connection,
        due_at: Option<Timestamp>,
    ) -> Result<(), Error> {
        let was = match known.due_at {
            Some(due) => Condition::Is(n(due.as_second())),
            None => Condition::Absent,
        };
        let update = self.unchanged(known).when("due_at", was);
        let update = match due_at {
            Some(due_at) => self.due(update, &known.id, due_at),
            None => update.remove("due_at").remove("due_shard"),
        };
        update.attempt(&self.client).await.map(drop)
    }
}
