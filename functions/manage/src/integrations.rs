//! `/integrations`: create or replace, read, list, delete.

use std::time::{Duration, Instant};

use edge::log::RequestLog;
use edge::parameters::{JSON_LIMIT, json_body};
use edge::problem::{Code, Problem};
use edge::respond;
use http::{Response, StatusCode};
use lambda_http::{Body, Request};
use vault::connections::UserFilter;
use vault::ids::IntegrationId;
use vault::integrations::{Integration, Status};

use crate::Manage;
use crate::integration_fields::{self as fields, Checked};
use crate::wire::{ClientCredential, IntegrationView, List, PutIntegration};

/// How long one delete request goes on deleting connections before it asks to be repeated.
const DELETING_FOR: Duration = Duration::from_secs(15);
/// How often an integration is read again because others changed it before it could be replaced.
const STORE_TRIES: usize = 5;

/// Whether an integration was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stored {
    /// It was not.
    New,
    /// It was.
    Replaced,
}

impl Manage {
    /// Where an administrator consents for a whole tenant.
    pub(crate) fn admin_consent_url(&self, integration: &Integration) -> String {
        self.authority.admin_consent_url(
            &integration.client_id,
            devops::scopes::RESOURCE_ID,
            &self.public_url.redirect_uri(),
        )
    }

    fn view(&self, integration: &Integration) -> IntegrationView {
        let redirect_uri = self.public_url.redirect_uri();
        IntegrationView::new(integration, &redirect_uri, self.admin_consent_url(integration))
    }

    pub(crate) async fn put_integration(
        &self,
        id: &str,
        request: &Request,
        log: &RequestLog,
    ) -> Result<Response<Body>, Problem> {
        let id: IntegrationId = id
            .parse()
            .map_err(|e: vault::ids::InvalidId| Problem::field("integration", e.to_string()))?;
        log.integration(&id);
        let wish: PutIntegration = json_body(request, JSON_LIMIT)?;
        let (stored, integration) = self.store_integration(id, &wish).await?;
        let status = match stored {
            Stored::New => StatusCode::CREATED,
            Stored::Replaced => StatusCode::OK,
        };
        respond::json(status, &self.view(&integration))
    }

    /// Creates or replaces an integration, and its credential if one is given.
    async fn store_integration(
        &self,
        id: IntegrationId,
        wish: &PutIntegration,
    ) -> Result<(Stored, Integration), Problem> {
        let checked = fields::checked(wish, self.credentials.can_federate())?;
        for _ in 0..STORE_TRIES {
            let seen = self.integrations.get(&id).await?;
            if let Some(integration) = self.store_over(seen.as_ref(), &id, wish, &checked).await? {
                let stored = if seen.is_some() { Stored::Replaced } else { Stored::New };
                return Ok((stored, integration));
            }
        }
        Err(Problem::new(Code::ServiceUnavailable)
            .detail("Others keep changing this integration; repeat the request.")
            .retry_after(Duration::from_secs(1)))
    }

    /// Stores an integration in the place of `seen`, which was just read, and its credential if one is given. `None`
    /// where something else is there meanwhile: then the integration is as others left it, but for the credential.
    pub(crate) async fn store_over(
        &self,
        seen: Option<&Integration>,
        id: &IntegrationId,
        wish: &PutIntegration,
        checked: &Checked,
    ) -> Result<Option<Integration>, Problem> {
        let integration = self.integration_from(seen, id, wish, checked)?;
        // The credential first: an integration that is there can be used.
        if let Some((credential, _)) = &checked.credential {
            self.credentials.put(id, credential).await?;
        }
        let is_stored = self.integrations.put(integration.clone(), seen).await?;
        Ok(is_stored.then_some(integration))
    }

