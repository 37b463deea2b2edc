//! Stops one request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Semaphore;

/// The side of the service on which a request is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// After it was sent and before it arrives.
    Before,
    /// After it was served and before its answer comes back.
    After,
}

/// One request that is stopped.
#[derive(Debug, Clone)]
pub struct Stop {
    when: When,
    to_come: Arc<AtomicU64>,
    reached: Arc<Semaphore>,
    released: Arc<Semaphore>,
    cut: Arc<AtomicBool>,
}

impl Stop {
    pub(crate) fn new(number: u64, when: When) -> Self {
        let to_come = Arc::new(AtomicU64::new(number + 1));
        let closed = || Arc::new(Semaphore::new(0));
        let cut = Arc::default();
        Self { when, to_come, reached: closed(), released: closed(), cut }
    }

    /// Counts a request. Returns whether it is the one to stop.
    pub(crate) fn is_next(&self) -> bool {
        let count = |left: u64| left.checked_sub(1);
        self.to_come.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count) == Ok(1)
    }

    /// Holds the request on this side. Returns whether it goes on.
    pub(crate) async fn hold(&self, when: When) -> bool {
        if when == self.when {
            self.reached.add_permits(1);
            // The semaphore is never closed, so there is no error.
            let _released = self.released.acquire().await.ok();
        }
        !self.cut.load(Ordering::SeqCst)
    }

    /// Resolves when the request is stopped.
    pub async fn reached(&self) {
        let _reached = self.reached.acquire().await.ok();
    }

    /// Drops the request, or its answer if it was served.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
        self.go_on();
    }

    /// Lets the request go on.
    pub fn go_on(&self) {
        self.released.add_permits(1);
    }
}
