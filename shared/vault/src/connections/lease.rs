//! The refresh protocol's writes on the small item: lease, fence, release.

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::ReturnValue;
use jiff::{SignedDuration, Timestamp};
use rand::CryptoRng;
use secrecy::ExposeSecret;

use super::update::Change;
use super::{Connection, Connections, RefreshFailure, Status, WHAT};
use crate::Error;
use crate::ids::{ConnectionId, GrantId};
use crate::table::{from_item, n, s, sent, to_value, updated};
use crate::{schedule, secret_token};

/// How long a lease holds: longer than its holder may work (docs/security.md, B3).
pub const LEASE_LIFETIME: SignedDuration = SignedDuration::from_secs(30);
/// How far two clocks may differ before a live lease is taken over.
const SKEW: SignedDuration = SignedDuration::from_secs(2);

/// The right to renew one connection's tokens, for 30 seconds.
#[derive(Debug, Clone)]
pub struct Lease {
    /// The connection.
    pub connection: ConnectionId,
    /// The grant whose tokens are to be renewed.
    pub grant: GrantId,
    /// Orders the writes of all leases of this connection.
    pub fence: u64,
    owner: String,
}

/// What became of an attempt to lease.
#[derive(Debug)]
pub enum Acquired {
    /// It is this caller's; and this is the connection as of now.
    Leased(Lease, Box<Connection>),
    /// Another holds it, or the connection is not what it was: this is how it is now.
    Refused(Box<Connection>),
    /// The connection is gone.
    Gone,
}

/// How a lease ends.
#[derive(Debug)]
pub enum Release {
    /// New tokens are stored.
    Renewed {
        /// When the access token expires.
        token_expires_at: Timestamp,
        /// When to look again.
        due_at: Timestamp,
    },
    /// The tokens were fresh already; `due_at` unless it is `None`.
    Untouched {
        /// When the access token expires.
        token_expires_at: Timestamp,
        /// When to look again, if that should change.
        due_at: Option<Timestamp>,
    },
    /// Not now: the connection stays as it is and is tried again.
    Failed {
        /// How.
        failure: RefreshFailure,
        /// Not before this.
        retry_at: Timestamp,
        /// When Entra first refused the grant, if it did.
        refused_since: Option<Timestamp>,
        /// How often it did.
        refusals: u32,
    },
    /// Nothing is wrong with the connection, but it cannot be renewed now (the app's own credential).
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

/// What every lease needs.
const LEASABLE: &str =
    "#status = :active AND (attribute_not_exists(lease_until) OR lease_until < :now)";

impl Connections {
    /// Step 1: takes the lease if nobody holds it, the connection is active, and its grant is still
    /// `grant`.
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
        let update = self
            .update(id)
            .condition_expression(format!("#grant = :grant AND {LEASABLE}"))
            .expression_attribute_names("#grant", "grant")
            .expression_attribute_values(":grant", s(grant.as_str()));
        self.lease(id, update, now, rng).await
    }

    /// Step 1 for the schedule, which knows no more than that the index said `due`: takes the lease if
    /// nobody holds it and the connection is active, still due, and waits for no confirmation.
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
            .condition_expression(format!(
                "due_at <= :seconds AND attribute_exists(#grant) AND attribute_not_exists(pending) AND {LEASABLE}"
            ))
            .expression_attribute_names("#grant", "grant")
            .expression_attribute_values(":seconds", n(now.as_second()));
        self.lease(id, update, now, rng).await
    }

    async fn lease(
        &self,
        id: &ConnectionId,
        conditional: UpdateItemFluentBuilder,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Acquired, Error> {
        let owner = secret_token::mint(rng).expose_secret().to_owned();
        let update = conditional
            .update_expression(
                "SET lease_owner = :owner, lease_until = :until, fence = fence + :one",
            )
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":active", to_value(WHAT, &Status::Active)?)
            .expression_attribute_values(":owner", s(&owner))
            .expression_attribute_values(":until", n((now + LEASE_LIFETIME).as_millisecond()))
            .expression_attribute_values(":now", n((now - SKEW).as_millisecond()))
            .expression_attribute_values(":one", n(1))
            .return_values(ReturnValue::AllNew);
        let (item, leased) = match updated(update).await? {
            Ok(leased) => (leased, true),
            Err(None) => return Ok(Acquired::Gone),
            // The reply to our own write was lost: the lease is ours all the same.
            Err(Some(refused)) => {
                let holder = refused.get("lease_owner").and_then(|owner| owner.as_s().ok());
                let own = holder == Some(&owner);
                (refused, own)
            }
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

    /// Step 5: ends the lease with its result, if it is still this caller's. Returns whether it was.
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
            .condition_expression("lease_owner = :owner AND fence = :fence AND #grant = :grant")
            .expression_attribute_names("#grant", "grant")
            .expression_attribute_values(":owner", s(&lease.owner))
            .expression_attribute_values(":fence", n(lease.fence))
            .expression_attribute_values(":grant", s(lease.grant.as_str()));
        let mut change = Change::ending_the_lease();
        match release {
            Release::Renewed { token_expires_at, due_at } => {
                change.set("last_refreshed_at", n(now.as_second()));
                self.describe_success(&mut change, lease, *token_expires_at, Some(*due_at));
            }
            Release::Untouched { token_expires_at, due_at } => {
                self.describe_success(&mut change, lease, *token_expires_at, *due_at);
            }
            Release::Failed { failure, retry_at, refused_since, refusals } => {
                change.set("failure", to_value(WHAT, failure)?);
                change.set("retry_at", n(retry_at.as_second()));
                change.set("refusals", n(refusals));
                if let Some(since) = refused_since {
                    change.set("refused_since", n(since.as_second()));
                }
                change.add("failures", n(1));
                self.due(&mut change, lease, *retry_at);
            }
            Release::Postponed { due_at } => self.due(&mut change, lease, *due_at),
            Release::ReauthorizationRequired { reason, claims } => {
                change.set("status", to_value(WHAT, &Status::ReauthorizationRequired)?);
                change.set("reason", s(reason));
                match claims {
                    Some(claims) => change.set("claims_challenge", s(claims)),
                    None => change.remove("claims_challenge"),
                }
                for name in ["due_at", "due_shard", "retry_at", "failure", "refused_since"] {
                    change.remove(name);
                }
            }
        }
        sent(change.apply(update).send().await)
    }

    fn describe_success(
        &self,
        change: &mut Change,
        lease: &Lease,
        token_expires_at: Timestamp,
        due_at: Option<Timestamp>,
    ) {
        change.set("token_expires_at", n(token_expires_at.as_second()));
        change.set("failures", n(0));
        change.set("refusals", n(0));
        for name in ["retry_at", "failure", "refused_since"] {
            change.remove(name);
        }
        if let Some(due_at) = due_at {
            self.due(change, lease, due_at);
        }
    }

    fn due(&self, change: &mut Change, lease: &Lease, due_at: Timestamp) {
        change.set("due_at", n(due_at.as_second()));
        change.set("due_shard", n(schedule::shard(&lease.connection, self.shards)));
    }

    pub(super) fn update(&self, id: &ConnectionId) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).key("pk", s(id.as_str()))
    }
}
