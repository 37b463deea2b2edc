//! `/api-keys`: create (shown once), list, delete.

use edge::gateway::{Body, Request};
use edge::parameters::{JSON_LIMIT, json_body};
use edge::problem::{Code, Problem};
use edge::respond;
use http::{Response, StatusCode};
use secrecy::ExposeSecret;
use vault::api_keys::{ApiKeyRequest, NewApiKey, Role};
use vault::ids::ApiKeyId;

use crate::Manage;
use crate::api::wire::{ApiKeyView, CreateApiKey, List, NewApiKeyView};

impl Manage {
    pub(crate) async fn create_api_key(
        &self,
        request: &Request,
    ) -> Result<Response<Body>, Problem> {
        let wish: CreateApiKey = json_body(request, JSON_LIMIT)?;
        let new = self.make_key(wish).await?;
        let view = NewApiKeyView {
            key: new.key.expose_secret().to_owned(),
            description: new.description.into(),
        };
        respond::json(StatusCode::CREATED, &view)
    }

    /// Makes a key as an operator wishes it.
    pub(crate) async fn make_key(&self, wish: CreateApiKey) -> Result<NewApiKey, Problem> {
        let name = wish.name.trim();
        if name.is_empty() || name.len() > 100 || name.chars().any(char::is_control) {
            return Err(Problem::field("name", "a name of 1 to 100 bytes"));
        }
        let role = match wish.role.as_str() {
            "operator" => Role::Operator,
            "application" => Role::Application,
            _ => return Err(Problem::field("role", "operator or application")),
        };
        if let Some(id) = &wish.integration {
            if role == Role::Operator {
                return Err(Problem::field(
                    "integration",
                    "only an application key is bound to one",
                ));
            }
            if self.integrations.get(id).await?.is_none() {
                return Err(Problem::new(Code::IntegrationNotFound));
            }
        }
        let now = self.clock.now();
        if wish.expires_at.is_some_and(|end| end <= now) {
            return Err(Problem::field("expires_at", "a time to come"));
        }
        let request = ApiKeyRequest {
            name: name.to_owned(),
            role,
            integration: wish.integration,
            expires_at: wish.expires_at,
        };
        let new = self.api_keys.create(request, now, &mut self.random.clone()).await?;
        let description = &new.description;
        tracing::info!(audit = "api_key_created", key = %description.id, role = ?description.role, "an API key was made");
        Ok(new)
    }

    pub(crate) async fn list_api_keys(&self) -> Result<Response<Body>, Problem> {
        let items: Vec<ApiKeyView> =
            self.api_keys.list().await?.into_iter().map(ApiKeyView::from).collect();
        respond::json(StatusCode::OK, &List { items, next_cursor: None })
    }

    pub(crate) async fn delete_api_key(&self, id: &str) -> Result<Response<Body>, Problem> {
        self.revoke_key(id).await?;
        Ok(respond::no_content())
    }

    /// Forgets a key at once.
    pub(crate) async fn revoke_key(&self, id: &str) -> Result<(), Problem> {
        let not_found = || Problem::new(Code::ApiKeyNotFound);
        let id: ApiKeyId = id.parse().map_err(|_| not_found())?;
        if !self.api_keys.delete(&id).await? {
            return Err(not_found());
        }
        tracing::info!(audit = "api_key_deleted", key = %id, "an API key was deleted");
        Ok(())
    }
}
