//! API keys: `adoc_<id>_<secret>`. The table holds only the secret's SHA-256.

use std::str::FromStr;

use aws_sdk_dynamodb::Client;
use jiff::Timestamp;
use rand::CryptoRng;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::ids::{ApiKeyId, IntegrationId};
use crate::integrations::{self, Integrations};
use crate::secret_token::{self, SecretHash};
use crate::table::{Condition, Transaction, Write, put_new, read, s, scan, to_item, transact};

const PREFIX: &str = "api_key#";
pub(crate) const WHAT: &str = "API key";
/// The word in place of the id in an operator key that the stack mints.
const OPERATOR: &str = "operator";

/// The rights of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Role {
    /// Configures integrations and keys.
    Operator,
    /// Connects users and calls Azure DevOps for them.
    Application,
}

/// A key without its secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ApiKey {
    /// The public half.
    pub id: ApiKeyId,
    /// The operator's name for it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The only integration it may be used for, if limited to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub integration: Option<IntegrationId>,
    /// When that integration was created. A later integration with the same id is a different one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integration_created_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it expires, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The time until which calls with this key are counted before they are sent, because too many were under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls_counted_until: Option<Timestamp>,
}

/// The properties of a key to be made.
#[derive(Debug, Clone)]
pub struct ApiKeyRequest {
    /// The operator's name for it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The only integration it may be used for, if limited to one.
    pub integration: Option<IntegrationId>,
    /// When it expires, if it does.
    pub expires_at: Option<Timestamp>,
}

impl ApiKey {
    /// Whether it has not expired.
    pub fn works(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| end > now)
    }
}

/// A new key. Its secret is shown once and never again.
#[derive(Debug)]
pub struct NewApiKey {
    /// The key's description.
    pub description: ApiKey,
    /// The whole key.
    pub key: SecretString,
}

/// A key with the hash of its secret, as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StoredKey {
    pk: String,
    secret_hash: SecretHash,
    /// The key's description.
    #[serde(flatten)]
    pub key: ApiKey,
}

impl StoredKey {
    /// Returns the key if it is the one that was presented, and works.
    pub fn accept(self, presented: &Presented, now: Timestamp) -> Option<ApiKey> {
        let is_same = self.key.id == presented.id && self.secret_hash.matches(&presented.secret);
        (is_same && self.key.works(now)).then_some(self.key)
    }
}

/// An API key as a caller presents it: its public half, and its secret.
#[derive(Debug)]
pub struct Presented {
    /// The public half.
    pub id: ApiKeyId,
    secret: SecretString,
}

impl Presented {
    /// Returns `None` if the text does not have the form of our API keys. A key is looked up and compared with no other
    /// secret.
    pub fn parse(text: &SecretString) -> Option<Self> {
        let (id, secret) = text.expose_secret().strip_prefix("adoc_")?.split_once('_')?;
        if id == OPERATOR {
            return None;
        }
        let id = ApiKeyId::from_str(id).ok()?;
        Some(Self { id, secret: SecretString::from(secret) })
    }
}

pub(crate) fn pk(id: &ApiKeyId) -> String {
    format!("{PREFIX}{id}")
}

/// The API keys of the deployment, in the table `integrations`.
#[derive(Debug, Clone)]
pub struct ApiKeys {
    client: Client,
    table: String,
}

