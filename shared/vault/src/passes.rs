//! Passes: what one MCP client may do with one connection.
//!
//! ```text
//!   sign-in ──> pass with a code ──turn──> refresh token 1 ──turn──> refresh token 2 ── …
//!               60 s                       90 days from the last turn
//! ```
//!
//! Presenting the current code or refresh token turns the pass: the next pair is derived from it, and one conditional
//! update makes it the current one. The table holds hashes and salts, from which nobody can derive anything.

mod record;

pub use record::{
    ACCESS_LIFETIME, CODE_LIFETIME, GRACE, Known, NewPass, Pass, REFRESH_LIFETIME, StoredPass,
};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::TransactWriteItem;
use jiff::Timestamp;
use oauth::pass::{Credential, Pair, PassId, TurnSalt};
use rand::CryptoRng;
use secrecy::SecretString;

use crate::Error;
use crate::ids::{ConnectionId, IntegrationId};
use crate::secret_token::{self, SecretHash};
use crate::table::{Condition, Updated, Write, from_item, read, s, to_item};
use record::{Record, Standing, pk};

const WHAT: &str = "pass";
const BY_CONNECTION: &str = "by_connection";

/// The result of presenting a code or refresh token.
#[derive(Debug)]
pub enum Turned {
    /// The next pair; the same one for everybody who presented the same refresh token within [`GRACE`].
    Pair(Pair),
    /// It is not valid: unknown, older than the last one, or expired.
    Invalid,
    /// It was used before, so somebody has a copy of it. The pass is deleted.
    Reused,
}

/// The passes, in the table `passes`.
#[derive(Debug, Clone)]
pub struct Passes {
    client: Client,
    table: String,
}

impl Passes {
    /// Passes in the given table.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// The pass with this id, strongly read; also one that has expired and is not deleted yet.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is; [`Error::Corrupt`] for an unreadable item.
    pub async fn get(&self, id: &PassId) -> Result<Option<StoredPass>, Error> {
        let record: Option<Record> = read(&self.client, &self.table, pk(id), WHAT).await?;
        Ok(record.map(StoredPass))
    }

    /// The pass of an access token, or `None` if the token is not valid.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn of_access(
        &self,
        presented: &Credential,
        now: Timestamp,
    ) -> Result<Option<Pass>, Error> {
        let stored = self.get(&presented.pass).await?;
        Ok(stored.filter(|pass| pass.takes_access(presented, now)).map(|pass| pass.0.pass))
    }

    /// Turns a pass with its code or refresh token. `read` is the pass as [`Self::get`] has returned it for this
    /// credential, whose client and proof the caller has checked.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is; [`Error::Corrupt`] for an unreadable item.
    pub async fn turn(
        &self,
        StoredPass(read): StoredPass,
        presented: &Credential,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Turned, Error> {
        let hash = SecretHash::of(&presented.secret);
        if read.standing(&hash, now) != Standing::Current {
            return self.again(&read, presented, &hash, now).await;
        }
        let mut salt = TurnSalt::default();
        rng.fill_bytes(&mut salt);
        let pair = after(presented, &salt)?;
        let next = read.turned(&pair, salt, now);
        let update = Write::update(&self.table, pk(&presented.pass))
            .when("current", Condition::Is(s(hash.as_str())))
            .change(&to_item(WHAT, &read)?, &to_item(WHAT, &next)?);
        match update.send(&self.client).await? {
            Updated::Written(_) => Ok(Turned::Pair(pair)),
            Updated::Absent => Ok(Turned::Invalid),
            Updated::Refused(item) => {
                let found: Record = from_item(WHAT, item)?;
                if found.salt == next.salt {
                    // Our own write, whose answer was lost.
                    return Ok(Turned::Pair(pair));
                }
                self.again(&found, presented, &hash, now).await
            }
        }
    }

    /// Answers a credential that does not turn the pass, or not any more.
    async fn again(
        &self,
        found: &Record,
        presented: &Credential,
        hash: &SecretHash,
        now: Timestamp,
    ) -> Result<Turned, Error> {
        match found.standing(hash, now) {
            Standing::Repeated => Ok(Turned::Pair(after(presented, &found.salt())?)),
            Standing::Copied => {
                let delete = Write::delete(&self.table, pk(&presented.pass));
                delete.attempt(&self.client).await?;
                Ok(Turned::Reused)
            }
            Standing::Current | Standing::Unknown => Ok(Turned::Invalid),
        }
    }

    /// The passes of a connection, oldest first. The index is eventually consistent.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is; [`Error::Corrupt`] for an unreadable item.
    pub async fn of_connection(
        &self,
        connection: &ConnectionId,
        now: Timestamp,
    ) -> Result<Vec<Pass>, Error> {
        let items = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(BY_CONNECTION)
            .key_condition_expression("#connection = :connection")
            .expression_attribute_names("#connection", "connection")
            .expression_attribute_values(":connection", s(connection.as_str()))
            .into_paginator()
            .items()
            .send();
        let items = items.collect::<Result<Vec<_>, _>>().await;
        let items = items.map_err(|e| Error::sdk("dynamodb", "Query", &e))?;
        let records = items.into_iter().map(|item| from_item::<Record>(WHAT, item));
        let mut records = records.collect::<Result<Vec<_>, _>>()?;
        records.retain(|record| !record.is_expired(now));
        records.sort_by_key(|record| record.pass.created_at);
        Ok(records.into_iter().map(|record| record.pass).collect())
    }

    /// Deletes a pass, with immediate effect. Returns whether there was one.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn delete(&self, id: &PassId) -> Result<bool, Error> {
        Write::delete(&self.table, pk(id)).attempt(&self.client).await
    }

    /// Deletes a pass of this connection, with immediate effect. Returns whether there was one.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn delete_from(&self, connection: &ConnectionId, id: &PassId) -> Result<bool, Error> {
        Write::delete(&self.table, pk(id))
            .when("connection", Condition::Is(s(connection.as_str())))
            .attempt(&self.client)
            .await
    }

    /// Deletes every pass of a connection.
    ///
    /// # Errors
    /// As [`Self::of_connection`].
    pub async fn delete_of(&self, connection: &ConnectionId) -> Result<(), Error> {
        for pass in self.of_connection(connection, Timestamp::UNIX_EPOCH).await? {
            self.delete(&pass.id).await?;
        }
        Ok(())
    }
}

/// Returns a new pass with its code, and the write that stores it.
pub(crate) fn create(
    table: &str,
    new: &NewPass,
    connection: (&ConnectionId, &IntegrationId),
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(SecretString, TransactWriteItem), Error> {
    let code = Credential { pass: PassId::mint(rng), secret: secret_token::mint(rng) };
    let record = Record::new(&code, new, connection, now);
    let put = Write::put(table, to_item(WHAT, &record)?).when("pk", Condition::Absent);
    Ok((code.turning(), put.in_transaction()?))
}

fn after(presented: &Credential, salt: &TurnSalt) -> Result<Pair, Error> {
    Pair::after(presented, salt).map_err(|error| Error::corrupt(WHAT, error))
}
