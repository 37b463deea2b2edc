//! The first operator key: made by the stack in Secrets Manager, so that there is a key to make
//! the others with. The secret's value is the key itself.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use entra::clock::Clock;
use jiff::Timestamp;
use secrecy::SecretString;
use tokio::sync::Mutex;

use crate::Error;
use crate::secret_token::SecretHash;

/// How long the key is remembered before Secrets Manager is asked again.
const CACHED_FOR: Duration = Duration::from_mins(5);

/// Compares presented keys with the operator key.
#[derive(Clone)]
pub struct OperatorKey {
    client: Client,
    secret_name: String,
    clock: Arc<dyn Clock>,
    cached: Arc<Mutex<Option<(Timestamp, SecretHash)>>>,
}

impl OperatorKey {
    /// Reads nothing yet; the secret is fetched when a key is first compared with it.
    pub fn new(client: Client, secret_name: String, clock: Arc<dyn Clock>) -> Self {
        Self { client, secret_name, clock, cached: Arc::default() }
    }

    /// Whether `key` is the operator key, compared in constant time.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the secret cannot be read and none was read in the last five minutes.
    pub async fn matches(&self, key: &SecretString) -> Result<bool, Error> {
        self.matches_hash(&SecretHash::of(key)).await
    }

    /// The same for a key of which only the hash is known.
    ///
    /// # Errors
    /// As [`Self::matches`].
    pub async fn matches_hash(&self, key: &SecretHash) -> Result<bool, Error> {
        let mut cached = self.cached.lock().await;
        let now = self.clock.now();
        if let Some((read_at, hash)) = cached.as_ref()
            && now.duration_since(*read_at).unsigned_abs() < CACHED_FOR
        {
            return Ok(hash.is(key));
        }
        let hash = SecretHash::of(&self.read().await?);
        let matches = hash.is(key);
        *cached = Some((now, hash));
        Ok(matches)
    }

    async fn read(&self) -> Result<SecretString, Error> {
        let answer = self
            .client
            .get_secret_value()
            .secret_id(&self.secret_name)
            .send()
            .await
            .map_err(|e| Error::sdk("secretsmanager", "GetSecretValue", &e))?;
        answer
            .secret_string
            .map(SecretString::from)
            .ok_or_else(|| Error::corrupt("operator key", "the secret has no text value"))
    }
}
