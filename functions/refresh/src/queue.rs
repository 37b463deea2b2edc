//! The FIFO queue between the schedules and the workers, and its messages.

use jiff::Timestamp;
use lambda_runtime::Error;
use serde::{Deserialize, Serialize};
use vault::schedule::DISPATCHED_EVERY;

/// One message of an SQS event.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    pub(crate) message_id: String,
    pub(crate) body: String,
    /// The ARN of its queue.
    #[serde(default, rename = "eventSourceARN")]
    pub(crate) source: String,
}

/// The response to an SQS event: the messages to be delivered again.
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

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Message {
    /// A shard of the due index has due connections.
    DueShard(u32),
    /// A part of the whole table must be scanned.
    Sweep(Segment),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Segment {
    pub(crate) number: u32,
    pub(crate) of: u32,
    /// The key after which the scan continues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<String>,
}

impl Message {
    /// Returns the message group; its messages are handled one after the other.
    fn group(&self) -> String {
        match self {
            Self::DueShard(shard) => format!("shard-{shard}"),
            Self::Sweep(segment) => format!("sweep-{}", segment.number),
        }
    }
}

pub(crate) struct Queue {
    client: aws_sdk_sqs::Client,
    url: String,
}

impl Queue {
    pub(crate) fn new(client: aws_sdk_sqs::Client, url: String) -> Self {
        Self { client, url }
    }

    /// Sends a message once in each run of the dispatcher, however often this is called.
    pub(crate) async fn send(&self, message: &Message, now: Timestamp) -> Result<(), Error> {
        self.send_as(message, &once_a_run(message, "run", now)).await
    }

    /// Sends the rest of a message's work: at most once in each run of the dispatcher as well, because the next run finds
    /// the same rest.
    pub(crate) async fn send_rest(&self, message: &Message, now: Timestamp) -> Result<(), Error> {
        self.send_as(message, &once_a_run(message, "rest", now)).await
    }

    /// Sends a message that must arrive even if the same one was sent in this minute.
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

/// Returns the id by which SQS recognises a message that was sent before in the same run of the dispatcher. SQS remembers
/// ids for five minutes
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html>).
fn once_a_run(message: &Message, kind: &str, now: Timestamp) -> String {
    let run = now.as_second().div_euclid(DISPATCHED_EVERY.as_secs());
    format!("{}-{kind}-{run}", message.group())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    #[test]
    fn a_shard_is_sent_once_a_run_of_the_dispatcher() {
        let shard = Message::DueShard(3);
        let id = |seconds| once_a_run(&shard, "run", at(seconds));
        assert_eq!(id(0), id(59));
        assert_ne!(id(59), id(60));
        assert_ne!(id(0), once_a_run(&Message::DueShard(2), "run", at(0)));
        assert_ne!(id(0), once_a_run(&shard, "rest", at(0)), "the rest of a run is not its start");
    }

    #[test]
    fn the_template_runs_the_dispatcher_as_often_as_messages_are_sent_again() {
        let template = include_str!("../../../infra/template.yaml");
        assert_eq!(DISPATCHED_EVERY.as_secs(), 60);
        assert!(template.contains("ScheduleExpression: rate(1 minute)"));
    }

    #[test]
    fn messages_of_one_shard_are_handled_one_after_the_other() {
        let segment = |after: Option<&str>| {
            Message::Sweep(Segment { number: 3, of: 4, after: after.map(str::to_owned) })
        };
        assert_eq!(Message::DueShard(3).group(), "shard-3");
        assert_eq!(segment(None).group(), segment(Some("conn_1")).group());
        assert_ne!(segment(None).group(), Message::DueShard(3).group());
    }

    #[test]
    fn messages_keep_their_shape_while_old_and_new_functions_run_side_by_side() {
        let segment = Segment { number: 1, of: 4, after: Some("conn_1".to_owned()) };
        for (message, wire) in [
            (Message::DueShard(3), json!({"due_shard": 3})),
            (Message::Sweep(segment), json!({"sweep": {"number": 1, "of": 4, "after": "conn_1"}})),
        ] {
            assert_eq!(serde_json::to_value(&message).unwrap(), wire);
            assert_eq!(serde_json::from_value::<Message>(wire).unwrap(), message);
        }
    }
}
