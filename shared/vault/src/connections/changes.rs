//! Confirming, erasing and deleting a connection: structural changes, one transaction each.

use aws_sdk_dynamodb::types::TransactWriteItem;
use jiff::Timestamp;
use rand::CryptoRng;
use secrecy::SecretString;

use super::completion::TRIES;
use super::history::Happening;
use super::{Connection, Connections, Pending, WHAT};
use crate::Error;
use crate::ids::{ConnectionId, UserId, owner_key};
use crate::schedule::Lifetime;
use crate::table::{Condition, Transaction, Write, n, transact};
use crate::tokens;

/// The result of a confirmation.
#[derive(Debug)]
pub enum Confirmed {
    /// The connection is active with the tokens of the confirmed flow.
    Active(Box<Connection>),
    /// There is no such connection.
    Unknown,
    /// No sign-in waits for this code; nothing was changed.
    Invalid,
    /// It came after ten minutes; the tokens of the flow are erased.
    Expired,
    /// Another user finished in the browser; the tokens of the flow are erased.
    OtherUser,
}

impl Connections {
    /// Activates the flow that `code` names, because the application states that `user` finished it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is; [`Error::Contended`] when the connection keeps changing.
    pub async fn confirm(
        &self,
        id: &ConnectionId,
        code: &SecretString,
        user: &UserId,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Confirmed, Error> {
        for _ in 0..TRIES {
            let Some(known) = self.get(id).await? else { return Ok(Confirmed::Unknown) };
            let Some(pending) = known.pending.clone().filter(|p| p.confirmation.matches(code))
            else {
                return Ok(Confirmed::Invalid);
            };
            let refusal = if pending.expires_at <= now {
                Some(Confirmed::Expired)
            } else if known.user != *user {
                Some(Confirmed::OtherUser)
            } else {
                None
            };
            if let Some(refusal) = refusal {
                self.erase_pending(&known, now).await?;
                return Ok(refusal);
            }
            let next = self.confirmed(&known, pending, now, rng);
            let mut writes = vec![self.change(&known, &next)?, self.keep_tokens(&next)?];
            if let Some(old) = &known.grant {
                writes.push(self.delete_tokens(id, old)?);
            }
            if matches!(transact(&self.client, writes).await?, Transaction::Done) {
                self.note(&next, Happening::Connected, now).await;
                return Ok(Confirmed::Active(Box::new(next)));
            }
        }
        Err(Error::Contended { what: WHAT })
    }

    fn confirmed(
        &self,
        known: &Connection,
        pending: Pending,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Connection {
        let lifetime = Lifetime { expires_at: pending.token_expires_at, refresh_at: None };
        let mut next = Connection {
            revision: known.revision + 1,
            account: pending.account,
            organization: pending.organization,
            scopes: pending.scopes,
            missing_scopes: pending.missing_scopes,
            grant: Some(pending.grant),
            pending: None,
            ..known.clone()
        };
        self.become_active(&mut next, lifetime, now, rng);
        next
    }

    /// Takes the expiry off the confirmed tokens. An update, so that `manage` needs no permission to read them.
    fn keep_tokens(&self, next: &Connection) -> Result<TransactWriteItem, Error> {
        let grant = next.grant.as_ref().ok_or_else(|| Error::corrupt(WHAT, "no grant to keep"))?;
        Write::update(&self.tokens_table, tokens::pk(&next.id, grant))
            .when("pk", Condition::Exists)
            .remove("expires_at")
            .in_transaction()
    }

    /// Erases an unconfirmed flow: the whole connection if it was its first flow, else only the new tokens. Does nothing,
    /// and returns `false`, if there is none or the connection has changed since it was read.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn erase_pending(&self, known: &Connection, now: Timestamp) -> Result<bool, Error> {
        let Some(pending) = &known.pending else { return Ok(false) };
        if known.grant.is_none() {
            let writes = self.deletion(known)?;
            return Ok(matches!(transact(&self.client, writes).await?, Transaction::Done));
        }
        let mut next = Connection { revision: known.revision + 1, pending: None, ..known.clone() };
        // The due time was that of the confirmation. The schedule computes the next one when it looks.
        if next.due_at.is_some() {
            next.due_at = Some(now);
        }
        let writes =
            vec![self.change(known, &next)?, self.delete_tokens(&known.id, &pending.grant)?];
        let is_erased = matches!(transact(&self.client, writes).await?, Transaction::Done);
        if is_erased {
            self.note(&next, Happening::SignInErased, now).await;
        }
        Ok(is_erased)
    }

    /// Deletes a connection and its tokens, with immediate effect. Returns the deleted connection.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is; [`Error::Contended`] when the connection keeps changing.
    pub async fn delete(&self, id: &ConnectionId) -> Result<Option<Connection>, Error> {
        for _ in 0..TRIES {
            let Some(known) = self.get(id).await? else { return Ok(None) };
            let writes = self.deletion(&known)?;
            if matches!(transact(&self.client, writes).await?, Transaction::Done) {
                return Ok(Some(known));
            }
        }
        Err(Error::Contended { what: WHAT })
    }

    fn deletion(&self, known: &Connection) -> Result<Vec<TransactWriteItem>, Error> {
        let connection = Write::delete(&self.table, known.id.as_str())
            .when("revision", Condition::Is(n(known.revision)));
        let owner = Write::delete(&self.table, owner_key(&known.integration, &known.user));
        let mut writes = vec![connection.in_transaction()?, owner.in_transaction()?];
        for grant in known.grants() {
            writes.push(self.delete_tokens(&known.id, grant)?);
        }
        Ok(writes)
    }
}
