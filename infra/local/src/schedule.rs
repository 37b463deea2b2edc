//! EventBridge Scheduler and the queue's event source mapping: what makes the function `refresh` run.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::types::Message;
use serde::Deserialize;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::runtime::Function;

/// Invokes `refresh` with what the schedule and the queue send.
pub(crate) struct Schedule {
    pub(crate) refresh: Arc<Function>,
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) queue_url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BatchResponse {
    #[serde(default)]
    batch_item_failures: Vec<Failure>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    item_identifier: String,
}

impl Schedule {
    /// Ticks until aborted.
    pub(crate) fn every(self: Arc<Self>, tick: Duration) -> JoinHandle<()> {
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(tick);
            // The first tick of an interval comes at once; the schedule's comes after its first period.
            ticks.tick().await;
            loop {
                ticks.tick().await;
                if let Err(error) = self.tick().await {
                    eprintln!("the refresh schedule: {error}");
                }
            }
        })
    }

    /// Runs the schedule once, and the queue until it is empty.
    pub(crate) async fn tick(&self) -> Result<(), String> {
        let event = json!({"source": "ado-connect.schedule"});
        self.refresh.invoke(event.to_string().into_bytes()).await.map_err(|e| e.to_string())?;
        loop {
            let received = self
                .sqs
                .receive_message()
                .queue_url(&self.queue_url)
                .max_number_of_messages(1)
                .visibility_timeout(60)
                .send()
                .await
                .map_err(|e| e.to_string())?;
            let messages = received.messages.unwrap_or_default();
            if messages.is_empty() {
                return Ok(());
            }
            self.deliver(&messages).await?;
        }
    }

    async fn deliver(&self, messages: &[Message]) -> Result<(), String> {
        let records: Vec<_> = messages
            .iter()
            .map(|message| {
                json!({
                    "messageId": message.message_id(),
                    "receiptHandle": message.receipt_handle(),
                    "body": message.body(),
                    "attributes": {},
                    "messageAttributes": {},
                    "eventSource": "aws:sqs",
                    "awsRegion": "us-east-1",
                })
            })
            .collect();
        let event = json!({"Records": records}).to_string().into_bytes();
        let answer = self.refresh.invoke(event).await.map_err(|e| e.to_string())?;
        let answer: BatchResponse = serde_json::from_slice(&answer).map_err(|e| e.to_string())?;
        for message in messages {
            let failed =
                |failure: &Failure| Some(failure.item_identifier.as_str()) == message.message_id();
            if !answer.batch_item_failures.iter().any(failed) {
                self.sqs
                    .delete_message()
                    .queue_url(&self.queue_url)
                    .set_receipt_handle(message.receipt_handle.clone())
                    .send()
                    .await
                    .map_err(|e| e.to_string())?;
            }
        }
        Ok(())
    }
}
