//! Wall-clock time that follows tokio's paused clock, as each process believes it.

use ground::clock::Clock;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// A process's clock.
#[derive(Debug, Clone, Copy)]
pub struct SimulatedClock {
    began: Instant,
    /// How far this process is ahead of the others.
    skew: SignedDuration,
}

impl SimulatedClock {
    /// The true time, beginning now.
    pub fn new() -> Self {
        Self { began: Instant::now(), skew: SignedDuration::ZERO }
    }

    /// The same clock, off by so much.
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
