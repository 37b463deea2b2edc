//! The first operator key, which makes the others. The stack creates it in Secrets Manager; the secret's value is the
//! key itself.

use std::sync::Arc;

use aws_sdk_secretsmanager::Client;
use ground::clock::Clock;
use ground::remembered::Remembered;
use jiff::SignedDuration;
use secrecy::SecretString;

use crate::Error;
use crate::secret_token::SecretHash;

/// How long the key is cached.
const FRESH_FOR: SignedDuration = SignedDuration::from_mins(5);

/// Compares presented keys with the operator key.
#[derive(Clone)]
pub struct OperatorKey {
    client: Client,
    secret_name: String,
    remembered: Remembered<(), SecretHash>,
}

impl OperatorKey {
    /// Reads the secret only when a key is first compared with it.
    pub fn new(client: Client, secret_name: String, clock: Arc<dyn Clock>) -> Self {
        Self { client, secret_name, remembered: Remembered::new(clock, FRESH_FOR) }
    }

    /// Whether this is the hash of the operator key, compared in constant time.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the secret cannot be read and none was read in the last five minutes.
    pub async fn matches(&self, key: &SecretHash) -> Result<bool, Error> {
        let read = || async { Ok(SecretHash::of(&self.read().await?)) };
        Ok(self.remembered.get(&(), read).await?.is(key))
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
