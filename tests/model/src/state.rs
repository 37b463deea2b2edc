//! One state of the model: the two stored items, the memory of the authorization server, and the
//! step of every worker.

use crate::server::AuthorizationServer;

/// Number of workers that share the one connection of the model.
pub const WORKERS: usize = 3;

/// Index of a worker, below [`WORKERS`].
pub type WorkerId = usize;

/// One consent of the user. A connection starts with the first; a reconnect brings the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Grant {
    /// The grant the connection was created with.
    First,
    /// The grant of the reconnect.
    Second,
}

/// A refresh token: the grant it was issued for, and its number within that grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RefreshToken {
    /// The grant the server issued it for.
    pub grant: Grant,
    /// 1 for the token of the consent, then one higher for every exchange.
    pub serial: u8,
}

/// The status of a connection, as users see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Tokens are kept fresh.
    Active,
    /// The user has to sign in again.
    ReauthorizationRequired,
}

/// `lease_owner` and `lease_until` of the small item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The worker that took it, or `None` if the protocol does not record the owner.
    pub owner: Option<WorkerId>,
    /// Whether `lease_until` has passed. The attributes stay in the item until another worker
    /// leases, so the owner can still release an expired lease.
    pub expired: bool,
}

/// `SCHED`, the small item of a connection in table `connections`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sched {
    /// The status that users see.
    pub status: Status,
    /// The grant in force.
    pub grant: Grant,
    /// The lease, live or expired.
    pub lease: Option<Lease>,
    /// Number of leases taken so far, if the protocol counts them.
    pub fence: u8,
}

/// `TOK`, the big item in table `tokens`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tok {
    /// The grant in the item's key.
    pub grant: Grant,
    /// The refresh token in the item.
    pub token: RefreshToken,
    /// One higher after every store.
    pub version: u8,
    /// The fence of the last store, 0 before the first.
    pub fence: u8,
}

/// One attempt of a worker, from finding the connection due to releasing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Attempt {
    /// The grant in force when the attempt began.
    pub grant: Grant,
    /// The version of `TOK` when the connection was found due, and later the one read under the lease.
    pub version: u8,
    /// The fence of the lease, 0 before there is one.
    pub fence: u8,
}

/// The step that a worker is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Nothing begun, or the last attempt finished.
    Idle,
    /// Found the connection due; step 1 comes next.
    Due(Attempt),
    /// Holds a lease; step 2 comes next.
    Leased(Attempt),
    /// Has read `TOK`; step 3 comes next.
    Read(Attempt, RefreshToken),
    /// The exchange is in flight.
    Asking(Attempt, RefreshToken),
    /// Holds a new token; step 4 comes next.
    Fetched {
        /// The attempt.
        attempt: Attempt,
        /// The token the server has just issued.
        token: RefreshToken,
        /// Whether step 4 has been sent before and its reply was lost.
        resending: bool,
    },
    /// The server refused; marking the connection comes next.
    Refused(Attempt),
    /// Step 5 comes next.
    Releasing(Attempt),
    /// The worker is gone for good.
    Crashed {
        /// The fence of the lease it left behind, 0 for none.
        fence: u8,
        /// The grant of the new token that was lost with it, before it was stored.
        fetched: Option<Grant>,
    },
}

/// One worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Worker {
    /// The step that it is at.
    pub step: Step,
    /// Number of times that it may still find the connection due.
    pub starts_left: u8,
}

/// Violations that leave no trace in the items. They are recorded here for the properties.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Wrongs {
    /// A store replaced a token by an older one of the same grant.
    pub went_backwards: bool,
    /// An attempt that began before a reconnect or a delete changed an item afterwards.
    pub late_write: bool,
}

/// One state of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// `SCHED`; gone once the connection is deleted.
    pub sched: Option<Sched>,
    /// `TOK`. One slot is enough: a reconnect deletes the old grant's item as it adds the new one.
    pub tok: Option<Tok>,
    /// The authorization server.
    pub server: AuthorizationServer,
    /// The workers.
    pub workers: [Worker; WORKERS],
    /// Number of exchanges that the server still answers before the search ends.
    pub exchanges_left: u8,
    /// Number of workers that may still crash.
    pub crashes_left: u8,
    /// The violations on the way to this state.
    pub wrongs: Wrongs,
}

impl State {
    /// Whether a reconnect or a delete happened after this attempt began. Neither can be undone, so
    /// comparing the grants is enough.
    #[must_use]
    pub fn has_overtaken(&self, attempt: Attempt) -> bool {
        self.sched.is_none_or(|sched| sched.grant != attempt.grant)
    }
}

impl Step {
    /// Whether the worker is between step 1 and the completion of step 4, where the timing rule
    /// guarantees a live lease.
    #[must_use]
    pub fn needs_its_lease(&self) -> bool {
        matches!(
            self,
            Self::Leased(_)
                | Self::Read(..)
                | Self::Asking(..)
                | Self::Fetched { .. }
                | Self::Refused(_)
        )
    }

    /// Whether the worker has nothing under way.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        matches!(self, Self::Idle | Self::Crashed { .. })
    }

    /// The attempt under way.
    #[must_use]
    pub fn attempt(&self) -> Option<Attempt> {
        match *self {
            Self::Idle | Self::Crashed { .. } => None,
            Self::Due(attempt)
            | Self::Leased(attempt)
            | Self::Read(attempt, _)
            | Self::Asking(attempt, _)
            | Self::Fetched { attempt, .. }
            | Self::Refused(attempt)
            | Self::Releasing(attempt) => Some(attempt),
        }
    }
}