    fn integration_from(
        &self,
        seen: Option<&Integration>,
        id: &IntegrationId,
        wish: &PutIntegration,
        checked: &Checked,
    ) -> Result<Integration, Problem> {
        let description = match (&checked.credential, seen) {
            (Some((_, description)), _) => description.clone(),
            (None, Some(seen)) => seen.credential.clone(),
            (None, None) => {
                return Err(Problem::field("client_credential", "a new integration needs one"));
            }
        };
        let now = self.clock.now();
        Ok(Integration {
            id: id.clone(),
            client_id: wish.client_id.clone(),
            credential: description,
            organizations: checked.organizations.clone(),
            scopes: checked.scopes.clone(),
            tenant: checked.tenant.clone(),
            allowed_tenants: wish.allowed_tenants.clone(),
            allowed_return_origins: checked.allowed_return_origins.clone(),
            confirmation: wish.confirmation,
            token_handout: wish.allow_token_handout,
            always_warm: wish.always_warm,
            allowed_calls: checked.allowed_calls.clone(),
            proxy_limits: checked.proxy_limits,
            reconnect_url: checked.reconnect_url.clone(),
            branding: checked.branding.clone(),
            status: match (&checked.credential, seen.map(|seen| seen.status)) {
                // Paused stays paused until somebody says otherwise; a new credential deserves a try.
                (_, Some(Status::Paused)) => Status::Paused,
                (None, Some(status)) => status,
                _ => Status::Ready,
            },
            probed_at: None,
            created_at: seen.map_or(now, |seen| seen.created_at),
            updated_at: now,
        })
    }

    /// Renewing a credential must not take the other fields along: whoever renews it may not know them.
    pub(crate) async fn put_client_credential(
        &self,
        id: &str,
        request: &Request,
        log: &RequestLog,
    ) -> Result<Response<Body>, Problem> {
        let id = self.named_integration(id, log).await?.id;
        let given: ClientCredential = json_body(request, JSON_LIMIT)?;
        let (credential, description) =
            fields::credential(&given, self.credentials.can_federate())?;
        self.credentials.put(&id, &credential).await?;
        self.integrations.put_credential(&id, &description, self.clock.now()).await?;
        // Deleted meanwhile, perhaps.
        let integration = self.integrations.get(&id).await?;
        let integration = integration.ok_or_else(|| Problem::new(Code::IntegrationNotFound))?;
        respond::json(StatusCode::OK, &self.view(&integration))
    }

    pub(crate) async fn list_integrations(&self) -> Result<Response<Body>, Problem> {
        let integrations = self.integrations.list().await?;
        let items = integrations.iter().map(|integration| self.view(integration)).collect();
        respond::json(StatusCode::OK, &List { items, next_cursor: None })
    }

    pub(crate) async fn get_integration(
        &self,
        id: &str,
        log: &RequestLog,
    ) -> Result<Response<Body>, Problem> {
        let integration = self.named_integration(id, log).await?;
        respond::json(StatusCode::OK, &self.view(&integration))
    }

    pub(crate) async fn delete_integration(
        &self,
        id: &str,
        log: &RequestLog,
    ) -> Result<Response<Body>, Problem> {
        let id = self.named_integration(id, log).await?.id;
        self.forget_integration(&id).await?;
        Ok(respond::no_content())
    }

    /// Forgets connections, credential and integration, in this order; what a time limit leaves over is
    /// done by repeating the request.
    pub(crate) async fn forget_integration(&self, id: &IntegrationId) -> Result<(), Problem> {
        let begun = Instant::now();
        self.integrations.pause(id).await?;
        loop {
            let page = self.connections.list(id, UserFilter::Any, None, 100).await?;
            if page.connections.is_empty() && page.next.is_none() {
                break;
            }
            for connection in &page.connections {
                self.forget(&connection.id).await?;
            }
            if begun.elapsed() > DELETING_FOR {
                return Err(Problem::new(Code::ServiceUnavailable)
                    .detail("The integration is paused and its connections are being deleted; repeat the request to finish.")
                    .retry_after(Duration::from_secs(1)));
            }
        }
        self.credentials.delete(id).await?;
        self.integrations.delete(id).await?;
        Ok(())
    }

    /// The integration that an operator names in the path.
    pub(crate) async fn named_integration(
        &self,
        id: &str,
        log: &RequestLog,
    ) -> Result<Integration, Problem> {
        let not_found = || Problem::new(Code::IntegrationNotFound);
        let id: IntegrationId = id.parse().map_err(|_| not_found())?;
        log.integration(&id);
        self.integrations.get(&id).await?.ok_or_else(not_found)
    }
}
