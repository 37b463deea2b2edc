//! When a connection is renewed next.
//!
//! A connection used in the last day, or whose integration wants it always warm, is renewed 10 to 20
//! minutes before its access token expires; an idle one about once a week, which keeps its 90-day
//! refresh token alive and notices revocation. Both are spread at random, so that connections made
//! together are not renewed together. Lifetimes are what Entra says (`expires_in`, `refresh_in`), never
//! a constant: a continuously evaluated token lives for 20 to 28 hours.

use entra::token::TokenResponse;
use jiff::{SignedDuration, Timestamp};
use rand::{CryptoRng, Rng as _};

use crate::ids::ConnectionId;

/// A connection used within this time is kept warm.
pub const HOT_FOR: SignedDuration = SignedDuration::from_hours(24);
/// An access token is taken for expired this long before it is: a request must still reach Azure DevOps.
pub const EXPIRY_MARGIN: SignedDuration = SignedDuration::from_secs(60);
/// `last_used_at` is written at most this often.
pub const USE_RECORDED_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// How long an access token lives, as far as scheduling needs to know.
#[derive(Debug, Clone, Copy)]
pub struct Lifetime {
    /// When it expires.
    pub expires_at: Timestamp,
    /// When Entra asked to renew it (`refresh_in`), if it did.
    pub refresh_at: Option<Timestamp>,
}

impl Lifetime {
    /// The lifetime of tokens just received, by our own clock.
    pub fn of(tokens: &TokenResponse) -> Self {
        let after = |duration: std::time::Duration| {
            SignedDuration::try_from(duration)
                .ok()
                .and_then(|duration| tokens.received_at.checked_add(duration).ok())
                .unwrap_or(Timestamp::MAX)
        };
        Self { expires_at: after(tokens.expires_in), refresh_at: tokens.refresh_in.map(after) }
    }
}

/// What keeps a connection's access token from expiring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warmth {
    /// Use, as far as there was any.
    WhileUsed(Option<Timestamp>),
    /// The integration wants it always warm.
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

/// When to renew next after tokens with this lifetime were stored.
pub fn next_renewal(
    lifetime: Lifetime,
    warmth: Warmth,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Timestamp {
    if !warmth.is_hot(now) {
        let week = 7 * 24 * 3600;
        return now + SignedDuration::from_secs(rng.random_range(week - 43_200..week + 43_200));
    }
    let left = lifetime.expires_at.duration_since(now).max(SignedDuration::ZERO);
    let early = SignedDuration::from_secs(rng.random_range(600..1200));
    // A token that lives for less than twice the margin is renewed at half its life.
    let before_expiry = lifetime.expires_at - early.min(left / 2);
    lifetime.refresh_at.map_or(before_expiry, |asked| asked.clamp(now, before_expiry))
}

/// Full-jitter exponential backoff after `failures` failures in a row: base 2 s, cap 15 min, never less
/// than `at_least` (an answer's `Retry-After`).
pub fn backoff(
    failures: u32,
    at_least: Option<SignedDuration>,
    rng: &mut (impl CryptoRng + ?Sized),
) -> SignedDuration {
    let ceiling = 2_i64.saturating_pow(failures.clamp(1, 16)).min(900);
    let jittered = SignedDuration::from_millis(rng.random_range(1000..=ceiling * 1000));
    at_least.map_or(jittered, |least| least + jittered.min(SignedDuration::from_secs(60)))
}

/// How long a due connection is put off whose integration cannot be used: 10 to 30 minutes, so that all
/// of them do not come back at the same moment when it can.
pub fn postponement(rng: &mut (impl CryptoRng + ?Sized)) -> SignedDuration {
    SignedDuration::from_secs(rng.random_range(600..1800))
}

/// The shard of the due index that a connection belongs to.
pub fn shard(connection: &ConnectionId, shards: u32) -> u32 {
    // The last hexadecimal digits of a UUIDv7 are random.
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
            prop_assert!(due >= at(0) && due <= at(life));
            if life > 2400 && refresh_in.is_none() {
                prop_assert!((600..=1200).contains(&at(life).duration_since(due).as_secs()));
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
        fn what_waits_for_somebody_else_s_repair_is_spread_over_twenty_minutes(_run in 0..100) {
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
