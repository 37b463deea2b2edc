//! What every table needs: items to records and back, and reading a failed condition.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;

/// A DynamoDB item.
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

/// Stores a record under a key that no other has.
pub(crate) async fn put_new<T: Serialize>(
    client: &Client,
    table: &str,
    what: &'static str,
    record: &T,
) -> Result<(), Error> {
    let item = to_item(what, record)?;
    let put = client
        .put_item()
        .table_name(table)
        .set_item(Some(item.clone()))
        .condition_expression("attribute_not_exists(pk)");
    let is_there = put_where(put, |there| *there == item).await?;
    if is_there { Ok(()) } else { Err(Error::Contended { what }) }
}

/// Puts an item where the put's condition holds. Returns whether it is there: the client sends again where an answer got
/// lost, so what stands in the way may be the item itself, which `is_own` tells.
pub(crate) async fn put_where(
    put: PutItemFluentBuilder,
    is_own: impl FnOnce(&Item) -> bool,
) -> Result<bool, Error> {
    let put =
        put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let Err(error) = put.send().await else { return Ok(true) };
    match error.as_service_error() {
        Some(PutItemError::ConditionalCheckFailedException(failed)) => {
            Ok(failed.item().is_some_and(is_own))
        }
        _ => Err(Error::sdk("dynamodb", "PutItem", &error)),
    }
}

/// Forgets the record with a key. Returns whether there was one.
pub(crate) async fn delete(
    client: &Client,
    table: &str,
    key: impl Into<String>,
) -> Result<bool, Error> {
    let answer = client
        .delete_item()
        .table_name(table)
        .key("pk", s(key))
        .return_values(ReturnValue::AllOld)
        .send()
        .await
        .map_err(|e| Error::sdk("dynamodb", "DeleteItem", &e))?;
    Ok(answer.attributes.is_some())
}

/// An item as a record.
pub(crate) fn from_item<T: DeserializeOwned>(what: &'static str, item: Item) -> Result<T, Error> {
    serde_dynamo::aws_sdk_dynamodb_1::from_item(item).map_err(|e| Error::corrupt(what, e))
}

/// A value inside an item, for update expressions.
pub(crate) fn to_value<T: Serialize>(
    what: &'static str,
    value: &T,
) -> Result<AttributeValue, Error> {
    serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(value).map_err(|e| Error::corrupt(what, e))
}

/// A string attribute.
pub(crate) fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

/// A number attribute.
pub(crate) fn n(number: impl std::fmt::Display) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// Sends an update. Returns what it asks for of the item as it left it (`ReturnValues`), or the whole item as it refused
/// the update: none if there is none.
pub(crate) async fn updated(
    update: UpdateItemFluentBuilder,
) -> Result<Result<Item, Option<Item>>, Error> {
    let update = update
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let error = match update.send().await {
        Ok(answer) => return Ok(Ok(answer.attributes.unwrap_or_default())),
        Err(error) => error,
    };
    match error.as_service_error() {
        Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
            Ok(Err(failed.item().filter(|item| !item.is_empty()).cloned()))
        }
        _ => Err(Error::sdk("dynamodb", "UpdateItem", &error)),
    }
}

/// Whether an update was written: a refused condition is a result, not an error.
pub(crate) fn sent<T, R>(outcome: Result<T, SdkError<UpdateItemError, R>>) -> Result<bool, Error> {
    match outcome {
        Ok(_) => Ok(true),
        Err(e)
            if e.as_service_error()
                .is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
        {
            Ok(false)
        }
        Err(e) => Err(Error::sdk("dynamodb", "UpdateItem", &e)),
    }
}
