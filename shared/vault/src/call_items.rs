//! The items that decide whether a call may be made: the service's switch, the integration, the connection and the API key,
//! read together by one request. A call under way reads them repeatedly, so that it ends when one of them forbids it.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::KeysAndAttributes;
use serde::de::DeserializeOwned;
use serde_dynamo::{AttributeValue, Item};

use crate::api_keys::StoredKey;
use crate::aws::TableNames;
use crate::connections::Connection;
use crate::direct_read::{DirectReads, Keys};
use crate::ids::{ApiKeyId, ConnectionId, IntegrationId};
use crate::integrations::Integration;
use crate::service::ServiceSettings;
use crate::table::s;
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
#[derive(Clone)]
pub struct CallItemReader {
    client: Client,
    direct: Option<DirectReads>,
    integrations: String,
    connections: String,
}

/// Items by key.
type Found = HashMap<String, Item>;

impl CallItemReader {
    /// Reads from the given tables, by direct requests if there are any.
    pub fn new(client: Client, direct: Option<DirectReads>, names: &TableNames) -> Self {
        let (integrations, connections) = (names.integrations.clone(), names.connections.clone());
        Self { client, direct, integrations, connections }
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
        let mut wanted: Keys = HashMap::from([(
            self.integrations.clone(),
            configured.into_iter().flatten().collect(),
        )]);
        if let Some(connection) = connection.clone() {
            wanted.insert(self.connections.clone(), vec![connection]);
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

    async fn items(&self, wanted: Keys) -> Result<Found, Error> {
        if let Some(direct) = &self.direct
            && let Some(items) = direct.read(&wanted).await
        {
            return Ok(by_key(items));
        }
        // Boxed, because it is seldom needed and large.
        Box::pin(self.items_by_sdk(wanted)).await
    }

    /// Returns items by their keys. DynamoDB leaves out those for which it is too busy; they are requested again.
    async fn items_by_sdk(&self, wanted: Keys) -> Result<Found, Error> {
        let wanted = wanted.into_iter().map(|(table, keys)| Ok((table, consistent(keys)?)));
        let mut wanted: HashMap<_, _> = wanted.collect::<Result<_, Error>>()?;
        let mut found = Found::new();
        for pause in PAUSES {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            let request = self.client.batch_get_item().set_request_items(Some(wanted));
            let sent = match &self.direct {
                Some(direct) => request.customize().interceptor(direct.endpoint()).send().await,
                None => request.send().await,
            };
            let answer = sent.map_err(|e| Error::sdk("dynamodb", "BatchGetItem", &e))?;
            let items = answer.responses.into_iter().flatten().flat_map(|(_, items)| items);
            found.extend(by_key(items.map(Item::from)));
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

fn by_key(items: impl IntoIterator<Item = Item>) -> Found {
    let key = |item: &Item| match item.get("pk") {
        Some(AttributeValue::S(pk)) => Some(pk.clone()),
        _ => None,
    };
    items.into_iter().filter_map(|item| Some((key(&item)?, item))).collect()
}

fn consistent(keys: Vec<String>) -> Result<KeysAndAttributes, Error> {
    let keys = keys.into_iter().map(|key| HashMap::from([("pk".to_owned(), s(key))])).collect();
    let request = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
    request.map_err(|e| Error::corrupt("keys of a call", e))
}

fn take<T: DeserializeOwned>(
    found: &mut Found,
    key: Option<String>,
    what: &'static str,
) -> Result<Option<T>, Error> {
    let Some((key, item)) = key.and_then(|key| found.remove_entry(&key)) else { return Ok(None) };
    // Not serde's message, which may repeat a stored value.
    serde_dynamo::from_item(item).map(Some).map_err(|_| Error::corrupt(what, key))
}
