//! The wall clock of each process. It follows tokio's paused clock.

use ground::clock::Clock;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// A process's clock.
#[derive(Debug, Clone, Copy)]
pub struct SimulatedClock {
    began: Instant,
    /// The difference by which this process is ahead of the true time.
    skew: SignedDuration,
}

impl SimulatedClock {
    /// A clock without skew that starts now.
    pub fn new() -> Self {
        Self { began: Instant::now(), skew: SignedDuration::ZERO }
    }

    /// Returns the same clock with this skew.
    #[must_use]
    pub fn skewed(self, skew: SignedDuration) -> Self {
        Self { skew, ..self }
    }
}

impl Default for SimulatedClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.began.elapsed()).unwrap_or(SignedDuration::MAX);
        // 2026-01-01T00:00:00Z
        Timestamp::constant(1_767_225_600, 0) + elapsed + self.skew
    }
}
