//! Putting, claiming and deleting an integration: each only where the one that is there is the one that was seen, so that
//! nobody undoes what they have not seen.

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::ReturnValue;
use jiff::Timestamp;

use super::{CredentialDescription, Integration, Integrations, Record, WHAT, key};
use crate::Error;
use crate::table::{from_item, put_where, s, to_item, to_value, updated};

impl Integrations {
    /// Puts an integration in the place of `seen`, or where there is none. Returns whether it did: it does not where
    /// something else is there by now, or the same with another status.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn put(
        &self,
        integration: Integration,
        seen: Option<&Integration>,
    ) -> Result<bool, Error> {
        let record = Record { pk: key(&integration.id), integration };
        let item = to_item(WHAT, &record)?;
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item.clone()));
        let put = match seen {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(seen) => put
                .condition_expression("updated_at = :updated_at AND #status = :status")
                .expression_attribute_names("#status", "status")
                .expression_attribute_values(":updated_at", s(seen.updated_at.to_string()))
                .expression_attribute_values(":status", to_value(WHAT, &seen.status)?),
        };
        // Its status may be another by now; its time is its own.
        put_where(put, |there| there.get("updated_at") == item.get("updated_at")).await
    }

    /// Marks an integration as changed now, before its credential is replaced; whatever else its status is. Returns it as
    /// it is then, or nothing if somebody has changed or deleted it since `seen`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is; [`Error::Corrupt`] for an unreadable item.
    pub async fn claim(
        &self,
        seen: &Integration,
        now: Timestamp,
    ) -> Result<Option<Integration>, Error> {
        let update = self.update(&seen.id).update_expression("SET updated_at = :now");
        changed(update, seen, now).await
    }

    /// Describes the credential that was just stored under a claim ([`Self::claim`]); a rejected one was before it. Returns
    /// whether it did: it does not where somebody else has changed or deleted the integration since.
    ///
    /// # Errors
    /// As [`Self::claim`].
    pub async fn put_credential(
        &self,
        claimed: &Integration,
        credential: &CredentialDescription,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let update = self
            .update(&claimed.id)
            .update_expression("SET credential = :credential, updated_at = :now")
            .expression_attribute_values(":credential", to_value(WHAT, credential)?);
        let described = changed(update, claimed, now).await?.is_some();
        self.accept_credential(&claimed.id).await?;
        Ok(described)
    }

    /// Forgets an integration. Returns whether it did: it does not where somebody has changed it since `seen`, and where
    /// there is none.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn delete(&self, seen: &Integration) -> Result<bool, Error> {
        let deleted = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key("pk", s(key(&seen.id)))
            .condition_expression("updated_at = :seen")
            .expression_attribute_values(":seen", s(seen.updated_at.to_string()))
            .send()
            .await;
        let Err(error) = deleted else { return Ok(true) };
        match error.as_service_error() {
            Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(false),
            _ => Err(Error::sdk("dynamodb", "DeleteItem", &error)),
        }
    }
}

/// Sends a change of an integration that nobody else has changed since `seen`. Returns it as it is then.
async fn changed(
    update: UpdateItemFluentBuilder,
    seen: &Integration,
    now: Timestamp,
) -> Result<Option<Integration>, Error> {
    let update = update
        .condition_expression("updated_at = :seen")
        .expression_attribute_values(":now", s(now.to_string()))
        .expression_attribute_values(":seen", s(seen.updated_at.to_string()))
        .return_values(ReturnValue::AllNew);
    let (Ok(item) | Err(Some(item))) = updated(update).await? else { return Ok(None) };
    let there = from_item::<Record>(WHAT, item)?.integration;
    // A refusal may be due to this very change, whose answer got lost.
    Ok((there.updated_at == now).then_some(there))
}
