//! Identifiers of integrations, connections, grants, API keys and users, as types that hold only valid values.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra::identifiers::{ObjectId, TenantId};
use jiff::Timestamp;
use rand::CryptoRng;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
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
    ($(#[$doc:meta])* $name:ident, $valid:expr, $expected:literal, $pattern:literal) => {
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

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "pattern": $pattern})
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
    "an integration id has 1 to 64 lower-case letters, digits and inner hyphens",
    r"^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$"
);

text_id!(
    /// A connection: `conn_` and 32 hexadecimal digits (a UUIDv7), lower case, because Microsoft's Python client
    /// lower-cases its base URL.
    ConnectionId,
    |text| text.strip_prefix("conn_").is_some_and(is_lower_hex_128),
    "a connection id is conn_ followed by 32 lower-case hexadecimal digits",
    r"^conn_[0-9a-f]{32}$"
);

text_id!(
    /// One completed authorization, and the name of its tokens.
    GrantId,
    |text| text.strip_prefix("grant_").is_some_and(is_lower_hex_128),
    "a grant id is grant_ followed by 32 lower-case hexadecimal digits",
    r"^grant_[0-9a-f]{32}$"
);

text_id!(
    /// The public half of an API key.
    ApiKeyId,
    |text| {
        (1..=32).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    },
    "an API key id has 1 to 32 lower-case letters and digits",
    r"^[a-z0-9]{1,32}$"
);

text_id!(
    /// A user: the application's own name, opaque to us, or `issuer|name` for a user whom the tokens of an identity
    /// provider name. No application may name a user of the second form, so that the users of two issuers, or of an
    /// issuer and an application, never meet.
    UserId,
    |text| match issuer_and_name(text) {
        Some((issuer, name)) => issuer.len() <= 256 && is_user_name(name),
        None => is_user_name(text),
    },
    "a user is 1 to 256 bytes of text without control characters or outer blanks",
    r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?$"
);

impl UserId {
    /// The user whom a token of this issuer names.
    ///
    /// # Errors
    /// [`InvalidId`] if the name is no user's, or the issuer is not an address, has a `|` or more than 256 bytes.
    pub fn of_issuer(issuer: &str, name: &str) -> Result<Self, InvalidId> {
        let user: Self = format!("{issuer}|{name}").parse()?;
        if user.issuer() == Some(issuer) {
            return Ok(user);
        }
        Err(InvalidId { expected: "an issuer is an address without `|`" })
    }

    /// The user whom an Entra account names by itself, when an MCP client signs in.
    pub fn of_account(tenant: &TenantId, object: &ObjectId) -> Self {
        Self(format!("{ACCOUNT}{tenant}.{object}"))
    }

    /// Whether an Entra account names this user. No application may name one.
    pub fn is_account(&self) -> bool {
        self.0.starts_with(ACCOUNT)
    }

    /// The identity provider whose tokens name this user; `None` for a user whom an application names.
    pub fn issuer(&self) -> Option<&str> {
        issuer_and_name(&self.0).map(|(issuer, _)| issuer)
    }

    /// The name without the issuer.
    pub fn name(&self) -> &str {
        issuer_and_name(&self.0).map_or(&self.0, |(_, name)| name)
    }
}

/// Begins the users whom an Entra account names.
const ACCOUNT: &str = "entra:";

/// Splits `issuer|name`. An issuer is an address without `|`; Auth0's `provider|id` begins with none, so it is a plain name.
fn issuer_and_name(user: &str) -> Option<(&str, &str)> {
    let (issuer, name) = user.split_once('|')?;
    let is_address = issuer.starts_with("https://") || issuer.starts_with("http://");
    is_address.then_some((issuer, name))
}

fn is_user_name(text: &str) -> bool {
    (1..=256).contains(&text.len()) && !text.chars().any(char::is_control) && text.trim() == text
}

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
    fn users_of_two_issuers_or_of_an_application_never_meet() {
        let of = |issuer: &str, name: &str| UserId::of_issuer(issuer, name).unwrap();
        let ada = of("https://id.example", "ada");
        assert_eq!((ada.issuer(), ada.name()), (Some("https://id.example"), "ada"));
        for name in ["ada", "auth0|ada", "ada@https://id.example|x", "|ada"] {
            let user: UserId = name.parse().unwrap();
            assert_eq!((user.issuer(), user.name()), (None, name));
            assert_ne!(user, ada);
        }
        assert_ne!(of("https://id.example/a", "b"), of("https://id.example", "/a|b"));
        // A name cannot take the place of a part of the issuer.
        let odd = of("https://id.example", "https://other.example|ada");
        assert_eq!(odd.issuer(), Some("https://id.example"));
        for (issuer, name) in [
            ("https://id.example|x", "ada"),
            ("id.example", "ada"),
            ("", "ada"),
            ("https://id.example", ""),
            ("https://id.example", " ada"),
            (&format!("https://{}", "i".repeat(250)), "ada"),
        ] {
            assert!(UserId::of_issuer(issuer, name).is_err(), "{issuer} {name}");
        }
        let long = of("https://id.example", &"u".repeat(256));
        assert_eq!(long.as_str().parse::<UserId>().unwrap(), long);
    }

    #[test]
    fn a_documented_pattern_takes_the_ids_and_nothing_else() {
        fn pattern<T: JsonSchema>() -> regex::Regex {
            let schema = T::json_schema(&mut SchemaGenerator::default()).to_value();
            regex::Regex::new(schema["pattern"].as_str().unwrap()).unwrap()
        }
        let texts = [
            "",
            "-",
            "a",
            "a-",
            "-a",
            "a-b",
            "A",
            "azure-devops",
            "a/b",
            "a b",
            " a",
            "a ",
            "\u{a0}a",
            "a\nb",
            "a\n",
            "a\u{7f}",
            "a\u{85}b",
            "\u{e9}",
            "me",
            "conn_",
            "conn_0123456789abcdef0123456789abcdef",
            "conn_0123456789abcdef0123456789ABCDEF",
            "grant_0123456789abcdef0123456789abcdef",
            &"a".repeat(32),
            &"a".repeat(33),
            &"a".repeat(64),
            &"a".repeat(65),
            &"a".repeat(256),
            &"a".repeat(257),
        ];
        for text in texts {
            let takes = |pattern: regex::Regex| pattern.is_match(text);
            assert_eq!(
                takes(pattern::<IntegrationId>()),
                text.parse::<IntegrationId>().is_ok(),
                "{text:?}"
            );
            assert_eq!(
                takes(pattern::<ConnectionId>()),
                text.parse::<ConnectionId>().is_ok(),
                "{text:?}"
            );
            assert_eq!(takes(pattern::<GrantId>()), text.parse::<GrantId>().is_ok(), "{text:?}");
            assert_eq!(takes(pattern::<ApiKeyId>()), text.parse::<ApiKeyId>().is_ok(), "{text:?}");
            // The pattern leaves the length out: it is counted in bytes, and of an issuer's user in each part.
            let is_user = text.len() <= 256 && takes(pattern::<UserId>());
            assert_eq!(is_user, text.parse::<UserId>().is_ok(), "{text:?}");
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
