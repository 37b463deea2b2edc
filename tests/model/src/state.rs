//! What one moment of the world looks like: the two stored items, what the authorization server
//! remembers, and where every worker stands.

use crate::server::AuthorizationServer;

/// How many workers look at the one connection of the model.
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

/// A refresh token, known only by the grant it was issued for and its place in that grant's line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RefreshToken {
    /// The grant the server issued it for.
    pub grant: Grant,
    /// 1 for the token of the consent, then one more for every exchange.
    pub serial: u8,
}

/// The status the users of a connection see.
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
    /// The worker that took it, where the protocol writes that down.
    pub owner: Option<WorkerId>,
    /// Whether `lease_until` has passed. The attributes stay in the item until somebody else
    /// leases, which is why an expired lease can still be released by its owner.
    pub expired: bool,
}

/// `SCHED`, the small item of a connection in table `connections`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sched {
    /// What the users see.
    pub status: Status,
    /// The grant in force.
    pub grant: Grant,
    /// The lease, live or expired.
    pub lease: Option<Lease>,
    /// Counts the leases ever taken, where the protocol does.
    pub fence: u8,
}

/// `TOK`, the big item in table `tokens`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tok {
    /// The grant in the item's key.
    pub grant: Grant,
    /// The refresh token in the item.
    pub token: RefreshToken,
    /// One more for every store.
    pub version: u8,
    /// The fence of the last store, 0 before the first.
    pub fence: u8,
}

/// What a worker carries from finding the connection due to releasing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Attempt {
    /// The grant in force when the attempt began.
    pub grant: Grant,
    /// The version of `TOK` seen when found due, and later the version read under the lease.
    pub version: u8,
    /// The fence of the lease, 0 before there is one.
    pub fence: u8,
}

/// Where a worker stands.
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
    /// Gone for good.
    Crashed {
        /// The fence of the lease it left behind, 0 for none.
        fence: u8,
        /// The grant of the token it took with it that only it knew.
        fetched: Option<Grant>,
    },
}

/// One worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Worker {
    /// Where it stands.
    pub step: Step,
    /// How many more times it may find the connection due.
    pub starts_left: u8,
}

/// Wrongs that leave no trace in the items, noted when they happen so that a property sees them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Wrongs {
    /// A store replaced a token by an older one of the same grant.
    pub went_backwards: bool,
    /// An attempt from before a reconnect or a delete changed an item after it.
    pub late_write: bool,
}

/// One state of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// `SCHED`; gone once the connection is deleted.
    pub sched: Option<Sched>,
    /// `TOK`. One slot is enough: a reconnect deletes the old grant's item as it adds the new one.
    pub tok: Option<Tok>,
    /// What the authorization server remembers.
    pub server: AuthorizationServer,
    /// The workers.
    pub workers: [Worker; WORKERS],
    /// How many more exchanges the server answers before the search ends.
    pub exchanges_left: u8,
    /// How many more workers may crash.
    pub crashes_left: u8,
    /// What went wrong on the way here.
    pub wrongs: Wrongs,
}

impl State {
    /// Whether a reconnect or a delete has come after this attempt began. Neither can be undone,
    /// so the grant in force tells the whole story and no clock is needed.
    #[must_use]
    pub fn has_overtaken(&self, attempt: Attempt) -> bool {
        self.sched.is_none_or(|sched| sched.grant != attempt.grant)
    }
}

impl Step {
    /// Whether the worker is somewhere between step 1 and the completion of step 4, where the
    /// timing rule promises it a live lease.
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
