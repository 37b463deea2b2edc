//! Stores a completed authorization as a connection, in one transaction that also consumes the session, or makes the pass
//! of an MCP client.

use aws_sdk_dynamodb::types::TransactWriteItem;
use devops::organization::OrganizationName;
use jiff::Timestamp;
use rand::CryptoRng;
use secrecy::SecretString;

use super::history::{Happening, HistoryEntry, OwnerItem};
use super::{Account, CONFIRMATION_LIFETIME, Connection, Connections, Pending, Status, WHAT};
use crate::Error;
use crate::ids::{ConnectionId, GrantId, UserId, owner_key};
use crate::integrations::{self, Confirmation, Integration};
use crate::passes::{self, NewPass};
use crate::schedule::{self, Lifetime, Warmth};
use crate::secret_token::{self, SecretHash};
use crate::sessions::SessionKey;
use crate::table::{Condition, Transaction, Write, n, s, to_item, to_value, transact};
use crate::tokens::{self, TokenPair, TokenStore};

/// Attempts of a transaction while concurrent changes interfere.
pub(super) const TRIES: u32 = 4;

/// The positions of the origin and the integration among the writes of the transaction.
const ORIGIN: usize = 0;
const INTEGRATION: usize = 1;

/// A completed authorization.
pub struct Completion<'a> {
    /// What began it.
    pub origin: Origin<'a>,
    /// The user of the connection.
    pub user: &'a UserId,
    /// The scopes that were requested, without the resource's prefix.
    pub requested: &'a [String],
    /// The integration as it is now.
    pub integration: &'a Integration,
    /// Who signed in.
    pub account: Account,
    /// The organization to pin the connection to.
    pub organization: Option<OrganizationName>,
    /// The granted scopes, without the resource's prefix.
    pub scopes: Vec<String>,
    /// The tokens.
    pub tokens: TokenPair<'a>,
    /// The lifetime of the access token.
    pub lifetime: Lifetime,
}

/// What began an authorization, and so the first write of its transaction.
#[derive(Clone, Copy)]
pub enum Origin<'a> {
    /// An application's connect session, to be consumed.
    Session(&'a SessionKey),
    /// An MCP client, for which a pass is made. The browser that approved it is the one that signed in, so that the
    /// connection needs no confirmation.
    Client(&'a NewPass),
}

impl Completion<'_> {
    fn missing_scopes(&self) -> Vec<String> {
        devops::scopes::missing(self.requested, &self.scopes)
    }

    fn needs_confirmation(&self) -> bool {
        match self.origin {
            Origin::Session(_) => self.integration.settings.confirmation == Confirmation::Required,
            Origin::Client(_) => false,
        }
    }
}

/// The result of storing it.
#[derive(Debug)]
pub enum Completed {
    /// Stored; the application must confirm it with this code.
    Pending {
        /// The connection.
        connection: ConnectionId,
        /// The code, which the browser carries to the application once.
        confirmation: SecretString,
    },
    /// Stored and usable, because the integration requires no confirmation.
    Active {
        /// The connection.
        connection: ConnectionId,
    },
    /// Stored and usable, with a pass for the MCP client.
    Admitted {
        /// The connection.
        connection: ConnectionId,
        /// The code of the pass.
        code: SecretString,
    },
    /// The user is connected with another Entra account; nothing was changed.
    DifferentAccount,
    /// Another flow has completed the session, or it expired; nothing was changed.
    SessionGone,
    /// The integration has been paused, deleted, made anew or given another app since it was read; nothing was changed.
    IntegrationGone,
}

