//! What happened to a connection: its changes, not its uses. Kept with the item that makes (integration, user) unique, so
//! that it comes and goes with the connection and makes the small item no larger.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::record::OwnerItem;
use super::{Connection, Connections, RefreshFailure};
use crate::Error;
use crate::ids::owner_key;
use crate::table::{Condition, Updated, Write, read, s, to_value};

/// How many changes are kept.
pub const KEPT: usize = 30;
/// How many more there may be before the oldest are dropped.
const SLACK: usize = 10;
const WHAT: &str = "history";

/// A change and its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// When.
    #[serde(with = "crate::seconds::required")]
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub what: Happening,
}

/// What can happen to a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Happening {
    /// The user finished in the browser; the connection waits for its confirmation.
    SignedIn,
    /// It became usable, for the first time or again.
    Connected,
    /// A sign-in was erased, because nobody confirmed it in time or it was confirmed for another user.
    SignInErased,
    /// Its tokens were renewed because somebody asked for it.
    RenewedOnRequest,
    /// Its tokens were renewed because Azure DevOps rejected the access token.
    RenewedAfterRejection,
    /// A renewal failed for the first time, or in another way than before.
    RenewalFailed {
        /// How.
        failure: RefreshFailure,
    },
    /// Its tokens were renewed after failures.
    RenewedAfterFailures,
    /// The user must sign in again.
    ReauthorizationRequired {
        /// Entra's error.
        reason: String,
    },
}

impl Connections {
    /// Writes a change down, unless the connection is gone. A change that cannot be written is told to the log:
    /// nothing depends on it.
    pub async fn note(&self, connection: &Connection, what: Happening, now: Timestamp) {
        if let Err(error) = self.try_to_note(connection, what, now).await {
            tracing::warn!(connection = %connection.id, "a change was not written down: {error}");
        }
    }

    async fn try_to_note(
        &self,
        connection: &Connection,
        what: Happening,
        now: Timestamp,
    ) -> Result<(), Error> {
        let newest = to_value(WHAT, &[HistoryEntry { at: now, what }])?;
        let update = self
            .update_owner(connection)
            .when("connection", Condition::Is(s(connection.id.as_str())))
            .prepend("history", newest);
        let Updated::Written(item) = update.send(&self.client).await? else { return Ok(()) };
        let length = item.get("history").and_then(|list| list.as_l().ok()).map_or(0, Vec::len);
        if length > KEPT + SLACK { self.drop_oldest(connection, length).await } else { Ok(()) }
    }

    async fn drop_oldest(&self, connection: &Connection, length: usize) -> Result<(), Error> {
        let update = self.update_owner(connection).when("history", Condition::Exists);
        let oldest = (KEPT..length).map(|index| format!("history[{index}]"));
        oldest.fold(update, |update, path| update.remove(&path)).attempt(&self.client).await?;
        Ok(())
    }

    fn update_owner(&self, connection: &Connection) -> Write {
        Write::update(&self.table, owner_key(&connection.integration, &connection.user))
    }

    /// The last changes of a connection, the newest first.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is; [`Error::Corrupt`] for an unreadable item.
    pub async fn history(&self, connection: &Connection) -> Result<Vec<HistoryEntry>, Error> {
        let key = owner_key(&connection.integration, &connection.user);
        let owner: Option<OwnerItem> = read(&self.client, &self.table, key, WHAT).await?;
        let own = owner.filter(|owner| owner.connection == connection.id);
        Ok(own.map(|owner| owner.history).unwrap_or_default())
    }
}
