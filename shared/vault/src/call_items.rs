//! The items that decide whether a call may be made: the service's switch, the integration, the connection and the API key,
//! read together by one request. A call under way reads them repeatedly, so that it ends when one of them forbids it.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::KeysAndAttributes;
use serde::de::DeserializeOwned;

use crate::api_keys::StoredKey;
use crate::aws::TableNames;
use crate::connections::Connection;
use crate::ids::{ApiKeyId, ConnectionId, IntegrationId};
use crate::integrations::Integration;
use crate::service::ServiceSettings;
use crate::table::{Item, from_item, s};
use crate::{Error, api_keys, connections, integrations, service};

/// The pauses before the request, and before it is repeated for the items that were left out. The SDK has its own pauses for
/// a request that fails as a whole.
const PAUSES: [Duration; 3] =
    [Duration::ZERO, Duration::from_millis(50), Duration::from_millis(100)];

/// The names of the items of one call, as far as they are known.
#[derive(Debug, Clone, Default)]
pub struct CallKeys {
    /// The caller's API key, if it has one.
    pub api_key: Option<ApiKeyId>,
    /// The integration.
    pub integration: Option<IntegrationId>,
    /// The connection.
    pub connection: Option<ConnectionId>,
}

/// The items of one call; `None` for an absent one, and for one without a name.
#[derive(Debug, Clone)]
pub struct CallItems {
    /// The kill switch.
    pub service: ServiceSettings,
    /// The caller's API key, which may have expired.
    pub api_key: Option<StoredKey>,
    /// The integration.
    pub integration: Option<Integration>,
    /// The connection.
    pub connection: Option<Connection>,
}

/// Reads the items of calls.
#[derive(Debug, Clone)]
pub struct CallItemReader {
    client: Client,
    integrations: String,
    connections: String,
}

impl CallItemReader {
    /// Reads from the given tables.
    pub fn new(client: Client, names: &TableNames) -> Self {
        let (integrations, connections) = (names.integrations.clone(), names.connections.clone());
        Self { client, integrations, connections }
    }

    /// Reads the items of a call in one request. Each is strongly consistent.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if DynamoDB does not answer, or is too busy for one of the items;
    /// [`Error::Corrupt`] for an unreadable item.
    pub async fn read(&self, keys: &CallKeys) -> Result<CallItems, Error> {
        let api_key = keys.api_key.as_ref().map(api_keys::pk);
        let integration = keys.integration.as_ref().map(integrations::key);
        let connection = keys.connection.as_ref().map(ConnectionId::to_string);
        let configured = [Some(service::KEY.to_owned()), integration.clone(), api_key.clone()];
        let mut wanted = HashMap::from([(
            self.integrations.clone(),
            consistent(configured.into_iter().flatten())?,
        )]);
        if let Some(connection) = connection.clone() {
            wanted.insert(self.connections.clone(), consistent([connection])?);
        }
        let mut found = self.items(wanted).await?;
        let integration: Option<integrations::Record> =
            take(&mut found, integration, integrations::WHAT)?;
        let service = take(&mut found, Some(service::KEY.to_owned()), service::WHAT)?;
        Ok(CallItems {
            service: service.unwrap_or_default(),
            api_key: take(&mut found, api_key, api_keys::WHAT)?,
            integration: integration.map(|record| record.integration),
            connection: take(&mut found, connection, connections::WHAT)?,
        })
    }

    /// Returns items by their keys. DynamoDB leaves out those for which it is too busy; they are requested again.
    async fn items(
        &self,
        mut wanted: HashMap<String, KeysAndAttributes>,
    ) -> Result<HashMap<String, Item>, Error> {
        let mut found = HashMap::new();
        for pause in PAUSES {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            let request = self.client.batch_get_item().set_request_items(Some(wanted));
            let answer = request.send().await;
            let answer = answer.map_err(|e| Error::sdk("dynamodb", "BatchGetItem", &e))?;
            let items = answer.responses.into_iter().flatten().flat_map(|(_, items)| items);
            found.extend(
                items.filter_map(|item| Some((item.get("pk")?.as_s().ok()?.clone(), item))),
            );
            wanted = answer.unprocessed_keys.unwrap_or_default();
            if wanted.is_empty() {
                return Ok(found);
            }
        }
        Err(Error::Unavailable {
            service: "dynamodb",
            operation: "BatchGetItem",
            message: "items were left out".to_owned(),
        })
    }
}

fn consistent(keys: impl IntoIterator<Item = String>) -> Result<KeysAndAttributes, Error> {
    let keys = keys.into_iter().map(|key| Item::from([("pk".to_owned(), s(key))])).collect();
    let request = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
    request.map_err(|e| Error::corrupt("keys of a call", e))
}

fn take<T: DeserializeOwned>(
    found: &mut HashMap<String, Item>,
    key: Option<String>,
    what: &'static str,
) -> Result<Option<T>, Error> {
    let item = key.and_then(|key| found.remove(&key));
    item.map(|item| from_item(what, item)).transpose()
}
