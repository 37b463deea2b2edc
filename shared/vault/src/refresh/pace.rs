//! How fast one Entra tenant is asked: evenly, faster while it answers, half as fast when it throttles
//! (additive increase, multiplicative decrease).
//!
//! Entra publishes no limit for its token endpoint, so the limit is found, not configured; what is
//! configured is where the search ends.

use std::time::Duration;

use tokio::time::Instant;

/// Requests per second at the beginning.
const START: f64 = 10.0;
/// Requests per second that remain whatever Entra says: each throttled connection waits by itself, too.
const FLOOR: f64 = 0.5;
/// Seconds of undisturbed asking after which the cap is reached, from nothing.
const RISE: f64 = 20.0;
/// Throttled answers that come this close together are one sign, not several.
const ONE_SIGN: Duration = Duration::from_secs(1);

/// The pace of one tenant, as one worker keeps it.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    /// Requests per second now.
    rate: f64,
    /// Requests per second at most.
    cap: f64,
    next: Instant,
    slowed_at: Option<Instant>,
}

impl Pace {
    /// A pace that never exceeds `cap` requests per second.
    pub(super) fn new(cap: f64, now: Instant) -> Self {
        Self { rate: START.min(cap), cap, next: now, slowed_at: None }
    }

    /// When the next request may go.
    pub(super) fn ready_at(&self) -> Instant {
        self.next
    }

    /// A request goes now. Time that was not used is not saved up, so that no second has more than its
    /// share.
    pub(super) fn take(&mut self, now: Instant) {
        self.next = self.next.max(now) + Duration::from_secs_f64(1.0 / self.rate);
    }

    /// Entra answered.
    pub(super) fn answered(&mut self) {
        // Per answer, so that a second of answers at any rate adds the same.
        self.rate = (self.rate + self.cap / (RISE * self.rate)).min(self.cap);
    }

    /// Entra throttled.
    pub(super) fn throttled(&mut self, now: Instant) {
        if self.slowed_at.is_some_and(|at| now - at < ONE_SIGN) {
            return;
        }
        self.slowed_at = Some(now);
        self.rate = (self.rate / 2.0).max(FLOOR.min(self.cap));
        self.next = self.next.max(now + Duration::from_secs_f64(1.0 / self.rate));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Asks as fast as is allowed until `end`, and returns the times.
    fn run(pace: &mut Pace, begin: Instant, end: Instant) -> Vec<Instant> {
        let mut times = Vec::new();
        let mut now = begin.max(pace.ready_at());
        while now < end {
            pace.take(now);
            times.push(now);
            pace.answered();
            now = pace.ready_at();
        }
        times
    }

    #[tokio::test(start_paused = true)]
    async fn it_begins_slowly_and_reaches_the_cap_within_half_a_minute() {
        let begin = Instant::now();
        let mut pace = Pace::new(100.0, begin);
        let times = run(&mut pace, begin, begin + Duration::from_mins(1));
        let within = |from: u64, to: u64| {
            let second = |s| begin + Duration::from_secs(s);
            times.iter().filter(|time| (second(from)..second(to)).contains(time)).count()
        };
        assert!((8..=15).contains(&within(0, 1)), "{}", within(0, 1));
        assert!((99..=101).contains(&within(30, 31)), "{}", within(30, 31));
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttled_tenant_is_asked_half_as_often_once_for_a_burst_of_refusals() {
        let begin = Instant::now();
        let mut pace = Pace::new(100.0, begin);
        let end = begin + Duration::from_mins(1);
        run(&mut pace, begin, end);
        for _ in 0..16 {
            pace.throttled(end);
        }
        let after = run(&mut pace, end, end + Duration::from_secs(1)).len();
        assert!((45..=60).contains(&after), "{after}");
    }

    proptest! {
        #[test]
        fn no_second_sees_more_than_the_cap_whatever_happens(
            // Not a billionth below a whole number: intervals are rounded to nanoseconds.
            cap in (1_000..200_000_u32).prop_map(|thousandths| f64::from(thousandths) / 1_000.0),
            events in proptest::collection::vec((0..3_u8, 0..50_u64), 1..200),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
            runtime.expect("a runtime").block_on(async {
                let begin = Instant::now();
                let mut pace = Pace::new(cap, begin);
                let (mut now, mut taken) = (begin, Vec::new());
                for (kind, wait) in events {
                    now += Duration::from_millis(wait);
                    match kind {
                        0 => pace.throttled(now),
                        1 => pace.answered(),
                        _ => {
                            now = now.max(pace.ready_at());
                            pace.take(now);
                            taken.push(now);
                        }
                    }
                }
                for (index, first) in taken.iter().enumerate() {
                    let in_a_second = taken[index..]
                        .iter()
                        .filter(|time| **time - *first < Duration::from_secs(1))
                        .count();
                    let in_a_second = f64::from(u32::try_from(in_a_second).unwrap_or(u32::MAX));
                    assert!(in_a_second <= cap + 1.0, "{in_a_second} in a second at a cap of {cap}");
                }
            });
        }
    }
}
