//! Short-lived items: connect sessions, the authorization flows that start from them, and operators' portal sessions.
//!
//! ```text
//! POST /connect-sessions     GET /authorize              GET /integration-callback
//!   connect session ──start──> authorization flow ────take────> (deleted, even if the callback fails)
//!   30 min, ≤ 5 starts         10 min, single use               completing it deletes the session
//! ```
//!
//! The table holds only hashes of the tokens that name the items.

mod authorization_flows;
mod flow_secrets;
mod portal;

pub use authorization_flows::{AuthorizationFlow, ClientRequest, Purpose, TakenFlow};
pub use flow_secrets::FlowSecrets;
pub use portal::{Draft, PORTAL_IDLE, PORTAL_LIFETIME, PortalKey, PortalSession};

use aws_sdk_dynamodb::Client;
use devops::organization::OrganizationName;
use jiff::{SignedDuration, Timestamp};
use rand::CryptoRng;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::Error;
use crate::ids::{IntegrationId, UserId};
use crate::secret_token::SecretHash;
use crate::table::{Condition, Updated, Write, from_item, n, put_new};

/// The lifetime of a connect session.
pub const SESSION_LIFETIME: SignedDuration = SignedDuration::from_mins(30);
/// The lifetime of an authorization flow.
pub const REQUEST_LIFETIME: SignedDuration = SignedDuration::from_mins(10);
/// The most starts of one session: enough for two link scanners, a reload, and the user.
pub const MOST_STARTS: u32 = 5;

const WHAT: &str = "connect session";

/// Permission for one user's browser to start the authorization.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConnectSession {
    /// Its integration.
    pub integration: IntegrationId,
    /// The application's user.
    pub user: UserId,
    /// The organization, if the application named one.
    pub organization: Option<OrganizationName>,
    /// Where the browser goes afterwards; checked against the integration when the session was made.
    pub return_to: Option<Url>,
    /// The account to suggest on Entra's sign-in page.
    pub login_hint: Option<String>,
    /// The scopes to ask for: the integration's, or fewer.
    pub scopes: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Record {
    pk: String,
    starts: u32,
    /// Seconds since 1970.
    expires_at: i64,
    #[serde(flatten)]
    session: ConnectSession,
}

/// The result of starting a session.
#[derive(Debug)]
pub enum Start {
    /// The browser may go on to Entra.
    Started {
        /// The session.
        session: Box<ConnectSession>,
        /// The key of its item, for the callback.
        key: SessionKey,
    },
    /// There is no such session: never made, completed, or deleted after its expiry.
    Unknown,
    /// It has expired.
    Expired {
        /// Its integration.
        integration: IntegrationId,
    },
    /// It was started [`MOST_STARTS`] times.
    UsedUp {
        /// Its integration.
        integration: IntegrationId,
    },
}

ground::minted_secret! {
    /// The token in a connect URL, which names a connect session.
    SessionToken
}

ground::minted_secret! {
    /// The value of the cookie that binds an authorization flow to the browser that started it.
    Binding
}

/// The key of a session's item: a hash, so it may be stored elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionKey(String);

impl SessionKey {
    fn of(token: &SessionToken) -> Self {
        Self(format!("session#{}", SecretHash::of(token.secret()).as_str()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The sessions and flows, in the table `sessions`.
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
    ) -> Result<(SessionToken, Timestamp), Error> {
        let token = SessionToken::mint(rng);
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

    /// Counts a start, unless the session has expired or is used up.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is; [`Error::Corrupt`] for an unreadable item.
    pub async fn start(&self, token: &SessionToken, now: Timestamp) -> Result<Start, Error> {
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
