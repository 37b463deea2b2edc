//! The answers to our own calls: the few fields that we need of them.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::organization::OrganizationName;

/// The identity by which Azure DevOps answers strangers.
const ANONYMOUS: Uuid = Uuid::from_u128(0xaaaaaaaa_aaaa_aaaa_aaaa_aaaaaaaaaaaa);

/// What `connectionData` tells of the token's user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionData {
    /// The identity in the organization; not the Entra object id.
    pub authenticated_user_id: Uuid,
    /// The same for the graph API, `aad.…` for users of Entra.
    pub subject_descriptor: Option<String>,
    /// For display only.
    pub display_name: Option<String>,
    /// The organization's id.
    pub instance_id: Option<Uuid>,
}

/// The profile of a user, the same in all organizations.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// What [`crate::client::DevopsClient::accounts`] asks for.
    pub id: Uuid,
    /// For display only.
    pub display_name: Option<String>,
    /// For display only: the user chooses it.
    pub email_address: Option<String>,
}

/// An organization of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The organization's id.
    pub id: Uuid,
    /// Its name.
    pub organization: OrganizationName,
}

/// Reads an answer; some services put a byte order mark in front.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    serde_json::from_slice(body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body)).ok()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConnectionDataAnswer {
    authenticated_user: User,
    instance_id: Option<Uuid>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    id: Uuid,
    descriptor: Option<String>,
    subject_descriptor: Option<String>,
    provider_display_name: Option<String>,
}

impl ConnectionDataAnswer {
    /// The user, unless it is a stranger.
    pub(super) fn user(self) -> Option<ConnectionData> {
        let user = self.authenticated_user;
        let kind = user.descriptor.unwrap_or_default();
        if user.id == ANONYMOUS || user.id.is_nil() || kind.contains("UnauthenticatedIdentity") {
            return None;
        }
        Some(ConnectionData {
            authenticated_user_id: user.id,
            subject_descriptor: user.subject_descriptor,
            display_name: user.provider_display_name,
            instance_id: self.instance_id,
        })
    }
}

#[derive(Deserialize)]
pub(super) struct AccountsAnswer {
    value: Option<Vec<AccountAnswer>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AccountAnswer {
    account_id: Uuid,
    account_name: String,
}

impl AccountsAnswer {
    /// The accounts. One whose name no address can hold is left out.
    pub(super) fn accounts(self) -> Vec<Account> {
        let told = self.value.unwrap_or_default().into_iter();
        let accounts = told.filter_map(|account| {
            let organization = account.account_name.parse().ok()?;
            Some(Account { id: account.account_id, organization })
        });
        accounts.collect()
    }
}
