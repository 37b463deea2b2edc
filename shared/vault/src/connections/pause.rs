//! The operator's pause of one connection, for a suspected theft: all calls and token hand-outs are refused until the
//! operator resumes it. Its tokens are still renewed, so that it works at once afterwards, and a revocation is noticed
//! meanwhile.

use jiff::Timestamp;

use super::{Connection, Connections, Happening};
use crate::Error;
use crate::table::{Condition, n};

impl Connections {
    /// Pauses a connection. Returns whether it was neither paused nor deleted before.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn pause(&self, connection: &Connection, now: Timestamp) -> Result<bool, Error> {
        let update = self
            .update(&connection.id)
            .when("pk", Condition::Exists)
            .when("paused_at", Condition::Absent)
            .set("paused_at", n(now.as_second()));
        let paused = update.attempt(&self.client).await?;
        if paused {
            self.note(connection, Happening::Paused, now).await;
        }
        Ok(paused)
    }

    /// Resumes a connection. Returns whether it was paused.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn resume(&self, connection: &Connection, now: Timestamp) -> Result<bool, Error> {
        let update = self.update(&connection.id).when("paused_at", Condition::Exists);
        let resumed = update.remove("paused_at").attempt(&self.client).await?;
        if resumed {
            self.note(connection, Happening::Resumed, now).await;
        }
        Ok(resumed)
    }
}
