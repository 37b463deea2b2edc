//! Operators' sessions in the portal.
//!
//! A session ends after thirty minutes without a request, after twelve hours, when the operator signs out, and when its
//! key is deleted or changed (OWASP ASVS 7.3).

use jiff::{SignedDuration, Timestamp};
use rand::CryptoRng;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::Sessions;
use crate::Error;
use crate::ids::ApiKeyId;
use crate::operator_key::KeyVersion;
use crate::secret_token::{self, SecretHash};
use crate::table::{Condition, Write, n, put_new, read};

/// The time without a request after which a session ends.
pub const PORTAL_IDLE: SignedDuration = SignedDuration::from_mins(30);
/// The time after which every session ends.
pub const PORTAL_LIFETIME: SignedDuration = SignedDuration::from_hours(12);
/// A use is recorded at most this often.
const USE_IS_KNOWN_FOR: SignedDuration = SignedDuration::from_mins(1);

const WHAT: &str = "portal session";

/// The key that an operator signed in with.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PortalKey {
    /// An API key with the role of an operator.
    ApiKey(ApiKeyId),
    /// The stack's own operator key, by its version. A new key ends the sessions of the old one, and the version is no help
    /// in guessing the key.
    OperatorKey(KeyVersion),
}

/// The form that an operator was filling in when an earlier session ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Draft {
    /// The path of the page with the form.
    pub path: String,
    /// Its fields without secrets, as a browser sends them (`application/x-www-form-urlencoded`).
    pub fields: String,
}

/// A valid session.
#[derive(Debug)]
pub struct PortalSession {
    /// The key that it began with.
    pub key: PortalKey,
    /// The form that it continues with.
    pub draft: Option<Draft>,
}

#[derive(Serialize, Deserialize)]
struct Record {
    pk: String,
    key: PortalKey,
    draft: Option<Draft>,
    /// Seconds since 1970.
    used_at: i64,
    /// Seconds since 1970.
    expires_at: i64,
}

impl Sessions {
    /// Begins a session with a key, and a form to continue with. Returns the token for its cookie.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn begin_portal(
        &self,
        key: PortalKey,
        draft: Option<Draft>,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<SecretString, Error> {
        let token = secret_token::mint(rng);
        let record = Record {
            pk: row(&token),
            key,
            draft,
            used_at: now.as_second(),
            expires_at: (now + PORTAL_LIFETIME).as_second(),
        };
        put_new(&self.client, &self.table, WHAT, &record).await?;
        Ok(token)
    }

    /// Records a use of a session. Returns the session, or `None` if it has ended.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is; [`Error::Corrupt`] for an unreadable item.
    pub async fn use_portal(
        &self,
        token: &SecretString,
        now: Timestamp,
    ) -> Result<Option<PortalSession>, Error> {
        let pk = row(token);
        let record: Option<Record> = read(&self.client, &self.table, &pk, WHAT).await?;
        let now_s = now.as_second();
        let Some(record) = record.filter(|record| {
            record.expires_at > now_s && record.used_at + PORTAL_IDLE.as_secs() > now_s
        }) else {
            return Ok(None);
        };
        let session = PortalSession { key: record.key, draft: record.draft };
        if record.used_at + USE_IS_KNOWN_FOR.as_secs() > now_s {
            return Ok(Some(session));
        }
        // The condition keeps a session that was ended meanwhile from coming back.
        let update =
            Write::update(&self.table, pk).when("pk", Condition::Exists).set("used_at", n(now_s));
        Ok(update.attempt(&self.client).await?.then_some(session))
    }

    /// Removes the form from a session, because it was saved.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn drop_draft(&self, token: &SecretString) -> Result<(), Error> {
        let update =
            Write::update(&self.table, row(token)).when("pk", Condition::Exists).remove("draft");
        update.attempt(&self.client).await.map(drop)
    }

    /// Ends a session at once. Returns whether there was one.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn end_portal(&self, token: &SecretString) -> Result<bool, Error> {
        Write::delete(&self.table, row(token)).attempt(&self.client).await
    }
}

fn row(token: &SecretString) -> String {
    format!("portal#{}", SecretHash::of(token).as_str())
}
