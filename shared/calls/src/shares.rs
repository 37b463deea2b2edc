//! The default limits on calls at a time, so that neither one API key nor one connection occupies all executions of a
//! function.
//!
//! ```text
//!  EXECUTIONS ── half, for counted calls of one key or connection ──┬── the other half: for its calls that are not counted
//!                                                                   └── yet, and for everybody else
//! ```
//!
//! A call is counted once it has lasted a millisecond for each execution, at most a second. The calls that are not counted
//! yet fit into the other half, up to the throttle's default of 500 calls a second. A call that ends before it is counted
//! costs nothing here, and most calls do where executions are plenty.
//!
//! If no place is left for a long call that reads, it is ended; one that writes goes on, because it may have had its effect.
//! For a minute the calls of that key or connection are then counted before they are sent, as streamed calls always are,
//! and refused at once beyond the limit. The mark for that is in an item that each call reads anyway.

use std::num::NonZeroU32;
use std::time::Duration;

use edge::config::ResponseMode;
use edge::problem::{Code, Problem};
use jiff::{SignedDuration, Timestamp};
use vault::connections::Connection;
use vault::ids::ApiKeyId;
use vault::limits::{Limit, Pool, Subject};

use crate::Stores;
use crate::items::Items;
use crate::target::Target;

/// The most counted calls of a key at a time, whatever the number of executions.
const MOST_OF_KEY: u32 = 200;
/// The most counted calls of a connection at a time, whatever the number of executions.
const MOST_OF_CONNECTION: u32 = 20;
/// The number of executions at which a call is counted after a second.
const PLENTY: u32 = 1000;
/// The time for which calls are counted before they are sent, after one found no place.
const COUNTED_FOR: SignedDuration = SignedDuration::from_mins(1);

/// The parts of a function's executions that one API key and one connection may hold.
#[derive(Debug, Clone, Copy)]
pub struct Shares {
    executions: u32,
    pool: Pool,
}

/// The part of one holder.
#[derive(Debug, Clone)]
pub(crate) struct Share {
    holder: Holder,
    pub(crate) subject: Subject,
    pub(crate) limit: Limit,
    /// The time until which its calls are counted before they are sent.
    counted_until: Option<Timestamp>,
}

#[derive(Debug, Clone)]
enum Holder {
    Key(ApiKeyId),
    Connection(Box<Connection>),
}

impl Shares {
    /// The shares of a function that can have so many executions at a time.
    pub fn of(executions: u32, mode: ResponseMode) -> Self {
        let pool = match mode {
            ResponseMode::Buffered => Pool::Buffered,
            ResponseMode::Streamed => Pool::Streamed,
        };
        Self { executions, pool }
    }

    /// Returns the shares under which a call is counted before it is sent, and those under which it is counted once it is
    /// long.
    pub(crate) fn of_call(
        self,
        target: &Target,
        is_streamed: bool,
        now: Timestamp,
    ) -> (Vec<Share>, Vec<Share>) {
        self.of_target(target).partition(|share| is_streamed || share.is_counted(now))
    }

    fn of_target(self, target: &Target) -> impl Iterator<Item = Share> {
        let of_key = target.api_key.clone().map(|key| Share {
            subject: Subject::KeyShare(key.id.clone(), self.pool),
            limit: self.at_most(MOST_OF_KEY),
            counted_until: key.calls_counted_until,
            holder: Holder::Key(key.id),
        });
        let own = target.integration.settings.proxy_limits.connection;
        let is_set = own.is_some_and(|limit| limit.concurrent.is_some());
        let of_connection = (!is_set).then(|| Share {
            subject: Subject::ConnectionShare(target.connection.id.clone(), self.pool),
            limit: self.at_most(MOST_OF_CONNECTION),
            counted_until: target.connection.calls_counted_until,
            holder: Holder::Connection(Box::new(target.connection.clone())),
        });
        of_key.into_iter().chain(of_connection)
    }

