//! Our own limits: on proxied calls, in a period and at the same time, for each connection and each integration; on the
//! share of a function's executions that one API key or connection holds; on renewals that a caller forces; and on guesses
//! of the operator key.
//!
//! ```text
//!  take ──> one conditional update of the subject's item ──┬─ written: the call may proceed, and gives its place back
//!                                                          └─ refused: the item shows which limit is reached, and for how long
//! ```
//!
//! The rate is a token bucket, stored as the time at which it will be full again (GCRA). It holds `requests` tokens and
//! gains them evenly over `per_seconds`. Each concurrent call has a named place with the time at which it must have
//! ended, so that the places of a crashed process become free.

mod ledger;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ground::fields::{Fields, Object};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use ledger::{LimitLedger, Place, Taken};

use crate::ids::{ApiKeyId, ConnectionId, IntegrationId};

/// Longest time over which calls are counted, in seconds.
const LONGEST_PERIOD: u32 = 86_400;
/// Most calls in a time that can be counted.
const MOST_REQUESTS: u32 = 1_000_000;
/// Most calls at a time that can be counted: each is written down by name in one item.
const MOST_CONCURRENT: u32 = 200;

/// Limits on proxied calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProxyLimits {
    /// For each connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<Limit>,
    /// For all connections of the integration together; at most about 500 calls per second can be counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub integration: Option<Limit>,
}

/// One limit: a rate, a number at a time, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ProxyLimit")]
pub struct Limit {
    /// How many in a time.
    #[serde(flatten)]
    pub rate: Option<Rate>,
    /// The most calls under way at a time, 1 to 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrent: Option<NonZeroU32>,
}

/// So many calls in so many seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rate {
    /// The most calls that can come at once; they come back evenly over `per_seconds`.
    pub requests: NonZeroU32,
    /// After how many seconds so many may come again, 1 to 86,400.
    pub per_seconds: NonZeroU32,
}

impl ProxyLimits {
    /// Reads every field, so that every fault is noted.
    pub fn read(fields: &mut Fields<Object<'_>>) -> Option<Self> {
        Some(Self {
            connection: fields.object("connection", Limit::read),
            integration: fields.object("integration", Limit::read),
        })
    }
}

impl Limit {
    /// A limit with a rate only. A zero counts as one.
    const fn of_rate(requests: u32, per_seconds: u32) -> Self {
        const fn at_least_one(number: u32) -> NonZeroU32 {
            match NonZeroU32::new(number) {
                Some(number) => number,
                None => NonZeroU32::MIN,
            }
        }
        let rate =
            Rate { requests: at_least_one(requests), per_seconds: at_least_one(per_seconds) };
        Self { rate: Some(rate), concurrent: None }
    }

    fn read(fields: &mut Fields<Object<'_>>) -> Option<Self> {
        let requests = fields.number("requests", MOST_REQUESTS);
        let per_seconds = fields.number("per_seconds", LONGEST_PERIOD);
        let concurrent = fields.number("concurrent", MOST_CONCURRENT);
        let rate = match (requests, per_seconds) {
            (Some(requests), Some(per_seconds)) => Some(Rate { requests, per_seconds }),
            (None, None) if concurrent.is_some() => None,
            // A number at fault is noted already.
            _ if fields.is_faulty("") => return None,
            _ => {
                fields.refuse("", "requests and per_seconds together, concurrent, or all three");
                return None;
            }
        };
        Some(Self { rate, concurrent })
    }
}

impl Rate {
    /// The time to gain one token, in microseconds.
    fn cost(self) -> i64 {
        let period = i64::from(self.per_seconds.get()) * 1_000_000;
        let requests = i64::from(self.requests.get());
        (period + requests - 1) / requests
    }

    /// The time to fill an empty bucket, in microseconds.
    fn capacity(self) -> i64 {
        self.cost() * i64::from(self.requests.get())
    }

    /// The number of tokens in a bucket that will be full at `full_at`.
    fn remaining(self, full_at: i64, now: i64) -> u32 {
        let owed = (full_at - now).max(0);
        u32::try_from((self.capacity() - owed).max(0) / self.cost()).unwrap_or(u32::MAX)
    }

    /// The time until a bucket that will be full at `full_at` has a token.
    fn wait(self, full_at: i64, now: i64) -> Duration {
        microseconds(full_at.max(now) + self.cost() - self.capacity() - now)
    }
}

/// The subject of a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// One connection.
    Connection(ConnectionId),
    /// All connections of an integration together.
    Integration(IntegrationId),
    /// The executions of a pool that calls with one API key hold.
    KeyShare(ApiKeyId, Pool),
    /// The executions of a pool that calls of one connection hold.
    ConnectionShare(ConnectionId, Pool),
    /// The renewals of one connection that callers force.
    Renewals(ConnectionId),
    /// The wrong keys that come from one source.
    WrongKeys(Source),
}

/// The executions at a time of one function, whose callers share them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pool {
    /// Those of the proxy that answers whole.
    Buffered,
    /// Those of the proxy that streams.
    Streamed,
}

