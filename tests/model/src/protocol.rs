//! The variants of the protocol. They differ only in the conditions of their writes and in the times
//! at which a lease may expire.

use crate::state::{Attempt, Sched, State, Status, Tok, WorkerId};

/// The protocol of the workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// All conditions, and a lease that outlives the deadline of the exchange.
    AsBuilt,
    /// All conditions, but the lease may expire while its worker still relies on it: a frozen machine,
    /// or a lease shorter than the deadline.
    EarlyExpiry,
    /// Step 4 puts without a condition; the lease has no owner, any worker's release ends it, and it
    /// may expire at any time.
    BlindWrite,
    /// Step 4 requires only that the item exists; the release ignores the owner of the lease, which
    /// may expire at any time.
    NoFence,
}

impl Protocol {
    /// Whether the timing rule holds: a lease never expires while its worker relies on it.
    #[must_use]
    pub fn keeps_the_timing_rule(self) -> bool {
        self == Self::AsBuilt
    }

    /// Whether a lease has an owner and a fence.
    #[must_use]
    pub fn names_its_leases(self) -> bool {
        matches!(self, Self::AsBuilt | Self::EarlyExpiry)
    }

    /// Whether stored rows are keyed by grant. A blind writer has one row per connection.
    #[must_use]
    pub fn keys_by_grant(self) -> bool {
        self != Self::BlindWrite
    }

    /// The condition of step 1.
    #[must_use]
    pub fn may_lease(self, sched: &Sched, attempt: Attempt) -> bool {
        sched.status == Status::Active
            && sched.lease.is_none_or(|lease| lease.expired)
            && (!self.keys_by_grant() || sched.grant == attempt.grant)
    }

    /// Returns the item that step 2 reads, or `None` if there is none.
    #[must_use]
    pub fn read(self, state: &State, attempt: Attempt) -> Option<Tok> {
        state.tok.filter(|tok| !self.keys_by_grant() || tok.grant == attempt.grant)
    }

    /// The condition of step 4.
    #[must_use]
    pub fn may_store(self, state: &State, attempt: Attempt) -> bool {
        match self {
            Self::BlindWrite => true,
            Self::NoFence => self.read(state, attempt).is_some(),
            Self::AsBuilt | Self::EarlyExpiry => self
                .read(state, attempt)
                .is_some_and(|tok| tok.version == attempt.version && tok.fence < attempt.fence),
        }
    }

    /// The condition of step 5, and of marking the connection.
    #[must_use]
    pub fn may_release(self, sched: &Sched, attempt: Attempt, worker: WorkerId) -> bool {
        match self {
            Self::BlindWrite | Self::NoFence => true,
            Self::AsBuilt | Self::EarlyExpiry => {
                sched.lease.is_some_and(|lease| lease.owner == Some(worker))
                    && sched.fence == attempt.fence
                    && sched.grant == attempt.grant
            }
        }
    }
}
