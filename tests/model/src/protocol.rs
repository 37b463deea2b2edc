//! The variants of the protocol, told apart only by the conditions of their writes and by when a
//! lease may run out.

use crate::state::{Attempt, Sched, State, Status, Tok, WorkerId};

/// Which protocol the workers follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// All conditions, and a lease that outlives the deadline of the exchange.
    AsBuilt,
    /// All conditions, but the lease may run out under a worker that still relies on it: a frozen
    /// machine, or a lease shorter than the deadline.
    EarlyExpiry,
    /// Step 4 puts without a condition, the lease is anonymous and anybody's release ends it, and
    /// it may run out at any time.
    BlindWrite,
    /// Step 4 asks only that the item exists, the release does not ask who owns the lease, and it
    /// may run out at any time.
    NoFence,
}

impl Protocol {
    /// Whether the timing rule holds: a lease never runs out under a worker that relies on it.
    #[must_use]
    pub fn keeps_the_timing_rule(self) -> bool {
        self == Self::AsBuilt
    }

    /// Whether a lease says whose it is and which one it is: an owner and a fence.
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

    /// What the read of step 2 finds.
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

    /// The condition of step 5, which is also that of marking the connection.
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
