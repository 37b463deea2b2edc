//! `/integrations`: create or replace, read, list, delete.

use std::time::{Duration, Instant};

use devops::organization::OrganizationName;
use devops::scopes;
use edge::log::RequestLog;
use edge::parameters::{JSON_LIMIT, json_body};
use edge::problem::{Code, Problem};
use edge::respond;
use entra::identifiers::Tenant;
use http::{Response, StatusCode};
use lambda_http::{Body, Request};
use vault::client_credentials::NewCredential;
use vault::ids::IntegrationId;
use vault::integrations::{
    CredentialDescription, CredentialKind, Integration, Organizations, ReturnOrigin, Status,
    TenantSetting,
};

use crate::Manage;
use crate::wire::{ClientCredential, IntegrationView, List, OneOrMany, PutIntegration};

/// How long one delete request goes on deleting connections before it asks to be repeated.
const DELETING_FOR: Duration = Duration::from_secs(15);
/// Most entries of each list in an integration.
const MOST_ENTRIES: usize = 200;

impl Manage {
    fn view(&self, integration: &Integration) -> IntegrationView {
        IntegrationView::new(integration, &self.public_url.redirect_uri())
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
        let existing = self.integrations.get(&id).await?;
        let credential = wish.client_credential.as_ref().map(credential).transpose()?;
        let description = match (&credential, &existing) {
            (Some((_, description)), _) => description.clone(),
            (None, Some(existing)) => existing.credential.clone(),
            (None, None) => {
                return Err(Problem::field("client_credential", "a new integration needs one"));
            }
        };
        let now = self.clock.now();
        let integration = Integration {
            client_id: wish.client_id,
            credential: description,
            organizations: organizations(wish.organizations)?,
            scopes: checked_scopes(wish.scopes)?,
            tenant: tenant(&wish.tenant)?,
            allowed_tenants: wish.allowed_tenants,
            allowed_return_origins: origins(wish.allowed_return_origins)?,
            confirmation: wish.confirmation,
            token_handout: wish.allow_token_handout,
            always_warm: wish.always_warm,
            status: match (&credential, existing.as_ref().map(|existing| existing.status)) {
                // Paused stays paused until somebody says otherwise; a new credential deserves a try.
                (_, Some(Status::Paused)) => Status::Paused,
                (None, Some(status)) => status,
                _ => Status::Ready,
            },
            probed_at: None,
            created_at: existing.as_ref().map_or(now, |existing| existing.created_at),
            updated_at: now,
            id,
        };
        // The credential first: an integration that is there can be used.
        if let Some((credential, _)) = &credential {
            self.credentials.put(&integration.id, credential).await?;
        }
        let view = self.view(&integration);
        self.integrations.put(integration).await?;
        let status = if existing.is_some() { StatusCode::OK } else { StatusCode::CREATED };
        respond::json(status, &view)
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

    /// Forgets connections, credential and integration, in this order; what a time limit leaves over is
    /// done by repeating the request.
    pub(crate) async fn delete_integration(
        &self,
        id: &str,
        log: &RequestLog,
    ) -> Result<Response<Body>, Problem> {
        let id = self.named_integration(id, log).await?.id;
        let begun = Instant::now();
        self.integrations.pause(&id).await?;
        loop {
            let page = self.connections.list(&id, None, None, 100).await?;
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
        self.credentials.delete(&id).await?;
        self.integrations.delete(&id).await?;
        Ok(respond::no_content())
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

fn credential(given: &ClientCredential) -> Result<(NewCredential, CredentialDescription), Problem> {
    let (credential, kind, mut expires_at) = match given {
        ClientCredential::ClientSecret { client_secret, expires_at } => (
            NewCredential::ClientSecret(client_secret.clone()),
            CredentialKind::ClientSecret,
            *expires_at,
        ),
        ClientCredential::Certificate { certificate_pem, private_key_pem } => (
            NewCredential::Certificate {
                certificate_pem: certificate_pem.clone(),
                private_key_pem: private_key_pem.clone(),
            },
            CredentialKind::Certificate,
            None,
        ),
        ClientCredential::Federated {} => {
            return Err(Problem::field(
                "client_credential.kind",
                "federated credentials are not part of this version; use client_secret or certificate",
            ));
        }
    };
    let parsed =
        credential.parse().map_err(|e| Problem::field("client_credential", e.to_string()))?;
    if let entra::credential::ClientCredential::Certificate(certificate) = &parsed {
        expires_at = Some(certificate.not_after());
    }
    Ok((credential, CredentialDescription { kind, expires_at }))
}

fn organizations(given: OneOrMany) -> Result<Organizations, Problem> {
    let refuse = |message: &str| Problem::field("organizations", message);
    let names = match given {
        OneOrMany::One(word) if word == "any" => return Ok(Organizations::Any),
        OneOrMany::One(_) => return Err(refuse("a list of organization names, or \"any\"")),
        OneOrMany::Many(names) => names,
    };
    if names.is_empty() || names.len() > MOST_ENTRIES {
        return Err(refuse("1 to 200 organization names, or \"any\""));
    }
    let mut parsed: Vec<OrganizationName> = Vec::with_capacity(names.len());
    for name in names {
        let name = name.parse().map_err(|_| {
            refuse("an organization is named as in https://dev.azure.com/{organization}: letters, digits and hyphens")
        })?;
        if !parsed.contains(&name) {
            parsed.push(name);
        }
    }
    Ok(Organizations::Named(parsed))
}

fn checked_scopes(given: Vec<String>) -> Result<Vec<String>, Problem> {
    let refuse = |message: String| Problem::field("scopes", message);
    if given.is_empty() || given.len() > MOST_ENTRIES {
        return Err(refuse("1 to 200 scopes".to_owned()));
    }
    if given.len() > 1 && given.iter().any(|name| name == "user_impersonation") {
        return Err(refuse("user_impersonation stands alone: it contains the others".to_owned()));
    }
    let mut scopes = Vec::with_capacity(given.len());
    for name in given {
        if scopes::Scope::parse(&name).is_none() {
            return Err(refuse(
                "a scope of Azure DevOps, such as vso.code, or user_impersonation".to_owned(),
            ));
        }
        if !scopes.contains(&name) {
            scopes.push(name);
        }
    }
    Ok(scopes)
}

fn tenant(given: &str) -> Result<TenantSetting, Problem> {
    match given {
        "auto" => Ok(TenantSetting::Auto),
        "organizations" => Ok(TenantSetting::Fixed(Tenant::Organizations)),
        id => id.parse().map(|id| TenantSetting::Fixed(Tenant::Id(id))).map_err(|_| {
            Problem::field("tenant", "auto, organizations, or the tenant's id (a GUID)")
        }),
    }
}

fn origins(given: Vec<String>) -> Result<Vec<ReturnOrigin>, Problem> {
    if given.len() > MOST_ENTRIES {
        return Err(Problem::field("allowed_return_origins", "at most 200 origins"));
    }
    given
        .into_iter()
        .map(|text| {
            text.try_into().map_err(|e: vault::integrations::InvalidOrigin| {
                Problem::field("allowed_return_origins", e.to_string())
            })
        })
        .collect()
}
