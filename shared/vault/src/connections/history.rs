//! A connection's change history (not its calls). It is stored in the item that makes (integration, user) unique, so
//! that it comes and goes with the connection and does not enlarge the connection's own item.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Connection, Connections, RefreshFailure};
use crate::Error;
use crate::ids::{ConnectionId, owner_key};
use crate::table::{Condition, Updated, Write, read, s, to_value};

/// The number of changes that are kept.
pub const KEPT: usize = 30;
/// The oldest changes are dropped when there are this many more.
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

/// A kind of change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Happening {
    /// The user finished in the browser; the application must confirm.
    SignedIn,
    /// It became usable, for the first time or again.
    Connected,
    /// A sign-in was erased: not confirmed in time, or confirmed for another user.
    SignInErased,
    /// Its tokens were renewed on request.
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
    /// The operator paused it.
    Paused,
    /// The operator let it go on.
    Resumed,
    /// A change of a kind that a newer release notes.
    #[serde(other)]
    Unknown,
}

/// The item that makes (integration, user) unique.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OwnerItem {
    pub pk: String,
    pub connection: ConnectionId,
    /// The newest first.
    #[serde(default)]
    pub history: Vec<HistoryEntry>,
}

impl Connections {
    /// Appends a change to the history, unless the connection is gone. Failure to write it is only logged, because
    /// nothing depends on it.
    pub async fn note(&self, connection: &Connection, what: Happening, now: Timestamp) {
        if let Err(error) = self.try_to_note(connection, what, now).await {
            tracing::warn!(connection = %connection.id, "a change could not be added to the history: {error}");
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
