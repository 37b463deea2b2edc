//! Number and pauses of the repetitions of a call, so that ado-connect never floods Azure DevOps with a user's calls.
//!
//! ```text
//!  per call      at most two repetitions; the pause is what Azure DevOps asks for, at least 1 s, then 2 s, with jitter
//!  per process   a tenth of all calls, and one in ten seconds however few the calls are
//! ```
//!
//! A longer pause than [`LONGEST_PAUSE`] is left to the caller.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rand::{Rng as _, RngCore};

/// The longest pause within a call, because a waiting call occupies an execution of the function.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The most repetitions of a call.
const MOST_REPETITIONS: u32 = 2;
/// The shortest pause before the first repetition. It doubles for the second.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
/// The largest part of a pause that is added at random, so that calls that were refused together come back apart.
const JITTER: f64 = 0.25;

/// The price of a repetition. A call earns 1, and so does each second.
const PRICE: u32 = 10;
/// The balance of a new process.
const FIRST_BALANCE: u32 = 2 * PRICE;
/// The highest balance, which bounds the repetitions at once.
const HIGHEST_BALANCE: u32 = 10 * PRICE;

/// Returns the pause before the next repetition, given the number of those `made` and the pause that Azure DevOps `asked`
/// for, or `None` if the answer is passed on instead.
pub(crate) fn pause(asked: Duration, made: u32, rng: &mut dyn RngCore) -> Option<Duration> {
    if made >= MOST_REPETITIONS || asked > LONGEST_PAUSE {
        return None;
    }
    let pause = asked.max(SHORTEST_PAUSE * 2_u32.pow(made));
    Some(pause.mul_f64(1.0 + rng.random_range(0.0..JITTER)))
}

/// The repetitions that a process may still make.
#[derive(Debug)]
pub(crate) struct RetryBudget(Mutex<Balance>);

#[derive(Debug)]
struct Balance {
    amount: u32,
    /// The time up to which the seconds were credited.
    credited: Timestamp,
}

impl RetryBudget {
    /// Returns the budget of a process that begins now.
    pub(crate) fn new(now: Timestamp) -> Self {
        Self(Mutex::new(Balance { amount: FIRST_BALANCE, credited: now }))
    }

    /// Counts a call.
    pub(crate) fn earn(&self, now: Timestamp) {
        self.with_balance(now, |balance| balance.add(1));
    }

    /// Takes the price of one repetition. Returns whether the balance was enough.
    pub(crate) fn spend(&self, now: Timestamp) -> bool {
        self.with_balance(now, |balance| match balance.amount.checked_sub(PRICE) {
            Some(left) => {
                balance.amount = left;
                true
            }
            None => false,
        })
    }

    fn with_balance<T>(&self, now: Timestamp, change: impl FnOnce(&mut Balance) -> T) -> T {
        let mut balance = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.duration_since(balance.credited).as_secs();
        // A clock that goes back credits nothing.
        if let Ok(passed) = u32::try_from(passed)
            && passed > 0
        {
            balance.add(passed);
            balance.credited = now;
        }
        change(&mut balance)
    }
}

impl Balance {
    fn add(&mut self, amount: u32) {
        self.amount = self.amount.saturating_add(amount).min(HIGHEST_BALANCE);
    }
}

#[cfg(test)]
mod tests {
    use ground::random::Random;
    use jiff::SignedDuration;

    use super::*;

    fn pause_of(seconds: u64, made: u32) -> Option<f64> {
        let asked = Duration::from_secs(seconds);
        pause(asked, made, &mut Random::seeded(1)).map(|pause| pause.as_secs_f64())
    }

    #[test]
    fn pauses_are_a_second_at_least_double_and_end_after_two() {
        for (asked, made, least) in
            [(0, 0, 1.0), (1, 0, 1.0), (2, 0, 2.0), (0, 1, 2.0), (2, 1, 2.0)]
        {
            let pause = pause_of(asked, made).unwrap();
            assert!((least..least * 1.25).contains(&pause), "{asked} {made}: {pause}");
        }
        assert_eq!(pause_of(3, 0), None, "the caller waits");
        assert_eq!(pause_of(0, 2), None);
        let rng = &mut Random::seeded(1);
        let several: Vec<_> = (0..5).map(|_| pause(Duration::ZERO, 0, rng)).collect();
        assert!(several.windows(2).any(|two| two[0] != two[1]), "{several:?}");
    }

    #[test]
    fn a_process_repeats_a_tenth_of_its_calls_and_one_in_ten_seconds() {
        let start = Timestamp::UNIX_EPOCH;
        let after = |seconds| start + SignedDuration::from_secs(seconds);
        let budget = RetryBudget::new(start);
        let spent = |now| (0..1_000).take_while(|_| budget.spend(now)).count();
        assert_eq!(spent(start), 2, "a new process");
        for _ in 0..50 {
            budget.earn(start);
        }
        assert_eq!(spent(start), 5);
        assert_eq!(spent(after(9)), 0);
        assert_eq!(spent(after(10)), 1);
        assert_eq!(spent(after(100_000)), 10, "no more at once");
        assert_eq!(spent(after(5)), 0, "a clock that goes back");
        for _ in 0..10_000 {
            budget.earn(after(100_000));
        }
        assert_eq!(spent(after(100_000)), 10);
    }
}
