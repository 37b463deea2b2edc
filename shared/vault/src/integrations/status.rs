//! An integration's status: paused by the operator, or stopped by the breaker of its credential.
//!
//! ```text
//!            reject_credential()
//!    ready ───────────────────────> credential_rejected ──claim_probe()──> one try every 30 s
//!      ^  <───────────────────────         │                                  (half-open)
//!      │     accept_credential()           │ pause()
//!      │ resume()                          v
//!      └──────────────────────────────── paused
//! ```
//!
//! The state is in DynamoDB, so that it holds for every process: a breaker in memory would have to be
//! opened by each of thousands of execution environments anew.

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use entra::identifiers::ClientId;
use jiff::{SignedDuration, Timestamp};

use super::{Integration, Integrations, Status, key};
use crate::Error;
use crate::ids::IntegrationId;
use crate::table::{n, s, sent, to_value};

/// How long a rejected credential is left alone before Entra is asked about it once more.
pub const PROBE_INTERVAL: SignedDuration = SignedDuration::from_secs(30);

impl Integrations {
    /// Stops an integration: its connections stay as they are, and nothing is done with them. Returns
    /// whether there is such an integration.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn pause(&self, id: &IntegrationId) -> Result<bool, Error> {
        self.set_status(id, Status::Paused, "attribute_exists(pk)", &[]).await
    }

    /// Lets a paused integration go on. Returns whether it was paused.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn resume(&self, id: &IntegrationId) -> Result<bool, Error> {
        let values = [(":paused", s("paused"))];
        self.set_status(id, Status::Ready, "#status = :paused", &values).await
    }

    /// Marks the credential as rejected by Entra, unless the operator has put the integration anew
    /// since `seen`. Returns whether the mark is new. The next try is due one interval later.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn reject_credential(
        &self,
        seen: &Integration,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let update = self
            .update(&seen.id)
            .update_expression("SET #status = :status, probed_at = :now")
            .condition_expression("#status = :ready AND updated_at = :seen")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":status", s("credential_rejected"))
            .expression_attribute_values(":ready", s("ready"))
            .expression_attribute_values(":seen", s(seen.updated_at.to_string()))
            .expression_attribute_values(":now", n(now.as_second()));
        sent(update.send().await)
    }

    /// Marks the credential as accepted again.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn accept_credential(&self, id: &IntegrationId) -> Result<bool, Error> {
        let values = [(":rejected", s("credential_rejected"))];
        self.set_status(id, Status::Ready, "#status = :rejected", &values).await
    }

    /// Notes that an app has a new client secret, until when Entra accepts it, and that it is accepted. Who has seen the
    /// integration before does not mark it as rejected any more. Returns whether that is new; nothing is noted where
    /// somebody has changed the integration since `seen`, for they may be about to store another credential.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn renew_client_secret(
        &self,
        seen: &Integration,
        client_id: &ClientId,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let update = self
            .update(&seen.id)
            .update_expression("SET credential.expires_at = :expires_at, updated_at = :now")
            .condition_expression(
                "updated_at = :seen AND credential.kind = :client_secret AND client_id = :client_id AND credential.expires_at <> :expires_at",
            )
            .expression_attribute_values(":seen", s(seen.updated_at.to_string()))
            .expression_attribute_values(":expires_at", s(expires_at.to_string()))
            .expression_attribute_values(":now", s(now.to_string()))
            .expression_attribute_values(":client_id", s(client_id.to_string()))
            .expression_attribute_values(":client_secret", s("client_secret"));
        let renewed = sent(update.send().await)?;
        self.accept_credential(&seen.id).await?;
        Ok(renewed)
    }

    /// Claims the one try that a rejected credential gets every [`PROBE_INTERVAL`]; of all workers at
    /// most one is told `true`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn claim_probe(&self, id: &IntegrationId, now: Timestamp) -> Result<bool, Error> {
        let update = self
            .update(id)
            .update_expression("SET probed_at = :now")
            .condition_expression(
                "#status = :rejected AND (attribute_not_exists(probed_at) OR probed_at <= :due)",
            )
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":rejected", s("credential_rejected"))
            .expression_attribute_values(":now", n(now.as_second()))
            .expression_attribute_values(":due", n((now - PROBE_INTERVAL).as_second()));
        sent(update.send().await)
    }

    async fn set_status(
        &self,
        id: &IntegrationId,
        status: Status,
        condition: &str,
        values: &[(&str, AttributeValue)],
    ) -> Result<bool, Error> {
        let mut update = self
            .update(id)
            .update_expression("SET #status = :status REMOVE probed_at")
            .condition_expression(condition)
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":status", to_value(super::WHAT, &status)?);
        for (name, value) in values {
            update = update.expression_attribute_values(*name, value.clone());
        }
        sent(update.send().await)
    }

    pub(super) fn update(&self, id: &IntegrationId) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).key("pk", s(key(id)))
    }
}
