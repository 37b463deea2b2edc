//! Access tokens that this process has opened, so that a warm call neither reads the table `tokens` nor decrypts.
//!
//! The connection's item is read for each call and shows the version that counts: after a disconnect there is no item,
//! after a reconnect it names another grant, and after a renewal a higher version. A token is used for as long as its data
//! key opens others, so that a disabled KMS key soon stops it, too, and dropped after five minutes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ground::bearer_token::BearerToken;
use jiff::{SignedDuration, Timestamp};

use super::access_token::AccessToken;
use crate::connections::Connection;
use crate::ids::{ConnectionId, GrantId};
use crate::schedule::EXPIRY_MARGIN;
use crate::tokens::Owner;

/// The longest time for which an opened token is kept.
const KEPT_FOR: SignedDuration = SignedDuration::from_mins(5);
/// The most tokens that are kept. Beyond it, the one that was opened first is dropped.
const MOST: usize = 1000;

/// The opened tokens. Clones share them.
#[derive(Clone, Default)]
pub(super) struct OpenedTokens(Arc<Mutex<HashMap<ConnectionId, Opened>>>);

/// The properties of the token that a connection's item shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    version: u64,
    expires_at: Timestamp,
}

impl Shown {
    /// Returns `None` for a connection that an older release wrote.
    pub(super) fn by(connection: &Connection) -> Option<Self> {
        Some(Self { version: connection.token_version?, expires_at: connection.token_expires_at? })
    }
}

/// A token, wiped on drop.
#[derive(Clone)]
pub(super) struct Opened {
    grant: GrantId,
    version: u64,
    bearer: BearerToken,
    expires_at: Timestamp,
    since: Timestamp,
    /// The data key that opened it, as KMS wrapped it.
    pub(super) wrapped: Vec<u8>,
}

impl OpenedTokens {
    /// Returns the token of a grant, if it has the version that its connection shows, or a newer one, and neither of the two
    /// shows that it expires soon.
    pub(super) fn find(&self, owner: Owner<'_>, shown: Shown, now: Timestamp) -> Option<Opened> {
        let opened = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = opened.get(owner.connection)?;
        let is_usable = found.grant == *owner.grant
            && found.version >= shown.version
            && found.expires_at.min(shown.expires_at) > now + EXPIRY_MARGIN
            && found.is_recent(now);
        is_usable.then(|| found.clone())
    }

    /// Keeps a token that was opened with this data key, as KMS wrapped it.
    pub(super) fn keep(
        &self,
        owner: Owner<'_>,
        token: &AccessToken,
        wrapped: &[u8],
        now: Timestamp,
    ) {
        let kept = Opened {
            grant: owner.grant.clone(),
            version: token.version,
            bearer: token.bearer.clone(),
            expires_at: token.expires_at,
            since: now,
            wrapped: wrapped.to_vec(),
        };
        let mut opened = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        opened.retain(|_, other| other.is_recent(now) && other.expires_at > now);
        if opened.len() >= MOST
            && let Some(first) =
                opened.iter().min_by_key(|(_, other)| other.since).map(|(id, _)| id.clone())
        {
            opened.remove(&first);
        }
        opened.insert(owner.connection.clone(), kept);
    }
}

impl Opened {
    /// Of a clock that was set back, no token is recent.
    fn is_recent(&self, now: Timestamp) -> bool {
        let age = now.duration_since(self.since);
        age >= SignedDuration::ZERO && age < KEPT_FOR
    }

    pub(super) fn into_token(self) -> AccessToken {
        let Self { bearer, version, expires_at, .. } = self;
        AccessToken { bearer, version, expires_at, renewed: false }
    }
}

#[cfg(test)]
mod tests {
    use ground::random::Random;
    use secrecy::{ExposeSecret as _, SecretString};

    use super::*;
    use crate::ids::IntegrationId;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn minutes(minutes: i64) -> SignedDuration {
        SignedDuration::from_mins(minutes)
    }

    fn token(version: u64, expires_at: Timestamp) -> AccessToken {
        let bearer = SecretString::from(format!("token-{version}")).try_into().unwrap();
        AccessToken { bearer, version, expires_at, renewed: true }
    }

    struct Named {
        integration: IntegrationId,
        connection: ConnectionId,
        grant: GrantId,
    }

    impl Named {
        fn new() -> Self {
            let rng = &mut Random::System;
            let integration = "azure-devops".parse().unwrap();
            let (connection, grant) = (ConnectionId::mint(NOW, rng), GrantId::mint(NOW, rng));
            Self { integration, connection, grant }
        }

        fn owner(&self) -> Owner<'_> {
            let Self { integration, connection, grant } = self;
            Owner { integration, connection, grant }
        }
    }

    fn found(opened: &OpenedTokens, owner: Owner<'_>, version: u64, at: Timestamp) -> Option<u64> {
        let shown = Shown { version, expires_at: NOW + minutes(60) };
        opened.find(owner, shown, at).map(|found| found.into_token().version)
    }

    #[test]
    fn a_token_is_found_for_its_version_and_lower_ones_of_its_grant_only() {
        let (opened, ada, reconnected) = (OpenedTokens::default(), Named::new(), Named::new());
        opened.keep(ada.owner(), &token(3, NOW + minutes(60)), b"key", NOW);
        assert_eq!(
            [2, 3, 4].map(|v| found(&opened, ada.owner(), v, NOW)),
            [Some(3), Some(3), None]
        );
        assert_eq!(
            found(&opened, Owner { grant: &reconnected.grant, ..ada.owner() }, 1, NOW),
            None
        );
        let other = Owner { connection: &reconnected.connection, ..ada.owner() };
        assert_eq!(found(&opened, other, 1, NOW), None);
        let shown = Shown { version: 3, expires_at: NOW + minutes(60) };
        let token = opened.find(ada.owner(), shown, NOW).unwrap().into_token();
        assert_eq!(token.bearer.secret().expose_secret(), "token-3");
        assert!(!token.renewed, "it was not renewed for this call");
    }

    #[test]
    fn a_token_is_kept_for_five_minutes_and_until_it_expires() {
        let (opened, ada) = (OpenedTokens::default(), Named::new());
        opened.keep(ada.owner(), &token(1, NOW + minutes(60)), b"key", NOW);
        let after = |time| found(&opened, ada.owner(), 1, NOW + time);
        assert_eq!(after(minutes(5) - SignedDuration::from_secs(1)), Some(1));
        assert_eq!(after(minutes(5)), None);
        assert_eq!(after(minutes(-1)), None);
        opened.keep(ada.owner(), &token(1, NOW + minutes(4)), b"key", NOW);
        let margin = EXPIRY_MARGIN;
        assert_eq!(after(minutes(4) - margin - SignedDuration::from_secs(1)), Some(1));
        assert_eq!(after(minutes(4) - margin), None);
        // The connection shows an earlier end.
        let shown = Shown { version: 1, expires_at: NOW + margin };
        assert!(opened.find(ada.owner(), shown, NOW).is_none());
    }

    #[test]
    fn tokens_are_dropped_when_they_are_old_or_too_many() {
        let opened = OpenedTokens::default();
        let count = || opened.0.lock().unwrap().len();
        for second in 0..1100 {
            let at = NOW + SignedDuration::from_millis(second);
            opened.keep(Named::new().owner(), &token(1, NOW + minutes(60)), b"key", at);
        }
        assert_eq!(count(), MOST);
        let later = NOW + minutes(6);
        opened.keep(Named::new().owner(), &token(1, NOW + minutes(60)), b"key", later);
        assert_eq!(count(), 1);
    }
}
