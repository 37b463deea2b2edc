//! The times of renewal.
//!
//! A connection is renewed 10 to 20 minutes before its access token expires if it was used in the last day or its
//! integration is always warm; an idle one about once a week, which keeps its 90-day refresh token alive and notices
//! revocation. Both are spread at random, so that connections made together are not renewed together. Lifetimes come
//! from Entra (`expires_in`, `refresh_in`) and are never constants: a continuously evaluated token lives for 20 to 28
//! hours.

use std::ops::Range;

use entra::token::TokenResponse;
use jiff::{SignedDuration, Timestamp};
use rand::{CryptoRng, Rng as _};

use crate::ids::ConnectionId;

/// Time between two runs of the dispatcher, which looks for what is due. The schedule itself is in the SAM template and the
/// CDK construct; a run sooner than this finds its messages already sent.
pub const DISPATCHED_EVERY: SignedDuration = SignedDuration::from_mins(1);
/// A connection used within this time is kept warm.
pub const HOT_FOR: SignedDuration = SignedDuration::from_hours(24);
/// An access token counts as expired this long before it is, because a request must still reach Azure DevOps.
pub const EXPIRY_MARGIN: SignedDuration = SignedDuration::from_secs(60);
/// A shorter lifetime, even one of zero seconds, counts as this one, so that calls ask Entra for a connection's tokens at
/// most once a minute. If the token is dead earlier, Azure DevOps rejects it, which has its own bound.
const SHORTEST_LIFETIME: SignedDuration = SignedDuration::from_secs(120);
/// The soonest renewal: later than everything that a running worker takes.
const SOONEST_RENEWAL: SignedDuration = SignedDuration::from_secs(1);
/// `last_used_at` is written at most this often.
pub const USE_RECORDED_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// Seconds after which an idle connection is renewed: a week, half a day more or less.
const IDLE_RENEWAL: Range<i64> = 7 * 86_400 - 43_200..7 * 86_400 + 43_200;
/// Seconds before expiry at which the token of a connection in use is renewed.
const RENEWED_BEFORE_EXPIRY: Range<i64> = 600..1200;
/// Seconds for which a due connection is put off.
const POSTPONED_FOR: Range<i64> = 600..1800;

/// The lifetime of an access token, as Entra gave it.
#[derive(Debug, Clone, Copy)]
pub struct Lifetime {
    /// When it expires.
    pub expires_at: Timestamp,
    /// When Entra asked to renew it (`refresh_in`), if it did.
    pub refresh_at: Option<Timestamp>,
}

impl Lifetime {
    /// The lifetime of new tokens, by our own clock.
    pub fn of(tokens: &TokenResponse) -> Self {
        let after =
            |wait: SignedDuration| tokens.received_at.checked_add(wait).unwrap_or(Timestamp::MAX);
        let signed = |wait| SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
        let expires_in = signed(tokens.expires_in);
        let refresh_in = if expires_in < SHORTEST_LIFETIME {
            Some(SignedDuration::ZERO)
        } else {
            tokens.refresh_in.map(signed)
        };
        Self {
            expires_at: after(expires_in.max(SHORTEST_LIFETIME)),
            refresh_at: refresh_in.map(after),
        }
    }
}

/// Whether a connection's access token is kept from expiring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warmth {
    /// Only while it is used. With the time of its last use.
    WhileUsed(Option<Timestamp>),
    /// Always, because the integration is always warm.
    Always,
}

impl Warmth {
    fn is_hot(self, now: Timestamp) -> bool {
        match self {
            Self::WhileUsed(last) => last.is_some_and(|used| now.duration_since(used) < HOT_FOR),
            Self::Always => true,
        }
    }
}