impl Connections {
    /// Stores a completed authorization.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when an AWS service is; [`Error::Contended`] when the connection keeps changing.
    pub async fn complete(
        &self,
        completion: &Completion<'_>,
        tokens: &TokenStore,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Completed, Error> {
        for _ in 0..TRIES {
            let existing = self.find(&completion.integration.id, completion.user).await?;
            if let Some(existing) = &existing
                && existing.grant.is_some()
                && !existing.account.is_same_user_as(&completion.account)
            {
                return Ok(Completed::DifferentAccount);
            }
            let (writes, completed) =
                self.writes(completion, existing.as_ref(), tokens, now, rng).await?;
            match transact(&self.client, writes).await? {
                Transaction::Done => {
                    if let Some(known) = &existing {
                        self.note(known, Happening::of(&completed), now).await;
                    }
                    return Ok(completed);
                }
                Transaction::Refused { failed } if failed.contains(&ORIGIN) => {
                    return Ok(Completed::SessionGone);
                }
                Transaction::Refused { failed } if failed.contains(&INTEGRATION) => {
                    return Ok(Completed::IntegrationGone);
                }
                Transaction::Refused { .. } => {}
            }
        }
        Err(Error::Contended { what: WHAT })
    }

    async fn writes(
        &self,
        completion: &Completion<'_>,
        existing: Option<&Connection>,
        tokens: &TokenStore,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Vec<TransactWriteItem>, Completed), Error> {
        let integration = &completion.integration.id;
        let id = existing.map_or_else(|| ConnectionId::mint(now, rng), |known| known.id.clone());
        let grant = GrantId::mint(now, rng);
        let confirmation = completion.needs_confirmation().then(|| secret_token::mint(rng));
        let unconfirmed_until = confirmation.as_ref().map(|_| now + CONFIRMATION_LIFETIME);
        let (first_write, code) = match completion.origin {
            Origin::Session(key) => (self.consume_session(key, now)?, None),
            Origin::Client(pass) => {
                let (code, put) =
                    passes::create(&self.passes_table, pass, (&id, integration), now, rng)?;
                (put, Some(code))
            }
        };
        let owner = tokens::Owner { integration, connection: &id, grant: &grant };
        let tokens_item =
            tokens.new_item(owner, &completion.tokens, unconfirmed_until, rng).await?;

        let mut next = match existing {
            Some(known) => Connection { revision: known.revision + 1, ..known.clone() },
            None => first(completion, id.clone(), now),
        };
        if next.grant.is_none() || confirmation.is_none() {
            next.account = completion.account.clone();
            next.scopes.clone_from(&completion.scopes);
            next.missing_scopes = completion.missing_scopes();
            next.organization.clone_from(&completion.organization);
        }
        let completed = if let Some(confirmation) = confirmation {
            self.await_confirmation(&mut next, completion, grant, &confirmation, now);
            Completed::Pending { connection: id, confirmation }
        } else {
            next.grant = Some(grant);
            next.pending = None;
            self.become_active(&mut next, completion.lifetime, now, rng);
            match code {
                Some(code) => Completed::Admitted { connection: id, code },
                None => Completed::Active { connection: id },
            }
        };

        let mut writes = vec![first_write, self.require_same(completion.integration)?];
        writes.extend(self.put_connection(existing, &next, Happening::of(&completed))?);
        writes.push(Write::put(&tokens.table, tokens_item).in_transaction()?);
        for old in existing.iter().flat_map(|known| known.grants()) {
            if !next.grants().any(|kept| kept == old) {
                writes.push(self.delete_tokens(&next.id, old)?);
            }
        }
        Ok((writes, completed))
    }

    fn await_confirmation(
        &self,
        next: &mut Connection,
        completion: &Completion<'_>,
        grant: GrantId,
        code: &SecretString,
        now: Timestamp,
    ) {
        let expires_at = now + CONFIRMATION_LIFETIME;
        next.pending = Some(Pending {
            grant,
            confirmation: SecretHash::of(code),
            expires_at,
            account: completion.account.clone(),
            organization: completion.organization.clone(),
            scopes: completion.scopes.clone(),
            missing_scopes: completion.missing_scopes(),
            token_expires_at: completion.lifetime.expires_at,
        });
        // The schedule then erases it, unless it is confirmed.
        next.due_at = Some(next.due_at.map_or(expires_at, |due| due.min(expires_at)));
        next.due_shard = Some(schedule::shard(&next.id, self.shards));
    }

    /// Sets the state and the schedule of a connection whose user has just signed in.
    pub(super) fn become_active(
        &self,
        next: &mut Connection,
        lifetime: Lifetime,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) {
        next.status = Status::Active;
        next.reason = None;
        next.claims_challenge = None;
        next.token_version = Some(tokens::FIRST_VERSION);
        next.token_expires_at = Some(lifetime.expires_at);
        next.connected_at = Some(now);
        next.failures = 0;
        next.failure = None;
        next.retry_at = None;
        next.refused_since = None;
        next.refusals = 0;
        next.rejected_version = None;
        next.rejected_until = None;
        next.accepted_elsewhere = None;
        let warmth = Warmth::WhileUsed(Some(now));
        next.due_at = Some(schedule::next_renewal(lifetime, warmth, now, rng));
        next.due_shard = Some(schedule::shard(&next.id, self.shards));
    }

    fn consume_session(
        &self,
        key: &SessionKey,
        now: Timestamp,
    ) -> Result<TransactWriteItem, Error> {
        Write::delete(&self.sessions_table, key.as_str())
            .when("expires_at", Condition::Above(n(now.as_second())))
            .in_transaction()
    }

    /// The check that the integration is still the one that the sign-in began with. An integration is deleted after its
    /// connections: unchecked, a late sign-in could store one more, which stays hidden until the integration is made anew.
    fn require_same(&self, seen: &Integration) -> Result<TransactWriteItem, Error> {
        Write::update(&self.integrations_table, integrations::key(&seen.id))
            .when("created_at", Condition::Is(s(seen.created_at.to_string())))
            .when("client_id", Condition::Is(s(seen.settings.client_id.to_string())))
            .when("status", Condition::IsNot(to_value(WHAT, &integrations::Status::Paused)?))
            .in_transaction()
    }

    /// The writes that create `next`, or replace `existing` by it.
    fn put_connection(
        &self,
        existing: Option<&Connection>,
        next: &Connection,
        what: Happening,
    ) -> Result<Vec<TransactWriteItem>, Error> {
        let Some(known) = existing else {
            let pk = owner_key(&next.integration, &next.user);
            let history = vec![HistoryEntry { at: next.created_at, what }];
            let owner = OwnerItem { pk, connection: next.id.clone(), history };
            let new = |item| Write::put(&self.table, item).when("pk", Condition::Absent);
            return Ok(vec![
                new(to_item("connection owner", &owner)?).in_transaction()?,
                new(to_item(WHAT, next)?).in_transaction()?,
            ]);
        };
        Ok(vec![self.change(known, next)?])
    }

    /// An update from `known` to `next` that keeps the fence and ends any lease, so that an earlier refresh can neither
    /// release nor reschedule the changed connection.
    pub(super) fn change(
        &self,
        known: &Connection,
        next: &Connection,
    ) -> Result<TransactWriteItem, Error> {
        let item = to_item(WHAT, next)?;
        let before = to_item(WHAT, known)?;
        let update = self.unchanged(known).remove("lease_owner").remove("lease_until");
        let own = |name: &str| match name {
            // Only the operator ends the operator's pause.
            "pk" | "fence" | "integration" | "user" | "paused_at" => false,
            // A renewal of the same tokens may have raised it since.
            "token_version" => next.grant != known.grant,
            // Words of a newer release, which stay.
            "status" => next.status != Status::Unknown,
            "failure" => next.failure != known.failure,
            _ => true,
        };
        let gone = before.keys().filter(|name| own(name) && !item.contains_key(*name));
        let update = gone.fold(update, |update, name| update.remove(name));
        let kept = item.iter().filter(|(name, _)| own(name));
        kept.fold(update, |update, (name, value)| update.set(name, value.clone())).in_transaction()
    }

    pub(super) fn delete_tokens(
        &self,
        id: &ConnectionId,
        grant: &GrantId,
    ) -> Result<TransactWriteItem, Error> {
        Write::delete(&self.tokens_table, tokens::pk(id, grant)).in_transaction()
    }
}

impl Happening {
    fn of(completed: &Completed) -> Self {
        match completed {
            Completed::Active { .. } | Completed::Admitted { .. } => Self::Connected,
            _ => Self::SignedIn,
        }
    }
}

impl Connection {
    /// The grants whose tokens are stored for this connection.
    pub(super) fn grants(&self) -> impl Iterator<Item = &GrantId> {
        self.grant.iter().chain(self.pending.iter().map(|pending| &pending.grant))
    }
}

fn first(completion: &Completion<'_>, id: ConnectionId, now: Timestamp) -> Connection {
    Connection {
        id,
        integration: completion.integration.id.clone(),
        user: completion.user.clone(),
        organization: completion.organization.clone(),
        status: Status::Pending,
        paused_at: None,
        reason: None,
        account: completion.account.clone(),
        scopes: completion.scopes.clone(),
        missing_scopes: completion.missing_scopes(),
        grant: None,
        token_version: None,
        token_expires_at: None,
        last_used_at: None,
        last_refreshed_at: None,
        created_at: now,
        connected_at: None,
        pending: None,
        claims_challenge: None,
        revision: 1,
        fence: 0,
        lease_until: None,
        failures: 0,
        retry_at: None,
        failure: None,
        refused_since: None,
        refusals: 0,
        rejected_version: None,
        rejected_until: None,
        accepted_elsewhere: None,
        call_after: None,
        calls_counted_until: None,
        due_at: None,
        due_shard: None,
    }
}
