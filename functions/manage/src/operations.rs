//! The operations behind the management API and the portal. An operation takes and returns domain values or a [`Problem`]; requests,
//! responses and pages are its callers' business.

pub(crate) mod api_keys;
pub(crate) mod audit;
pub(crate) mod connect_sessions;
pub(crate) mod connections;
pub(crate) mod gateway_client;
pub(crate) mod integration_fields;
pub(crate) mod integration_store;
pub(crate) mod integrations;
pub(crate) mod verify;
mod visible;

use std::sync::Arc;

use edge::deployment::Deployment;
use edge::log::RequestLog;
use edge::problem::Problem;
use serde::Serialize;
use serde::de::value::{Error, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer as _};
use vault::audit::{AuditEvent, What};
use vault::service::{Service, Status};
use vault::tallies::Tallies;

use api_keys::ApiKeyOperations;
use audit::AuditOperations;
use connect_sessions::ConnectSessionOperations;
use connections::ConnectionOperations;
use gateway_client::GatewayClient;
use integrations::IntegrationOperations;
use verify::Verifier;

/// All operations, made once per process.
pub(crate) struct Operations {
    pub(crate) integrations: IntegrationOperations,
    pub(crate) verifier: Verifier,
    pub(crate) connect_sessions: ConnectSessionOperations,
    pub(crate) connections: ConnectionOperations,
    pub(crate) api_keys: ApiKeyOperations,
    pub(crate) service: Service,
    pub(crate) audit: AuditOperations,
    pub(crate) gateway: GatewayClient,
    pub(crate) tallies: Tallies,
    /// Shards of the refresh schedule.
    pub(crate) refresh_shards: u32,
}

impl Operations {
    pub(crate) async fn new(deployment: &Deployment) -> Self {
        let config = &deployment.config;
        let clock = || Arc::clone(&deployment.clock);
        let credentials = deployment.client_credentials().await;
        let service = deployment.service();
        let connections = ConnectionOperations {
            connections: deployment.connections(),
            passes: deployment.passes(),
            integrations: deployment.integrations(),
            known_integrations: connections::known_integrations(clock()),
            events: deployment.events(),
            audit: deployment.audit.clone(),
            clock: clock(),
            random: deployment.random.clone(),
        };
        let api_keys = ApiKeyOperations {
            api_keys: deployment.api_keys(),
            audit: deployment.audit.clone(),
            clock: clock(),
            random: deployment.random.clone(),
        };
        Self {
            integrations: IntegrationOperations {
                integrations: deployment.integrations(),
                credentials: credentials.clone(),
                connections: connections.clone(),
                api_keys: deployment.api_keys(),
                audit: deployment.audit.clone(),
                clock: clock(),
                public_url: config.public_url.clone(),
                authority: config.authority.clone(),
            },
            verifier: Verifier {
                integrations: deployment.integrations(),
                credentials,
                metadata: deployment.metadata(),
                entra: deployment.token_client(),
                devops: deployment.devops(),
                http: deployment.http.clone(),
                authority: config.authority.clone(),
                public_url: config.public_url.clone(),
                events: deployment.events(),
                audit: deployment.audit.clone(),
                names_users: config.jwt.is_some(),
                clock: clock(),
            },
            connect_sessions: ConnectSessionOperations {
                sessions: deployment.sessions(),
                integrations: deployment.integrations(),
                service: service.clone(),
                public_url: config.public_url.clone(),
                clock: clock(),
                random: deployment.random.clone(),
            },
            gateway: GatewayClient {
                public_url: config.public_url.clone(),
                http: deployment.http.clone(),
                api_keys: api_keys.clone(),
            },
            connections,
            api_keys,
            service,
            audit: AuditOperations {
                audit: deployment.audit.clone(),
                public_url: config.public_url.clone(),
            },
            tallies: deployment.tallies(),
            refresh_shards: config.refresh_shards.get(),
        }
    }

    /// Stops the service or lets it continue.
    pub(crate) async fn turn_service(
        &self,
        status: Status,
        by: &RequestLog,
    ) -> Result<(), Problem> {
        self.service.turn(status).await?;
        tracing::warn!(?status, "the operator turned the kill switch");
        let what = match status {
            Status::Paused => What::ServicePaused,
            Status::Running => What::ServiceResumed,
        };
        self.audit.record(&by.actor(), &AuditEvent::of_service(what)).await;
        Ok(())
    }
}

/// Returns the variant of an enum that is written as `word`, such as `active`, or `None` if there is none.
pub(crate) fn from_word<T: DeserializeOwned + Serialize>(word: &str) -> Option<T> {
    let from: StrDeserializer<'_, Error> = word.into_deserializer();
    let variant = T::deserialize(from).ok()?;
    // Stored enums read an unknown word as some variant.
    (to_word(&variant) == word).then_some(variant)
}

/// Returns the word of an enum's variant.
pub(crate) fn to_word(variant: &impl Serialize) -> String {
    let word = serde_json::to_value(variant).unwrap_or_default();
    word.as_str().unwrap_or_default().to_owned()
}
