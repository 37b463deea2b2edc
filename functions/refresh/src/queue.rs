//! The FIFO queue between the schedules and the workers, and its messages.

use jiff::Timestamp;
use lambda_runtime::Error;
use serde::{Deserialize, Serialize};

/// One message of an SQS event.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    pub(crate) message_id: String,
    pub(crate) body: String,
    /// The queue that it comes from.
    #[serde(default, rename = "eventSourceARN")]
    pub(crate) source: String,
}

/// What an SQS event is answered with: the messages to be delivered again.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BatchResponse {
    pub(crate) batch_item_failures: Vec<BatchItemFailure>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BatchItemFailure {
    pub(crate) item_identifier: String,
}

/// The body of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Message {
    /// Something is due in this shard of the due index.
    DueShard(u32),
    /// A part of the whole table is to be looked through.
    Sweep(Segment),
}

/// A part of a sweep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Segment {
    pub(crate) number: u32,
    pub(crate) of: u32,
    /// The key to go on after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<String>,
}

impl Message {
    /// Messages of one group are handled one after the other.
    fn group(&self) -> String {
        match self {
            Self::DueShard(shard) => format!("shard-{shard}"),
            Self::Sweep(segment) => format!("sweep-{}", segment.number),
        }
    }
}

/// Sends messages.
pub(crate) struct Queue {
    client: aws_sdk_sqs::Client,
    url: String,
}

impl Queue {
    pub(crate) fn new(client: aws_sdk_sqs::Client, url: String) -> Self {
        Self { client, url }
    }

    /// Sends a message once in each minute, however often this is called.
    pub(crate) async fn send(&self, message: &Message, now: Timestamp) -> Result<(), Error> {
        let minute = now.as_second().div_euclid(60);
        self.send_as(message, &format!("{}-minute-{minute}", message.group())).await
    }

    /// Sends what is left of a message's work; at most once in each minute, too, because the message
    /// of the next minute finds the same.
    pub(crate) async fn send_rest(&self, message: &Message, now: Timestamp) -> Result<(), Error> {
        let minute = now.as_second().div_euclid(60);
        self.send_as(message, &format!("{}-rest-{minute}", message.group())).await
    }

    /// Sends a message that must arrive however often its like was sent.
    pub(crate) async fn send_on(&self, message: &Message, now: Timestamp) -> Result<(), Error> {
        self.send_as(message, &format!("{}-{}", message.group(), now.as_nanosecond())).await
    }

    async fn send_as(&self, message: &Message, deduplication_id: &str) -> Result<(), Error> {
        self.client
            .send_message()
            .queue_url(&self.url)
            .message_body(serde_json::to_string(message)?)
            .message_group_id(message.group())
            .message_deduplication_id(deduplication_id)
            .send()
            .await?;
        Ok(())
    }
}
