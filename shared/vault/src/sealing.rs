//! Encryption of the tokens before they are stored in DynamoDB.
//!
//! ```text
//! format (1 byte) | nonce (12) | ciphertext | tag (16)
//! ```
//!
//! The values of an item share one data key, which is stored beside them as KMS wrapped it: it has 184 bytes, and with
//! one for each value an item would have more than DynamoDB's 4 kB of a read unit.
//!
//! Values are sealed with AES-256-GCM under a data key that KMS generates for the integration, and binds to it by the
//! encryption context. The additional data names the integration, the connection, the grant, the field and the version,
//! so a ciphertext does not open if it was copied elsewhere, or if it is an older one put back.
//!
//! AWS advises caution with cached data keys. They are cached, because that keeps KMS (its latency, outages and bill) out of
//! almost every request; they are in process memory only and are wiped on drop. A key seals for an hour or 2^20 values. It
//! opens for five minutes; then KMS is asked again, so that a disabled KMS key soon opens nothing. While KMS does not
//! answer, an opened key is used for up to an hour, so that calls go on during its outage.
//!
//! Where the KMS key was replaced, the values under the former one are still opened. They are sealed under the current one
//! when they are written next.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_sdk_kms::Client;
use aws_sdk_kms::error::ProvideErrorMetadata as _;
use aws_sdk_kms::operation::decrypt::DecryptError;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;
use ground::clock::Clock;
use ground::remembered::{AskError, Remembered};
use jiff::{SignedDuration, Timestamp};
use rand::CryptoRng;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use crate::Error;
use crate::ids::{ConnectionId, GrantId, IntegrationId};

const FORMAT: u8 = 2;
const NONCE_BYTES: usize = 12;
/// The age at which a data key for sealing is replaced.
const KEY_LIFETIME: Duration = Duration::from_hours(1);
/// The age at which KMS is asked again for a data key for opening.
const OPENED_FOR: SignedDuration = SignedDuration::from_mins(5);
/// The age up to which one is used while KMS does not answer.
const OPENED_FOR_IN_AN_OUTAGE: SignedDuration = SignedDuration::from_hours(1);
/// The time between two questions to a KMS that does not answer.
const ASKED_AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(10);
/// The number of seals after which a data key is replaced; far below AES-GCM's limit for random nonces.
const KEY_SEALS: u32 = 1 << 20;

/// Where a sealed value belongs: the additional data of its encryption.
#[derive(Debug, Clone, Copy)]
pub struct SealingContext<'a> {
    /// The integration, which has the data key.
    pub integration: &'a IntegrationId,
    /// The connection.
    pub connection: &'a ConnectionId,
    /// The authorization that the tokens come from.
    pub grant: &'a GrantId,
    /// The name of the field.
    pub field: &'static str,
    /// The version of the tokens.
    pub version: u64,
}

/// An AES-256 key, wiped from memory on drop.
type KeyBytes = Zeroizing<[u8; 32]>;

struct SealingKey {
    key: KeyBytes,
    wrapped: Vec<u8>,
    made_at: Timestamp,
    seals: u32,
}

/// A data key in use for the values of one item.
pub struct DataKey {
    key: KeyBytes,
    wrapped: Vec<u8>,
}

/// Opened data keys by integration and wrapped key: KMS must see (and refuse) a key that was moved to another integration.
type OpeningKeys = Remembered<(IntegrationId, Vec<u8>), KeyBytes>;

/// Seals and opens values with data keys from KMS.
#[derive(Clone)]
pub struct Sealer {
    kms: Client,
    key_id: String,
    former_key_id: Option<String>,
    clock: Arc<dyn Clock>,
    sealing: Arc<Mutex<HashMap<IntegrationId, SealingKey>>>,
    opening: OpeningKeys,
}

impl Sealer {
    /// A sealer whose data keys are wrapped by the KMS key `key_id` (an id, ARN or alias).
    pub fn new(kms: Client, key_id: String, clock: Arc<dyn Clock>) -> Self {
        let opening = Remembered::new(Arc::clone(&clock), OPENED_FOR)
            .or_stale(OPENED_FOR_IN_AN_OUTAGE, ASKED_AGAIN_AFTER);
        Self { kms, key_id, former_key_id: None, clock, sealing: Arc::default(), opening }
    }

    /// Opens values under a former KMS key, too.
    #[must_use]
    pub fn also_opening(mut self, former_key_id: Option<String>) -> Self {
        self.former_key_id = former_key_id;
        self
    }

