//! API keys: creating, listing and revoking them.

use std::sync::Arc;

use edge::log::RequestLog;
use edge::problem::{Code, Problem};
use ground::clock::Clock;
use ground::random::Random;
use jiff::SignedDuration;
use vault::api_keys::{ApiKey, ApiKeyRequest, ApiKeys, NewApiKey, Role};
use vault::audit::{Audit, AuditEvent, What};
use vault::ids::{ApiKeyId, IntegrationId};

/// Lifetime of the key of one call.
const ONE_CALL: SignedDuration = SignedDuration::from_mins(1);
/// Name of the keys of single calls.
const ONE_CALL_NAME: &str = "one call of the portal";

/// Creates, lists and revokes API keys.
#[derive(Clone)]
pub(crate) struct ApiKeyOperations {
    pub(crate) api_keys: ApiKeys,
    pub(crate) audit: Audit,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Random,
}

impl ApiKeyOperations {
    /// Creates a key.
    ///
    /// # Errors
    /// [`Code::InvalidRequest`] naming the field; [`Code::IntegrationNotFound`].
    pub(crate) async fn create(
        &self,
        request: ApiKeyRequest,
        by: &RequestLog,
    ) -> Result<NewApiKey, Problem> {
        let name = request.name.trim().to_owned();
        if name.is_empty() || name.len() > 100 || name.chars().any(char::is_control) {
            return Err(Problem::field("name", "a name of 1 to 100 bytes"));
        }
        if request.integration.is_some() && request.role == Role::Operator {
            let message = "only an application key is bound to one";
            return Err(Problem::field("integration", message));
        }
        if request.expires_at.is_some_and(|end| end <= self.clock.now()) {
            return Err(Problem::field("expires_at", "a time to come"));
        }
        let new = self.mint(ApiKeyRequest { name, ..request }).await?;
        let ApiKey { id, role, .. } = &new.description;
        let event = AuditEvent::of_key(What::ApiKeyCreated { role: *role }, id);
        self.audit.record(&by.actor(), &event).await;
        Ok(new)
    }

    async fn mint(&self, request: ApiKeyRequest) -> Result<NewApiKey, Problem> {
        let mut random = self.random.clone();
        let new = self.api_keys.create(request, self.clock.now(), &mut random).await?;
        new.ok_or_else(|| Problem::new(Code::IntegrationNotFound))
    }

    /// Returns all keys.
    pub(crate) async fn list(&self) -> Result<Vec<ApiKey>, Problem> {
        Ok(self.api_keys.list().await?)
    }

    /// Returns all keys except those of single calls. Deletes expired ones of these: a call that was cut off leaves
    /// its key behind.
    pub(crate) async fn list_lasting(&self) -> Result<Vec<ApiKey>, Problem> {
        let now = self.clock.now();
        let (of_calls, lasting): (Vec<_>, Vec<_>) =
            self.list().await?.into_iter().partition(is_of_one_call);
        for key in of_calls.iter().filter(|key| !key.works(now)) {
            self.api_keys.delete(&key.id).await?;
        }
        Ok(lasting)
    }

    /// Deletes a key; the next request with it is refused.
    ///
    /// # Errors
    /// [`Code::ApiKeyNotFound`].
    pub(crate) async fn revoke(&self, id: &str, by: &RequestLog) -> Result<(), Problem> {
        let not_found = || Problem::new(Code::ApiKeyNotFound);
        let id: ApiKeyId = id.parse().map_err(|_| not_found())?;
        if !self.api_keys.delete(&id).await? {
            return Err(not_found());
        }
        self.audit.record(&by.actor(), &AuditEvent::of_key(What::ApiKeyDeleted, &id)).await;
        Ok(())
    }

    /// Creates an application key for one call under an integration.
    pub(super) async fn create_for_one_call(
        &self,
        integration: &IntegrationId,
    ) -> Result<NewApiKey, Problem> {
        self.mint(ApiKeyRequest {
            name: ONE_CALL_NAME.to_owned(),
            role: Role::Application,
            integration: Some(integration.clone()),
            expires_at: Some(self.clock.now() + ONE_CALL),
        })
        .await
    }

    /// Deletes the key of a call that has ended.
    pub(super) async fn delete_after_call(&self, key: &ApiKeyId) {
        if let Err(error) = self.api_keys.delete(key).await {
            // It expires by itself, and `list_lasting` deletes it later.
            tracing::warn!(%key, "the key of one call was left behind: {error}");
        }
    }
}

/// Returns whether a key was made for one call. Checks role, integration and lifetime too, because anybody may choose
/// the name.
fn is_of_one_call(key: &ApiKey) -> bool {
    key.name == ONE_CALL_NAME
        && key.role == Role::Application
        && key.integration.is_some()
        && key.expires_at.is_some_and(|end| end <= key.created_at + ONE_CALL)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn key_of_one_call() -> ApiKey {
        ApiKey {
            id: "0a1b".parse().unwrap(),
            name: ONE_CALL_NAME.to_owned(),
            role: Role::Application,
            integration: Some("azure-devops".parse().unwrap()),
            integration_created_at: None,
            created_at: Timestamp::UNIX_EPOCH,
            expires_at: Some(Timestamp::UNIX_EPOCH + ONE_CALL),
            calls_counted_until: None,
        }
    }

    #[test]
    fn a_key_that_only_has_the_name_of_the_portals_keys_is_still_listed() {
        assert!(is_of_one_call(&key_of_one_call()));
        for other in [
            ApiKey { name: "mine".to_owned(), ..key_of_one_call() },
            ApiKey { role: Role::Operator, ..key_of_one_call() },
            ApiKey { integration: None, ..key_of_one_call() },
            ApiKey { expires_at: None, ..key_of_one_call() },
            ApiKey { created_at: Timestamp::MIN, ..key_of_one_call() },
        ] {
            assert!(!is_of_one_call(&other), "{other:?}");
        }
    }
}