impl ApiKeys {
    /// Keys in the given table.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Makes a key. Returns `None` if the integration that it is bound to does not exist, or is deleted meanwhile.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is; [`Error::Corrupt`] for an unreadable integration.
    pub async fn create(
        &self,
        request: ApiKeyRequest,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Option<NewApiKey>, Error> {
        let id = ApiKeyId::mint(rng);
        let secret = secret_token::mint(rng);
        let key = SecretString::from(format!("adoc_{id}_{}", secret.expose_secret()));
        let ApiKeyRequest { name, role, integration, expires_at } = request;
        let integration_created_at = match &integration {
            None => None,
            Some(id) => match self.integrations().get(id).await? {
                Some(integration) => Some(integration.created_at),
                None => return Ok(None),
            },
        };
        let description = ApiKey {
            id,
            name,
            role,
            integration,
            integration_created_at,
            created_at: now,
            expires_at,
            calls_counted_until: None,
        };
        let record = StoredKey {
            pk: pk(&description.id),
            secret_hash: SecretHash::of(&secret),
            key: description,
        };
        let is_made = self.put(&record).await?;
        Ok(is_made.then_some(NewApiKey { description: record.key, key }))
    }

    /// Stores a new key, if the integration that it is bound to is still the one that was read.
    async fn put(&self, record: &StoredKey) -> Result<bool, Error> {
        let ApiKey { integration, integration_created_at, .. } = &record.key;
        let (Some(integration), Some(created_at)) = (integration, integration_created_at) else {
            put_new(&self.client, &self.table, WHAT, record).await?;
            return Ok(true);
        };
        let new = Write::put(&self.table, to_item(WHAT, record)?).when("pk", Condition::Absent);
        let same = Write::update(&self.table, integrations::key(integration))
            .when("created_at", Condition::Is(s(created_at.to_string())));
        let writes = vec![same.in_transaction()?, new.in_transaction()?];
        let done = transact(&self.client, writes).await?;
        Ok(matches!(done, Transaction::Done))
    }

    fn integrations(&self) -> Integrations {
        Integrations::new(self.client.clone(), self.table.clone())
    }

    /// The keys that are bound to an integration.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub async fn list_of(&self, integration: &IntegrationId) -> Result<Vec<ApiKey>, Error> {
        let keys = self.list().await?.into_iter();
        Ok(keys.filter(|key| key.integration.as_ref() == Some(integration)).collect())
    }

    /// All keys, without their secrets.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is; [`Error::Corrupt`] for an unreadable item.
    pub async fn list(&self) -> Result<Vec<ApiKey>, Error> {
        let records: Vec<StoredKey> = scan(&self.client, &self.table, PREFIX, WHAT).await?;
        let mut keys: Vec<_> = records.into_iter().map(|record| record.key).collect();
        keys.sort_by(|a, b| a.created_at.cmp(&b.created_at).then_with(|| a.id.cmp(&b.id)));
        Ok(keys)
    }

    /// Deletes a key, with immediate effect. Returns whether there was one.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn delete(&self, id: &ApiKeyId) -> Result<bool, Error> {
        Write::delete(&self.table, pk(id)).attempt(&self.client).await
    }

    /// Records the time until which calls with a key are counted before they are sent, unless the key is deleted.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn record_calls_counted(&self, id: &ApiKeyId, until: Timestamp) -> Result<(), Error> {
        let update = Write::update(&self.table, pk(id))
            .when("pk", Condition::Exists)
            .set("calls_counted_until", s(until.to_string()));
        update.attempt(&self.client).await.map(drop)
    }

    /// Returns the key that was presented, or `None` if it is not a valid key of ours. Reads the table each time, so that
    /// a deleted key is refused from the next request on.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn authenticate(
        &self,
        presented: &Presented,
        now: Timestamp,
    ) -> Result<Option<ApiKey>, Error> {
        let stored = self.stored(&presented.id).await?;
        Ok(stored.and_then(|stored| stored.accept(presented, now)))
    }

    /// The key with this id, unless it is deleted or expired.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn working(&self, id: &ApiKeyId, now: Timestamp) -> Result<Option<ApiKey>, Error> {
        Ok(self.stored(id).await?.map(|stored| stored.key).filter(|key| key.works(now)))
    }

    /// The key with this id, which may have expired.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn stored(&self, id: &ApiKeyId) -> Result<Option<StoredKey>, Error> {
        read(&self.client, &self.table, pk(id), WHAT).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_text_of_the_form_of_our_keys_is_looked_up() {
        let presented = Presented::parse(&"adoc_0a1b_s-e_cret".into()).unwrap();
        assert_eq!((presented.id.as_str(), presented.secret.expose_secret()), ("0a1b", "s-e_cret"));
        for bad in ["", "adoc_", "adoc_x", "adoc_A1_s", "adoc__s", "xadoc_1_s", "adoc_operator_s"] {
            assert!(Presented::parse(&bad.to_owned().into()).is_none(), "{bad:?}");
        }
    }
}
