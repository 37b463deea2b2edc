//! Identifiers of integrations, connections, grants, API keys and users, as types that hold only valid values.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use rand::CryptoRng;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A value that is not a valid identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{expected}")]
pub struct InvalidId {
    /// The required form, as a sentence for the sender.
    pub expected: &'static str,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $valid:expr, $expected:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidId { expected: $expected })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// An integration's name, chosen by the operator: lower-case letters, digits and hyphens.
    IntegrationId,
    |text| {
        let bytes = text.as_bytes();
        (1..=64).contains(&bytes.len())
            && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-')
    },
    "an integration id has 1 to 64 lower-case letters, digits and inner hyphens"
);

text_id!(
    /// A connection: `conn_` and 32 hexadecimal digits (a UUIDv7), lower case, because Microsoft's Python client
    /// lower-cases its base URL.
    ConnectionId,
    |text| text.strip_prefix("conn_").is_some_and(is_lower_hex_128),
    "a connection id is conn_ followed by 32 lower-case hexadecimal digits"
);

text_id!(
    /// One completed authorization, and the name of its tokens.
    GrantId,
    |text| text.strip_prefix("grant_").is_some_and(is_lower_hex_128),
    "a grant id is grant_ followed by 32 lower-case hexadecimal digits"
);

text_id!(
    /// The public half of an API key.
    ApiKeyId,
    |text| {
        (1..=32).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    },
    "an API key id has 1 to 32 lower-case letters and digits"
);

text_id!(
    /// The application's name for its user; opaque to us.
    UserId,
    |text| {
        (1..=256).contains(&text.len()) && !text.chars().any(char::is_control) && text.trim() == text
    },
    "a user is 1 to 256 bytes of text without control characters or outer blanks"
);

impl ConnectionId {
    /// A new id: sortable by the millisecond, with 74 random bits.
    pub fn mint(now: Timestamp, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self(format!("conn_{}", uuid_v7(now, rng).simple()))
    }
}

impl GrantId {
    /// A new id, sortable by the millisecond.
    pub fn mint(now: Timestamp, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self(format!("grant_{}", uuid_v7(now, rng).simple()))
    }
}

impl ApiKeyId {
    /// A new id of 16 random lower-case hexadecimal digits.
    pub fn mint(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self(format!("{:016x}", rng.next_u64()))
    }
}

/// The key of the item that makes a connection unique for (integration, user): a digest, so that the user's name does
/// not become a table key.
pub(crate) fn owner_key(integration: &IntegrationId, user: &UserId) -> String {
    // An integration id contains no NUL, so different pairs give different texts.
    let text = [integration.as_str(), user.as_str()].join("\0");
    format!("owner#{}", URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes())))
}

fn uuid_v7(now: Timestamp, rng: &mut (impl CryptoRng + ?Sized)) -> Uuid {
    let mut random = [0; 10];
    rng.fill_bytes(&mut random);
    let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

fn is_lower_hex_128(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn connection_ids_are_lower_case_and_sort_by_time() {
        let mut rng = ground::random::Random::System;
        let early = ConnectionId::mint(Timestamp::from_second(1_700_000_000).unwrap(), &mut rng);
        let late = ConnectionId::mint(Timestamp::from_second(1_700_000_001).unwrap(), &mut rng);
        assert!(early < late);
        assert_eq!(early.as_str(), early.as_str().to_lowercase());
        assert_eq!(early.as_str().parse::<ConnectionId>().unwrap(), early);
    }

    #[test]
    fn invalid_identifiers_are_refused() {
        for bad in ["", "-a", "a-", "A", "a/b", "a#b", "a b", &"a".repeat(65)] {
            assert!(bad.parse::<IntegrationId>().is_err(), "{bad:?}");
        }
        for bad in ["", "conn_", "conn_xyz", "CONN_01", "conn_0123456789abcdef0123456789ABCDEF"] {
            assert!(bad.parse::<ConnectionId>().is_err(), "{bad:?}");
        }
        for bad in ["", " ada", "ada\n", "a\u{0}b", &"u".repeat(257)] {
            assert!(bad.parse::<UserId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn different_owners_have_different_keys() {
        let key = |integration: &str, user: &str| {
            owner_key(&integration.parse().unwrap(), &user.parse().unwrap())
        };
        assert_ne!(key("a", "bc"), key("ab", "c"));
        assert_eq!(key("a", "bc"), key("a", "bc"));
    }
}