/// The time of the next renewal after tokens with this lifetime were stored: in the future, and no later than that of an
/// idle connection, however long the tokens live.
pub fn next_renewal(
    lifetime: Lifetime,
    warmth: Warmth,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Timestamp {
    let idle = now + SignedDuration::from_secs(rng.random_range(IDLE_RENEWAL));
    if !warmth.is_hot(now) {
        return idle;
    }
    let left = lifetime.expires_at.duration_since(now).max(SignedDuration::ZERO);
    let early = SignedDuration::from_secs(rng.random_range(RENEWED_BEFORE_EXPIRY));
    // A short-lived token is renewed no earlier than at half its life.
    let before_expiry = lifetime.expires_at - early.min(left / 2);
    let due_at = lifetime.refresh_at.map_or(before_expiry, |asked| asked.min(before_expiry));
    due_at.max(now + SOONEST_RENEWAL).min(idle)
}

/// Full-jitter exponential backoff after `failures` failures in a row: base 2 s, at most 15 min, but at least
/// `at_least` (an answer's `Retry-After`).
pub fn backoff(
    failures: u32,
    at_least: Option<SignedDuration>,
    rng: &mut (impl CryptoRng + ?Sized),
) -> SignedDuration {
    let ceiling = 2_i64.saturating_pow(failures.clamp(1, 16)).min(900);
    let jittered = SignedDuration::from_millis(rng.random_range(1000..=ceiling * 1000));
    at_least.map_or(jittered, |least| least + jittered.min(SignedDuration::from_secs(60)))
}

/// How long to put off a due connection whose integration cannot be used. Random, so that these connections do not
/// return all at once.
pub fn postponement(rng: &mut (impl CryptoRng + ?Sized)) -> SignedDuration {
    SignedDuration::from_secs(rng.random_range(POSTPONED_FOR))
}

/// The shard of the due index that a connection belongs to.
pub fn shard(connection: &ConnectionId, shards: u32) -> u32 {
    // The last digits of a UUIDv7 are random.
    let text = connection.as_str();
    let tail = u32::from_str_radix(&text[text.len() - 8..], 16).unwrap_or(0);
    tail % shards.max(1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    proptest! {
        #[test]
        fn a_hot_connection_is_renewed_before_expiry_and_never_in_the_past(
            life in 1_i64..100_000, refresh_in in proptest::option::of(0_i64..100_000),
        ) {
            let lifetime = Lifetime { expires_at: at(life), refresh_at: refresh_in.map(at) };
            let due = next_renewal(lifetime, Warmth::WhileUsed(Some(at(-60))), at(0), &mut ground::random::Random::System);
            prop_assert!(due >= at(1) && due <= at(life));
            if life > 2400 && refresh_in.is_none() {
                prop_assert!((600..=1200).contains(&at(life).duration_since(due).as_secs()));
            }
        }

        #[test]
        fn tokens_of_any_lifetime_are_usable_for_a_minute_and_due_within_eight_days(
            seconds in any::<u64>(), asked in proptest::option::of(any::<u64>()),
        ) {
            for (expires_in, refresh_in) in [(seconds, asked), (seconds % 300, asked.map(|asked| asked % 300))] {
                let lifetime = Lifetime::of(&tokens(expires_in, refresh_in));
                prop_assert!(lifetime.expires_at - EXPIRY_MARGIN >= at(60));
                for warmth in [Warmth::Always, Warmth::WhileUsed(None)] {
                    let due = next_renewal(lifetime, warmth, at(0), &mut ground::random::Random::System);
                    prop_assert!(due >= at(1) && due < at(8 * 86_400));
                }
            }
        }

        #[test]
        fn an_idle_connection_is_renewed_about_weekly(idle_hours in 24_i64..2000) {
            let lifetime = Lifetime { expires_at: at(3600), refresh_at: None };
            let used = Some(at(-3600 * idle_hours));
            let due = next_renewal(lifetime, Warmth::WhileUsed(used), at(0), &mut ground::random::Random::System);
            let days = due.duration_since(at(0)).as_secs() / 86_400;
            prop_assert!((6..=7).contains(&days));
            let warm = next_renewal(lifetime, Warmth::Always, at(0), &mut ground::random::Random::System);
            prop_assert!(warm < at(3600));
        }

        #[test]
        fn postponements_are_spread_over_twenty_minutes(_run in 0..100) {
            let wait = postponement(&mut ground::random::Random::System).as_secs();
            prop_assert!((600..1800).contains(&wait));
        }

        #[test]
        fn backoff_is_bounded_and_honours_retry_after(failures in 0_u32..1000, least in proptest::option::of(0_i64..3600)) {
            let wait = backoff(failures, least.map(SignedDuration::from_secs), &mut ground::random::Random::System);
            prop_assert!(wait >= SignedDuration::from_secs(least.unwrap_or(1)));
            prop_assert!(wait <= SignedDuration::from_secs(least.map_or(900, |least| least + 60)));
        }
    }

    fn tokens(expires_in: u64, refresh_in: Option<u64>) -> TokenResponse {
        let seconds = std::time::Duration::from_secs;
        TokenResponse {
            access_token: secrecy::SecretString::from("opaque").try_into().unwrap(),
            refresh_token: None,
            id_token: None,
            expires_in: seconds(expires_in),
            refresh_in: refresh_in.map(seconds),
            scopes: Vec::new(),
            received_at: at(0),
        }
    }

    #[test]
    fn tokens_that_expire_at_once_are_due_at_once() {
        for (expires_in, refresh_in) in [(0, Some(0)), (0, None), (1, Some(3600)), (3600, Some(0))]
        {
            let lifetime = Lifetime::of(&tokens(expires_in, refresh_in));
            let due =
                next_renewal(lifetime, Warmth::Always, at(0), &mut ground::random::Random::System);
            assert_eq!(due, at(1), "{expires_in} {refresh_in:?}");
        }
    }

    #[test]
    fn shards_stay_in_range_and_are_all_used() {
        let mut seen = [false; 4];
        for _ in 0..200 {
            let id = ConnectionId::mint(at(0), &mut ground::random::Random::System);
            seen[shard(&id, 4) as usize] = true;
        }
        assert_eq!(seen, [true; 4]);
    }
}
