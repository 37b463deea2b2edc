//! Tokens are renewed before they expire.
//!
//! ```text
//!  schedule, every minute ─> dispatcher ─ one FIFO message per due shard ─> queue ─> worker ─> vault::refresh
//!                                              (group = shard)                        │
//!                                                     what time did not allow  <──────┘
//! ```
//!
//! A message group is handled by one worker at a time, so shards do not get in each other's way; the
//! refresh protocol would forgive it if they did.

mod dispatch;
mod work;

use std::sync::Arc;

use aws_sdk_sqs::Client as Queue;
use edge::config::RefreshConfig;
use edge::deployment::Deployment;
use entra::clock::Clock;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vault::refresh::Refresher;

/// Everything the function needs, made once per process.
pub struct Refresh {
    clock: Arc<dyn Clock>,
    refresher: Refresher,
    queue: Queue,
    queue_url: String,
    shards: u32,
}

/// An event, as far as it matters.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Event {
    /// From the queue: an SQS event.
    Queue {
        #[serde(rename = "Records")]
        records: Vec<Record>,
    },
    /// From the schedule.
    Schedule { source: String },
}

/// One message of an SQS event.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    message_id: String,
    body: String,
}

/// The body of a message: which shard is due.
#[derive(Debug, Serialize, Deserialize)]
struct DueShard {
    shard: u32,
}

/// What an SQS event is answered with: the messages to be delivered again.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchResponse {
    batch_item_failures: Vec<BatchItemFailure>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchItemFailure {
    item_identifier: String,
}

/// An event that is neither of ours.
#[derive(Debug, thiserror::Error)]
#[error("the event is neither a schedule's nor a queue's")]
struct UnknownEvent;

impl Refresh {
    /// Reads the configuration and makes the clients.
    ///
    /// # Errors
    /// When the environment lacks something; the error names everything that is missing.
    pub async fn from_environment() -> Result<Self, Error> {
        let RefreshConfig { common, queue_url } = RefreshConfig::from_environment()?;
        let deployment = Deployment::new(common).await?;
        Ok(Self {
            refresher: deployment.refresher(),
            queue: deployment.queue(),
            queue_url: queue_url.to_string(),
            shards: deployment.config.refresh_shards.get(),
            clock: deployment.clock,
        })
    }

    /// Handles events until the environment is shut down.
    ///
    /// # Errors
    /// When the Lambda runtime API fails.
    pub async fn run(self) -> Result<(), Error> {
        let refresh = Arc::new(self);
        lambda_runtime::run(service_fn(move |event| {
            let refresh = Arc::clone(&refresh);
            async move { refresh.handle(event).await }
        }))
        .await
    }

    /// Handles one event.
    ///
    /// # Errors
    /// When the event is unknown, or nothing of it could be done; it is then delivered again.
    pub async fn handle(&self, event: LambdaEvent<Value>) -> Result<Value, Error> {
        match serde_json::from_value(event.payload).map_err(|_| UnknownEvent)? {
            Event::Schedule { source } if source == "ado-connect.schedule" => {
                Ok(serde_json::to_value(self.dispatch().await?)?)
            }
            Event::Schedule { .. } => Err(UnknownEvent.into()),
            Event::Queue { records } => {
                let deadline = work::deadline(&event.context);
                Ok(serde_json::to_value(self.work(records, deadline).await)?)
            }
        }
    }
}
