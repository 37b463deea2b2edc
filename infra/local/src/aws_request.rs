//! The permissions that a request to AWS needs, in IAM's terms: actions, resources and condition keys.
//!
//! Source: "Actions, resources, and condition keys for AWS services", Service Authorization Reference.

mod attributes;

use serde_json::Value;

use crate::names::{self, SCOPE, secret_arn, table_arn};

/// A permission that a request needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Needed {
    /// `dynamodb:GetItem`.
    pub action: String,
    /// The resource's ARN.
    pub resource: String,
    /// Condition keys and their values.
    pub context: Vec<(String, Vec<String>)>,
}

impl Needed {
    /// An action on a resource.
    pub fn new(action: impl Into<String>, resource: impl Into<String>) -> Self {
        Self { action: action.into(), resource: resource.into(), context: Vec::new() }
    }

    /// With a condition key that has one value.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.context.push((key.to_owned(), vec![value.to_owned()]));
        self
    }
}

/// The permissions that a request needs; `target` is the header `X-Amz-Target`. For unknown services it is one that no
/// role has.
pub fn needed(target: &str, body: &Value) -> Vec<Needed> {
    let (service, operation) = target.split_once('.').unwrap_or((target, ""));
    match service {
        "DynamoDB_20120810" => dynamodb(operation, body),
        "secretsmanager" => {
            let field = if operation == "CreateSecret" { "Name" } else { "SecretId" };
            vec![Needed::new(format!("secretsmanager:{operation}"), secret_arn(text(body, field)))]
        }
        "TrentService" => vec![kms(operation, body)],
        "AmazonSQS" => {
            let queue = text(body, "QueueUrl").rsplit('/').next().unwrap_or_default();
            vec![Needed::new(format!("sqs:{operation}"), format!("arn:aws:sqs:{SCOPE}:{queue}"))]
        }
        "AWSEvents" => list(body, "Entries")
            .map(|entry| {
                let bus = text(entry, "EventBusName");
                let resource = format!("arn:aws:events:{SCOPE}:event-bus/{bus}");
                Needed::new(format!("events:{operation}"), resource)
            })
            .collect(),
        _ => vec![Needed::new(target, "*")],
    }
}

/// A transaction needs the permissions of its parts, which have no `ReturnValues`; `BatchGetItem` is an action of its own.
///
/// No document counts `ReturnValuesOnConditionCheckFailure` as `dynamodb:ReturnValues`, so it is not counted here.
fn dynamodb(operation: &str, body: &Value) -> Vec<Needed> {
    match operation {
        "TransactWriteItems" => list(body, "TransactItems")
            .flat_map(|item| item.as_object().into_iter().flatten())
            .map(|(part, item)| {
                let action = if part == "ConditionCheck" {
                    "ConditionCheckItem"
                } else {
                    &format!("{part}Item")
                };
                on_item(action, text(item, "TableName"), item)
            })
            .collect(),
        "BatchGetItem" => body["RequestItems"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(table, read)| {
                let keys = list(read, "Keys").map(|key| text(&key["pk"], "S").to_owned());
                let mut needed = Needed::new("dynamodb:BatchGetItem", table_arn(table));
                needed.context.push(("dynamodb:LeadingKeys".to_owned(), keys.collect()));
                needed
            })
            .collect(),
        _ => {
            let mut needed = on_item(operation, text(body, "TableName"), body);
            if ["PutItem", "UpdateItem", "DeleteItem"].contains(&operation) {
                let returned = body["ReturnValues"].as_str().unwrap_or("NONE");
                needed = needed.with("dynamodb:ReturnValues", returned);
            }
            if let Some(index) = body["IndexName"].as_str() {
                needed.resource.push_str("/index/");
                needed.resource.push_str(index);
            }
            vec![needed]
        }
    }
}

/// `dynamodb:LeadingKeys` is the value of the partition key, if the request names it, and `dynamodb:Attributes` are the
/// attributes that it names.
fn on_item(operation: &str, table: &str, item: &Value) -> Needed {
    let mut needed = Needed::new(format!("dynamodb:{operation}"), table_arn(table));
    let attributes = attributes::named(item).into_iter().collect();
    needed.context.push(("dynamodb:Attributes".to_owned(), attributes));
    let key = item["Key"]["pk"]["S"].as_str().or_else(|| item["Item"]["pk"]["S"].as_str());
    match key {
        Some(key) => needed.with("dynamodb:LeadingKeys", key),
        None => needed,
    }
}

fn kms(operation: &str, body: &Value) -> Needed {
    let key = match text(body, "KeyId") {
        // `Decrypt` takes the key from the ciphertext, and there is one key.
        "" | names::KEY => "tokens",
        other => other,
    };
    let mut needed =
        Needed::new(format!("kms:{operation}"), format!("arn:aws:kms:{SCOPE}:key/{key}"));
    for (name, value) in body["EncryptionContext"].as_object().into_iter().flatten() {
        let key = format!("kms:EncryptionContext:{name}");
        needed = needed.with(&key, value.as_str().unwrap_or_default());
    }
    needed
}

fn text<'a>(body: &'a Value, field: &str) -> &'a str {
    body[field].as_str().unwrap_or_default()
}

fn list<'a>(body: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    body[field].as_array().into_iter().flatten()
}
