//! Authorization flows: what `authorize` stores for the callback, which takes it by one atomic delete.

use entra::authorization::State;
use entra::identifiers::{ClientId, Tenant};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::flow_secrets::FlowSecrets;
use super::{Binding, ConnectSession, REQUEST_LIFETIME, SessionKey, Sessions};
use crate::Error;
use crate::ids::IntegrationId;
use crate::secret_token::SecretHash;
use crate::table::{Condition, Updated, Write, from_item, put_new, s};

const WHAT: &str = "authorization request";

/// The context of one round trip to Entra (S-06).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AuthorizationFlow {
    /// The key of its session.
    pub session_key: SessionKey,
    /// The session's content at the start.
    #[serde(flatten)]
    pub session: ConnectSession,
    /// The Entra application of the authorize URL.
    pub client_id: ClientId,
    /// The tenant segment of the authorize URL.
    pub tenant: Tenant,
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
                    integration: record.flow.session.integration,
                });
            }
            Updated::Absent => return Ok(TakenFlow::Unknown),
        };
        let record: Record = from_item(WHAT, item)?;
        if record.expires_at <= now.as_second() {
            return Ok(TakenFlow::Expired { integration: record.flow.session.integration });
        }
        let secrets = FlowSecrets::open(&record.sealed, state, binding)?;
        Ok(TakenFlow::Taken { flow: Box::new(record.flow), secrets })
    }
}

fn key(state: &State) -> String {
    format!("state#{}", SecretHash::of(state.secret()).as_str())
}
