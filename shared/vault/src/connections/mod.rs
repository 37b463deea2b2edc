//! Connections: one item each, with identity, status, schedule, lease and fence, but without the tokens.
//!
//! ```text
//!            complete()                confirm()
//!   (none) ───────────> pending ───────────────────> active <──────────────┐
//!                          │ not confirmed in 10 min,   │  refresh refused  │ complete() + confirm()
//!                          v or by another user         v                   │ (same account)
//!                        (none)               reauthorization_required ─────┘
//! ```
//!
//! A second item, `owner#…`, makes (integration, user) unique, which DynamoDB's indexes cannot. Structural changes
//! (complete, confirm, delete) are transactions conditional on `revision`; the refresh protocol changes only lease,
//! fence, status and schedule, conditional on its lease.

mod changes;
mod completion;
mod due;
mod history;
mod lease;
mod listing;
mod pause;
mod record;
mod sweep;
mod usage;

pub use changes::Confirmed;
pub use completion::{Completed, Completion, Origin};
pub use due::{Due, DueCursor, DuePage};
pub use history::{Happening, HistoryEntry};
pub use lease::{Acquired, Lease, Release};
pub use listing::{Cursor, Page, UserFilter};
pub use record::{Account, Connection, Pending, RefreshFailure, Scopes, Status};
pub use sweep::Swept;

use aws_sdk_dynamodb::Client;
use jiff::{SignedDuration, Timestamp};

use crate::Error;
use crate::ids::{ConnectionId, IntegrationId, UserId, owner_key};
use crate::schedule;
use crate::table::{Condition, Write, n, read};

/// How long a finished browser flow waits for the application's confirmation.
pub const CONFIRMATION_LIFETIME: SignedDuration = SignedDuration::from_mins(10);

pub(crate) const WHAT: &str = "connection";

/// Connections, in the table of the same name.
#[derive(Debug, Clone)]
pub struct Connections {
    client: Client,
    table: String,
    tokens_table: String,
    integrations_table: String,
    sessions_table: String,
    passes_table: String,
    shards: u32,
}

impl Connections {
    /// Connections in the given tables; the due index has `shards` partitions.
    pub fn new(client: Client, names: &crate::aws::TableNames, shards: u32) -> Self {
        Self {
            client,
            table: names.connections.clone(),
            tokens_table: names.tokens.clone(),
            integrations_table: names.integrations.clone(),
            sessions_table: names.sessions.clone(),
            passes_table: names.passes.clone(),
            shards,
        }
    }

    /// The connection, by a consistent read.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is; [`Error::Corrupt`] for an unreadable item.
    pub async fn get(&self, id: &ConnectionId) -> Result<Option<Connection>, Error> {
        read(&self.client, &self.table, id.as_str(), WHAT).await
    }

    /// The connection of a user, if there is one.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn find(
        &self,
        integration: &IntegrationId,
        user: &UserId,
    ) -> Result<Option<Connection>, Error> {
        let key = owner_key(integration, user);
        let owner: Option<history::OwnerItem> =
            read(&self.client, &self.table, key, "connection owner").await?;
        match owner {
            Some(owner) => self.get(&owner.connection).await,
            None => Ok(None),
        }
    }

    fn update(&self, id: &ConnectionId) -> Write {
        Write::update(&self.table, id.as_str())
    }

    /// An update that is refused if the connection was connected, confirmed or deleted since it was read.
    fn unchanged(&self, known: &Connection) -> Write {
        self.update(&known.id).when("revision", Condition::Is(n(known.revision)))
    }

    fn due(&self, update: Write, id: &ConnectionId, due_at: Timestamp) -> Write {
        update
            .set("due_at", n(due_at.as_second()))
            .set("due_shard", n(schedule::shard(id, self.shards)))
    }
}
