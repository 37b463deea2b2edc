//! Putting, claiming and deleting an integration, each only if it has not changed since it was read, so that nobody
//! undoes a change that they have not seen.

use jiff::Timestamp;

use super::{CredentialDescription, Integration, Integrations, Record, Status, WHAT, key};
use crate::Error;
use crate::table::{
    Condition, Item, Transaction, Updated, Write, from_item, s, to_item, to_value, transact,
};

impl Integrations {
    /// Changes `seen` to `integration`, or creates it if that is `None`. An attribute that stays the same is not written, so
    /// that a value or an attribute of a newer release is kept. Returns whether it did, or `false` if the stored
    /// integration, including its status, is not `seen`. With another app, the tenants that refused the former one are
    /// forgotten in the same transaction.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn put(
        &self,
        integration: Integration,
        seen: Option<&Integration>,
    ) -> Result<bool, Error> {
        let client_id = integration.settings.client_id.clone();
        let item = item(integration)?;
        let put = match seen {
            None => Write::put(&self.table, item.clone()).when("pk", Condition::Absent),
            Some(seen) => {
                let update = has_status(self.unchanged(seen), seen.status)?;
                update.change(&self::item(seen.clone())?, &item)
            }
        };
        if let Some(seen) = seen.filter(|seen| seen.settings.client_id != client_id) {
            let writes = vec![put.in_transaction()?, self.delete_tenants(seen).in_transaction()?];
            return Ok(matches!(transact(&self.client, writes).await?, Transaction::Done));
        }
        // An item with our own time is the one that an earlier attempt stored, whatever its status is by now.
        let is_own = |there: &Item| there.get("updated_at") == item.get("updated_at");
        Ok(put.send(&self.client).await?.is_written_or(is_own))
    }

    /// Bumps `updated_at` before the credential is replaced, in any status. Returns the integration, or `None` if it was
    /// changed or deleted since `seen`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is; [`Error::Corrupt`] for an unreadable item.
    pub async fn claim(
        &self,
        seen: &Integration,
        now: Timestamp,
    ) -> Result<Option<Integration>, Error> {
        self.change(self.unchanged(seen), now).await
    }

    /// Records the credential stored after [`Self::claim`], and clears `credential_rejected`, which was about the old one.
    /// Returns whether the description was recorded, or `false` if the integration was changed or deleted since.
    ///
    /// # Errors
    /// As [`Self::claim`].
    pub async fn put_credential(
        &self,
        claimed: &Integration,
        credential: &CredentialDescription,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let update = self.unchanged(claimed).set("credential", to_value(WHAT, credential)?);
        let described = self.change(update, now).await?.is_some();
        self.accept_credential(&claimed.id).await?;
        Ok(described)
    }

    /// Deletes an integration, and what is known of its tenants. Returns whether it did, or `false` if it was changed since
    /// `seen` or there is none.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn delete(&self, seen: &Integration) -> Result<bool, Error> {
        let delete = Write::delete(&self.table, key(&seen.id))
            .when("updated_at", Condition::Is(s(seen.updated_at.to_string())));
        let writes = vec![delete.in_transaction()?, self.delete_tenants(seen).in_transaction()?];
        Ok(matches!(transact(&self.client, writes).await?, Transaction::Done))
    }

    /// An update that is refused if the integration was changed since `seen`.
    pub(super) fn unchanged(&self, seen: &Integration) -> Write {
        self.update(&seen.id).when("updated_at", Condition::Is(s(seen.updated_at.to_string())))
    }

    /// Sends an update that bumps `updated_at`. Returns the new integration, or `None` if it was refused.
    async fn change(&self, update: Write, now: Timestamp) -> Result<Option<Integration>, Error> {
        let update = update.set("updated_at", s(now.to_string()));
        let item = match update.send(&self.client).await? {
            Updated::Written(item) | Updated::Refused(item) => item,
            Updated::Absent => return Ok(None),
        };
        let there = from_item::<Record>(WHAT, item)?.integration;
        // A refused item with our own time is the one that an earlier attempt changed.
        Ok((there.updated_at == now).then_some(there))
    }
}

fn item(integration: Integration) -> Result<Item, Error> {
    to_item(WHAT, &Record { pk: key(&integration.id), integration })
}

/// Writes only if the integration has this status. A status of a newer release counts as paused.
fn has_status(write: Write, status: Status) -> Result<Write, Error> {
    let is_not = |other| to_value(WHAT, &other).map(Condition::IsNot);
    Ok(match status {
        Status::Paused => write
            .when("status", is_not(Status::Ready)?)
            .when("status", is_not(Status::CredentialRejected)?),
        status => write.when("status", Condition::Is(to_value(WHAT, &status)?)),
    })
}
