//! Sealed tokens: one item per completed authorization (a *grant*), keyed by connection and grant.
//!
//! The connection's item names the current grant. Confirming a reconnect therefore changes one name and reads no
//! token; and a refresh that began before a reconnect writes to a deleted item, which its condition refuses.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use ground::bearer_token::BearerToken;
use jiff::Timestamp;
use rand::CryptoRng;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::ids::{ConnectionId, GrantId, IntegrationId};
use crate::sealing::{Sealer, SealingContext};
use crate::table::{Condition, Item, Write, n, read, to_item};

const WHAT: &str = "tokens item";
/// The version of the tokens of a sign-in.
pub(crate) const FIRST_VERSION: u64 = 1;

/// Which tokens: the connection, its integration, and the grant.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'a> {
    /// The integration, whose data key seals them.
    pub integration: &'a IntegrationId,
    /// The connection.
    pub connection: &'a ConnectionId,
    /// The completed authorization.
    pub grant: &'a GrantId,
}

impl<'a> Owner<'a> {
    fn place(self, field: &'static str, version: u64) -> SealingContext<'a> {
        let Self { integration, connection, grant } = self;
        SealingContext { integration, connection, grant, field, version }
    }

    fn pk(self) -> String {
        pk(self.connection, self.grant)
    }
}

/// A pair of tokens to be stored.
pub struct TokenPair<'a> {
    /// The access token.
    pub access: &'a BearerToken,
    /// When it expires, by our clock.
    pub access_expires_at: Timestamp,
    /// The refresh token.
    pub refresh: &'a SecretString,
}

/// A stored pair, still sealed.
#[derive(Clone, Serialize, Deserialize)]
pub struct SealedTokens {
    pk: String,
    /// The data key of both, as KMS wrapped it.
    #[serde(with = "crate::binary")]
    data_key: Vec<u8>,
    #[serde(with = "crate::binary")]
    access: Vec<u8>,
    #[serde(with = "crate::binary")]
    refresh: Vec<u8>,
    /// Counts the pairs stored under this grant, so that a repeated write finds a higher version.
    pub version: u64,
    /// The fence of the lease under which it was stored.
    #[serde(default)]
    pub fence: u64,
    access_expires_at: i64,
    /// Seconds since 1970; only until the connection is confirmed.
    expires_at: Option<i64>,
}

impl SealedTokens {
    /// When the access token expires, by our clock at receipt.
    pub fn access_expires_at(&self) -> Timestamp {
        Timestamp::from_second(self.access_expires_at).unwrap_or(Timestamp::MIN)
    }

    /// The data key of both tokens, as KMS wrapped it.
    pub(crate) fn data_key(&self) -> &[u8] {
        &self.data_key
    }
}

/// Both tokens sealed, and their data key as KMS wrapped it.
struct SealedPair {
    access: Vec<u8>,
    refresh: Vec<u8>,
    data_key: Vec<u8>,
}

/// The result of storing renewed tokens.
#[derive(Debug, PartialEq, Eq)]
pub enum StoreOutcome {
    /// They are the current tokens.
    Stored,
    /// The grant is gone, or a later lease renewed it: drop these tokens.
    Superseded,
}

/// The table `tokens`.
#[derive(Clone)]
pub struct TokenStore {
    client: Client,
    pub(crate) table: String,
    sealer: Sealer,
}

impl TokenStore {
    /// Tokens in the given table, sealed by `sealer`.
    pub fn new(client: Client, table: String, sealer: Sealer) -> Self {
        Self { client, table, sealer }
    }

