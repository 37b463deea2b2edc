//! Faults, decided by a seed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::sync::Notify;

/// The fate of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is served.
    Served,
    /// It never arrives.
    Lost,
    /// It is served, and the answer is lost.
    ReplyLost,
    /// It arrives twice.
    Doubled,
    /// The service is unavailable.
    Refused,
    /// If it is a write to DynamoDB, it meets a transaction of others.
    Conflict,
    /// The process ends before it is sent.
    CrashBefore,
    /// The process ends after it was served and before the answer is read.
    CrashAfter,
}

/// The network of one process: delays, losses and duplicates. It also decides when the process crashes.
#[derive(Debug, Clone)]
pub struct Faults {
    rng: Arc<Mutex<StdRng>>,
    /// Number of faults in a thousand requests.
    per_mille: u32,
    crash: Arc<Notify>,
}

impl Faults {
    /// Faults decided by this seed.
    pub fn new(seed: u64, per_mille: u32) -> Self {
        let rng = Arc::new(Mutex::new(StdRng::seed_from_u64(seed)));
        Self { rng, per_mille, crash: Arc::default() }
    }

    /// A network without faults.
    pub fn none() -> Self {
        Self::new(0, 0)
    }

    /// Resolves when the process crashes.
    pub async fn crashed(&self) {
        self.crash.notified().await;
    }

    /// Crashes the process: this future never resolves, so its work stops here.
    pub(crate) async fn end_process<T>(&self) -> T {
        self.crash.notify_one();
        std::future::pending().await
    }

    /// Returns a random number below `limit`.
    pub(crate) fn below(&self, limit: u64) -> u64 {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner).random_range(0..limit.max(1))
    }

    /// Returns the fate of the next request and its delays there and back.
    pub(crate) fn next(&self) -> (Fate, Duration, Duration) {
        if self.per_mille == 0 {
            return (Fate::Served, Duration::from_millis(1), Duration::from_millis(1));
        }
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        let mut way = || {
            // Mostly a few milliseconds; sometimes longer than any timeout.
            let longest = if rng.random_range(0..1000) < 15 { 6000 } else { 25 };
            Duration::from_millis(rng.random_range(0..longest))
        };
        let (there, back) = (way(), way());
        if rng.random_range(0..1000) >= self.per_mille {
            return (Fate::Served, there, back);
        }
        let fate = match rng.random_range(0..14) {
            0..3 => Fate::Lost,
            3..6 => Fate::ReplyLost,
            6..8 => Fate::Doubled,
            8..10 => Fate::Refused,
            10..12 => Fate::Conflict,
            12 => Fate::CrashBefore,
            _ => Fate::CrashAfter,
        };
        (fate, there, back)
    }
}
