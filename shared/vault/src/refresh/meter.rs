//! Counters of refreshing, for metrics.

use std::sync::{Mutex, PoisonError};

#[derive(Debug, Default)]
pub(super) struct Meter(Mutex<Metered>);

/// The counts since the last report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Metered {
    /// Requests to Entra's token endpoint, one for each credential tried.
    pub token_requests: u64,
    /// Renewed and stored token pairs.
    pub renewals: u64,
    /// Issued token pairs that could not be stored.
    pub unsaved_tokens: u64,
}

impl Meter {
    pub(super) fn take(&self) -> Metered {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn count(&self, add: impl FnOnce(&mut Metered)) {
        add(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
