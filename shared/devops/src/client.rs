//! Calls of our own: who is this token's user, and which tenant backs an organization.

use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, HOST, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;
use uuid::Uuid;

use crate::address::Address;
use crate::organization::OrganizationName;
use crate::rejection::Rejection;

/// One call in all.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Bodies of our own calls are small.
const LARGEST: usize = 1_000_000;

/// What `connectionData` tells of the token's user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionData {
    /// The identity in the organization; not the Entra object id.
    pub user_id: String,
    /// For display only.
    pub display_name: Option<String>,
    /// The organization's id.
    pub instance_id: Option<String>,
}

/// Why `connectionData` was not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionDataError {
    /// The token is not accepted, or its user has no access: Azure DevOps answers both with 401.
    #[error("the token is not accepted in this organization")]
    Unauthorized,
    /// The user has no access, or the organization does not exist.
    #[error("the user has no access to this organization")]
    NotAMember,
    /// A policy of the organization blocks the call (VS403463).
    #[error("a policy of the organization blocks the access")]
    PolicyBlocked,
    /// Azure DevOps does not answer as it should.
    #[error("Azure DevOps does not answer as it should")]
    Unavailable,
}

/// Which directory backs an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrganizationTenant {
    /// A tenant of Entra.
    Entra(Uuid),
    /// None: personal Microsoft accounts.
    PersonalMicrosoftAccounts,
    /// Azure DevOps does not say, or there is no such organization.
    Unknown,
}

/// Azure DevOps did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Azure DevOps does not answer")]
pub struct Unavailable;

/// Calls Azure DevOps, or the server that stands in for it.
#[derive(Debug, Clone)]
pub struct DevopsClient {
    http: reqwest::Client,
    /// Where requests go instead, with the real name in `Host`.
    instead: Option<Url>,
}

impl DevopsClient {
    /// Over the process's HTTP client, which must not follow redirects.
    pub fn new(http: reqwest::Client, instead: Option<Url>) -> Self {
        Self { http, instead }
    }

    /// A request to an address, without credentials.
    pub fn request(&self, address: &Address, method: Method) -> reqwest::RequestBuilder {
        self.request_to(address.url(), method)
    }

    fn request_to(&self, url: &Url, method: Method) -> reqwest::RequestBuilder {
        let Some(instead) = &self.instead else { return self.http.request(method, url.clone()) };
        let mut target = instead.clone();
        target.set_path(url.path());
        target.set_query(url.query());
        let request = self.http.request(method, target);
        match url.host_str().map(HeaderValue::from_str) {
            Some(Ok(host)) => request.header(HOST, host),
            _ => request,
        }
    }

    /// Who the token's user is in an organization: proof of access.
    ///
    /// # Errors
    /// [`ConnectionDataError`] when there is none, or it could not be had.
    pub async fn connection_data(
        &self,
        organization: &OrganizationName,
        token: &SecretString,
    ) -> Result<ConnectionData, ConnectionDataError> {
        let address = own_address(
            "dev.azure.com",
            &format!("/{organization}/_apis/connectionData"),
            organization,
        )
        .ok_or(ConnectionDataError::Unavailable)?;
        let answered = self.get(&address, token).await;
        let (status, headers, body) = answered.map_err(|_| ConnectionDataError::Unavailable)?;
        if Rejection::detect(&address, false, status, &headers, &body).is_some() {
            return Err(ConnectionDataError::Unauthorized);
        }
        match status {
            // Not a rejected token, so a user without access.
            StatusCode::UNAUTHORIZED => Err(ConnectionDataError::NotAMember),
            StatusCode::OK => user_of(&body),
            StatusCode::FORBIDDEN if contains(&body, b"VS403463") => {
                Err(ConnectionDataError::PolicyBlocked)
            }
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => Err(ConnectionDataError::NotAMember),
            _ => Err(ConnectionDataError::Unavailable),
        }
    }

    /// Which tenant backs an organization; needs no token. Azure DevOps answers 404, and tells it in a header.
    ///
    /// # Errors
    /// [`Unavailable`] when there is no answer.
    pub async fn resource_tenant(
        &self,
        organization: &OrganizationName,
    ) -> Result<OrganizationTenant, Unavailable> {
        let address = own_address("vssps.dev.azure.com", &format!("/{organization}"), organization)
            .ok_or(Unavailable)?;
        let asked = self.request(&address, Method::HEAD).timeout(TIMEOUT).send().await;
        let answer = asked.map_err(|_| Unavailable)?;
        if answer.status().is_server_error() {
            return Err(Unavailable);
        }
        let told =
            answer.headers().get("x-vss-resourcetenant").and_then(|value| value.to_str().ok());
        Ok(match told.and_then(|text| Uuid::parse_str(text.trim()).ok()) {
            Some(id) if id.is_nil() => OrganizationTenant::PersonalMicrosoftAccounts,
            Some(id) => OrganizationTenant::Entra(id),
            None => OrganizationTenant::Unknown,
        })
    }

    async fn get(
        &self,
        address: &Address,
        token: &SecretString,
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>), Unavailable> {
        let bearer = format!("Bearer {}", token.expose_secret());
        let mut bearer = HeaderValue::from_str(&bearer).map_err(|_| Unavailable)?;
        bearer.set_sensitive(true);
        let sent = self
            .request(address, Method::GET)
            .header(AUTHORIZATION, bearer)
            .header(ACCEPT, "application/json;api-version=7.1-preview.1")
            .header("x-tfs-fedauthredirect", "Suppress")
            .timeout(TIMEOUT)
            .send()
            .await;
        let mut answer = sent.map_err(|_| Unavailable)?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|_| Unavailable)? {
            if body.len() + chunk.len() > LARGEST {
                return Err(Unavailable);
            }
            body.extend_from_slice(&chunk);
        }
        Ok((answer.status(), answer.headers().clone(), body))
    }
}

fn own_address(host: &str, path: &str, organization: &OrganizationName) -> Option<Address> {
    Address::parse(host, path, None, std::slice::from_ref(organization)).ok()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    authenticated_user: User,
    instance_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    id: String,
    descriptor: Option<String>,
    provider_display_name: Option<String>,
}

fn user_of(body: &[u8]) -> Result<ConnectionData, ConnectionDataError> {
    let answer: Answer =
        serde_json::from_slice(body).map_err(|_| ConnectionDataError::Unavailable)?;
    let user = answer.authenticated_user;
    // Organizations that allow it answer strangers with a public identity instead of 401.
    let anonymous = user.id == "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"
        || user.descriptor.as_deref().is_some_and(|kind| kind.contains("UnauthenticatedIdentity"));
    if anonymous {
        return Err(ConnectionDataError::Unauthorized);
    }
    Ok(ConnectionData {
        user_id: user.id,
        display_name: user.provider_display_name,
        instance_id: answer.instance_id,
    })
}

fn contains(body: &[u8], needle: &[u8]) -> bool {
    body.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests;
