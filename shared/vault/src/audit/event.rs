//! The kinds of events and of actors.

use std::fmt;
use std::net::IpAddr;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::api_keys::Role as KeyRole;
use crate::connections::{Connection, RefreshFailure};
use crate::ids::{ApiKeyId, ConnectionId, IntegrationId};
use crate::integrations::CredentialKind;

/// The kinds of events, each with its own fields.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum What {
    /// A browser finished signing in, and the tokens are stored.
    ConnectionConnected,
    /// The application confirmed whose sign-in that was.
    ConnectionConfirmed,
    /// The sign-in was somebody else's, and its tokens are erased.
    ConnectionRefused,
    /// A connection and its tokens were deleted.
    ConnectionDisconnected,
    /// An operator paused a connection.
    ConnectionPaused,
    /// An operator resumed a connection.
    ConnectionResumed,
    /// Entra did not renew a connection's tokens. The same failure again is no event.
    RenewalFailed {
        /// How it failed.
        failure: RenewalFailure,
    },
    /// An access token was handed out.
    TokenHandedOut,
    /// A user let an MCP client work with the connection.
    PassCreated,
    /// A code or refresh token of an MCP client was used twice, so its pass was deleted.
    PassReused,
    /// A pass was deleted.
    PassDeleted,
    /// A call reached an area that is closed by default.
    ClosedAreaCalled {
        /// The setting that opens it.
        setting: &'static str,
        /// The method: one of those that Azure DevOps has.
        method: String,
    },
    /// An integration was created.
    IntegrationCreated,
    /// An integration's settings were replaced.
    IntegrationChanged,
    /// An integration was deleted.
    IntegrationDeleted,
    /// An integration was paused.
    IntegrationPaused,
    /// An integration was resumed.
    IntegrationResumed,
    /// An operator had an integration checked, which may change its status.
    IntegrationVerified,
    /// An integration has another client credential.
    CredentialReplaced {
        /// Its kind.
        kind: CredentialKind,
    },
    /// An API key was created.
    ApiKeyCreated {
        /// What it may do.
        role: KeyRole,
    },
    /// An API key was deleted.
    ApiKeyDeleted,
    /// An API key was used, for the first time on this day (UTC).
    ApiKeyUsed,
    /// The service was paused.
    ServicePaused,
    /// The service was resumed.
    ServiceResumed,
    /// An operator signed in to the portal.
    PortalSignIn,
    /// Somebody without an operator's key tried to sign in to the portal.
    PortalSignInRefused,
    /// An operator signed out of the portal.
    PortalSignOut,
    /// An operator tried a call with a user's connection.
    PortalCall,
    /// An operator sent a form of the portal.
    PortalAction {
        /// The form.
        action: &'static str,
    },
}

/// How a renewal failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum RenewalFailure {
    /// It is tried again.
    Retried(RefreshFailure),
    /// It is not tried again as it was.
    Ended(Ended),
}

/// A failure after which something has to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// The user must sign in again.
    ReauthorizationRequired,
    /// The integration needs another client credential.
    CredentialRejected,
}

/// An event, and the things that it happened to.
#[derive(Debug, Clone)]
pub struct AuditEvent<'a> {
    pub(super) what: What,
    pub(super) integration: Option<&'a IntegrationId>,
    pub(super) connection: Option<&'a ConnectionId>,
    pub(super) key: Option<&'a ApiKeyId>,
}

impl<'a> AuditEvent<'a> {
    /// An event of the service as a whole.
    pub fn of_service(what: What) -> Self {
        Self { what, integration: None, connection: None, key: None }
    }

    /// An event of an integration.
    pub fn of_integration(what: What, id: &'a IntegrationId) -> Self {
        Self { integration: Some(id), ..Self::of_service(what) }
    }

    /// An event of a connection under an integration.
    pub fn of_connection(what: What, id: &'a ConnectionId, integration: &'a IntegrationId) -> Self {
        Self { connection: Some(id), ..Self::of_integration(what, integration) }
    }

    /// An event of a connection, which names its integration.
    pub fn about(what: What, connection: &'a Connection) -> Self {
        Self::of_connection(what, &connection.id, &connection.integration)
    }

    /// An event of an API key.
    pub fn of_key(what: What, id: &'a ApiKeyId) -> Self {
        Self { key: Some(id), ..Self::of_service(what) }
    }

    /// Returns the name of its kind and the fields of that kind.
    pub(super) fn words(&self) -> (String, Map<String, Value>) {
        let mut words = match serde_json::to_value(&self.what) {
            Ok(Value::Object(words)) => words,
            // A struct or unit variant with a tag is an object.
            _ => Map::new(),
        };
        let what = words.remove("what").and_then(|what| what.as_str().map(str::to_owned));
        (what.unwrap_or_default(), words)
    }
}

/// Who does something, and from where.
#[derive(Debug, Clone)]
pub struct Actor {
    /// As in logs: `operator`, `key:<id>`, `user:<digest>`, `anonymous`, or a function of the service.
    pub id: String,
    /// The kind of actor.
    pub role: ActorRole,
    /// The API key that it presented, if any.
    pub key: Option<ApiKeyId>,
    /// The address that connected to the front door.
    pub source: Option<IpAddr>,
    /// The id of the request in the logs.
    pub request_id: Option<String>,
}

/// The kinds of actors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorRole {
    /// An operator.
    Operator,
    /// An application.
    Application,
    /// A user of an application.
    User,
    /// Somebody who has not shown who it is, such as the browser of a person who signs in to Entra.
    Anonymous,
    /// The service itself, on its schedule.
    Service,
}

impl fmt::Display for ActorRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl Actor {
    /// A function of the service that acts on its own.
    pub fn service(function: &str) -> Self {
        let id = function.to_owned();
        Self { id, role: ActorRole::Service, key: None, source: None, request_id: None }
    }
}
