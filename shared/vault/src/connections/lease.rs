//! The refresh protocol's writes on the small item: lease, fence, release.

use jiff::{SignedDuration, Timestamp};
use rand::CryptoRng;
use secrecy::ExposeSecret;

use super::{Connection, Connections, RefreshFailure, Scopes, Status, WHAT};
use crate::Error;
use crate::ids::{ConnectionId, GrantId};
use crate::secret_token;
use crate::table::{Condition, Updated, Write, from_item, n, s, to_value};

/// A lease outlives everything that its holder may do (docs/security.md, B3).
pub const LEASE_LIFETIME: SignedDuration = SignedDuration::from_secs(30);
/// The difference between two clocks that does not end a lease early.
const SKEW: SignedDuration = SignedDuration::from_secs(2);

/// The right to renew one connection's tokens, for 30 seconds.
#[derive(Debug, Clone)]
pub struct Lease {
    /// The connection.
    pub connection: ConnectionId,
    /// The grant whose tokens are to be renewed.
    pub grant: GrantId,
    /// A number higher than that of every earlier lease of this connection.
    pub fence: u64,
    owner: String,
}

/// The result of an attempt to lease.
#[derive(Debug)]
pub enum Acquired {
    /// The lease is the caller's. With the connection as it is now.
    Leased(Lease, Box<Connection>),
    /// Another caller holds it, or the connection has changed. With the connection as it is now.
    Refused(Box<Connection>),
    /// The connection is gone.
    Gone,
}

/// How a lease ends.
#[derive(Debug)]
pub enum Release {
    /// New tokens are stored.
    Renewed {
        /// Their version.
        token_version: u64,
        /// When the access token expires.
        token_expires_at: Timestamp,
        /// When to look again.
        due_at: Timestamp,
        /// The scopes that they have, if those changed.
        scopes: Option<Scopes>,
    },
    /// The tokens were fresh already.
    Untouched {
        /// Their version.
        token_version: u64,
        /// When the access token expires.
        token_expires_at: Timestamp,
        /// When to look again, if that changes.
        due_at: Option<Timestamp>,
    },
    /// The renewal failed and is tried again.
    Failed {
        /// How.
        failure: RefreshFailure,
        /// Not before this.
        retry_at: Timestamp,
        /// When Entra first refused the grant, if it did.
        refused_since: Option<Timestamp>,
        /// How often it has refused it.
        refusals: u32,
    },
    /// The app's own credential failed; the connection is unharmed.
    Postponed {
        /// When to look again.
        due_at: Timestamp,
    },
    /// Only the user can help.
    ReauthorizationRequired {
        /// Entra's error, as stored and shown.
        reason: String,
        /// Entra's claims challenge for the next authorize URL.
        claims: Option<String>,
    },
}

impl Connections {
    /// Step 1: takes the lease if it is free, the connection is active, and its grant is still `grant`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is; [`Error::Corrupt`] for an unreadable item.
    pub async fn acquire(
        &self,
        id: &ConnectionId,
        grant: &GrantId,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Acquired, Error> {
        let update = self.update(id).when("grant", Condition::Is(s(grant.as_str())));
        self.lease(id, update, now, rng).await
    }

    /// Step 1 for the schedule, which has read only the index: takes the lease if it is free and the connection is
    /// active, still due, and waits for no confirmation.
    ///
    /// # Errors
    /// As [`Self::acquire`].
    pub async fn acquire_due(
        &self,
        id: &ConnectionId,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Acquired, Error> {
        let update = self
            .update(id)
            .when("due_at", Condition::AtMost(n(now.as_second())))
            .when("grant", Condition::Exists)
            .when("pending", Condition::Absent);
        self.lease(id, update, now, rng).await
    }

    async fn lease(
        &self,
        id: &ConnectionId,
        update: Write,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Acquired, Error> {
        let owner = secret_token::mint(rng).expose_secret().to_owned();
        let ended = Condition::AbsentOrBelow(n((now - SKEW).as_millisecond()));
        let update = update
            .when("status", Condition::Is(to_value(WHAT, &Status::Active)?))
            .when("lease_until", ended)
            .set("lease_owner", s(&owner))
            .set("lease_until", n((now + LEASE_LIFETIME).as_millisecond()))
            .add("fence", n(1));
        let (item, leased) = match update.send(&self.client).await? {
            Updated::Written(item) => (item, true),
            Updated::Refused(item) => {
                // Our own mark in the item is that of an earlier attempt, whose reply was lost.
                let own = item.get("lease_owner") == Some(&s(&owner));
                (item, own)
            }
            Updated::Absent => return Ok(Acquired::Gone),
        };
        let connection: Box<Connection> = Box::new(from_item(WHAT, item)?);
        match (leased, &connection.grant) {
            (true, Some(grant)) => {
                let (grant, fence) = (grant.clone(), connection.fence);
                let lease = Lease { connection: id.clone(), grant, fence, owner };
                Ok(Acquired::Leased(lease, connection))
            }
            _ => Ok(Acquired::Refused(connection)),
        }
    }

    /// Step 5: ends the lease with its result, if it is still the caller's. Returns whether it was.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn release(
        &self,
        lease: &Lease,
        release: &Release,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let update = self
            .update(&lease.connection)
            .when("lease_owner", Condition::Is(s(&lease.owner)))
            .when("fence", Condition::Is(n(lease.fence)))
            .when("grant", Condition::Is(s(lease.grant.as_str())))
            .remove("lease_owner")
            .remove("lease_until");
        let update = match release {
            Release::Renewed { token_version, token_expires_at, due_at, scopes } => {
                let update = update.set("last_refreshed_at", n(now.as_second()));
                let update = match scopes {
                    Some(Scopes { granted, missing }) => update
                        .set("scopes", to_value(WHAT, granted)?)
                        .set("missing_scopes", to_value(WHAT, missing)?),
                    None => update,
                };
                let update = succeeded(update, *token_version, *token_expires_at);
                self.due(update, &lease.connection, *due_at)
            }
            Release::Untouched { token_version, token_expires_at, due_at } => {
                let update = succeeded(update, *token_version, *token_expires_at);
                match due_at {
                    Some(due_at) => self.due(update, &lease.connection, *due_at),
                    None => update,
                }
            }
            Release::Failed { failure, retry_at, refused_since, refusals } => {
                let update = update
                    .set("failure", to_value(WHAT, failure)?)
                    .set("retry_at", n(retry_at.as_second()))
                    .set("refusals", n(refusals))
                    .add("failures", n(1));
                let update = match refused_since {
                    Some(since) => update.set("refused_since", n(since.as_second())),
                    None => update,
                };
                self.due(update, &lease.connection, *retry_at)
            }
            Release::Postponed { due_at } => self.due(update, &lease.connection, *due_at),
            Release::ReauthorizationRequired { reason, claims } => {
                let update = update
                    .set("status", to_value(WHAT, &Status::ReauthorizationRequired)?)
                    .set("reason", s(reason))
                    .remove("due_at")
                    .remove("due_shard");
                let update = match claims {
                    Some(claims) => update.set("claims_challenge", s(claims)),
                    None => update.remove("claims_challenge"),
                };
                without_failure(update)
            }
        };
        update.attempt(&self.client).await
    }
}

fn succeeded(update: Write, token_version: u64, token_expires_at: Timestamp) -> Write {
    let update = update
        .set("token_version", n(token_version))
        .set("token_expires_at", n(token_expires_at.as_second()))
        .set("failures", n(0))
        .set("refusals", n(0));
    without_failure(update)
}

fn without_failure(update: Write) -> Write {
    update.remove("retry_at").remove("failure").remove("refused_since")
}