    /// Opens a value that was sealed for exactly this context under the data key `wrapped`.
    ///
    /// # Errors
    /// [`Error::Unsealable`] when it was altered or belongs elsewhere; [`Error::Unavailable`] when KMS
    /// is needed and does not answer.
    pub async fn open(
        &self,
        context: SealingContext<'_>,
        wrapped: &[u8],
        sealed: &[u8],
    ) -> Result<SecretString, Error> {
        let unsealable = || Error::Unsealable { field: context.field };
        let (nonce, ciphertext) = split(sealed).ok_or_else(unsealable)?;
        let key = self.opening_key(context, wrapped).await?;
        let mut text = Zeroizing::new(ciphertext.to_vec());
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| unsealable())?;
        let opened = cipher(&key)?
            .open_in_place(nonce, Aad::from(additional_data(context)), &mut text)
            .map_err(|_| unsealable())?;
        let text = std::str::from_utf8(opened).map_err(|_| unsealable())?;
        Ok(SecretString::from(text))
    }

    /// Whether values under the data key `wrapped` are opened without a question to KMS, because that was answered within
    /// the last five minutes.
    pub async fn opens(&self, integration: &IntegrationId, wrapped: &[u8]) -> bool {
        self.opening.known(&(integration.clone(), wrapped.to_vec())).await.is_some()
    }

    /// Returns a data key for the values of one item of an integration; `seals` is their number.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when a data key is needed and KMS does not answer.
    pub async fn data_key(
        &self,
        integration: &IntegrationId,
        seals: u32,
    ) -> Result<DataKey, Error> {
        let mut keys = self.sealing.lock().await;
        let now = self.clock.now();
        if let Some(entry) = keys.get_mut(integration)
            && now.duration_since(entry.made_at).unsigned_abs() < KEY_LIFETIME
            && entry.seals.saturating_add(seals) <= KEY_SEALS
        {
            entry.seals += seals;
            return Ok(DataKey { key: entry.key.clone(), wrapped: entry.wrapped.clone() });
        }
        let answer = self
            .kms
            .generate_data_key()
            .key_id(&self.key_id)
            .key_spec(DataKeySpec::Aes256)
            .encryption_context("ado-connect:integration", integration.as_str())
            .encryption_context("ado-connect:purpose", "tokens")
            .send()
            .await
            .map_err(|e| Error::sdk("kms", "GenerateDataKey", &e))?;
        let key = key_bytes(answer.plaintext)?;
        let wrapped = answer
            .ciphertext_blob
            .ok_or_else(|| Error::corrupt("data key", "KMS sent no wrapped key"))?
            .into_inner();
        let entry = SealingKey { key: key.clone(), wrapped: wrapped.clone(), made_at: now, seals };
        keys.insert(integration.clone(), entry);
        Ok(DataKey { key, wrapped })
    }

    async fn opening_key(
        &self,
        context: SealingContext<'_>,
        wrapped: &[u8],
    ) -> Result<KeyBytes, Error> {
        let key = (context.integration.clone(), wrapped.to_vec());
        self.opening.get(&key, || self.unwrapped(context, wrapped)).await
    }

    /// Asks KMS for a data key, under the current KMS key or the former one.
    async fn unwrapped(
        &self,
        context: SealingContext<'_>,
        wrapped: &[u8],
    ) -> Result<KeyBytes, AskError<Error>> {
        for key_id in [Some(&self.key_id), self.former_key_id.as_ref()].into_iter().flatten() {
            let asked = self
                .kms
                .decrypt()
                .key_id(key_id)
                .ciphertext_blob(Blob::new(wrapped))
                .encryption_context("ado-connect:integration", context.integration.as_str())
                .encryption_context("ado-connect:purpose", "tokens");
            let error = match asked.send().await {
                Ok(answer) => return key_bytes(answer.plaintext).map_err(AskError::Final),
                Err(error) => error,
            };
            match error.as_service_error() {
                Some(refused) if refused.is_incorrect_key_exception() => {}
                Some(refused) if refused.is_invalid_ciphertext_exception() => break,
                refused => {
                    let does_not_answer = refused.is_none_or(does_not_answer);
                    let error = Error::sdk("kms", "Decrypt", &error);
                    return Err(if does_not_answer {
                        AskError::Unavailable(error)
                    } else {
                        AskError::Final(error)
                    });
                }
            }
        }
        Err(AskError::Final(Error::Unsealable { field: context.field }))
    }
}