impl Pool {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Buffered => "buffered",
            Self::Streamed => "streamed",
        }
    }
}

/// The sender of requests: an IPv4 address, or the first 64 bits of an IPv6 address, whose other bits a sender may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source(Option<IpAddr>);

impl Source {
    /// The source with this address. All senders without a readable one are the same source.
    pub fn of(address: Option<IpAddr>) -> Self {
        Self(address.map(|address| match address.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
            v4 @ IpAddr::V4(_) => v4,
        }))
    }

    /// A digest, because an address may be personal data.
    fn key(self) -> String {
        let text = self.0.map_or_else(String::new, |address| address.to_string());
        URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
    }
}

/// The limit on renewals of one connection that callers force. Entra's loop detector (AADSTS50196) slows down a user whose
/// tokens are asked for again and again.
pub const RENEWALS: Limit = Limit::of_rate(1, 60);
/// The limit on wrong keys from one source that are compared with the operator key.
pub const WRONG_KEYS: Limit = Limit::of_rate(100, 3600);

impl Subject {
    /// Its name; `connection` and `integration` are also the names in headers.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Connection(_) => "connection",
            Self::Integration(_) => "integration",
            Self::KeyShare(..) => "key_share",
            Self::ConnectionShare(..) => "connection_share",
            Self::Renewals(_) => "renewals",
            Self::WrongKeys(_) => "wrong_keys",
        }
    }

    fn key(&self) -> String {
        let id = match self {
            Self::Connection(id) | Self::Renewals(id) => id.to_string(),
            Self::Integration(id) => id.to_string(),
            Self::KeyShare(id, pool) => format!("{}#{id}", pool.as_str()),
            Self::ConnectionShare(id, pool) => format!("{}#{id}", pool.as_str()),
            Self::WrongKeys(source) => source.key(),
        };
        format!("limit#{}#{id}", self.kind())
    }
}

/// The state of a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its subject.
    pub subject: Subject,
    /// The limit.
    pub limit: Limit,
    /// The number of calls that may come now, if there is a rate.
    pub remaining: Option<u32>,
    /// The time until [`Rate::requests`] calls may come again.
    pub full_in: Duration,
    /// The number of calls under way, if that is limited.
    pub busy: Option<u32>,
}

/// The part of a limit that is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exceeded {
    /// Too many calls in the period.
    Rate {
        /// The time until the next call may come.
        retry_after: Duration,
    },
    /// Too many calls at the same time.
    Concurrency,
}

fn microseconds(span: i64) -> Duration {
    Duration::from_micros(u64::try_from(span).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn rate(requests: u32, per_seconds: u32) -> Rate {
        Rate {
            requests: requests.try_into().unwrap(),
            per_seconds: per_seconds.try_into().unwrap(),
        }
    }

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let rate = rate(4, 2);
        assert_eq!(rate.remaining(0, 10_000_000), 4);
        assert_eq!(rate.remaining(11_000_000, 10_000_000), 2);
        assert_eq!(rate.remaining(12_000_000, 10_000_000), 0);
        assert_eq!(rate.wait(12_000_000, 10_000_000), Duration::from_millis(500));
        assert_eq!(rate.wait(11_500_000, 10_000_000), Duration::ZERO);
        assert_eq!(rate.wait(0, 10_000_000), Duration::ZERO);
    }

    #[test]
    fn one_sender_is_one_source_whichever_of_its_addresses_it_uses() {
        let source = |address: &str| Source::of(Some(address.parse().unwrap())).key();
        assert_eq!(source("2001:db8::1"), source("2001:db8::ffff:0:0:2"));
        assert_ne!(source("2001:db8::1"), source("2001:db8:0:1::1"));
        assert_eq!(source("192.0.2.1"), source("::ffff:192.0.2.1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
        assert_ne!(source("192.0.2.1"), Source::of(None).key());
    }

    proptest! {
        /// In no window of `per_seconds` come more than two buckets' worth, and never more than one at once.
        #[test]
        fn no_more_calls_pass_than_the_limit_allows(requests in 1_u32..50, per_seconds in 1_u32..100, steps in prop::collection::vec(0_i64..3_000_000, 1..300)) {
            let rate = rate(requests, per_seconds);
            let (mut full_at, mut now, mut passed) = (0_i64, 1_000_000_000_i64, Vec::new());
            for step in steps {
                now += step;
                if rate.wait(full_at, now).is_zero() {
                    prop_assert!(rate.remaining(full_at, now) >= 1);
                    full_at = full_at.max(now) + rate.cost();
                    passed.push(now);
                } else {
                    prop_assert_eq!(rate.remaining(full_at, now), 0);
                }
            }
            for (index, begun) in passed.iter().enumerate() {
                let at_once = passed[index..].iter().take_while(|time| **time == *begun).count();
                let in_window = passed[index..].iter().take_while(|time| **time < begun + rate.capacity()).count();
                prop_assert!(at_once <= requests as usize);
                prop_assert!(in_window <= 2 * requests as usize);
            }
        }
    }
}
