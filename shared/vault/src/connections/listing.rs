//! Listing connections by integration and user, page by page.

use aws_sdk_dynamodb::types::KeysAndAttributes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::history::OwnerItem;
use super::{Connection, Connections, WHAT};
use crate::Error;
use crate::ids::{ConnectionId, IntegrationId, UserId, owner_key};
use crate::table::{Item, from_item, s, to_item};

/// The end of a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    integration: IntegrationId,
    user: UserId,
    #[serde(rename = "pk")]
    connection: ConnectionId,
}

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

    /// Whether it is a position in the list of these users of this integration: DynamoDB refuses any other.
    fn is_within(&self, integration: &IntegrationId, user: UserFilter<'_>) -> bool {
        self.integration == *integration && user.includes(&self.user)
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

impl UserFilter<'_> {
    fn includes(&self, user: &UserId) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(one) => *one == user,
            Self::StartingWith(prefix) => user.as_str().starts_with(prefix),
        }
    }
}

impl Connections {
    /// At most `limit` connections of an integration's users after `cursor`. A cursor outside of them counts as none.
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
        let cursor = cursor.filter(|cursor| cursor.is_within(integration, user));
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

    /// The connections of a user under these integrations, in no particular order.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub async fn find_all(
        &self,
        integrations: &[IntegrationId],
        user: &UserId,
    ) -> Result<Vec<Connection>, Error> {
        let keys: Vec<String> = integrations.iter().map(|id| owner_key(id, user)).collect();
        let owners: Vec<OwnerItem> = self.read_all(&keys, "connection owner").await?;
        let ids: Vec<ConnectionId> = owners.into_iter().map(|owner| owner.connection).collect();
        self.get_all(&ids).await
    }

    /// The connections with these ids, in this order, except deleted ones.
    async fn get_all(&self, ids: &[ConnectionId]) -> Result<Vec<Connection>, Error> {
        let keys: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let mut found: Vec<Connection> = self.read_all(&keys, WHAT).await?;
        let position = |id: &ConnectionId| ids.iter().position(|listed| listed == id);
        found.sort_by_key(|connection| position(&connection.id));
        Ok(found)
    }

    /// The items with these keys, strongly read, in no particular order.
    async fn read_all<T: DeserializeOwned>(
        &self,
        keys: &[String],
        what: &'static str,
    ) -> Result<Vec<T>, Error> {
        let mut found: Vec<T> = Vec::with_capacity(keys.len());
        // A batch read takes 100 keys.
        for chunk in keys.chunks(100) {
            let mut keys: Vec<Item> =
                chunk.iter().map(|key| Item::from([("pk".to_owned(), s(key.as_str()))])).collect();
            while !keys.is_empty() {
                let request = KeysAndAttributes::builder()
                    .set_keys(Some(keys))
                    .consistent_read(true)
                    .build()
                    .map_err(|e| Error::corrupt(what, e))?;
                let answer = self
                    .client
                    .batch_get_item()
                    .request_items(&self.table, request)
                    .send()
                    .await
                    .map_err(|e| Error::sdk("dynamodb", "BatchGetItem", &e))?;
                for item in answer.responses.into_iter().flatten().flat_map(|(_, items)| items) {
                    found.push(from_item(what, item)?);
                }
                keys = answer
                    .unprocessed_keys
                    .and_then(|mut rest| rest.remove(&self.table))
                    .map(|rest| rest.keys)
                    .unwrap_or_default();
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn position(user: &str) -> Cursor {
        Cursor {
            integration: "azure-devops".parse().unwrap(),
            user: user.parse().unwrap(),
            connection: "conn_0123456789abcdef0123456789abcdef".parse().unwrap(),
        }
    }

    #[test]
    fn only_a_position_within_the_list_reaches_dynamodb() {
        let (ada, grace): (UserId, UserId) = ("ada".parse().unwrap(), "grace".parse().unwrap());
        let ours: IntegrationId = "azure-devops".parse().unwrap();
        let cursor = position("ada");
        for (integration, user, expected) in [
            (&ours, UserFilter::Any, true),
            (&ours, UserFilter::Exactly(&ada), true),
            (&ours, UserFilter::StartingWith("a"), true),
            (&ours, UserFilter::Exactly(&grace), false),
            (&ours, UserFilter::StartingWith("b"), false),
            (&"another".parse().unwrap(), UserFilter::Any, false),
        ] {
            assert_eq!(cursor.is_within(integration, user), expected, "{integration} {user:?}");
        }
    }
}
