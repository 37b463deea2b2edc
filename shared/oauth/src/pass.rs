//! The credentials of a pass, which is what one client may do with one connection.
//!
//! `adop_<pass>_<secret>` turns the pass: first the code, then each refresh token. `adoa_<pass>_<secret>` is an access
//! token. Presenting a turning credential derives the next pair from it, so that a repetition yields the same pair without
//! anything being stored that could be stolen.

use std::fmt;

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::CryptoRng;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

const TURNING: &str = "adop_";
const ACCESS: &str = "adoa_";

/// The public half of a pass's credentials: 32 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PassId(String);

/// A text that is no id of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the id of a pass is 32 lower-case hexadecimal digits")]
pub struct InvalidPassId;

impl PassId {
    /// A new id of 128 random bits.
    pub fn mint(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self(format!("{:016x}{:016x}", rng.next_u64(), rng.next_u64()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PassId {
    type Error = InvalidPassId;

    fn try_from(text: String) -> Result<Self, InvalidPassId> {
        let is_hex =
            text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if text.len() == 32 && is_hex { Ok(Self(text)) } else { Err(InvalidPassId) }
    }
}

impl std::str::FromStr for PassId {
    type Err = InvalidPassId;

    fn from_str(text: &str) -> Result<Self, InvalidPassId> {
        text.to_owned().try_into()
    }
}

impl From<PassId> for String {
    fn from(id: PassId) -> Self {
        id.0
    }
}

impl fmt::Display for PassId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A credential as a client presents it.
#[derive(Debug, Clone)]
pub struct Credential {
    /// Its pass.
    pub pass: PassId,
    /// Its secret half: 256 bits as 43 characters of base64url.
    pub secret: SecretString,
}

impl Credential {
    /// Reads a code or refresh token, or returns `None` if the text has another form.
    pub fn parse_pass(text: &SecretString) -> Option<Self> {
        Self::parse(TURNING, text)
    }

    /// Reads an access token, or returns `None` if the text has another form.
    pub fn parse_access(text: &SecretString) -> Option<Self> {
        Self::parse(ACCESS, text)
    }

    /// Returns whether a text has the form of any credential of a pass.
    pub fn looks_like_one(text: &SecretString) -> bool {
        [TURNING, ACCESS].iter().any(|prefix| text.expose_secret().starts_with(prefix))
    }

    fn parse(prefix: &str, text: &SecretString) -> Option<Self> {
        let (pass, secret) = text.expose_secret().strip_prefix(prefix)?.split_once('_')?;
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(secret).ok()?);
        let pass = pass.parse().ok().filter(|_| bytes.len() == 32)?;
        Some(Self { pass, secret: secret.into() })
    }

    /// Returns the code or refresh token as it is sent.
    pub fn turning(&self) -> SecretString {
        self.text(TURNING)
    }

    /// Returns the access token as it is sent.
    pub fn access(&self) -> SecretString {
        self.text(ACCESS)
    }

    fn text(&self, prefix: &str) -> SecretString {
        format!("{prefix}{}_{}", self.pass, self.secret.expose_secret()).into()
    }
}

/// The two credentials after a turn.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The next refresh token.
    pub refresh: Credential,
    /// The access token.
    pub access: Credential,
}

/// The salt of a turn. It is not a secret: without the presented credential it yields nothing, and without the salt an
/// earlier credential yields no later one.
pub type TurnSalt = [u8; 32];

/// The derivation failed, which no input causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no credential could be derived")]
pub struct Underivable;

impl Pair {
    /// Derives the pair that follows a presented code or refresh token: HKDF-SHA-256 (RFC 5869).
    ///
    /// # Errors
    /// [`Underivable`].
    pub fn after(presented: &Credential, salt: &TurnSalt) -> Result<Self, Underivable> {
        let pass = &presented.pass;
        let prk = Salt::new(HKDF_SHA256, salt).extract(presented.secret.expose_secret().as_bytes());
        let derive = |label: &str| {
            let mut bytes = Zeroizing::new([0; 32]);
            let info = [b"ado-connect pass 1 ", label.as_bytes(), b" ", pass.as_str().as_bytes()];
            prk.expand(&info, Bytes32)
                .and_then(|okm| okm.fill(bytes.as_mut()))
                .map_err(|_| Underivable)?;
            let secret = SecretString::from(URL_SAFE_NO_PAD.encode(*bytes));
            Ok(Credential { pass: pass.clone(), secret })
        };
        Ok(Self { refresh: derive("refresh")?, access: derive("access")? })
    }
}

struct Bytes32;

impl KeyType for Bytes32 {
    fn len(&self) -> usize {
        32
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use ground::random::Random;

    use super::*;

    fn credential() -> Credential {
        let mut rng = Random::seeded(1);
        Credential { pass: PassId::mint(&mut rng), secret: ground::minted::mint(&mut rng) }
    }

    fn texts(pair: &Pair) -> [String; 2] {
        [pair.refresh.turning(), pair.access.access()].map(|text| text.expose_secret().to_owned())
    }

    #[test]
    fn each_kind_of_credential_is_read_as_itself_only() {
        let credential = credential();
        let (code, access) = (credential.turning(), credential.access());
        assert_eq!(Credential::parse_pass(&code).unwrap().pass, credential.pass);
        assert_eq!(Credential::parse_access(&access).unwrap().pass, credential.pass);
        assert!(Credential::parse_access(&code).is_none());
        assert!(Credential::parse_pass(&access).is_none());
        let (pass, secret) = ("0".repeat(32), "A".repeat(43));
        for bad in [
            String::new(),
            "adop_".to_owned(),
            format!("adop_{pass}"),
            format!("adop_{pass}_"),
            format!("adop_{pass}_{}", "A".repeat(42)),
            format!("adop_{pass}_{secret}A"),
            format!("adop_{}_{secret}", "G".repeat(32)),
            format!("adop_{}_{secret}", "0".repeat(31)),
            format!(" adop_{pass}_{secret}"),
            format!("ADOP_{pass}_{secret}"),
        ] {
            assert!(Credential::parse_pass(&bad.clone().into()).is_none(), "{bad}");
        }
    }

    #[test]
    fn one_credential_and_salt_yield_one_pair() {
        let (presented, salt) = (credential(), [7; 32]);
        let pair = Pair::after(&presented, &salt).unwrap();
        assert_eq!(texts(&pair), texts(&Pair::after(&presented, &salt).unwrap()));
        assert!(Credential::parse_pass(&pair.refresh.turning()).is_some());
        assert!(Credential::parse_access(&pair.access.access()).is_some());
        assert_ne!(pair.refresh.secret.expose_secret(), pair.access.secret.expose_secret());
    }

    #[test]
    fn another_salt_secret_or_pass_yields_another_pair() {
        let (presented, salt) = (credential(), [7; 32]);
        let pair = Pair::after(&presented, &salt).unwrap();
        let other_secret = Credential { secret: "A".repeat(43).into(), ..presented.clone() };
        let other_pass = Credential { pass: "0".repeat(32).parse().unwrap(), ..presented.clone() };
        for (presented, salt) in [(&presented, [8; 32]), (&other_secret, salt), (&other_pass, salt)]
        {
            let other = Pair::after(presented, &salt).unwrap();
            for (one, two) in [(&other.refresh, &pair.refresh), (&other.access, &pair.access)] {
                assert_ne!(one.secret.expose_secret(), two.secret.expose_secret());
            }
        }
    }

    #[test]
    fn a_credential_is_not_printed() {
        let credential = credential();
        assert!(!format!("{credential:?}").contains(credential.secret.expose_secret()));
    }
}
