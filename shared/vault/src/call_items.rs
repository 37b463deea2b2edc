//! The items that decide whether a call may be made: the service's switch, the integration, the connection and the API key,
//! read together. A call under way reads them repeatedly, so that it ends when one of them forbids it.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::KeysAndAttributes;
use serde::de::DeserializeOwned;

use crate::aws::TableNames;
use crate::connections::Connection;
use crate::ids::{ApiKeyId, ConnectionId, IntegrationId};
use crate::integrations::Integration;
use crate::service::ServiceSettings;
use crate::table::{Item, from_item, s};
use crate::{Error, api_keys, connections, integrations, service};

/// The names of the items of one call.
#[derive(Debug, Clone)]
pub struct CallKeys {
    /// The caller's API key, if it has one.
    pub api_key: Option<ApiKeyId>,
    /// The integration.
    pub integration: IntegrationId,
    /// The connection.
    pub connection: ConnectionId,
}

/// The items of one call; `None` for an absent one.
#[derive(Debug, Clone)]
pub struct CallItems {
    /// The kill switch.
    pub service: ServiceSettings,
    /// The caller's API key, which may have expired.
    pub api_key: Option<api_keys::ApiKey>,
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
    /// [`Error::Unavailable`] if DynamoDB does not answer, or leaves an item out because it is too busy;
    /// [`Error::Corrupt`] for an unreadable item.
    pub async fn read(&self, keys: &CallKeys) -> Result<CallItems, Error> {
        let integration = integrations::key(&keys.integration);
        let api_key = keys.api_key.as_ref().map(api_keys::pk);
        let mut configured = vec![service::KEY.to_owned(), integration.clone()];
        configured.extend(api_key.clone());
        let connection = keys.connection.as_str().to_owned();
        let answer = self
            .client
            .batch_get_item()
            .request_items(&self.integrations, consistent(configured)?)
            .request_items(&self.connections, consistent(vec![connection.clone()])?)
            .send()
            .await
            .map_err(|e| Error::sdk("dynamodb", "BatchGetItem", &e))?;
        if answer.unprocessed_keys.is_some_and(|left_out| !left_out.is_empty()) {
            let message = "items were left out".to_owned();
            return Err(Error::Unavailable {
                service: "dynamodb",
                operation: "BatchGetItem",
                message,
            });
        }
        let items = answer.responses.into_iter().flatten().flat_map(|(_, items)| items);
        let mut found: HashMap<String, Item> =
            items.filter_map(|item| Some((item.get("pk")?.as_s().ok()?.clone(), item))).collect();
        let record: Option<integrations::Record> =
            take(&mut found, &integration, integrations::WHAT)?;
        let key: Option<api_keys::Record> = match &api_key {
            Some(pk) => take(&mut found, pk, api_keys::WHAT)?,
            None => None,
        };
        Ok(CallItems {
            service: take(&mut found, service::KEY, service::WHAT)?.unwrap_or_default(),
            api_key: key.map(|record| record.key),
            integration: record.map(|record| record.integration),
            connection: take(&mut found, &connection, connections::WHAT)?,
        })
    }
}

fn consistent(keys: Vec<String>) -> Result<KeysAndAttributes, Error> {
    let keys = keys.into_iter().map(|key| Item::from([("pk".to_owned(), s(key))])).collect();
    let request = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
    request.map_err(|e| Error::corrupt("keys of a call", e))
}

fn take<T: DeserializeOwned>(
    found: &mut HashMap<String, Item>,
    key: &str,
    what: &'static str,
) -> Result<Option<T>, Error> {
    found.remove(key).map(|item| from_item(what, item)).transpose()
}
