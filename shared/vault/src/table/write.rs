//! One builder for every write: updates, puts and deletes of an item, alone or in a transaction.
//!
//! Expressions hold placeholders only, because DynamoDB reserves words such as `status` and `user`.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::delete_item::{DeleteItemError, DeleteItemOutput};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::{UpdateItemError, UpdateItemOutput};
use aws_sdk_dynamodb::types::error::ConditionalCheckFailedException;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, Put, ReturnValue, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem, Update,
};

use super::conflict::{Conflicts, is_conflict};
use super::{Item, s};
use crate::Error;

#[derive(Debug)]
pub(crate) enum Updated {
    /// It was written. After an update this is the new item, after a delete the old one; after a put it is empty.
    Written(Item),
    /// This item does not meet a condition. Because the SDK retries when a reply is lost, the item may be the one that
    /// this very write left there.
    Refused(Item),
    /// There is no such item to update or delete.
    Absent,
}

impl Updated {
    /// Whether it was written, now or by the earlier attempt that `is_own` recognises.
    pub(crate) fn is_written_or(&self, is_own: impl FnOnce(&Item) -> bool) -> bool {
        match self {
            Self::Written(_) => true,
            Self::Refused(item) => is_own(item),
            Self::Absent => false,
        }
    }

    fn refused(failed: &ConditionalCheckFailedException) -> Self {
        failed.item().filter(|item| !item.is_empty()).cloned().map_or(Self::Absent, Self::Refused)
    }
}

/// A condition on one attribute. Comparisons with an absent attribute fail.
pub(crate) enum Condition {
    Exists,
    Absent,
    Is(AttributeValue),
    IsNot(AttributeValue),
    Below(AttributeValue),
    AtMost(AttributeValue),
    Above(AttributeValue),
    AtLeast(AttributeValue),
    AbsentOrBelow(AttributeValue),
    AbsentOrAtMost(AttributeValue),
    SizeBelow(AttributeValue),
}

enum Action {
    Update(String),
    Put(Item),
    Delete(String),
}

/// A write in the making. `set`, `add`, `prepend` and `remove` are for updates. Paths are as in `status`,
/// `credential.kind` and `history[3]`.
#[must_use]
pub(crate) struct Write {
    table: String,
    action: Action,
    set: Vec<String>,
    add: Vec<String>,
    remove: Vec<String>,
    conditions: Vec<String>,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

/// Gives any of the SDK's builders the condition and the placeholders; DynamoDB refuses empty ones.
macro_rules! with_expressions {
    ($builder:expr, $write:expr) => {
        $builder
            .table_name($write.table)
            .set_condition_expression(
                (!$write.conditions.is_empty()).then(|| $write.conditions.join(" AND ")),
            )
            .set_expression_attribute_names((!$write.names.is_empty()).then_some($write.names))
            .set_expression_attribute_values((!$write.values.is_empty()).then_some($write.values))
    };
}

/// Sends one of the SDK's requests, again if it meets a transaction, and sorts its answer; `$attributes` takes the item from a successful one.
macro_rules! sent {
    ($request:expr, $error:ident, $operation:literal, $attributes:expr) => {{
        let request = $request
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let mut conflicts = Conflicts::default();
        loop {
            let error = match Box::pin(request.clone().send()).await {
                Ok(answer) => break Ok($attributes(answer)),
                Err(error) => error,
            };
            match error.as_service_error() {
                Some($error::ConditionalCheckFailedException(failed)) => {
                    break Ok(Updated::refused(failed));
                }
                Some(failed) if is_conflict(failed) && conflicts.pause().await => {}
                _ => break Err(Error::sdk("dynamodb", $operation, &error)),
            }
        }
    }};
}

impl Write {
    /// Changes some attributes of an item, which is created if it is absent and no condition refuses that.
    pub(crate) fn update(table: &str, key: impl Into<String>) -> Self {
        Self::new(table, Action::Update(key.into()))
    }

    /// Stores an item, in the place of any other with its key.
    pub(crate) fn put(table: &str, item: Item) -> Self {
        Self::new(table, Action::Put(item))
    }

