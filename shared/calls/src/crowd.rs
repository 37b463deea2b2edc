//! A bound on long calls where the operator has set none, so that no connection occupies the house.
//!
//! Lambda runs one call in one execution, and only calls that last hold one. So a call that is answered in time costs
//! nothing here: after a second, or at once if its answer is streamed, it takes a place among those of its connection.
//! If none is left, a call that reads ends, and the connection is marked as crowded: its next calls are refused before they
//! are sent, by the item that each call reads anyway. A write goes on, because it may have had its effect.

use std::num::NonZeroU32;
use std::time::Duration;

use edge::problem::{Code, Problem};
use futures_util::future::pending;
use jiff::{SignedDuration, Timestamp};
use vault::connections::Connection;
use vault::limits::{Limit, Subject, Taken};

use crate::Calls;
use crate::deadlines::Deadlines;
use crate::limits::Places;
use crate::send::{Call, Reading};
use crate::target::Target;
use crate::watch::Withdrawn;

/// The most long calls of a connection under way at a time.
pub(crate) const MOST_LONG_CALLS: NonZeroU32 = NonZeroU32::MIN.saturating_add(19);
/// The time after which a call is a long one.
const LONG: Duration = Duration::from_secs(1);
/// How long a connection stays crowded.
const CROWDED_FOR: SignedDuration = SignedDuration::from_secs(5);

/// Returns the limit on streamed calls of a connection, which take their places at once, if the operator has set none.
pub(crate) fn limit_of_streams(target: &Target, call: &Call) -> Option<Limit> {
    default_limit(target).filter(|_| call.reading == Reading::AsItComes)
}

/// Returns the limit on the long calls of a connection, if the operator has set none.
fn default_limit(target: &Target) -> Option<Limit> {
    let own = target.integration.settings.proxy_limits.connection;
    let is_set = own.is_some_and(|limit| limit.concurrent.is_some());
    (!is_set).then_some(Limit { rate: None, concurrent: Some(MOST_LONG_CALLS) })
}

/// Refuses a call of a connection that is crowded.
///
/// # Errors
/// [`Code::ConcurrencyLimited`].
pub(crate) fn require_room(connection: &Connection, now: Timestamp) -> Result<(), Problem> {
    let Some(until) = connection.crowded_until else { return Ok(()) };
    // A clock that is wrong must not close a connection for long.
    let wait = until.duration_since(now).min(CROWDED_FOR);
    match Duration::try_from(wait) {
        Ok(wait) if !wait.is_zero() => Err(crowded().retry_after(wait)),
        _ => Ok(()),
    }
}

impl Calls {
    /// Takes a place for a call when it is a long one. Resolves if the call is to be ended.
    pub(crate) fn hold_place(&self, target: &Target, call: &Call, places: &Places) -> Withdrawn {
        let Some(limit) = default_limit(target) else { return Box::pin(pending()) };
        // Streamed calls have theirs from the beginning.
        if call.reading == Reading::AsItComes {
            return Box::pin(pending());
        }
        let (connection, places) = (target.connection.clone(), places.clone());
        let connections = self.stores.connections.clone();
        let is_read = target.method.is_safe();
        let deadlines: Deadlines = call.deadlines;
        let (clock, mut random) = (std::sync::Arc::clone(&self.clock), self.random.clone());
        Box::pin(async move {
            tokio::time::sleep(LONG).await;
            let subject = Subject::Connection(connection.id.clone());
            let now = clock.now();
            let until = now + deadlines.time_left();
            match places.limits.take(&subject, limit, until, now, &mut random).await {
                Ok(Taken::Place(place, _)) => places.add(place),
                Ok(Taken::Exceeded(..)) => {
                    let marked = connections.record_crowded(&connection, now + CROWDED_FOR).await;
                    if let Err(error) = marked {
                        tracing::warn!(connection = %connection.id, "it could not be marked as crowded: {error}");
                    }
                    if is_read {
                        return crowded();
                    }
                }
                // An outage of DynamoDB ends no call under way.
                Err(_) => {}
            }
            pending().await
        })
    }
}

fn crowded() -> Problem {
    Problem::new(Code::ConcurrencyLimited).retry_after(Duration::from_secs(1)).detail(format!(
        "{MOST_LONG_CALLS} calls of this connection that last longer than a second are under way, which is the most unless \
         proxy_limits of the integration says otherwise."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(seconds: i64) -> Option<String> {
        let mut connection: Connection = serde_json::from_value(serde_json::json!({
            "pk": "conn_0123456789abcdef0123456789abcdef", "integration": "azure-devops", "user": "ada",
            "status": "active", "tenant_id": "11111111-2222-4333-8444-555555555555",
            "object_id": "66666666-7777-4888-9999-aaaaaaaaaaaa", "scopes": [], "created_at": 0, "revision": 1,
        }))
        .unwrap();
        let now = Timestamp::from_second(1_000).unwrap();
        connection.crowded_until = Some(now + SignedDuration::from_secs(seconds));
        let problem = require_room(&connection, now).err()?;
        assert_eq!(problem.code(), Code::ConcurrencyLimited);
        Some(problem.headers()["retry-after"].to_str().unwrap().to_owned())
    }

    #[test]
    fn a_crowded_connection_is_refused_for_a_few_seconds_whatever_the_clock_says() {
        assert_eq!(refused(3).as_deref(), Some("3"));
        assert_eq!(refused(3_600).as_deref(), Some("5"));
        assert_eq!(refused(0), None);
        assert_eq!(refused(-1), None);
    }
}
