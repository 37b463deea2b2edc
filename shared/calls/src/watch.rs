//! The end of calls under way whose permission is withdrawn: the service or the integration is paused, the connection is
//! paused or deleted, the API key is deleted or expires.
//!
//! Every three seconds the items that permitted the call are read again and judged by the rules for a new call. A reading
//! takes at most a second and a half, so a call ends within five seconds; one that is answered earlier than the first
//! reading costs nothing here. A failed reading ends no call, because an outage of DynamoDB must not break healthy ones,
//! and no permission can be withdrawn during it; but a call ends when all readings of a minute have failed.
//!
//! An expired user's token ends no call: it was valid when the call began, and many tokens last five minutes only.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use edge::problem::{Code, Problem};
use ground::clock::Clock;
use http::Method;
use jiff::Timestamp;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use vault::Error;
use vault::call_items::{CallItemReader, CallItems, CallKeys};
use vault::ids::ConnectionId;
use vault::service::Status;

use crate::connection::require_usable;

/// The time from one reading to the next.
const EVERY: Duration = Duration::from_secs(3);
/// The longest time of a reading; a longer one has failed.
const LONGEST_READING: Duration = Duration::from_millis(1500);
/// The readings in a row that may fail: a minute.
const MOST_FAILED_READINGS: u32 = 20;

/// The problem that a new call would meet, once a call under way is no longer permitted.
pub(crate) type Withdrawn = Pin<Box<dyn Future<Output = Problem> + Send>>;

/// Watches the items that permit a call which begins now.
pub(crate) fn watch(items: CallItemReader, keys: CallKeys, clock: Arc<dyn Clock>) -> Withdrawn {
    Box::pin(async move {
        let problem = withdrawn(|| items.read(&keys), &keys, &*clock).await;
        let why = problem.code().as_str();
        let connection = keys.connection.as_ref().map(ConnectionId::as_str);
        tracing::warn!(connection, why, "a call under way is ended");
        problem
    })
}

/// Resolves to the first of two problems.
pub(crate) fn either(one: Withdrawn, other: Withdrawn) -> Withdrawn {
    Box::pin(async move {
        tokio::select! {
            problem = one => problem,
            problem = other => problem,
        }
    })
}