    /// The item for a new grant, to be put in a transaction. It expires at `unconfirmed_until`, if given, unless it is
    /// confirmed.
    ///
    /// # Errors
    /// As [`Sealer::seal`].
    pub(crate) async fn new_item(
        &self,
        owner: Owner<'_>,
        pair: &TokenPair<'_>,
        unconfirmed_until: Option<Timestamp>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Item, Error> {
        let SealedPair { access, refresh, data_key } =
            self.seal(owner, FIRST_VERSION, pair, rng).await?;
        let sealed = SealedTokens {
            pk: owner.pk(),
            data_key,
            access,
            refresh,
            version: FIRST_VERSION,
            fence: 0,
            access_expires_at: pair.access_expires_at.as_second(),
            expires_at: unconfirmed_until.map(Timestamp::as_second),
        };
        to_item(WHAT, &sealed)
    }

    /// The tokens of a grant; a consistent read, because another worker may just have renewed them.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is; [`Error::Corrupt`] for an unreadable item.
    pub async fn get(&self, owner: Owner<'_>) -> Result<Option<SealedTokens>, Error> {
        read(&self.client, &self.table, owner.pk(), WHAT).await
    }

    /// Opens the access token.
    ///
    /// # Errors
    /// As [`Sealer::open`]; [`Error::Corrupt`] if it cannot stand in a header.
    pub async fn open_access(
        &self,
        owner: Owner<'_>,
        sealed: &SealedTokens,
    ) -> Result<BearerToken, Error> {
        let place = owner.place("access_token", sealed.version);
        let opened = self.sealer.open(place, &sealed.data_key, &sealed.access).await?;
        BearerToken::try_from(opened).map_err(|error| Error::corrupt("access token", error))
    }

    /// Whether tokens under the data key of this pair can be opened without a question to KMS.
    pub(crate) async fn opens(&self, owner: Owner<'_>, data_key: &[u8]) -> bool {
        self.sealer.opens(owner.integration, data_key).await
    }

    /// Opens the refresh token.
    ///
    /// # Errors
    /// As [`Sealer::open`].
    pub(crate) async fn open_refresh(
        &self,
        owner: Owner<'_>,
        sealed: &SealedTokens,
    ) -> Result<SecretString, Error> {
        let place = owner.place("refresh_token", sealed.version);
        self.sealer.open(place, &sealed.data_key, &sealed.refresh).await
    }

    /// Seals both tokens under one data key.
    async fn seal(
        &self,
        owner: Owner<'_>,
        version: u64,
        pair: &TokenPair<'_>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<SealedPair, Error> {
        let key = self.sealer.data_key(owner.integration, 2).await?;
        Ok(SealedPair {
            access: key.seal(owner.place("access_token", version), pair.access.secret(), rng)?,
            refresh: key.seal(owner.place("refresh_token", version), pair.refresh, rng)?,
            data_key: key.into_wrapped(),
        })
    }

    /// Stores a renewed pair over the version that was read, if that is still the current one and no later lease stored
    /// another (step 4 of the protocol).
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB or KMS is.
    pub(crate) async fn replace(
        &self,
        owner: Owner<'_>,
        read: &SealedTokens,
        fence: u64,
        pair: &TokenPair<'_>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<StoreOutcome, Error> {
        let version = read.version + 1;
        let SealedPair { access, refresh, data_key } = self.seal(owner, version, pair, rng).await?;
        let update = Write::update(&self.table, owner.pk())
            .when("version", Condition::Is(n(read.version)))
            .when("fence", Condition::Below(n(fence)))
            .set("data_key", AttributeValue::B(Blob::new(data_key)))
            .set("access", AttributeValue::B(Blob::new(access)))
            .set("refresh", AttributeValue::B(Blob::new(refresh)))
            .set("version", n(version))
            .set("fence", n(fence))
            .set("access_expires_at", n(pair.access_expires_at.as_second()));
        // Our own fence in the item is that of an earlier attempt, whose reply was lost.
        let is_own = |item: &Item| item.get("fence") == Some(&n(fence));
        Ok(if update.send(&self.client).await?.is_written_or(is_own) {
            StoreOutcome::Stored
        } else {
            StoreOutcome::Superseded
        })
    }
}

/// The key of a grant's item, for transactions.
pub(crate) fn pk(connection: &ConnectionId, grant: &GrantId) -> String {
    format!("{connection}#{grant}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use ground::clock::{Clock as _, SystemClock};
    use ground::random::Random;

    use super::*;

    /// The bytes of a data key as KMS wraps it, and of the tokens that Entra issues for Azure DevOps.
    const WRAPPED: usize = 184;
    const ACCESS: usize = 2200;
    const REFRESH: usize = 1500;
    /// What sealing adds to a text: format, nonce and tag.
    const SEAL: usize = 1 + 12 + 16;

    #[test]
    fn an_item_is_one_read_unit_and_four_write_units() {
        let (now, rng) = (SystemClock.now(), &mut Random::System);
        let (connection, grant) = (ConnectionId::mint(now, rng), GrantId::mint(now, rng));
        let tokens = SealedTokens {
            pk: pk(&connection, &grant),
            data_key: vec![0; WRAPPED],
            access: vec![0; ACCESS + SEAL],
            refresh: vec![0; REFRESH + SEAL],
            version: 1_000_000,
            fence: 1_000_000,
            access_expires_at: now.as_second(),
            expires_at: None,
        };
        // "DynamoDB item sizes and formats": names, and values; a number has at most 21 bytes.
        let bytes = |value: &AttributeValue| match value {
            AttributeValue::S(text) => text.len(),
            AttributeValue::B(bytes) => bytes.as_ref().len(),
            AttributeValue::N(digits) => digits.len().div_ceil(2) + 1,
            _ => 1,
        };
        let item = to_item(WHAT, &tokens).unwrap();
        let size: usize = item.iter().map(|(name, value)| name.len() + bytes(value)).sum();
        assert!(size <= 4096, "{size} bytes");
    }
}
