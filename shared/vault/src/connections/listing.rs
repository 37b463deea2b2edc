//! Listing connections by integration and user, page by page.

use aws_sdk_dynamodb::types::KeysAndAttributes;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::{Connection, Connections, WHAT};
use crate::Error;
use crate::ids::{ConnectionId, IntegrationId, UserId};
use crate::table::{Item, from_item, s, to_item};

/// The end of a page; opaque to callers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    integration: IntegrationId,
    user: UserId,
    #[serde(rename = "pk")]
    connection: ConnectionId,
}

/// The text is not a cursor of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is not one that a list returned")]
pub struct InvalidCursor;

impl Cursor {
    /// The end of a page whose last entry is this connection.
    pub fn after(connection: &Connection) -> Self {
        Self {
            integration: connection.integration.clone(),
            user: connection.user.clone(),
            connection: connection.id.clone(),
        }
    }

    /// The integration whose list the cursor belongs to.
    pub fn integration(&self) -> &IntegrationId {
        &self.integration
    }

    /// As text for a query parameter.
    pub fn encode(&self) -> String {
        // Serializing three strings cannot fail.
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// From a query parameter.
    ///
    /// # Errors
    /// [`InvalidCursor`] when the text does not come from [`Self::encode`].
    pub fn decode(text: &str) -> Result<Self, InvalidCursor> {
        let json = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidCursor)?;
        serde_json::from_slice(&json).map_err(|_| InvalidCursor)
    }
}

/// One page of a list.
#[derive(Debug)]
pub struct Page {
    /// The connections.
    pub connections: Vec<Connection>,
    /// The position of the next page, if there is one.
    pub next: Option<Cursor>,
}

/// The users whose connections are listed.
#[derive(Debug, Clone, Copy)]
pub enum UserFilter<'a> {
    /// All users.
    Any,
    /// One user.
    Exactly(&'a UserId),
    /// Users whose names begin with this text.
    StartingWith(&'a str),
}

impl Connections {
    /// At most `limit` connections of an integration's users after `cursor`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is; [`Error::Corrupt`] for an unreadable item.
    pub async fn list(
        &self,
        integration: &IntegrationId,
        user: UserFilter<'_>,
        cursor: Option<&Cursor>,
        limit: i32,
    ) -> Result<Page, Error> {
        let mut query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("by_user")
            .expression_attribute_names("#integration", "integration")
            .expression_attribute_values(":integration", s(integration.as_str()))
            .set_exclusive_start_key(cursor.map(|cursor| to_item(WHAT, cursor)).transpose()?)
            .limit(limit);
        let (condition, user) = match user {
            UserFilter::Any => ("#integration = :integration", None),
            UserFilter::Exactly(user) => {
                ("#integration = :integration AND #user = :user", Some(user.as_str()))
            }
            UserFilter::StartingWith(prefix) => {
                ("#integration = :integration AND begins_with(#user, :user)", Some(prefix))
            }
        };
        query = query.key_condition_expression(condition);
        if let Some(user) = user {
            query = query
                .expression_attribute_names("#user", "user")
                .expression_attribute_values(":user", s(user));
        }
        let answer = query.send().await.map_err(|e| Error::sdk("dynamodb", "Query", &e))?;
        let ids: Vec<ConnectionId> = answer
            .items
            .unwrap_or_default()
            .iter()
            .filter_map(|item| item.get("pk")?.as_s().ok()?.parse().ok())
            .collect();
        let next = answer.last_evaluated_key.map(|key| from_item(WHAT, key)).transpose()?;
        Ok(Page { connections: self.get_all(&ids).await?, next })
    }

    /// The connections with these ids, in this order, except deleted ones.
    async fn get_all(&self, ids: &[ConnectionId]) -> Result<Vec<Connection>, Error> {
        let mut found: Vec<Connection> = Vec::with_capacity(ids.len());
        // A batch read takes 100 keys.
        for chunk in ids.chunks(100) {
            let mut keys: Vec<Item> =
                chunk.iter().map(|id| Item::from([("pk".to_owned(), s(id.as_str()))])).collect();
            while !keys.is_empty() {
                let request = KeysAndAttributes::builder()
                    .set_keys(Some(keys))
                    .consistent_read(true)
                    .build()
                    .map_err(|e| Error::corrupt(WHAT, e))?;
                let answer = self
                    .client
                    .batch_get_item()
                    .request_items(&self.table, request)
                    .send()
                    .await
                    .map_err(|e| Error::sdk("dynamodb", "BatchGetItem", &e))?;
                for item in answer.responses.into_iter().flatten().flat_map(|(_, items)| items) {
                    found.push(from_item(WHAT, item)?);
                }
                keys = answer
                    .unprocessed_keys
                    .and_then(|mut rest| rest.remove(&self.table))
                    .map(|rest| rest.keys)
                    .unwrap_or_default();
            }
        }
        let position = |id: &ConnectionId| ids.iter().position(|listed| listed == id);
        found.sort_by_key(|connection| position(&connection.id));
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_is_a_cursor_or_refused(text in ".{0,80}") {
            if let Ok(cursor) = Cursor::decode(&text) {
                prop_assert_eq!(Cursor::decode(&cursor.encode()).unwrap(), cursor);
            }
        }
    }
}