/// Whether KMS failed to decide. The refusal of a disabled key, a key to be deleted or a forbidden one is a decision.
fn does_not_answer(error: &DecryptError) -> bool {
    error.is_dependency_timeout_exception()
        || error.is_key_unavailable_exception()
        || error.is_kms_internal_exception()
        || error.code().is_some_and(|code| {
            code.contains("Throttling") || ["InternalFailure", "ServiceUnavailable"].contains(&code)
        })
}

impl DataKey {
    /// Seals `secret` for its context.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it is too long.
    pub fn seal(
        &self,
        context: SealingContext<'_>,
        secret: &SecretString,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Vec<u8>, Error> {
        let mut nonce = [0; NONCE_BYTES];
        rng.fill_bytes(&mut nonce);
        let mut text = secret.expose_secret().as_bytes().to_vec();
        let sealed = cipher(&self.key)?.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(additional_data(context)),
            &mut text,
        );
        sealed.map_err(|_| Error::corrupt(context.field, "too long to seal"))?;
        Ok([&[FORMAT][..], &nonce, &text].concat())
    }

    /// Returns the key as KMS wrapped it, to be stored beside the sealed values.
    pub fn into_wrapped(self) -> Vec<u8> {
        self.wrapped
    }
}

fn key_bytes(plaintext: Option<Blob>) -> Result<KeyBytes, Error> {
    let bytes = Zeroizing::new(plaintext.map(Blob::into_inner).unwrap_or_default());
    let key: [u8; 32] = bytes
        .as_slice()
        .try_into()
        .map_err(|_| Error::corrupt("data key", "KMS sent a key that is not 32 bytes"))?;
    Ok(Zeroizing::new(key))
}

fn cipher(key: &KeyBytes) -> Result<LessSafeKey, Error> {
    UnboundKey::new(&AES_256_GCM, key.as_slice())
        .map(LessSafeKey::new)
        .map_err(|_| Error::corrupt("data key", "not an AES-256 key"))
}

fn split(sealed: &[u8]) -> Option<(&[u8], &[u8])> {
    let (format, rest) = sealed.split_first()?;
    let (nonce, ciphertext) = rest.split_at_checked(NONCE_BYTES)?;
    (*format == FORMAT).then_some((nonce, ciphertext))
}

/// Length-prefixed parts, so that different contexts give different bytes.
fn additional_data(context: SealingContext<'_>) -> Vec<u8> {
    let version = context.version.to_string();
    let parts = [
        "ado-connect sealed value 2",
        context.integration.as_str(),
        context.connection.as_str(),
        context.grant.as_str(),
        context.field,
        &version,
    ];
    let mut data = Vec::new();
    for part in parts {
        data.extend_from_slice(&(part.len() as u64).to_be_bytes());
        data.extend_from_slice(part.as_bytes());
    }
    data
}

#[cfg(test)]
mod tests {
    use aws_sdk_kms::error::ErrorMetadata;
    use aws_sdk_kms::types::error::{
        DependencyTimeoutException, DisabledException, KeyUnavailableException,
        KmsInternalException, NotFoundException,
    };

    use super::*;

    #[test]
    fn data_keys_are_wiped_on_drop() {
        fn is_wiped<T: zeroize::ZeroizeOnDrop>() {}
        is_wiped::<KeyBytes>();
    }

    /// An error that KMS has no type for, with this code.
    fn coded(code: &str) -> DecryptError {
        DecryptError::generic(ErrorMetadata::builder().code(code).build())
    }

    #[test]
    fn a_kms_that_fails_to_decide_is_an_outage() {
        for failure in [
            DecryptError::DependencyTimeoutException(DependencyTimeoutException::builder().build()),
            DecryptError::KeyUnavailableException(KeyUnavailableException::builder().build()),
            DecryptError::KmsInternalException(KmsInternalException::builder().build()),
            coded("ThrottlingException"),
            coded("InternalFailure"),
            coded("ServiceUnavailable"),
        ] {
            assert!(does_not_answer(&failure), "{failure:?}");
        }
    }

    #[test]
    fn a_refusal_of_kms_is_no_outage() {
        for refusal in [
            DecryptError::DisabledException(DisabledException::builder().build()),
            DecryptError::NotFoundException(NotFoundException::builder().build()),
            coded("AccessDeniedException"),
        ] {
            assert!(!does_not_answer(&refusal), "{refusal:?}");
        }
    }
}
