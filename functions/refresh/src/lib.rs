//! Renews tokens before they expire.
//!
//! ```text
//!  schedule, every minute ─> dispatcher ─ one FIFO message per due shard ─> queue ─> worker ─> vault::refresh
//!                                              (group = shard)             │  ^       │
//!  schedule, every day ────> sweep ─ one message per segment ──────────────┘  └───────┘ work left at the deadline
//!                                                                          │
//!                        after five failures: dead letters ─> only postpone connections that crashed a worker
//! ```
//!
//! One worker at a time handles a message group, so shards do not collide; the refresh protocol would tolerate it.
//! Messages name shards, never connections, so a message that is lost or duplicated loses or duplicates no work.

pub mod config;
mod dead_letters;
mod dispatch;
mod queue;
mod report;
mod sweep;
mod work;

use std::sync::Arc;

use edge::config::FromVariables as _;
use edge::deployment::Deployment;
use ground::clock::Clock;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::Deserialize;
use serde_json::Value;
use vault::audit::Audit;
use vault::connections::Connections;
use vault::events::Events;
use vault::integrations::Integrations;
use vault::refresh::Refresher;
use vault::refresh::drain::{Drain, DrainLimits};
use vault::service::Service;
use vault::tallies::Tallies;

use crate::config::RefreshConfig;
use crate::queue::{Queue, Record};

/// Everything that the function needs, created once per process.
pub struct Refresh {
    clock: Arc<dyn Clock>,
    service: Service,
    connections: Connections,
    integrations: Integrations,
    events: Events,
    refresher: Refresher,
    drain: Drain,
    queue: Queue,
    tallies: Tallies,
    audit: Audit,
    dead_letters_arn: Option<String>,
    shards: u32,
}

/// An event, with the fields that matter here.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Event {
    /// From one of the queues: an SQS event.
    Queue {
        #[serde(rename = "Records")]
        records: Vec<Record>,
    },
    Schedule {
        source: String,
    },
}

#[derive(Debug, thiserror::Error)]
#[error("the event is neither a schedule's nor a queue's")]
struct UnknownEvent;

impl Refresh {
    /// Reads the configuration and creates the clients.
    ///
    /// # Errors
    /// If the environment lacks something. The error names all missing variables.
    pub async fn from_environment() -> Result<Self, Error> {
        let config = RefreshConfig::from_environment()?;
        let deployment = Deployment::new(config.common).await?;
        let shards = deployment.config.refresh_shards;
        let refresher = deployment.refresher().await;
        let limits = DrainLimits {
            concurrency: usize::try_from(config.concurrency.get())?,
            // Each shard has at most one worker at a time, so all workers together keep to the configured rate.
            rate: f64::from(config.rate.get()) / f64::from(shards.get()),
        };
        Ok(Self {
            drain: Drain::new(refresher.clone(), limits),
            refresher,
            service: deployment.service(),
            connections: deployment.connections(),
            integrations: deployment.integrations(),
            events: deployment.events(),
            queue: Queue::new(deployment.queue(), config.queue_url.to_string()),
            tallies: deployment.tallies(),
            dead_letters_arn: config.dead_letters_arn,
            shards: shards.get(),
            audit: deployment.audit,
            clock: deployment.clock,
        })
    }

    /// Handles events until the environment is shut down.
    ///
    /// # Errors
    /// If the Lambda runtime API fails.
    pub async fn run(self) -> Result<(), Error> {
        let refresh = Arc::new(self);
        lambda_runtime::run(service_fn(move |event| {
            let refresh = Arc::clone(&refresh);
            // Boxed, because the compiler cannot compute the layout of a future nested this deeply.
            Box::pin(async move { refresh.handle(event).await })
        }))
        .await
    }

    /// Handles one event.
    ///
    /// # Errors
    /// If the event is unknown, or nothing of it could be done. It is then delivered again.
    pub async fn handle(&self, event: LambdaEvent<Value>) -> Result<Value, Error> {
        let deadline = work::deadline(&event.context, &*self.clock);
        match serde_json::from_value(event.payload).map_err(|_| UnknownEvent)? {
            Event::Schedule { source } if source == "ado-connect.schedule" => {
                Ok(serde_json::to_value(self.dispatch().await?)?)
            }
            Event::Schedule { source } if source == "ado-connect.sweep" => {
                Ok(serde_json::to_value(self.begin_sweep().await?)?)
            }
            Event::Schedule { .. } => Err(UnknownEvent.into()),
            Event::Queue { records } => {
                Ok(serde_json::to_value(self.work(records, deadline).await)?)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(event: Value) -> Result<Event, serde_json::Error> {
        serde_json::from_value(event)
    }

    #[test]
    fn an_event_of_a_schedule_is_known_by_its_source() {
        let event = read(json!({"source": "ado-connect.sweep"})).unwrap();
        assert!(matches!(event, Event::Schedule { source } if source == "ado-connect.sweep"));
    }

    #[test]
    fn an_event_of_a_queue_keeps_what_redelivery_and_dead_letters_need() {
        let event = read(json!({"Records": [{
            "messageId": "m-1",
            "body": "{\"due_shard\":3}",
            "eventSourceARN": "arn:aws:sqs:eu-west-1:000000000000:refresh-dead-letters.fifo",
            "attributes": {"ApproximateReceiveCount": "1"},
        }]}));
        let Event::Queue { records } = event.unwrap() else { panic!("not a queue's event") };
        assert_eq!(records[0].message_id, "m-1");
        assert!(records[0].source.ends_with("refresh-dead-letters.fifo"));
    }

    #[test]
    fn an_event_of_neither_is_refused() {
        for event in [json!({}), json!(null), json!({"records": []}), json!({"source": 1})] {
            assert!(read(event.clone()).is_err(), "{event}");
        }
    }
}
