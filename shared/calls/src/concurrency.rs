//! The limit on long calls of a connection if the operator has set none, so that one connection cannot occupy all
//! executions of the functions.
//!
//! Two kinds of calls take a place under it: a streamed call before it is sent, and any other once it has lasted a second.
//! So a shorter call costs nothing here. If no place is left, a streamed call is refused, and a long call that reads is
//! ended; one that writes goes on, because it may have had its effect. After a long call without a place the connection's
//! next calls are refused for a few seconds, by an attribute of the item that each call reads anyway.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use edge::problem::{Code, Problem};
use futures_util::future::pending;
use jiff::Timestamp;
use vault::connections::Connection;
use vault::limits::{Limit, Subject, Taken};

use crate::Calls;
use crate::limits::Places;
use crate::send::{Call, Reading};
use crate::target::Target;
use crate::watch::Withdrawn;

/// The most long calls of a connection under way at a time.
const MOST_LONG_CALLS: NonZeroU32 = NonZeroU32::MIN.saturating_add(19);
/// The time after which a call is long.
const LONG: Duration = Duration::from_secs(1);
/// The time for which the calls of a connection are refused after one found no place.
const REFUSED_FOR: Duration = Duration::from_secs(5);

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

/// Refuses a call of a connection whose long calls have lately taken all places.
///
/// # Errors
/// [`Code::ConcurrencyLimited`].
pub(crate) fn require_room(connection: &Connection, now: Timestamp) -> Result<(), Problem> {
    let Some(until) = connection.concurrency_limited_until else { return Ok(()) };
    // A clock that is wrong must not close a connection for long.
    let wait = Duration::try_from(until.duration_since(now)).unwrap_or_default().min(REFUSED_FOR);
    if wait.is_zero() { Ok(()) } else { Err(limited().retry_after(wait)) }
}

impl Calls {
    /// Takes a place for a call once it is long. Resolves if the call must end because none is left.
    pub(crate) fn take_place_once_long(
        &self,
        target: &Target,
        call: &Call,
        places: &Places,
    ) -> Withdrawn {
        // Streamed calls have taken theirs.
        let limit = default_limit(target).filter(|_| call.reading == Reading::Whole);
        let Some(limit) = limit else { return Box::pin(pending()) };
        let (connection, places) = (target.connection.clone(), places.clone());
        let connections = self.stores.connections.clone();
        let (is_read, deadlines) = (target.method.is_safe(), call.deadlines);
        let (clock, mut random) = (Arc::clone(&self.clock), self.random.clone());
        Box::pin(async move {
            tokio::time::sleep(LONG).await;
            let subject = Subject::Connection(connection.id.clone());
            let now = clock.now();
            let until = now + deadlines.time_left();
            match places.limits.take(&subject, limit, until, now, &mut random).await {
                Ok(Taken::Place(place, _)) => places.add(place),
                Ok(Taken::Exceeded(..)) => {
                    let until = now + REFUSED_FOR;
                    if let Err(error) =
                        connections.record_concurrency_limited(&connection, until).await
                    {
                        tracing::warn!(connection = %connection.id, "its limit could not be recorded: {error}");
                    }
                    if is_read {
                        return limited();
                    }
                }
                // An outage of DynamoDB ends no call under way.
                Err(_) => {}
            }
            pending().await
        })
    }
}

fn limited() -> Problem {
    Problem::new(Code::ConcurrencyLimited).retry_after(Duration::from_secs(1)).detail(format!(
        "{MOST_LONG_CALLS} calls of this connection that last longer than a second are under way, which is the most unless \
         proxy_limits of the integration says otherwise."
    ))
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn refused(seconds: i64) -> Option<String> {
        let mut connection: Connection = serde_json::from_value(serde_json::json!({
            "pk": "conn_0123456789abcdef0123456789abcdef", "integration": "azure-devops", "user": "ada",
            "status": "active", "tenant_id": "11111111-2222-4333-8444-555555555555",
            "object_id": "66666666-7777-4888-9999-aaaaaaaaaaaa", "scopes": [], "created_at": 0, "revision": 1,
        }))
        .unwrap();
        let now = Timestamp::from_second(1_000).unwrap();
        connection.concurrency_limited_until = Some(now + SignedDuration::from_secs(seconds));
        let problem = require_room(&connection, now).err()?;
        assert_eq!(problem.code(), Code::ConcurrencyLimited);
        Some(problem.headers()["retry-after"].to_str().unwrap().to_owned())
    }

    #[test]
    fn a_connection_without_places_is_refused_for_a_few_seconds_whatever_the_clock_says() {
        assert_eq!(refused(3).as_deref(), Some("3"));
        assert_eq!(refused(3_600).as_deref(), Some("5"));
        assert_eq!(refused(0), None);
        assert_eq!(refused(-1), None);
    }
}
