//! Counters of refreshing, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of one process.
#[derive(Debug, Default)]
pub(super) struct Meter {
    token_requests: AtomicU64,
    renewals: AtomicU64,
    unsaved_tokens: AtomicU64,
}

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
    /// Returns the counts and resets them.
    pub(super) fn take(&self) -> Metered {
        Metered {
            token_requests: self.token_requests.swap(0, Ordering::Relaxed),
            renewals: self.renewals.swap(0, Ordering::Relaxed),
            unsaved_tokens: self.unsaved_tokens.swap(0, Ordering::Relaxed),
        }
    }

    pub(super) fn asked(&self) {
        self.token_requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn renewed(&self) {
        self.renewals.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn unsaved(&self) {
        self.unsaved_tokens.fetch_add(1, Ordering::Relaxed);
    }
}
