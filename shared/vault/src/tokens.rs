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
        let sealed = SealedTokens {
            pk: owner.pk(),
            access: self
                .sealer
                .seal(owner.place("access_token", 1), pair.access.secret(), rng)
                .await?,
            refresh: self.sealer.seal(owner.place("refresh_token", 1), pair.refresh, rng).await?,
            version: 1,
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
        let opened = self.sealer.open(place, &sealed.access).await?;
        BearerToken::try_from(opened).map_err(|error| Error::corrupt("access token", error))
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
        self.sealer.open(owner.place("refresh_token", sealed.version), &sealed.refresh).await
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
        let access = self
            .sealer
            .seal(owner.place("access_token", version), pair.access.secret(), rng)
            .await?;
        let refresh =
            self.sealer.seal(owner.place("refresh_token", version), pair.refresh, rng).await?;
        let update = Write::update(&self.table, owner.pk())
            .when("version", Condition::Is(n(read.version)))
            .when("fence", Condition::Below(n(fence)))
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