    pub(crate) fn delete(table: &str, key: impl Into<String>) -> Self {
        Self::new(table, Action::Delete(key.into()))
    }

    fn new(table: &str, action: Action) -> Self {
        Self {
            table: table.to_owned(),
            action,
            set: Vec::new(),
            add: Vec::new(),
            remove: Vec::new(),
            conditions: Vec::new(),
            names: HashMap::new(),
            values: HashMap::new(),
        }
    }

    pub(crate) fn set(mut self, path: &str, value: AttributeValue) -> Self {
        let assignment = format!("{} = {}", self.path(path), self.value(value));
        self.set.push(assignment);
        self
    }

    /// Adds to a number; an absent one counts as zero.
    pub(crate) fn add(mut self, name: &str, number: AttributeValue) -> Self {
        let addition = format!("{} {}", self.path(name), self.value(number));
        self.add.push(addition);
        self
    }

    /// Puts the elements of one list before those of another; an absent one counts as empty.
    pub(crate) fn prepend(mut self, name: &str, list: AttributeValue) -> Self {
        let (path, list) = (self.path(name), self.value(list));
        let empty = self.value(AttributeValue::L(Vec::new()));
        self.set.push(format!("{path} = list_append({list}, if_not_exists({path}, {empty}))"));
        self
    }

    pub(crate) fn remove(mut self, path: &str) -> Self {
        let path = self.path(path);
        self.remove.push(path);
        self
    }

    /// Changes an item from `before` to `after`: sets and removes the attributes in which they differ.
    pub(crate) fn change(self, before: &Item, after: &Item) -> Self {
        let gone = before.keys().filter(|name| !after.contains_key(*name));
        let update = gone.fold(self, |update, name| update.remove(name));
        let differs = after.iter().filter(|(name, value)| before.get(*name) != Some(value));
        differs.fold(update, |update, (name, value)| update.set(name, value.clone()))
    }

    /// Writes only if this condition holds, together with those before it.
    pub(crate) fn when(mut self, path: &str, condition: Condition) -> Self {
        let path = self.path(path);
        let condition = match condition {
            Condition::Exists => format!("attribute_exists({path})"),
            Condition::Absent => format!("attribute_not_exists({path})"),
            Condition::Is(value) => format!("{path} = {}", self.value(value)),
            Condition::IsNot(value) => format!("{path} <> {}", self.value(value)),
            Condition::Below(value) => format!("{path} < {}", self.value(value)),
            Condition::AtMost(value) => format!("{path} <= {}", self.value(value)),
            Condition::Above(value) => format!("{path} > {}", self.value(value)),
            Condition::AtLeast(value) => format!("{path} >= {}", self.value(value)),
            Condition::AbsentOrBelow(value) => {
                format!("(attribute_not_exists({path}) OR {path} < {})", self.value(value))
            }
            Condition::AbsentOrAtMost(value) => {
                format!("(attribute_not_exists({path}) OR {path} <= {})", self.value(value))
            }
            Condition::SizeBelow(value) => format!("size({path}) < {}", self.value(value)),
        };
        self.conditions.push(condition);
        self
    }

    /// Sends it by itself, and returns the item.
    pub(crate) async fn send(self, client: &Client) -> Result<Updated, Error> {
        self.send_for(client, ReturnValue::AllNew).await
    }

    /// Sends it by itself. Returns whether it was written.
    pub(crate) async fn attempt(self, client: &Client) -> Result<bool, Error> {
        Ok(self.send_for(client, ReturnValue::None).await?.is_written_or(|_| false))
    }

    async fn send_for(self, client: &Client, after_update: ReturnValue) -> Result<Updated, Error> {
        let update = self.update_expression();
        match self.action {
            Action::Update(key) => {
                let request = with_expressions!(client.update_item(), self)
                    .key("pk", s(key))
                    .update_expression(update)
                    .return_values(after_update);
                sent!(request, UpdateItemError, "UpdateItem", |answer: UpdateItemOutput| {
                    Updated::Written(answer.attributes.unwrap_or_default())
                })
            }
            Action::Put(item) => {
                let request = with_expressions!(client.put_item(), self).set_item(Some(item));
                sent!(request, PutItemError, "PutItem", |_| Updated::Written(Item::new()))
            }
            Action::Delete(key) => {
                let request = with_expressions!(client.delete_item(), self)
                    .key("pk", s(key))
                    .return_values(ReturnValue::AllOld);
                sent!(request, DeleteItemError, "DeleteItem", |answer: DeleteItemOutput| {
                    answer.attributes.map_or(Updated::Absent, Updated::Written)
                })
            }
        }
    }

