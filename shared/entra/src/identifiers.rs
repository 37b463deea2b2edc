//! Entra's identifiers, as types: all are GUIDs in lower case.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Text that is not a GUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a GUID such as 00000000-0000-0000-0000-000000000000")]
pub struct InvalidGuid;

macro_rules! guid {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Uuid);

        impl FromStr for $name {
            type Err = InvalidGuid;

            fn from_str(text: &str) -> Result<Self, InvalidGuid> {
                // Only the hyphenated form: Entra writes no other, and an id must have a single spelling.
                let hyphenated = text.len() == 36;
                let uuid = hyphenated.then(|| Uuid::try_parse(text).ok()).flatten();
                uuid.map(Self).ok_or(InvalidGuid)
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidGuid;

            fn try_from(text: String) -> Result<Self, InvalidGuid> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0.hyphenated())
            }
        }
    };
}

guid!(
    /// `tid`: a directory (tenant).
    TenantId
);
guid!(
    /// `oid`: a user within a tenant.
    ObjectId
);
guid!(
    /// The Application (client) ID of an app registration.
    ClientId
);

/// The tenant of all personal Microsoft accounts.
const PERSONAL_ACCOUNTS: Uuid = Uuid::from_u128(0x9188_040d_6c67_4c5b_b112_36a3_04b6_6dad);

impl TenantId {
    /// Returns whether this is the tenant of personal Microsoft accounts, which Azure DevOps does not accept.
    pub fn is_personal_microsoft_accounts(&self) -> bool {
        self.0 == PERSONAL_ACCOUNTS
    }
}

/// The `{tenant}` of Entra's endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Tenant {
    /// Any work or school account.
    Organizations,
    /// One tenant.
    Id(TenantId),
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Organizations => f.write_str("organizations"),
            Self::Id(id) => id.fmt(f),
        }
    }
}

impl TryFrom<String> for Tenant {
    type Error = InvalidGuid;

    fn try_from(text: String) -> Result<Self, InvalidGuid> {
        if text == "organizations" { Ok(Self::Organizations) } else { text.parse().map(Self::Id) }
    }
}

impl From<Tenant> for String {
    fn from(tenant: Tenant) -> Self {
        tenant.to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn guids_have_one_spelling() {
        let id: TenantId = "72F988BF-86F1-41AF-91AB-2D7CD011DB47".parse().unwrap();
        assert_eq!(id.to_string(), "72f988bf-86f1-41af-91ab-2d7cd011db47");
        for bad in [
            "",
            "common",
            "72f988bf86f141af91ab2d7cd011db47",
            "{72f988bf-86f1-41af-91ab-2d7cd011db47}",
            "72f988bf-86f1-41af-91ab-2d7cd011db4/",
        ] {
            assert!(bad.parse::<TenantId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn personal_accounts_are_recognised() {
        let personal: TenantId = "9188040d-6c67-4c5b-b112-36a304b66dad".parse().unwrap();
        assert!(personal.is_personal_microsoft_accounts());
    }
}
