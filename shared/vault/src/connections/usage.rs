//! Marks that proxied calls leave on a connection: its last use, a rejected token, and the time before which Azure
//! DevOps asked not to be called.

use jiff::{SignedDuration, Timestamp};
use rand::CryptoRng;

use super::{Connection, Connections, WHAT};
use crate::Error;
use crate::schedule::{self, Warmth};
use crate::table::{Condition, n, to_value};

/// How long a rejection of a fresh token prevents another refresh.
const REJECTION_REMEMBERED_FOR: SignedDuration = SignedDuration::from_secs(120);

impl Connections {
    /// Records a use, at most hourly: of concurrent callers only one writes. An idle connection becomes hot again: it is
    /// renewed before its token expires. Returns whether there was something to record.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn record_use(
        &self,
        connection: &Connection,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<bool, Error> {
        let since = |used| now.duration_since(used);
        let idle_for = connection.last_used_at.map_or(SignedDuration::MAX, since);
        if idle_for < schedule::USE_RECORDED_EVERY {
            return Ok(false);
        }
        let hour_ago = (now - schedule::USE_RECORDED_EVERY).as_second();
        let mut update = self
            .unchanged(connection)
            .when("last_used_at", Condition::AbsentOrAtMost(n(hour_ago)))
            .set("last_used_at", n(now.as_second()));
        if idle_for >= schedule::HOT_FOR
            && let (Some(expires_at), Some(due_at)) =
                (connection.token_expires_at, connection.due_at)
        {
            let lifetime = schedule::Lifetime { expires_at, refresh_at: None };
            let warmth = Warmth::WhileUsed(Some(now));
            let earlier = schedule::next_renewal(lifetime, warmth, now, rng).min(due_at);
            update = update.set("due_at", n(earlier.as_second()));
        }
        update.attempt(&self.client).await.map(|_| true)
    }

    /// Records that Azure DevOps rejected a fresh token, so that the next calls do not each cost a refresh.
    /// `accepted_elsewhere` is whether it accepted the same token for another call, or `None` if it did not answer that.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn record_rejection(
        &self,
        connection: &Connection,
        version: u64,
        accepted_elsewhere: Option<bool>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let update = self
            .unchanged(connection)
            .set("rejected_version", n(version))
            .set("rejected_until", n((now + REJECTION_REMEMBERED_FOR).as_second()));
        let update = match accepted_elsewhere {
            Some(accepted) => update.set("accepted_elsewhere", to_value(WHAT, &accepted)?),
            None => update.remove("accepted_elsewhere"),
        };
        update.attempt(&self.client).await.map(drop)
    }

    /// Records when Azure DevOps may be called next, unless a later time is recorded.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn record_call_after(
        &self,
        connection: &Connection,
        call_after: Timestamp,
    ) -> Result<(), Error> {
        if connection.call_after.is_some_and(|known| known >= call_after) {
            return Ok(());
        }
        self.raise(connection, "call_after", call_after).await
    }

    /// Records the time until which its calls are counted before they are sent, unless a later one is recorded or the
    /// connection was changed.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn record_calls_counted(
        &self,
        connection: &Connection,
        until: Timestamp,
    ) -> Result<(), Error> {
        self.raise(connection, "calls_counted_until", until).await
    }

    async fn raise(
        &self,
        connection: &Connection,
        name: &str,
        time: Timestamp,
    ) -> Result<(), Error> {
        let time = n(time.as_second());
        let update = self
            .unchanged(connection)
            .when(name, Condition::AbsentOrBelow(time.clone()))
            .set(name, time);
        update.attempt(&self.client).await.map(drop)
    }
}
