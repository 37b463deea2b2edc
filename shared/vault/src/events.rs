//! Events on EventBridge (`source: ado-connect`), for operators and applications.
//!
//! An event is sent after the fact and at most once: a bus that does not answer never fails the request.

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use entra::identifiers::TenantId;
use jiff::Timestamp;
use serde::Serialize;

use crate::ids::{ConnectionId, IntegrationId, UserId};

/// An event. Holds names and reasons, never a token or a secret.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Event<'a> {
    /// A connection became usable.
    ConnectionCreated(ConnectionDetail<'a>),
    /// A user must sign in again.
    ConnectionReauthorizationRequired(ConnectionDetail<'a>),
    /// A connection and its tokens were deleted.
    ConnectionDeleted(ConnectionDetail<'a>),
    /// Entra refuses an integration's client credential.
    IntegrationCredentialRejected {
        /// The integration.
        integration: &'a IntegrationId,
        /// Entra's error, such as `invalid_client`.
        reason: &'a str,
    },
    /// A tenant begins to refuse an integration's app, or Entra does not find it.
    IntegrationTenantRefused {
        /// The integration.
        integration: &'a IntegrationId,
        /// The tenant.
        tenant_id: &'a TenantId,
        /// Entra's error, such as `invalid_client (AADSTS7000229)`.
        reason: &'a str,
    },
    /// An integration's client credential expires soon, or has.
    IntegrationCredentialExpiring {
        /// The integration.
        integration: &'a IntegrationId,
        /// Its expiry.
        expires_at: Timestamp,
    },
}

/// The connection that an event is about.
#[derive(Debug, Clone, Serialize)]
pub struct ConnectionDetail<'a> {
    /// The connection.
    pub connection: &'a ConnectionId,
    /// Its integration.
    pub integration: &'a IntegrationId,
    /// The application's user.
    pub user: &'a UserId,
    /// The reason, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
}

impl Event<'_> {
    fn detail_type(&self) -> &'static str {
        match self {
            Self::ConnectionCreated(_) => "connection.created",
            Self::ConnectionReauthorizationRequired(_) => "connection.reauthorization_required",
            Self::ConnectionDeleted(_) => "connection.deleted",
            Self::IntegrationCredentialRejected { .. } => "integration.credential_rejected",
            Self::IntegrationTenantRefused { .. } => "integration.tenant_refused",
            Self::IntegrationCredentialExpiring { .. } => "integration.credential_expiring",
        }
    }
}

/// Sends events, or drops them when no bus is configured.
#[derive(Debug, Clone)]
pub struct Events {
    bus: Option<(Client, String)>,
}

impl Events {
    /// Events to the bus of this name.
    pub fn to_bus(client: Client, bus: String) -> Self {
        Self { bus: Some((client, bus)) }
    }

    /// No events.
    pub fn none() -> Self {
        Self { bus: None }
    }

    /// Sends one event; a failure is only logged.
    pub async fn send(&self, event: &Event<'_>) {
        let Some((client, bus)) = &self.bus else { return };
        let entry = PutEventsRequestEntry::builder()
            .event_bus_name(bus)
            .source("ado-connect")
            .detail_type(event.detail_type())
            .detail(serde_json::to_string(event).unwrap_or_default())
            .build();
        match client.put_events().entries(entry).send().await {
            Ok(answer) if answer.failed_entry_count() == 0 => {}
            _ => tracing::warn!(event = event.detail_type(), "the event could not be sent"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn events_have_names_reasons_and_times_and_nothing_else() {
        let connection = "conn_0123456789abcdef0123456789abcdef".parse().unwrap();
        let (integration, user) = (&"one".parse().unwrap(), &"ada".parse().unwrap());
        let tenant_id = &"aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa".parse().unwrap();
        let (reason, expires_at) = ("invalid_client", Timestamp::UNIX_EPOCH);
        let detail =
            ConnectionDetail { connection: &connection, integration, user, reason: Some(reason) };
        let fields = [
            Event::ConnectionCreated(detail.clone()),
            Event::ConnectionReauthorizationRequired(detail.clone()),
            Event::ConnectionDeleted(detail),
            Event::IntegrationCredentialRejected { integration, reason },
            Event::IntegrationTenantRefused { integration, tenant_id, reason },
            Event::IntegrationCredentialExpiring { integration, expires_at },
        ]
        .map(|event| serde_json::to_value(event).unwrap().as_object().unwrap().clone());
        let fields: BTreeSet<_> = fields.into_iter().flatten().map(|(name, _)| name).collect();
        let known = ["connection", "expires_at", "integration", "reason", "tenant_id", "user"];
        assert_eq!(fields, known.map(str::to_owned).into());
    }
}
