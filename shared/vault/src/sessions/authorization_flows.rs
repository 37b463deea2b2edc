//! Authorization flows: what `authorize` stores for the callback, which takes it by one atomic delete.

use devops::organization::OrganizationName;
use entra::authorization::State;
use entra::identifiers::{ClientId, Tenant};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::flow_secrets::FlowSecrets;
use super::{Binding, ConnectSession, REQUEST_LIFETIME, SessionKey, Sessions};
use crate::Error;
use crate::ids::IntegrationId;
use crate::passes::NewPass;
use crate::secret_token::SecretHash;
use crate::table::{Condition, Updated, Write, from_item, put_new, s};

const WHAT: &str = "authorization request";

/// The context of one round trip to Entra (S-06).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AuthorizationFlow {
    /// What the round trip is for.
    #[serde(flatten)]
    pub purpose: Purpose,
    /// The Entra application of the authorize URL.
    pub client_id: ClientId,
    /// The tenant segment of the authorize URL.
    pub tenant: Tenant,
}

/// The reason for a sign-in at Entra.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Purpose {
    /// A connect session of an application.
    Connect {
        /// The key of the session.
        session_key: SessionKey,
        /// Its content at the start.
        #[serde(flatten)]
        session: ConnectSession,
    },
    /// An MCP client, which the user has let in.
    Client(ClientRequest),
}

/// The request of an MCP client that a user has approved.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClientRequest {
    /// The integration at whose endpoint the client wants to work.
    pub integration: IntegrationId,
    /// The scopes of Azure DevOps to ask for: the integration's.
    pub scopes: Vec<String>,
    /// The pass to make.
    pub pass: NewPass,
    /// The client's own `state`, which goes back to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Whether Entra has been asked once more already, with a claims challenge of the connection.
    #[serde(default)]
    pub is_repeated: bool,
}

impl AuthorizationFlow {
    /// The integration.
    pub fn integration(&self) -> &IntegrationId {
        match &self.purpose {
            Purpose::Connect { session, .. } => &session.integration,
            Purpose::Client(request) => &request.integration,
        }
    }

    /// The scopes of Azure DevOps that were asked for.
    pub fn scopes(&self) -> &[String] {
        match &self.purpose {
            Purpose::Connect { session, .. } => &session.scopes,
            Purpose::Client(request) => &request.scopes,
        }
    }

    /// The organization that the sign-in is for, if it is for one of several.
    pub fn organization(&self) -> Option<&OrganizationName> {
        match &self.purpose {
            Purpose::Connect { session, .. } => session.organization.as_ref(),
            Purpose::Client(_) => None,
        }
    }

    /// The connect session, if the sign-in began with one.
    pub fn session(&self) -> Option<&ConnectSession> {
        match &self.purpose {
            Purpose::Connect { session, .. } => Some(session),
            Purpose::Client(_) => None,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Record {
    pk: String,
    binding_hash: SecretHash,
    /// Seconds since 1970.
    expires_at: i64,
    #[serde(with = "crate::binary")]
    sealed: Vec<u8>,
    #[serde(flatten)]
    flow: AuthorizationFlow,
}

/// The result of taking an authorization flow.
pub enum TakenFlow {
    /// It is the caller's alone and deleted.
    Taken {
        /// The flow as it was stored.
        flow: Box<AuthorizationFlow>,
        /// PKCE verifier and nonce.
        secrets: FlowSecrets,
    },
    /// There is no such `state`: never issued, already used, or deleted after its expiry.
    Unknown,
    /// It has expired, and is deleted now.
    Expired {
        /// Its integration.
        integration: IntegrationId,
    },
    /// It belongs to another browser and stays stored.
    OtherBrowser {
        /// Its integration.
        integration: IntegrationId,
    },
}

impl Sessions {
    /// Stores an authorization flow for ten minutes: `state`, which names it, and the binding cookie's value as hashes,
    /// its secrets encrypted.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn open_flow(
        &self,
        flow: AuthorizationFlow,
        state: &State,
        binding: &Binding,
        secrets: &FlowSecrets,
        now: Timestamp,
    ) -> Result<(), Error> {
        let record = Record {
            pk: key(state),
            binding_hash: SecretHash::of(binding.secret()),
            expires_at: (now + REQUEST_LIFETIME).as_second(),
            sealed: secrets.seal(state, binding)?,
            flow,
        };
        put_new(&self.client, &self.table, WHAT, &record).await
    }

    /// Takes the flow that `state` names, if `binding` is its browser's cookie. One conditional delete, so that of any
    /// number of identical callbacks only one succeeds (S-03).
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is; [`Error::Corrupt`] or [`Error::Unsealable`] for an altered item.
    pub async fn take_flow(
        &self,
        state: &State,
        binding: &Binding,
        now: Timestamp,
    ) -> Result<TakenFlow, Error> {
        let delete = Write::delete(&self.table, key(state))
            .when("binding_hash", Condition::Is(s(SecretHash::of(binding.secret()).as_str())));
        let item = match delete.send(&self.client).await? {
            Updated::Written(item) => item,
            Updated::Refused(item) => {
                let record: Record = from_item(WHAT, item)?;
                return Ok(TakenFlow::OtherBrowser {
                    integration: record.flow.integration().clone(),
                });
            }
            Updated::Absent => return Ok(TakenFlow::Unknown),
        };
        let record: Record = from_item(WHAT, item)?;
        if record.expires_at <= now.as_second() {
            return Ok(TakenFlow::Expired { integration: record.flow.integration().clone() });
        }
        let secrets = FlowSecrets::open(&record.sealed, state, binding)?;
        Ok(TakenFlow::Taken { flow: Box::new(record.flow), secrets })
    }
}

fn key(state: &State) -> String {
    format!("state#{}", SecretHash::of(state.secret()).as_str())
}
