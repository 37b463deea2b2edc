//! EventBridge Scheduler and the queue's event source mapping, which invoke the function `refresh`.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::names;
use crate::runtime::{Function, InvokeError};

/// Invokes `refresh` with the events of the schedule and the queue.
pub(crate) struct Schedule {
    pub(crate) refresh: Arc<Function>,
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) queue_url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BatchResponse {
    #[serde(default)]
    batch_item_failures: Vec<serde_json::Value>,
}

/// Deliveries after which a message goes to the dead-letter queue, as in the template.
const MOST_RECEIVES: u32 = 5;
/// The source of the refresh schedule's events.
pub(crate) const SCHEDULE: &str = "ado-connect.schedule";
/// The source of the daily sweep's events.
pub(crate) const SWEEP: &str = "ado-connect.sweep";
/// The time for which Lambda keeps an event of a schedule, as in the template.
const EVENT_AGE: Duration = Duration::from_mins(5);
/// Seconds for which a message that is being delivered is hidden from others, as in the template.
const VISIBILITY_SECONDS: u16 = 90;
/// Lambda's first wait before it invokes a function again that had no free execution; each further wait is twice as long
/// (<https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>). Both deadlines here end before
/// Lambda's longest wait, five minutes.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The period of the sweep.
const DAY: Duration = Duration::from_hours(24);

impl Schedule {
    /// Ticks until aborted.
    pub(crate) fn every(self: Arc<Self>, tick: Duration) -> JoinHandle<()> {
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(tick);
            // An interval ticks at once; a schedule runs after its first period.
            ticks.tick().await;
            let mut swept_at = Instant::now();
            loop {
                ticks.tick().await;
                let mut ran = self.run(SCHEDULE).await;
                if ran.is_ok() && swept_at.elapsed() >= DAY {
                    swept_at = Instant::now();
                    ran = self.run(SWEEP).await;
                }
                if let Err(error) = ran {
                    eprintln!("the refresh schedule: {error}");
                }
            }
        })
    }

    /// Invokes `refresh` with the event of this source, and runs the queue until it is empty.
    pub(crate) async fn run(&self, source: &str) -> Result<(), String> {
        let event = json!({"source": source}).to_string().into_bytes();
        self.invoke_when_free(event, EVENT_AGE).await.map_err(|e| e.to_string())?;
        loop {
            let received = self
                .sqs
                .receive_message()
                .queue_url(&self.queue_url)
                .max_number_of_messages(10)
                .message_system_attribute_names(MessageSystemAttributeName::All)
                .visibility_timeout(VISIBILITY_SECONDS.into())
                .send()
                .await
                .map_err(|e| e.to_string())?;
            let messages = received.messages.unwrap_or_default();
            if messages.is_empty() {
                return Ok(());
            }
            // Each shard is a message group, and Lambda handles groups concurrently.
            join_all(messages.iter().map(|message| self.deliver(message)))
                .await
                .into_iter()
                .collect::<Result<(), String>>()?;
        }
    }

    /// Invokes `refresh` again and again while it has no free execution. The refusal is
    /// returned if the next wait would end after `longest`.
    async fn invoke_when_free(
        &self,
        event: Vec<u8>,
        longest: Duration,
    ) -> Result<Vec<u8>, InvokeError> {
        let deadline = Instant::now() + longest;
        let mut wait = FIRST_WAIT;
        loop {
            let answered = self.refresh.invoke(event.clone()).await;
            let is_throttled = matches!(answered, Err(InvokeError::Throttled { .. }));
            if !is_throttled || Instant::now() + wait > deadline {
                return answered;
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
    }

    async fn deliver(&self, message: &Message) -> Result<(), String> {
        let record = json!({
            "messageId": message.message_id(),
            "receiptHandle": message.receipt_handle(),
            "body": message.body(),
            "attributes": {},
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": if is_dead(message) { names::DEAD_LETTERS_ARN } else { names::QUEUE_ARN },
            "awsRegion": "us-east-1",
        });
        let event = json!({"Records": [record]}).to_string().into_bytes();
        let visibility = Duration::from_secs(VISIBILITY_SECONDS.into());
        let answer = match self.invoke_when_free(event, visibility).await {
            // The message is visible again when its timeout ends.
            Err(InvokeError::Throttled { .. }) => return Ok(()),
            answered => answered.map_err(|e| e.to_string())?,
        };
        let answer: BatchResponse = serde_json::from_slice(&answer).map_err(|e| e.to_string())?;
        if answer.batch_item_failures.is_empty() {
            self.sqs
                .delete_message()
                .queue_url(&self.queue_url)
                .set_receipt_handle(message.receipt_handle.clone())
                .send()
                .await
                .map_err(|e| e.to_string())?;
        }
        Ok(())
    }
}

/// Whether a message has failed so often that SQS would have moved it to the dead-letter queue.
fn is_dead(message: &Message) -> bool {
    let received = message
        .attributes()
        .and_then(|all| all.get(&MessageSystemAttributeName::ApproximateReceiveCount))
        .and_then(|count| count.parse::<u32>().ok());
    received.is_some_and(|count| count > MOST_RECEIVES)
}