async fn withdrawn<Reading>(
    read: impl Fn() -> Reading,
    keys: &CallKeys,
    clock: &dyn Clock,
) -> Problem
where
    Reading: Future<Output = Result<CallItems, Error>>,
{
    let mut ticks = interval_at(Instant::now() + EVERY, EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failed = 0;
    loop {
        ticks.tick().await;
        if let Ok(Ok(items)) = timeout(LONGEST_READING, read()).await {
            failed = 0;
            if let Err(problem) = require_permitted(keys, &items, clock.now()) {
                return problem;
            }
        } else {
            failed += 1;
            if failed >= MOST_FAILED_READINGS {
                return Problem::new(Code::ServiceUnavailable)
                    .cause("the items that permit the call could not be read for a minute");
            }
        }
    }
}

/// Judges a call by the rules for a new one.
fn require_permitted(keys: &CallKeys, items: &CallItems, now: Timestamp) -> Result<(), Problem> {
    if items.service.status == Status::Paused {
        return Err(Problem::new(Code::ServicePaused));
    }
    let is_key_working = items.api_key.as_ref().is_some_and(|stored| stored.key.works(now));
    if keys.api_key.is_some() && !is_key_working {
        return Err(Problem::new(Code::InvalidCredentials));
    }
    let (Some(connection), Some(integration)) = (&items.connection, &items.integration) else {
        return Err(Problem::new(Code::ConnectionNotFound));
    };
    require_usable(connection, integration)
}

/// Returns the problem of a call that was ended before it was answered. That of a write does not invite to repeat it,
/// because the write may have had its effect.
pub(crate) fn of_ended(problem: Problem, method: &Method) -> Problem {
    if method.is_safe() {
        return problem;
    }
    let detail = format!(
        "The call was ended while it was under way ({}). It may have had its effect: check before you repeat it.",
        problem.code().as_str()
    );
    Problem::new(Code::DevopsUnavailable).detail(detail).cause(problem)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::pending;

    use ground::clock::SystemClock;
    use serde_json::json;
    use vault::service::ServiceSettings;

    use super::*;

    fn keys() -> CallKeys {
        CallKeys {
            api_key: Some("0123456789abcdef".parse().unwrap()),
            integration: Some("azure-devops".parse().unwrap()),
            connection: Some("conn_0123456789abcdef0123456789abcdef".parse().unwrap()),
        }
    }

    fn permitting() -> CallItems {
        let keys = keys();
        let (now, id) = (SystemClock.now(), keys.api_key.unwrap().to_string());
        let key = json!({
            "pk": format!("api_key#{id}"), "secret_hash": "", "id": id, "name": "",
            "role": "application", "created_at": now,
        });
        let integration = json!({
            "id": keys.integration, "client_id": "11111111-2222-4333-8444-555555555555",
            "credential": {"kind": "client_secret"}, "organizations": ["mycompany"], "scopes": ["vso.code"],
            "status": "ready", "created_at": now, "updated_at": now,
        });
        let connection = json!({
            "pk": keys.connection, "integration": keys.integration, "user": "ada", "status": "active",
            "tenant_id": "11111111-2222-4333-8444-555555555555", "object_id": "66666666-7777-4888-9999-aaaaaaaaaaaa",
            "scopes": [], "created_at": 0, "revision": 1,
        });
        CallItems {
            service: ServiceSettings::default(),
            api_key: Some(serde_json::from_value(key).unwrap()),
            integration: Some(serde_json::from_value(integration).unwrap()),
            connection: Some(serde_json::from_value(connection).unwrap()),
        }
    }

    fn unavailable() -> Error {
        Error::Unavailable {
            service: "dynamodb",
            operation: "BatchGetItem",
            message: String::new(),
        }
    }

    /// Returns the code and the time with which a call ends. Its readings permit it until the given second, and then are
    /// those of `then`, by their number.
    async fn ended(
        from: u64,
        then: impl Fn(u32) -> Option<Result<CallItems, Error>>,
    ) -> (Code, Duration) {
        let (begun, count) = (Instant::now(), Cell::new(0));
        let read = || async {
            if begun.elapsed() < Duration::from_secs(from) {
                return Ok(permitting());
            }
            count.set(count.get() + 1);
            match then(count.get()) {
                Some(reading) => reading,
                None => pending().await,
            }
        };
        let problem = withdrawn(read, &keys(), &SystemClock).await;
        (problem.code(), begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_ends_within_five_seconds_of_each_withdrawal() {
        let without = |change: fn(&mut CallItems)| {
            let mut items = permitting();
            change(&mut items);
            items
        };
        for (items, code) in [
            (without(|i| i.service.status = Status::Paused), Code::ServicePaused),
            (without(|i| i.api_key = None), Code::InvalidCredentials),
            (
                without(|i| {
                    i.api_key.as_mut().unwrap().key.expires_at = Some(Timestamp::UNIX_EPOCH);
                }),
                Code::InvalidCredentials,
            ),
            (without(|i| i.integration = None), Code::ConnectionNotFound),
            (without(|i| i.connection = None), Code::ConnectionNotFound),
            (
                without(|i| {
                    i.integration.as_mut().unwrap().status = vault::integrations::Status::Paused;
                }),
                Code::IntegrationNotReady,
            ),
            (
                without(|i| i.connection.as_mut().unwrap().paused_at = Some(Timestamp::UNIX_EPOCH)),
                Code::ConnectionPaused,
            ),
            (
                without(|i| {
                    i.connection.as_mut().unwrap().status =
                        vault::connections::Status::ReauthorizationRequired;
                }),
                Code::ConnectionReauthorizationRequired,
            ),
        ] {
            for withdrawn_at in [0, 1, 100] {
                let (why, after) = ended(withdrawn_at, |_| Some(Ok(items.clone()))).await;
                assert_eq!(why, code);
                let late = after.saturating_sub(Duration::from_secs(withdrawn_at));
                assert!(late <= Duration::from_secs(5), "{code:?}: {late:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn failed_readings_end_a_call_only_after_a_minute_of_them() {
        let paused = || {
            let mut items = permitting();
            items.service.status = Status::Paused;
            items
        };
        // Nineteen failures, a success, nineteen failures: the call goes on.
        let patchy = |reading| match reading {
            20 => Some(Ok(permitting())),
            40 => Some(Ok(paused())),
            _ => Some(Err(unavailable())),
        };
        assert_eq!(ended(0, patchy).await.0, Code::ServicePaused);
        // No answer at all counts as a failure, and does not hold the next reading up.
        for failing in [|_| Some(Err(unavailable())), |_| None] {
            let (why, after) = ended(0, failing).await;
            assert_eq!(why, Code::ServiceUnavailable);
            assert!((60..65).contains(&after.as_secs()), "{after:?}");
        }
    }

    #[test]
    fn an_ended_write_is_not_to_be_repeated_by_itself() {
        let ended = |method| of_ended(Problem::new(Code::ServicePaused), &method).code();
        assert_eq!(ended(Method::GET), Code::ServicePaused);
        assert_eq!(ended(Method::POST), Code::DevopsUnavailable);
    }
}