    /// The same write as a part of a transaction. An update that changes nothing is a check: the transaction is refused
    /// unless its conditions hold, and the item stays as it is.
    pub(crate) fn in_transaction(self) -> Result<TransactWriteItem, Error> {
        let corrupt = |e| Error::corrupt("write", e);
        let update = self.update_expression();
        let item = TransactWriteItem::builder();
        Ok(match self.action {
            Action::Update(key) if update.is_empty() => {
                let builder = ConditionCheck::builder().key("pk", s(key));
                item.condition_check(with_expressions!(builder, self).build().map_err(corrupt)?)
            }
            Action::Update(key) => {
                let builder = Update::builder().key("pk", s(key)).update_expression(update);
                item.update(with_expressions!(builder, self).build().map_err(corrupt)?)
            }
            Action::Put(new) => {
                let builder = Put::builder().set_item(Some(new));
                item.put(with_expressions!(builder, self).build().map_err(corrupt)?)
            }
            Action::Delete(key) => {
                let builder = Delete::builder().key("pk", s(key));
                item.delete(with_expressions!(builder, self).build().map_err(corrupt)?)
            }
        }
        .build())
    }

    fn update_expression(&self) -> String {
        let clauses = [("SET", &self.set), ("ADD", &self.add), ("REMOVE", &self.remove)];
        let clauses = clauses.iter().filter(|(_, parts)| !parts.is_empty());
        let clauses: Vec<_> =
            clauses.map(|(verb, parts)| format!("{verb} {}", parts.join(", "))).collect();
        clauses.join(" ")
    }

    fn path(&mut self, path: &str) -> String {
        let mut segments = Vec::new();
        for segment in path.split('.') {
            let (name, index) = segment.split_at(segment.find('[').unwrap_or(segment.len()));
            self.names.insert(format!("#{name}"), name.to_owned());
            segments.push(format!("#{name}{index}"));
        }
        segments.join(".")
    }

    fn value(&mut self, value: AttributeValue) -> String {
        let placeholder = format!(":v{}", self.values.len());
        self.values.insert(placeholder.clone(), value);
        placeholder
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::n;
    use super::*;

    #[test]
    fn an_expression_names_every_attribute_and_value_by_a_placeholder() {
        let write = Write::update("connections", "conn_1")
            .set("status", s("active"))
            .add("failures", n(1))
            .remove("history[3]")
            .when("credential.kind", Condition::Is(s("certificate")))
            .when("due_at", Condition::AbsentOrBelow(n(5)));
        let item = write.in_transaction().unwrap();
        let update = item.update().unwrap();
        assert_eq!(
            update.update_expression(),
            "SET #status = :v0 ADD #failures :v1 REMOVE #history[3]"
        );
        assert_eq!(
            update.condition_expression().unwrap(),
            "#credential.#kind = :v2 AND (attribute_not_exists(#due_at) OR #due_at < :v3)"
        );
        let names = update.expression_attribute_names().unwrap();
        assert!(names.iter().all(|(placeholder, name)| *placeholder == format!("#{name}")));
        let values = update.expression_attribute_values().unwrap();
        assert_eq!((names.len(), values[":v3"].clone()), (6, n(5)));
    }

    #[test]
    fn a_refusal_is_success_only_for_the_writer_of_the_item_that_is_there() {
        let refused = Updated::Refused(Item::from([("fence".to_owned(), n(7))]));
        assert!(refused.is_written_or(|item| item.get("fence") == Some(&n(7))));
        assert!(!refused.is_written_or(|item| item.get("fence") == Some(&n(8))));
        assert!(!Updated::Absent.is_written_or(|_| true));
    }
}
