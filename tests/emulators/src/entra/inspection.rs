//! The check of bearer tokens for Azure DevOps.

use uuid::Uuid;

use super::State;
use super::grants::AccessToken;
use super::scopes::Resource;
use crate::server::Emulator as _;

/// The verdict on a bearer token.
#[derive(Clone, Debug)]
pub(crate) enum Inspection {
    /// Not a token of Entra for this resource: nobody can be read from it.
    Unreadable,
    /// Expired, or revoked.
    Refused,
    /// Valid, but the holder must first satisfy these claims (JSON text).
    Challenged(String),
    Valid(Bearer),
}

/// The holder of a valid token.
#[derive(Clone, Debug)]
pub(crate) struct Bearer {
    /// The account's key, or the client id for a token of the app itself.
    pub account: String,
    pub is_application: bool,
    pub tenant: Uuid,
    pub object_id: Uuid,
    pub name: String,
    pub username: String,
    /// Bare permission names.
    pub scopes: Vec<String>,
}

impl State {
    /// Checks a bearer token presented to Azure DevOps.
    pub fn inspect(&self, bearer: &str) -> Inspection {
        let now = self.now();
        let directory = self.directory();
        let Some(token) = directory.grants.access_tokens.get(bearer) else {
            return Inspection::Unreadable;
        };
        if token.resource != Resource::AzureDevOps {
            return Inspection::Unreadable;
        }
        if token.revoked || token.expires_at <= now {
            return Inspection::Refused;
        }
        let restrictions = directory.restrictions(token.account.as_deref().unwrap_or_default());
        match restrictions.challenge {
            Some(challenge) if token.capable && token.satisfied < restrictions.challenges => {
                Inspection::Challenged(challenge)
            }
            _ => Inspection::Valid(bearer_of(token)),
        }
    }
}

fn bearer_of(token: &AccessToken) -> Bearer {
    Bearer {
        account: token.account.clone().unwrap_or_else(|| token.client_id.to_string()),
        is_application: token.account.is_none(),
        tenant: token.tenant,
        object_id: token.object_id,
        name: token.name.clone(),
        username: token.username.clone(),
        scopes: token.permissions.clone(),
    }
}
