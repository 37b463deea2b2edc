//! Putting, claiming and deleting an integration: each only where the one that is there is the one that was seen, so that
//! nobody undoes what they have not seen.

use jiff::Timestamp;

use super::{CredentialDescription, Integration, Integrations, Record, WHAT, key};
use crate::Error;
use crate::table::{Condition, Item, Updated, Write, from_item, s, to_item, to_value};

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
        let put = Write::put(&self.table, item.clone());
        let put = match seen {
            None => put.when("pk", Condition::Absent),
            Some(seen) => put
                .when("updated_at", Condition::Is(s(seen.updated_at.to_string())))
                .when("status", Condition::Is(to_value(WHAT, &seen.status)?)),
        };
        // An item with our own time is the one that an earlier attempt stored, whatever its status is by now.
        let is_own = |there: &Item| there.get("updated_at") == item.get("updated_at");
        Ok(put.send(&self.client).await?.is_written_or(is_own))
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
        self.change(self.update(&seen.id), seen, now).await
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
        let update = self.update(&claimed.id).set("credential", to_value(WHAT, credential)?);
        let described = self.change(update, claimed, now).await?.is_some();
        self.accept_credential(&claimed.id).await?;
        Ok(described)
    }

    /// Forgets an integration. Returns whether it did: it does not where somebody has changed it since `seen`, and where
    /// there is none.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB is.
    pub async fn delete(&self, seen: &Integration) -> Result<bool, Error> {
        let delete = Write::delete(&self.table, key(&seen.id))
            .when("updated_at", Condition::Is(s(seen.updated_at.to_string())));
        delete.attempt(&self.client).await
    }

    /// Sends a change of an integration that nobody else has changed since `seen`. Returns the changed integration.
    async fn change(
        &self,
        update: Write,
        seen: &Integration,
        now: Timestamp,
    ) -> Result<Option<Integration>, Error> {
        let update = update
            .when("updated_at", Condition::Is(s(seen.updated_at.to_string())))
            .set("updated_at", s(now.to_string()));
        let item = match update.send(&self.client).await? {
            Updated::Written(item) | Updated::Refused(item) => item,
            Updated::Absent => return Ok(None),
        };
        let there = from_item::<Record>(WHAT, item)?.integration;
        // A refused item with our own time is the one that an earlier attempt changed.
        Ok((there.updated_at == now).then_some(there))
    }
}
