//! Renews client secrets before they expire. The app does it by itself: no person, no outage.
//!
//! ```text
//!  Secrets Manager ── createSecret ─> Graph addPassword ─> AWSPENDING
//!                  ── setSecret    ─> nothing: Entra has it already
//!                  ── testSecret   ─> a token with it, from Entra
//!                  ── finishSecret ─> AWSCURRENT; the integration gets the new expiry;
//!                                     the secret before the last is removed from Entra
//! ```
//!
//! If a step fails, Secrets Manager starts again with the first one, so each step may be repeated.
//!
//! Source: "Lambda rotation functions", AWS Secrets Manager user guide.

pub mod config;
mod event;
mod steps;

use std::sync::Arc;

use edge::config::FromVariables as _;
use edge::deployment::Deployment;
use edge::metrics::{AUDIT_LOST, Metrics, Unit};
use entra::graph::Graph;
use entra::identifiers::Tenant;
use entra::metadata::MetadataCache;
use entra::token::TokenClient;
use ground::clock::Clock;
use jiff::SignedDuration;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;
use tokio::time::Instant;
use vault::audit::Audit;
use vault::client_credentials::ClientCredentials;
use vault::integrations::Integrations;

use crate::config::RotateConfig;
use crate::event::{RotationEvent, Step};

/// Everything that the function needs, created once per process.
pub struct Rotate {
    clock: Arc<dyn Clock>,
    integrations: Integrations,
    credentials: ClientCredentials,
    audit: Audit,
    metadata: MetadataCache,
    entra: TokenClient,
    graph: Graph,
    tenant: Tenant,
    valid_for: SignedDuration,
}

impl Rotate {
    /// Reads the configuration and creates the clients.
    ///
    /// # Errors
    /// If the environment lacks something. The error names all missing variables.
    pub async fn from_environment() -> Result<Self, Error> {
        let config = RotateConfig::from_environment()?;
        let deployment = Deployment::new(config.common).await?;
        Ok(Self {
            integrations: deployment.integrations(),
            credentials: deployment.client_credentials().await,
            audit: deployment.audit.clone(),
            metadata: deployment.metadata(),
            entra: deployment.token_client(),
            graph: deployment.graph(config.graph_url.as_ref()),
            tenant: config.tenant,
            valid_for: config.valid_for,
            clock: deployment.clock,
        })
    }

    /// Handles events until the environment is shut down.
    ///
    /// # Errors
    /// If the Lambda runtime API fails.
    pub async fn run(self) -> Result<(), Error> {
        let rotate = Arc::new(self);
        lambda_runtime::run(service_fn(move |event| {
            let rotate = Arc::clone(&rotate);
            Box::pin(async move { rotate.handle(event).await })
        }))
        .await
    }

    /// Handles one step of a rotation.
    ///
    /// # Errors
    /// If the step could not be done. Secrets Manager retries it.
    pub async fn handle(&self, event: LambdaEvent<Value>) -> Result<Value, Error> {
        let left = self.clock.left_until(event.context.deadline()).unwrap_or_default();
        let deadline = Instant::now() + left;
        let event: RotationEvent = serde_json::from_value(event.payload)?;
        let rotation = self.begin(&event).await?;
        tracing::info!(step = ?event.step, integration = %rotation.integration.id, "rotation");
        match event.step {
            Step::Create => self.create(&rotation).await?,
            // Entra has had the password since it created it.
            Step::Set => {}
            Step::Test => self.test(&rotation, deadline).await?,
            Step::Finish => self.finish(&rotation).await?,
        }
        self.report_lost();
        Ok(Value::Null)
    }

    /// Counts the audit entries that are in the log only.
    fn report_lost(&self) {
        let lost = self.audit.take_lost();
        if lost > 0 {
            let mut metrics = Metrics::new("rotate");
            metrics.add(AUDIT_LOST, Unit::Count, lost);
            edge::log::write_metrics(&metrics, self.clock.now());
        }
    }
}
