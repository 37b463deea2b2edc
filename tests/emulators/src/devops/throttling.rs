//! Limits by usage: every account has a budget in a window of time; calls beyond it are delayed, then refused.
//!
//! Azure DevOps counts in TSTU, whose number per request is unpredictable; the settings fix it here.
//! The window is fixed and runs by the emulated clock, so that tests need not wait.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::failure::Failure;
use super::headers::rate_limited;
use super::settings::{RateLimit, Throttling};
use crate::reply::Reply;

/// The usage of each account.
#[derive(Default)]
pub(crate) struct Usage(Mutex<HashMap<String, Window>>);

struct Window {
    until: Timestamp,
    used: u64,
}

impl Usage {
    /// Counts a request, even if it will be refused.
    pub fn charge(&self, account: &str, settings: &Throttling, now: Timestamp) -> Charge {
        let seconds = i64::try_from(settings.window_seconds).unwrap_or(i64::MAX);
        let until =
            now.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX);
        let mut windows = self.windows();
        let window = windows.entry(account.to_owned()).or_insert_with(|| Window { until, used: 0 });
        if window.until <= now {
            *window = Window { until, used: 0 };
        }
        window.used = window.used.saturating_add(settings.cost);
        Charge {
            verdict: Verdict::of(window.used, settings),
            used: window.used,
            left: u64::try_from(window.until.duration_since(now).as_secs()).unwrap_or_default(),
            settings: settings.clone(),
            now,
        }
    }

    /// Returns the usage of an account in its present window.
    pub fn of(&self, account: &str) -> u64 {
        self.windows().get(account).map_or(0, |window| window.used)
    }

    /// Resets every account to the whole budget.
    pub fn clear(&self) {
        self.windows().clear();
    }

    fn windows(&self) -> MutexGuard<'_, HashMap<String, Window>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Free,
    /// Near the limit: headers, but no delay yet.
    Near,
    Delayed,
    Blocked,
}

impl Verdict {
    fn of(used: u64, settings: &Throttling) -> Self {
        if used > settings.limit.saturating_add(settings.delayed) {
            Self::Blocked
        } else if used > settings.limit {
            Self::Delayed
        } else if used > settings.limit / 2 {
            Self::Near
        } else {
            Self::Free
        }
    }
}

/// The verdict on one request.
pub(crate) struct Charge {
    verdict: Verdict,
    used: u64,
    /// Seconds to the end of the window.
    left: u64,
    settings: Throttling,
    now: Timestamp,
}

impl Charge {
    /// # Errors
    ///
    /// If the request must not be handled.
    pub fn check(&self) -> Result<(), Failure> {
        match self.verdict {
            Verdict::Blocked => Err(Failure::blocked(&self.settings.resource)),
            _ => Ok(()),
        }
    }

    /// Adds the headers about the budget to the reply, and its delay if there is one.
    pub fn mark(&self, reply: Reply) -> Reply {
        let exceeded = matches!(self.verdict, Verdict::Delayed | Verdict::Blocked);
        let delayed = self.verdict == Verdict::Delayed;
        if self.verdict == Verdict::Free {
            return reply;
        }
        let delay = Duration::from_millis(self.settings.delay_ms);
        let limit = RateLimit {
            resource: self.settings.resource.clone(),
            limit: self.settings.limit,
            remaining: self.settings.limit.saturating_sub(self.used),
            reset_in: self.left,
            delay: delayed.then(|| format!("{:.3}", delay.as_secs_f64())),
            retry_after: exceeded.then(|| self.settings.retry_after.unwrap_or(self.left)),
        };
        let mut reply = rate_limited(reply, &limit, self.now);
        reply.delay = delayed.then_some(delay);
        reply
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_each_accounts_own_and_comes_back_with_the_window() {
        let settings = Throttling { limit: 4, delayed: 2, ..Throttling::default() };
        let (usage, start) = (Usage::default(), Timestamp::UNIX_EPOCH);
        let verdict = |account, now| usage.charge(account, &settings, now).verdict;
        let verdicts: Vec<_> = (0..7).map(|_| verdict("ada", start)).collect();
        let (free, near, delayed) = (Verdict::Free, Verdict::Near, Verdict::Delayed);
        assert_eq!(verdicts, [free, free, near, near, delayed, delayed, Verdict::Blocked]);
        assert_eq!((verdict("grace", start), usage.of("ada")), (free, 7));
        let later = start + SignedDuration::from_secs(300);
        assert_eq!(verdict("ada", later - SignedDuration::from_secs(1)), Verdict::Blocked);
        assert_eq!(verdict("ada", later), free);
        usage.clear();
        assert_eq!(usage.of("ada"), 0);
    }
}
