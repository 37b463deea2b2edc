//! The items that decide about a call, read by one request.
//!
//! ```text
//!  API key        from the credentials   ┐
//!  connection     from the address       ├─ one BatchGetItem, strongly consistent ──> caller, rights, pauses, version of
//!  integration    as it was last time    │                                            the token that counts
//!  service        always the same        ┘
//! ```
//!
//! A connection never changes its integration, so only the first call of a process for a connection needs a second
//! request. A key or connection that was deleted, paused or changed is refused from the next request on, in every process.
//!
//! With `TRUST_SECONDS`, a process believes the items that it has read for so many seconds, and a call needs no request.
//! Each write of this process to a connection or key ends its trust in that item.

use std::sync::Arc;
use std::time::Duration;

use ground::clock::Clock;
use ground::remembered::Remembered;
use jiff::{SignedDuration, Timestamp};
use vault::Error;
use vault::api_keys::StoredKey;
use vault::call_items::{CallItemReader, CallItems, CallKeys};
use vault::connections::Connection;
use vault::ids::{ApiKeyId, ConnectionId, IntegrationId};
use vault::integrations::{Integration, Integrations};
use vault::service::ServiceSettings;

/// The time for which the integration of a connection or key is remembered after it was last read.
const GUESSED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// Reads the items of calls.
pub(crate) struct Items {
    reader: CallItemReader,
    integrations: Integrations,
    /// The integration of a connection, and the last one that a key was used for.
    of_connection: Remembered<ConnectionId, IntegrationId>,
    of_key: Remembered<ApiKeyId, IntegrationId>,
    trust: Option<Trust>,
    clock: Arc<dyn Clock>,
}

/// The items that were read within the last seconds.
struct Trust {
    service: Remembered<(), ServiceSettings>,
    keys: Remembered<ApiKeyId, StoredKey>,
    connections: Remembered<ConnectionId, (Connection, Integration)>,
}

impl Items {
    /// Reads items, and believes them for the time `trust`.
    pub(crate) fn new(
        reader: CallItemReader,
        integrations: Integrations,
        trust: Duration,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let trust = SignedDuration::try_from(trust).unwrap_or_default();
        Self {
            reader,
            integrations,
            of_connection: Remembered::new(Arc::clone(&clock), GUESSED_FOR),
            of_key: Remembered::new(Arc::clone(&clock), GUESSED_FOR),
            trust: trust.is_positive().then(|| Trust::new(trust, &clock)),
            clock,
        }
    }

    /// Returns the items of a call. The integration is that of the connection, or absent with it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if DynamoDB does not answer; [`Error::Corrupt`] for an unreadable item.
    pub(crate) async fn read(
        &self,
        api_key: Option<&ApiKeyId>,
        connection: Option<&ConnectionId>,
    ) -> Result<CallItems, Error> {
        if let Some(trust) = &self.trust
            && let Some(items) = trust.find(api_key, connection).await
        {
            return Ok(items);
        }
        let asked_at = self.clock.now();
        let items = self.request(api_key, connection).await?;
        if let Some(trust) = &self.trust {
            trust.keep(&items, asked_at).await;
        }
        Ok(items)
    }

    async fn request(
        &self,
        api_key: Option<&ApiKeyId>,
        connection: Option<&ConnectionId>,
    ) -> Result<CallItems, Error> {
        let guess = match connection {
            Some(connection) => self.guess(api_key, connection).await,
            None => None,
        };
        let keys = CallKeys {
            api_key: api_key.cloned(),
            integration: guess.clone(),
            connection: connection.cloned(),
        };
        let mut items = self.reader.read(&keys).await?;
        let Some(connection) = &items.connection else {
            items.integration = None;
            return Ok(items);
        };
        let integration = &connection.integration;
        if guess.as_ref() != Some(integration) {
            items.integration = self.integrations.get(integration).await?;
            self.of_connection.put(&connection.id, integration.clone()).await;
            if let Some(api_key) = api_key {
                self.of_key.put(api_key, integration.clone()).await;
            }
        }
        Ok(items)
    }

    async fn guess(
        &self,
        api_key: Option<&ApiKeyId>,
        connection: &ConnectionId,
    ) -> Option<IntegrationId> {
        if let Some(known) = self.of_connection.known(connection).await {
            return Some(known);
        }
        self.of_key.known(api_key?).await
    }

    /// Ends the trust in a connection that this process has changed.
    pub(crate) async fn forget_connection(&self, id: &ConnectionId) {
        if let Some(trust) = &self.trust {
            trust.connections.forget(id).await;
        }
    }

    /// Ends the trust in an API key that this process has changed.
    pub(crate) async fn forget_key(&self, id: &ApiKeyId) {
        if let Some(trust) = &self.trust {
            trust.keys.forget(id).await;
        }
    }
}

impl Trust {
    fn new(time: SignedDuration, clock: &Arc<dyn Clock>) -> Self {
        Self {
            service: Remembered::new(Arc::clone(clock), time),
            keys: Remembered::new(Arc::clone(clock), time),
            connections: Remembered::new(Arc::clone(clock), time),
        }
    }

    /// Returns the items of a call if all of them are believed.
    async fn find(
        &self,
        api_key: Option<&ApiKeyId>,
        connection: Option<&ConnectionId>,
    ) -> Option<CallItems> {
        let service = self.service.known(&()).await?;
        let api_key = match api_key {
            Some(id) => Some(self.keys.known(id).await?),
            None => None,
        };
        let (connection, integration) = match connection {
            Some(id) => self.connections.known(id).await.map(|(c, i)| (Some(c), Some(i)))?,
            None => (None, None),
        };
        Some(CallItems { service, api_key, integration, connection })
    }

    /// Keeps the items that were found. Absent ones are read again each time.
    async fn keep(&self, items: &CallItems, asked_at: Timestamp) {
        self.service.put_as_of(&(), items.service, asked_at).await;
        if let Some(stored) = &items.api_key {
            self.keys.put_as_of(&stored.key.id, stored.clone(), asked_at).await;
        }
        if let (Some(connection), Some(integration)) = (&items.connection, &items.integration) {
            let both = (connection.clone(), integration.clone());
            self.connections.put_as_of(&connection.id, both, asked_at).await;
        }
    }
}
