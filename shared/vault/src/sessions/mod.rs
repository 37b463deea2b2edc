//! Short-lived rows: connect sessions, the authorization requests that start from them, and operators' sessions in
//! the portal.
//!
//! ```text
//! POST /connect-sessions     GET /authorize              GET /integration-callback
//!   connect session ──start──> authorization request ──take──> (gone, whatever happens next)
//!   30 min, ≤ 5 starts         10 min, single use               session deleted with the store
//! ```
//!
//! The table knows only hashes of the tokens that name the rows.

mod authorization_flows;
mod flow_secrets;
mod portal;

pub use authorization_flows::{AuthorizationFlow, NewAuthorizationFlow, TakenFlow};
pub use flow_secrets::FlowSecrets;
pub use portal::{Draft, PORTAL_IDLE, PORTAL_LIFETIME, PortalKey, PortalSession};

use aws_sdk_dynamodb::Client;
use devops::organization::OrganizationName;
use jiff::{SignedDuration, Timestamp};
use rand::CryptoRng;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::Error;
use crate::ids::{IntegrationId, UserId};
use crate::secret_token::{self, SecretHash};
use crate::table::{Condition, Updated, Write, from_item, n, put_new};

/// How long a connect session may be started and finished.
pub const SESSION_LIFETIME: SignedDuration = SignedDuration::from_mins(30);
/// How long one round trip to Entra may take.
pub const REQUEST_LIFETIME: SignedDuration = SignedDuration::from_mins(10);
/// Starts of one session: enough for a link scanner or two, a reload, and the user.
pub const MOST_STARTS: u32 = 5;

const WHAT: &str = "connect session";

/// Permission for one user's browser to start the authorization.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConnectSession {
    /// Under which integration.
    pub integration: IntegrationId,
    /// Which user of the application.
    pub user: UserId,
    /// Which organization, if the application named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<OrganizationName>,
    /// Where the browser goes afterwards; checked against the integration when the session was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_to: Option<Url>,
    /// The account to suggest on Entra's sign-in page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_hint: Option<String>,
    /// The scopes to ask for: the integration's, or fewer.
    pub scopes: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Record {
    pk: String,
    starts: u32,
    /// Epoch seconds.
    expires_at: i64,
    #[serde(flatten)]
    session: ConnectSession,
}

/// What became of an attempt to start a session.
#[derive(Debug)]
pub enum Start {
    /// It may go on to Entra.
    Started {
        /// The session.
        session: Box<ConnectSession>,
        /// Names the session's row to the callback.
        key: SessionKey,
    },
    /// There is no such session: never made, completed, or swept.
    Unknown,
    /// Its thirty minutes are over.
    Expired {
        /// Under which integration it was.
        integration: IntegrationId,
    },
    /// It was started [`MOST_STARTS`] times.
    UsedUp {
        /// Under which integration it is.
        integration: IntegrationId,
    },
}

/// The key of a session's row: a hash, so it may be stored beside other things.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionKey(String);

impl SessionKey {
    fn of(token: &SecretString) -> Self {
        Self(format!("session#{}", SecretHash::of(token).as_str()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Connect sessions and authorization requests, in the table `sessions`.
#[derive(Debug, Clone)]
pub struct Sessions {
    client: Client,
    table: String,
}

impl Sessions {
    /// Sessions in the given table.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Makes a session. Returns the token for the connect URL and when it expires.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn create(
        &self,
        session: ConnectSession,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(SecretString, Timestamp), Error> {
        let token = secret_token::mint(rng);
        let expires_at = now + SESSION_LIFETIME;
        let record = Record {
            pk: SessionKey::of(&token).0,
            starts: 0,
            expires_at: expires_at.as_second(),
            session,
        };
        put_new(&self.client, &self.table, WHAT, &record).await?;
        Ok((token, expires_at))
    }

    /// Counts a start, unless the session is over.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is; [`Error::Corrupt`] for an unreadable item.
    pub async fn start(&self, token: &SecretString, now: Timestamp) -> Result<Start, Error> {
        let key = SessionKey::of(token);
        let update = Write::update(&self.table, &key.0)
            .when("expires_at", Condition::Above(n(now.as_second())))
            .when("starts", Condition::Below(n(MOST_STARTS)))
            .add("starts", n(1));
        let item = match update.send(&self.client).await? {
            Updated::Written(started) => {
                let record: Record = from_item(WHAT, started)?;
                return Ok(Start::Started { session: Box::new(record.session), key });
            }
            Updated::Absent => return Ok(Start::Unknown),
            Updated::Refused(item) => item,
        };
        let record: Record = from_item(WHAT, item)?;
        let integration = record.session.integration;
        Ok(if record.expires_at <= now.as_second() {
            Start::Expired { integration }
        } else {
            Start::UsedUp { integration }
        })
    }
}
