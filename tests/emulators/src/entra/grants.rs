//! Issued authorization codes, refresh tokens and access tokens.

use std::collections::{BTreeSet, HashMap, HashSet};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::scopes::{Resource, Scopes};

/// Expired access tokens are removed if there are more tokens than this.
const PRUNE_ABOVE: usize = 20_000;

/// How the verifier must hash to the challenge (RFC 7636).
#[derive(Clone, Debug)]
pub(crate) enum Challenge {
    Plain(String),
    S256(String),
}

impl Challenge {
    pub fn answered_by(&self, verifier: &str) -> bool {
        match self {
            Self::Plain(challenge) => challenge == verifier,
            Self::S256(challenge) => {
                *challenge == URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()))
            }
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct AuthorizationCode {
    pub client_id: Uuid,
    pub redirect_uri: String,
    pub account: String,
    pub tenant: Uuid,
    pub scopes: Scopes,
    pub nonce: Option<String>,
    pub challenge: Option<Challenge>,
    /// The authorize request's `claims`.
    pub claims: Option<String>,
    pub client_info: bool,
    pub expires_at: Timestamp,
    pub redeemed: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct RefreshToken {
    pub client_id: Uuid,
    pub account: String,
    pub scopes: Scopes,
    /// Whether the client declared `cp1` when the grant began.
    pub capable: bool,
    pub last_used_at: Timestamp,
    /// AADSTS number of its refusal, if it is dead.
    pub dead: Option<u32>,
}

#[derive(Clone, Debug)]
pub(crate) struct AccessToken {
    pub client_id: Uuid,
    /// `None`: issued to the app itself.
    pub account: Option<String>,
    pub tenant: Uuid,
    pub object_id: Uuid,
    pub name: String,
    pub username: String,
    pub resource: Resource,
    pub permissions: Vec<String>,
    pub capable: bool,
    /// Number of the account's satisfied challenges when it was issued.
    pub satisfied: u64,
    pub expires_at: Timestamp,
    pub revoked: bool,
}

/// Everything issued, and all consents.
#[derive(Default)]
pub(crate) struct Grants {
    pub codes: HashMap<String, AuthorizationCode>,
    pub refresh_tokens: HashMap<String, RefreshToken>,
    pub access_tokens: HashMap<String, AccessToken>,
    /// Permissions that accounts have consented to, by client and account.
    pub consents: HashMap<(Uuid, String), BTreeSet<String>>,
    /// Apps that exist in a tenant: by registration, by a user's or an administrator's consent.
    pub present: HashSet<(Uuid, Uuid)>,
    /// Apps that an administrator of a tenant has disabled there.
    pub disabled: HashSet<(Uuid, Uuid)>,
    /// Apps an administrator has consented to for the whole tenant.
    pub admin_consents: HashSet<(Uuid, Uuid)>,
    /// `jti` of client assertions.
    pub assertions: HashSet<String>,
    /// Refresh requests of one client, account and scope: start of the window, count.
    pub loops: HashMap<String, (Timestamp, u32)>,
    /// Every issued secret, literally.
    pub issued: Vec<String>,
}

impl Grants {
    pub fn remember_access_token(&mut self, token: String, record: AccessToken, now: Timestamp) {
        if self.access_tokens.len() > PRUNE_ABOVE {
            self.access_tokens.retain(|_, token| token.expires_at > now);
        }
        self.access_tokens.insert(token, record);
    }

    pub fn kill_refresh_tokens(&mut self, account: &str, code: u32) {
        for token in self.refresh_tokens.values_mut().filter(|token| token.account == account) {
            token.dead = Some(code);
        }
    }

    pub fn access_tokens_of<'a>(
        &'a mut self,
        account: &'a str,
    ) -> impl Iterator<Item = &'a mut AccessToken> {
        self.access_tokens
            .values_mut()
            .filter(move |token| token.account.as_deref() == Some(account))
    }
}

/// Whether a `claims` parameter declares that the client handles claims challenges (`xms_cc` holds `cp1`).
pub(crate) fn declares_capability(claims: Option<&str>) -> bool {
    parse(claims).pointer("/access_token/xms_cc/values").and_then(Value::as_array).is_some_and(
        |values| {
            values
                .iter()
                .any(|value| value.as_str().is_some_and(|value| value.eq_ignore_ascii_case("cp1")))
        },
    )
}

/// Whether the `claims` of a client contain all claims of a challenge.
pub(crate) fn satisfies(sent: Option<&str>, challenge: &str) -> bool {
    let sent = parse(sent);
    let challenge = parse(Some(challenge));
    let Some(asked) = challenge["access_token"].as_object() else {
        return false;
    };
    asked
        .iter()
        .filter(|(name, _)| *name != "xms_cc")
        .all(|(name, value)| sent["access_token"].get(name) == Some(value))
}

fn parse(claims: Option<&str>) -> Value {
    claims.and_then(|claims| serde_json::from_str(claims).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s256_and_plain_verifiers_are_compared_as_rfc_7636_says() {
        // Appendix B of RFC 7636
        let challenge = Challenge::S256("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".into());
        assert!(challenge.answered_by("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        assert!(!challenge.answered_by("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"));
        assert!(Challenge::Plain("abc".into()).answered_by("abc"));
    }

    #[test]
    fn a_challenge_is_satisfied_by_the_same_members_beside_a_capability() {
        let challenge = r#"{"access_token":{"nbf":{"essential":true,"value":"1700000000"}}}"#;
        let sent = r#"{"access_token":{"nbf":{"essential":true,"value":"1700000000"},"xms_cc":{"values":["cp1"]}}}"#;
        assert!(satisfies(Some(sent), challenge));
        assert!(declares_capability(Some(sent)));
        assert!(!satisfies(Some(r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#), challenge));
        assert!(!satisfies(None, challenge));
        assert!(!declares_capability(Some("not json")));
    }
}
