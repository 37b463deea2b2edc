//! A pass as it is stored, and how a presented credential relates to it.

use jiff::{SignedDuration, Timestamp};
use oauth::pass::{Credential, Pair, PassId, TurnSalt};
use oauth::pkce::CodeChallenge;
use oauth::scope::Scope;
use serde::{Deserialize, Serialize};

use crate::ids::{ConnectionId, IntegrationId};
use crate::secret_token::SecretHash;

/// The lifetime of a code.
pub const CODE_LIFETIME: SignedDuration = SignedDuration::from_secs(60);
/// The lifetime of an access token.
pub const ACCESS_LIFETIME: SignedDuration = SignedDuration::from_hours(1);
/// The lifetime of a refresh token.
pub const REFRESH_LIFETIME: SignedDuration = SignedDuration::from_hours(90 * 24);
/// The time for which the last refresh token yields its pair again, and the last access token stays valid: an answer was
/// lost, or two processes of a client were equally fast.
pub const GRACE: SignedDuration = SignedDuration::from_secs(60);

/// A credential in the light of its pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It turns the pass.
    Current,
    /// It has just turned the pass.
    Repeated,
    /// It has turned the pass, and only a copy is presented again.
    Copied,
    /// It says nothing.
    Unknown,
}

/// A pass without its credentials.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pass {
    /// Its id.
    pub id: PassId,
    /// The connection that it is for.
    pub connection: ConnectionId,
    /// The connection's integration, at whose endpoint alone it is valid.
    pub integration: IntegrationId,
    /// The client that has it.
    pub client_id: String,
    /// The client's own name for itself; empty if it has none.
    pub client_name: String,
    /// The address to which its code went.
    pub redirect_uri: String,
    /// What the client may do.
    pub scope: Scope,
    /// When the user signed in for it.
    #[serde(with = "crate::seconds::required")]
    pub created_at: Timestamp,
    /// When it was turned last; `None` until its code is used.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::seconds::optional")]
    pub turned_at: Option<Timestamp>,
}

/// The properties of a pass to be made, with the PKCE challenge of its code.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewPass {
    /// The client.
    pub client_id: String,
    /// The client's own name for itself; empty if it has none.
    pub client_name: String,
    /// The address to which the code goes.
    pub redirect_uri: String,
    /// What the client may do.
    pub scope: Scope,
    /// The challenge that the code's verifier must meet.
    pub challenge: CodeChallenge,
}

/// A pass as it was read, with the hashes of its credentials.
#[derive(Debug)]
pub struct StoredPass(pub(super) Record);

impl StoredPass {
    /// The pass.
    pub fn pass(&self) -> &Pass {
        &self.0.pass
    }

    /// Returns the kind of a code or refresh token of this pass: the newest one, or the last one before it. Others are
    /// forgotten.
    pub fn knows(&self, presented: &Credential) -> Option<Known<'_>> {
        let (hash, record) = (SecretHash::of(&presented.secret), &self.0);
        if record.current.is(&hash) {
            return Some(record.challenge.as_ref().map_or(Known::RefreshToken, Known::Code));
        }
        let is_last = record.previous.as_ref().is_some_and(|last| last.is(&hash));
        let last = if record.is_code_previous { Known::UsedCode } else { Known::RefreshToken };
        is_last.then_some(last)
    }

    /// Whether an access token of this pass is valid.
    pub fn takes_access(&self, presented: &Credential, now: Timestamp) -> bool {
        self.0.takes_access(&SecretHash::of(&presented.secret), now)
    }
}

/// The kinds of credentials that turn a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known<'a> {
    /// The code, with the challenge that its verifier must meet.
    Code(&'a CodeChallenge),
    /// The code, which was used already.
    UsedCode,
    /// A refresh token.
    RefreshToken,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pk: String,
    #[serde(flatten)]
    pub(super) pass: Pass,
    /// Present until the code is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    challenge: Option<CodeChallenge>,
    /// The code, or the newest refresh token.
    pub(super) current: SecretHash,
    /// The code or refresh token that turned the pass last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<SecretHash>,
    /// Whether `previous` is the code.
    #[serde(default)]
    is_code_previous: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    access: Option<SecretHash>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::seconds::optional")]
    access_until: Option<Timestamp>,
    /// The access token before the newest, valid for [`GRACE`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    access_before: Option<SecretHash>,
    #[serde(with = "crate::binary")]
    pub(super) salt: Vec<u8>,
    /// When the current code or refresh token expires, and the item with it.
    #[serde(with = "crate::seconds::required")]
    expires_at: Timestamp,
}

impl Record {
    pub(super) fn new(
        code: &Credential,
        new: &NewPass,
        connection: (&ConnectionId, &IntegrationId),
        now: Timestamp,
    ) -> Self {
        let (connection, integration) = connection;
        let pass = Pass {
            id: code.pass.clone(),
            connection: connection.clone(),
            integration: integration.clone(),
            client_id: new.client_id.clone(),
            client_name: new.client_name.clone(),
            redirect_uri: new.redirect_uri.clone(),
            scope: new.scope,
            created_at: now,
            turned_at: None,
        };
        Self {
            pk: pk(&code.pass),
            pass,
            challenge: Some(new.challenge.clone()),
            current: SecretHash::of(&code.secret),
            previous: None,
            is_code_previous: false,
            access: None,
            access_until: None,
            access_before: None,
            salt: TurnSalt::default().to_vec(),
            expires_at: now + CODE_LIFETIME,
        }
    }

    /// The pass after the current credential has derived `pair` with `salt`.
    pub(super) fn turned(&self, pair: &Pair, salt: TurnSalt, now: Timestamp) -> Self {
        Self {
            pass: Pass { turned_at: Some(now), ..self.pass.clone() },
            challenge: None,
            current: SecretHash::of(&pair.refresh.secret),
            previous: Some(self.current.clone()),
            is_code_previous: self.challenge.is_some(),
            access: Some(SecretHash::of(&pair.access.secret)),
            access_until: Some(now + ACCESS_LIFETIME),
            access_before: self.access.clone(),
            salt: salt.to_vec(),
            expires_at: now + REFRESH_LIFETIME,
            ..self.clone()
        }
    }

    pub(super) fn salt(&self) -> TurnSalt {
        self.salt.as_slice().try_into().unwrap_or_default()
    }

    pub(super) fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at <= now
    }

    pub(super) fn standing(&self, presented: &SecretHash, now: Timestamp) -> Standing {
        if self.current.is(presented) {
            return if self.is_expired(now) { Standing::Unknown } else { Standing::Current };
        }
        let is_previous = self.previous.as_ref().is_some_and(|previous| previous.is(presented));
        if !is_previous {
            return Standing::Unknown;
        }
        // A code has no grace (RFC 6749 section 4.1.2).
        let is_graced = !self.is_code_previous && self.has_just_turned(now);
        if is_graced { Standing::Repeated } else { Standing::Copied }
    }

    pub(super) fn takes_access(&self, presented: &SecretHash, now: Timestamp) -> bool {
        let is = |hash: &Option<SecretHash>| hash.as_ref().is_some_and(|hash| hash.is(presented));
        let is_newest = is(&self.access) && self.access_until.is_some_and(|until| until > now);
        is_newest || (is(&self.access_before) && self.has_just_turned(now))
    }

    /// A clock that is set back does not lengthen the grace.
    fn has_just_turned(&self, now: Timestamp) -> bool {
        let since = self.pass.turned_at.map(|at| now.duration_since(at).abs());
        since.is_some_and(|since| since < GRACE)
    }
}

pub(super) fn pk(id: &PassId) -> String {
    format!("pass#{id}")
}
