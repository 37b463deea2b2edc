//! The rate of requests to one Entra tenant: even, rising while it answers, halved when it throttles (additive increase,
//! multiplicative decrease).
//!
//! Entra publishes no limit for its token endpoint, so the limit is searched for; only its upper end is configured.

use std::time::Duration;

use tokio::time::Instant;

/// Requests per second at the beginning.
const START: f64 = 10.0;
/// The least requests per second. It may be low, because each throttled connection waits by itself, too.
const FLOOR: f64 = 0.5;
/// Seconds without throttling in which the rate rises from zero to the cap.
const RISE: f64 = 20.0;
/// Throttled answers within this time count once.
const ONE_SIGN: Duration = Duration::from_secs(1);

/// One worker's pace for one tenant.
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

    pub(super) fn ready_at(&self) -> Instant {
        self.next
    }

    /// Counts a request that is sent now. Unused time is not saved up, so that no second exceeds the rate.
    pub(super) fn take(&mut self, now: Instant) {
        self.next = self.next.max(now) + Duration::from_secs_f64(1.0 / self.rate);
    }

    pub(super) fn answered(&mut self) {
        // Divided by the rate, so that a second of answers adds the same at any rate.
        self.rate = (self.rate + self.cap / (RISE * self.rate)).min(self.cap);
    }

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

    /// Sends requests as fast as allowed until `end`, and returns their times.
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
    async fn a_pace_begins_slowly_and_reaches_the_cap_within_half_a_minute() {
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
        fn no_second_has_more_requests_than_the_cap(
            // No cap just below a whole number, because intervals are rounded to nanoseconds.
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