    fn at_most(self, most: u32) -> Limit {
        let half = (self.executions / 2).clamp(1, most);
        Limit { rate: None, concurrent: NonZeroU32::new(half) }
    }

    /// The time after which a call is long.
    pub(crate) fn long(self) -> Duration {
        Duration::from_millis(self.executions.clamp(1, PLENTY).into())
    }
}

impl Share {
    fn is_counted(&self, now: Timestamp) -> bool {
        self.counted_until.is_some_and(|until| until > now)
    }

    /// The refusal of a call beyond the share.
    pub(crate) fn exceeded(&self) -> Problem {
        let (whose, unless) = match self.holder {
            Holder::Key(_) => ("with this API key", ""),
            Holder::Connection(_) => {
                ("of this connection", " unless proxy_limits of the integration says otherwise")
            }
        };
        let most = self.limit.concurrent.map_or(0, NonZeroU32::get);
        Problem::new(Code::ConcurrencyLimited)
            .retry_after(Duration::from_secs(1))
            .detail(format!("{most} long calls {whose} are under way, which is the most{unless}."))
    }

    /// Lets the holder's calls be counted before they are sent. Writes at most once in half a minute.
    pub(crate) async fn count_calls(&self, stores: &Stores, items: &Items, now: Timestamp) {
        if self.counted_until.is_some_and(|until| until > now + COUNTED_FOR / 2) {
            return;
        }
        let until = now + COUNTED_FOR;
        let recorded = match &self.holder {
            Holder::Key(id) => {
                items.forget_key(id).await;
                stores.api_keys.record_calls_counted(id, until).await
            }
            Holder::Connection(connection) => {
                items.forget_connection(&connection.id).await;
                stores.connections.record_calls_counted(connection, until).await
            }
        };
        if let Err(error) = recorded {
            tracing::warn!("calls beyond a share could not be recorded: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(executions: u32) -> (u32, u32, Duration) {
        let shares = Shares::of(executions, ResponseMode::Buffered);
        let most = |most| shares.at_most(most).concurrent.unwrap().get();
        (most(MOST_OF_KEY), most(MOST_OF_CONNECTION), shares.long())
    }

    #[test]
    fn one_key_or_connection_holds_half_of_the_executions_at_most() {
        assert_eq!(shares(1000), (200, 20, Duration::from_secs(1)));
        assert_eq!(shares(100), (50, 20, Duration::from_millis(100)));
        assert_eq!(shares(10), (5, 5, Duration::from_millis(10)));
        // A function that is stopped, or has one execution, still has a limit.
        assert_eq!(shares(0), (1, 1, Duration::from_millis(1)));
        assert_eq!(shares(1), (1, 1, Duration::from_millis(1)));
        assert_eq!(shares(u32::MAX), (200, 20, Duration::from_secs(1)));
    }

    #[test]
    fn calls_that_are_not_counted_yet_fit_into_the_other_half_at_the_default_throttle() {
        for executions in [10, 32, 100, 1000] {
            let (of_key, _, long) = shares(executions);
            let uncounted = 500.0 * long.as_secs_f64();
            assert!(f64::from(of_key) + uncounted <= f64::from(executions), "{executions}");
        }
    }

    #[test]
    fn calls_are_counted_before_they_are_sent_for_a_while_only() {
        let now = Timestamp::from_second(1_000).unwrap();
        let counted = |until: Option<i64>| {
            let id: ApiKeyId = "0123456789abcdef".parse().unwrap();
            let share = Share {
                subject: Subject::KeyShare(id.clone(), Pool::Buffered),
                limit: Limit { rate: None, concurrent: None },
                counted_until: until.map(|second| Timestamp::from_second(second).unwrap()),
                holder: Holder::Key(id),
            };
            share.is_counted(now)
        };
        assert_eq!(
            [None, Some(999), Some(1_000), Some(1_001)].map(counted),
            [false, false, false, true]
        );
    }
}
