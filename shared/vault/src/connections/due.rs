//! The due index: which connections the schedule has to look at, and putting them off.

use entra::identifiers::TenantId;
use jiff::Timestamp;

use super::update::Change;
use super::{Connection, Connections, Status, WHAT};
use crate::Error;
use crate::ids::{ConnectionId, IntegrationId};
use crate::schedule;
use crate::table::{Item, n, sent, to_value};

/// A row of the due index: enough to decide whose turn it is without reading the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The connection.
    pub connection: ConnectionId,
    /// Since when it is due.
    pub due_at: Timestamp,
    /// Under which integration.
    pub integration: IntegrationId,
    /// In which Entra tenant its tokens are renewed.
    pub tenant: TenantId,
}

/// Some rows of a shard, the longest overdue first.
#[derive(Debug)]
pub struct DuePage {
    /// The rows.
    pub rows: Vec<Due>,
    /// Where to go on, unless these were the last ones.
    pub next: Option<DueCursor>,
}

/// Where a page of a shard ended.
#[derive(Debug, Clone)]
pub struct DueCursor(Item);

impl Connections {
    /// The connections of a shard that are due at `now`, at most `limit` after `cursor`. The index lags
    /// behind the table, so a row may be of a connection that was renewed a moment ago.
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
        let rows = answer.items.unwrap_or_default().iter().filter_map(row).collect();
        Ok(DuePage { rows, next: answer.last_evaluated_key.map(DueCursor) })
    }

    /// Puts off a due connection without reading it, because its integration cannot be used. Returns
    /// `false`, and changes nothing, if it is not an active connection that is due since then, or if it
    /// waits for a confirmation that must not be put off.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn postpone(&self, row: &Due, until: Timestamp) -> Result<bool, Error> {
        let mut change = Change::default();
        change.set("due_at", n(until.as_second()));
        change.set("due_shard", n(schedule::shard(&row.connection, self.shards)));
        let update = self
            .update(&row.connection)
            .condition_expression(
                "due_at = :due AND #status = :active AND attribute_not_exists(pending)",
            )
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":active", to_value(WHAT, &Status::Active)?)
            .expression_attribute_values(":due", n(row.due_at.as_second()));
        sent(change.apply(update).send().await)
    }

    /// Changes only when the schedule looks next, for a connection that needs nothing else.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn reschedule(
        &self,
        known: &Connection,
        due_at: Option<Timestamp>,
    ) -> Result<(), Error> {
        let mut change = Change::default();
        if let Some(due_at) = due_at {
            change.set("due_at", n(due_at.as_second()));
            change.set("due_shard", n(schedule::shard(&known.id, self.shards)));
        } else {
            change.remove("due_at");
            change.remove("due_shard");
        }
        let mut update =
            self.update(&known.id).expression_attribute_values(":known", n(known.revision));
        update = match known.due_at {
            Some(due) => update
                .condition_expression("revision = :known AND due_at = :due")
                .expression_attribute_values(":due", n(due.as_second())),
            None => {
                update.condition_expression("revision = :known AND attribute_not_exists(due_at)")
            }
        };
        sent(change.apply(update).send().await).map(drop)
    }
}

fn row(item: &Item) -> Option<Due> {
    let text = |name: &str| item.get(name)?.as_s().ok();
    let due_at: i64 = item.get("due_at")?.as_n().ok()?.parse().ok()?;
    Some(Due {
        connection: text("pk")?.parse().ok()?,
        due_at: Timestamp::from_second(due_at).ok()?,
        integration: text("integration")?.parse().ok()?,
        tenant: text("tenant_id")?.parse().ok()?,
    })
}
