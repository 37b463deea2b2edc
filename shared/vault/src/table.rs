//! Items as records and back, and the reads and writes that every table has.

mod conflict;
mod transaction;
mod write;

pub(crate) use conflict::Conflicts;
pub(crate) use transaction::{Transaction, transact};
pub(crate) use write::{Condition, Updated, Write};

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;

pub(crate) type Item = HashMap<String, AttributeValue>;

/// A record as an item; absent options become absent attributes, so that sparse indexes stay sparse.
pub(crate) fn to_item<T: Serialize>(what: &'static str, record: &T) -> Result<Item, Error> {
    let mut item: Item =
        serde_dynamo::aws_sdk_dynamodb_1::to_item(record).map_err(|e| Error::corrupt(what, e))?;
    item.retain(|_, value| !matches!(value, AttributeValue::Null(_)));
    Ok(item)
}

/// The record with a key, strongly read.
pub(crate) async fn read<T: DeserializeOwned>(
    client: &Client,
    table: &str,
    key: impl Into<String>,
    what: &'static str,
) -> Result<Option<T>, Error> {
    let answer = client
        .get_item()
        .table_name(table)
        .key("pk", s(key))
        .consistent_read(true)
        .send()
        .await
        .map_err(|e| Error::sdk("dynamodb", "GetItem", &e))?;
    answer.item.map(|item| from_item(what, item)).transpose()
}

/// The records whose keys begin with this prefix, strongly read, in no particular order. An unreadable one is left out,
/// because one item of a newer release must not hide all others.
pub(crate) async fn scan<T: DeserializeOwned>(
    client: &Client,
    table: &str,
    prefix: &str,
    what: &'static str,
) -> Result<Vec<T>, Error> {
    let items = client
        .scan()
        .table_name(table)
        .consistent_read(true)
        .filter_expression("begins_with(pk, :prefix)")
        .expression_attribute_values(":prefix", s(prefix))
        .into_paginator()
        .items()
        .send();
    let items = items.collect::<Result<Vec<_>, _>>().await;
    let items = items.map_err(|e| Error::sdk("dynamodb", "Scan", &e))?;
    let record = |item| match from_item(what, item) {
        Ok(record) => Some(record),
        Err(error) => {
            tracing::error!("an item is left out: {error}");
            None
        }
    };
    Ok(items.into_iter().filter_map(record).collect())
}

/// Stores a record, unless another one has its key.
pub(crate) async fn put_new<T: Serialize>(
    client: &Client,
    table: &str,
    what: &'static str,
    record: &T,
) -> Result<(), Error> {
    let item = to_item(what, record)?;
    let put = Write::put(table, item.clone()).when("pk", Condition::Absent);
    if put.send(client).await?.is_written_or(|there| *there == item) {
        Ok(())
    } else {
        Err(Error::Contended { what })
    }
}

pub(crate) fn from_item<T: DeserializeOwned>(what: &'static str, item: Item) -> Result<T, Error> {
    let key = item.get("pk").and_then(|pk| pk.as_s().ok()).cloned();
    // Not serde's message, which may repeat a stored value.
    let unreadable = |_| Error::corrupt(what, key.unwrap_or_else(|| "without a key".to_owned()));
    serde_dynamo::aws_sdk_dynamodb_1::from_item(item).map_err(unreadable)
}

pub(crate) fn to_value<T: Serialize>(
    what: &'static str,
    value: &T,
) -> Result<AttributeValue, Error> {
    serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(value).map_err(|e| Error::corrupt(what, e))
}

pub(crate) fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(crate) fn n(number: impl std::fmt::Display) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    enum Word {
        Known,
    }

    #[derive(Debug, serde::Deserialize)]
    struct Record {
        #[expect(dead_code, reason = "only its form matters")]
        word: Word,
    }

    #[test]
    fn an_unreadable_item_is_named_by_its_key_and_shows_no_value() {
        let item = Item::from([
            ("pk".to_owned(), s("integration#one")),
            ("word".to_owned(), s("a stored value")),
        ]);
        let error = from_item::<Record>("integration", item).unwrap_err().to_string();
        assert!(error.contains("integration#one") && !error.contains("a stored value"), "{error}");
    }
}
