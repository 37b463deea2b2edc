//! The first operator key, which makes the others. The stack creates it in Secrets Manager; the secret's value is the
//! key itself.
//!
//! Unlike our API keys it is any text that an operator stores there, so it could be guessed. A short one is refused, and
//! nothing that is derived from it is stored: a portal session holds the version of the secret instead.

use std::sync::Arc;

use aws_sdk_secretsmanager::Client;
use ground::clock::Clock;
use ground::remembered::Remembered;
use jiff::SignedDuration;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::api_keys;
use crate::secret_token::SecretHash;

/// The fewest characters of an operator key that is accepted.
pub const SHORTEST: usize = 32;
/// How long the key is cached.
const FRESH_FOR: SignedDuration = SignedDuration::from_mins(5);

/// Secrets Manager's id of one version of the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyVersion(String);

/// The result of comparing a presented key with the operator key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// It is the operator key, in this version.
    Same(KeyVersion),
    /// It is not.
    Different,
    /// The stored key is not accepted from anybody.
    Unusable(Unusable),
}

/// The reasons why a stored operator key is not accepted. Each is the end of a sentence that begins with "The operator key".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It could be guessed.
    #[error("has fewer than {SHORTEST} characters")]
    Short,
    /// It would be looked up among the API keys.
    #[error("has the form of an API key")]
    LikeApiKey,
}

#[derive(Clone)]
enum Stored {
    Key(SecretHash, KeyVersion),
    Unusable(Unusable),
}

/// Compares presented keys with the operator key.
#[derive(Clone)]
pub struct OperatorKey {
    client: Client,
    secret_name: String,
    remembered: Remembered<(), Stored>,
}

impl OperatorKey {
    /// Reads the secret only when a key is first compared with it.
    pub fn new(client: Client, secret_name: String, clock: Arc<dyn Clock>) -> Self {
        Self { client, secret_name, remembered: Remembered::new(clock, FRESH_FOR) }
    }

    /// Compares a presented key with the operator key in constant time.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the secret cannot be read and none was read in the last five minutes.
    pub async fn compare(&self, presented: &SecretString) -> Result<Comparison, Error> {
        Ok(match self.stored().await? {
            Stored::Key(hash, version) if hash.matches(presented) => Comparison::Same(version),
            Stored::Key(..) => Comparison::Different,
            Stored::Unusable(why) => Comparison::Unusable(why),
        })
    }

    /// Whether this is the version of the operator key now, and the key is accepted.
    ///
    /// # Errors
    /// As [`Self::compare`].
    pub async fn is_current(&self, version: &KeyVersion) -> Result<bool, Error> {
        Ok(matches!(self.stored().await?, Stored::Key(_, current) if current == *version))
    }

    async fn stored(&self) -> Result<Stored, Error> {
        self.remembered.get(&(), || async { Ok(self.read().await?) }).await
    }

    async fn read(&self) -> Result<Stored, Error> {
        let answer = self
            .client
            .get_secret_value()
            .secret_id(&self.secret_name)
            .send()
            .await
            .map_err(|e| Error::sdk("secretsmanager", "GetSecretValue", &e))?;
        let corrupt = |reason| Error::corrupt("operator key", reason);
        let key = answer.secret_string.map(SecretString::from);
        let key = key.ok_or_else(|| corrupt("the secret has no text value"))?;
        let version = answer.version_id.ok_or_else(|| corrupt("the secret has no version"))?;
        Ok(match unusable(&key) {
            Some(why) => {
                tracing::error!(
                    "the operator key {why}: it is not accepted; store a longer random one"
                );
                Stored::Unusable(why)
            }
            None => Stored::Key(SecretHash::of(&key), KeyVersion(version)),
        })
    }
}

fn unusable(key: &SecretString) -> Option<Unusable> {
    if key.expose_secret().chars().count() < SHORTEST {
        return Some(Unusable::Short);
    }
    api_keys::Presented::parse(key).map(|_| Unusable::LikeApiKey)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_could_be_guessed_or_taken_for_another_is_not_accepted() {
        for (key, expected) in [
            ("", Some(Unusable::Short)),
            (&"k".repeat(31), Some(Unusable::Short)),
            (&"é".repeat(31), Some(Unusable::Short)),
            (&"k".repeat(32), None),
            ("adoc_operator_0123456789abcdef0123456789abcdef", None),
            ("adoc_0123456789abcdef_0123456789abcdef0123456789a", Some(Unusable::LikeApiKey)),
        ] {
            assert_eq!(unusable(&key.to_owned().into()), expected, "{key}");
        }
    }
}
