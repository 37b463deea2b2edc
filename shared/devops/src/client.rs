//! Calls of our own: who is this token's user, what can it reach, and which tenant backs an organization.

mod answers;

use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, HOST, HeaderName, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use url::Url;
use uuid::Uuid;

pub use answers::{Account, ConnectionData, Profile};

use crate::address::Address;
use crate::host::{Family, SharedHost};
use crate::organization::OrganizationName;
use crate::rate_limit::RateLimit;
use crate::rejection::Rejection;

/// One call in all.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Bodies of our own calls are small; in bytes.
const LARGEST: usize = 1_000_000;
/// Azure DevOps' name for a policy that blocks a token elsewhere than where it was issued.
const BLOCKED_BY_POLICY: &[u8] = b"VS403463";

/// Asks for a 401 instead of a sign-in page.
const FEDAUTH_REDIRECT: HeaderName = HeaderName::from_static("x-tfs-fedauthredirect");
const SUPPRESS: HeaderValue = HeaderValue::from_static("Suppress");
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("ado-connect/", env!("CARGO_PKG_VERSION")));

/// Why `connectionData` was not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionDataError {
    /// The token is not accepted.
    #[error("the token is not accepted in this organization")]
    Unauthorized,
    /// The user has no access, or the organization does not exist.
    #[error("the user has no access to this organization")]
    NotAMember,
    /// A policy of the organization blocks the call (VS403463).
    #[error("a policy of the organization blocks the access")]
    PolicyBlocked,
    /// Too many calls for this user.
    #[error("Azure DevOps asks to call later")]
    Throttled {
        /// When, if it says so.
        retry_after: Option<Duration>,
    },
    /// Azure DevOps does not answer as it should.
    #[error("Azure DevOps does not answer as it should")]
    Unavailable,
}

/// Why a profile or its accounts were not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// The token is not accepted.
    #[error("the token is not accepted")]
    Unauthorized,
    /// There is no such profile, or no scope of the token includes `vso.profile`.
    #[error("the token does not grant access to the profile, or there is none")]
    Forbidden,
    /// A policy of the user's tenant blocks the call (VS403463).
    #[error("a policy blocks the access")]
    PolicyBlocked,
    /// Too many calls for this user.
    #[error("Azure DevOps asks to call later")]
    Throttled {
        /// When, if it says so.
        retry_after: Option<Duration>,
    },
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
    /// Over the process's HTTP client, which must not follow redirects: they would take the token along.
    pub fn new(http: reqwest::Client, instead: Option<Url>) -> Self {
        Self { http, instead }
    }

    /// A request to an address, without credentials. It names us, and asks for no sign-in pages; headers
    /// that are added later with [`reqwest::RequestBuilder::headers`] take precedence.
    pub fn request(&self, address: &Address, method: Method) -> reqwest::RequestBuilder {
        let request = match &self.instead {
            None => self.http.request(method, address.url().clone()),
            Some(instead) => {
                let mut target = instead.clone();
                target.set_path(address.url().path());
                target.set_query(address.url().query());
                self.http.request(method, target).header(HOST, address.host())
            }
        };
        // Large uploads over HTTP/2 are refused upstream.
        request
            .version(http::Version::HTTP_11)
            .header(USER_AGENT, AGENT)
            .header(FEDAUTH_REDIRECT, SUPPRESS)
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
        let path = format!("/{organization}/_apis/connectionData");
        let address = own_address(Family::Core.host(), &path, None, Some(organization))?;
        let told: answers::ConnectionDataAnswer =
            self.get(&address, token, "application/json;api-version=7.1-preview.1").await?;
        // Organizations that allow it answer strangers, too, with a public identity instead of 401.
        told.user().ok_or(ConnectionDataError::Unauthorized)
    }

    /// The profile of the token's user; needs `vso.profile`.
    ///
    /// # Errors
    /// [`ProfileError`] when there is none, or it could not be had.
    pub async fn profile_me(&self, token: &SecretString) -> Result<Profile, ProfileError> {
        let path = "/_apis/profile/profiles/me";
        let address =
            own_address(SharedHost::Profiles.host(), path, Some("api-version=7.1"), None)?;
        Ok(self.get(&address, token, "application/json").await?)
    }

    /// The organizations of a member, who is the token's user: [`Profile::id`]. Only those of the tenant
    /// that issued the token are told. Needs `vso.profile`.
    ///
    /// # Errors
    /// [`ProfileError`] when they could not be had.
    pub async fn accounts(
        &self,
        member: Uuid,
        token: &SecretString,
    ) -> Result<Vec<Account>, ProfileError> {
        let query = format!("memberId={member}&api-version=7.1");
        let host = SharedHost::Profiles.host();
        let address = own_address(host, "/_apis/accounts", Some(&query), None)?;
        let told: answers::AccountsAnswer = self.get(&address, token, "application/json").await?;
        Ok(told.accounts())
    }

    /// Which tenant backs an organization; needs no token. Azure DevOps answers 404, and tells it in a header.
    ///
    /// # Errors
    /// [`Unavailable`] when there is no answer.
    pub async fn resource_tenant(
        &self,
        organization: &OrganizationName,
    ) -> Result<OrganizationTenant, Unavailable> {
        let path = format!("/{organization}");
        let address = own_address(Family::Vssps.host(), &path, None, Some(organization))
            .map_err(|_| Unavailable)?;
        let asked = self.request(&address, Method::HEAD).timeout(TIMEOUT).send().await;
        let answer = asked.map_err(|_| Unavailable)?;
        let turned_away = answer.status() == StatusCode::TOO_MANY_REQUESTS;
        if turned_away || answer.status().is_server_error() {
            return Err(Unavailable);
        }
        let told = answer.headers().get("x-vss-resourcetenant");
        let id = told.and_then(|value| Uuid::parse_str(value.to_str().ok()?.trim()).ok());
        Ok(match id {
            Some(id) if id.is_nil() => OrganizationTenant::PersonalMicrosoftAccounts,
            Some(id) => OrganizationTenant::Entra(id),
            None => OrganizationTenant::Unknown,
        })
    }

    async fn get<T: DeserializeOwned>(
        &self,
        address: &Address,
        token: &SecretString,
        accept: &'static str,
    ) -> Result<T, Refusal> {
        let bearer = format!("Bearer {}", token.expose_secret());
        let mut bearer = HeaderValue::from_str(&bearer).map_err(|_| Refusal::Unauthorized)?;
        bearer.set_sensitive(true);
        let sent = self
            .request(address, Method::GET)
            .header(AUTHORIZATION, bearer)
            .header(ACCEPT, accept)
            .timeout(TIMEOUT)
            .send()
            .await;
        let answer = sent.map_err(|_| Refusal::Unavailable)?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = ground::http::read(answer, LARGEST).await.map_err(|_| Refusal::Unavailable)?;
        judge(address, status, &headers, &body)?;
        answers::read(&body).ok_or(Refusal::Unavailable)
    }
}

/// Why Azure DevOps did not answer a question, whatever the question was.
enum Refusal {
    Unauthorized,
    PolicyBlocked,
    /// 401 that names the user, 403 or 404: Azure DevOps uses all three for what somebody may not see.
    NotShown,
    Throttled {
        retry_after: Option<Duration>,
    },
    Unavailable,
}

fn judge(
    address: &Address,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(), Refusal> {
    if Rejection::detect(address, false, status, headers, body).is_some() {
        return Err(Refusal::Unauthorized);
    }
    match status {
        StatusCode::OK => Ok(()),
        StatusCode::FORBIDDEN if contains(body, BLOCKED_BY_POLICY) => Err(Refusal::PolicyBlocked),
        // A 401 that is no rejected token is a user without access.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
            Err(Refusal::NotShown)
        }
        StatusCode::TOO_MANY_REQUESTS => {
            Err(Refusal::Throttled { retry_after: RateLimit::from_headers(headers).retry_after })
        }
        _ => Err(Refusal::Unavailable),
    }
}

impl From<Refusal> for ConnectionDataError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unauthorized => Self::Unauthorized,
            Refusal::PolicyBlocked => Self::PolicyBlocked,
            Refusal::NotShown => Self::NotAMember,
            Refusal::Throttled { retry_after } => Self::Throttled { retry_after },
            Refusal::Unavailable => Self::Unavailable,
        }
    }
}

impl From<Refusal> for ProfileError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unauthorized => Self::Unauthorized,
            Refusal::PolicyBlocked => Self::PolicyBlocked,
            Refusal::NotShown => Self::Forbidden,
            Refusal::Throttled { retry_after } => Self::Throttled { retry_after },
            Refusal::Unavailable => Self::Unavailable,
        }
    }
}

/// Our own calls go through the parser that everybody's go through.
fn own_address(
    host: &str,
    path: &str,
    query: Option<&str>,
    organization: Option<&OrganizationName>,
) -> Result<Address, Refusal> {
    let allowed = organization.map(std::slice::from_ref).unwrap_or_default();
    Address::parse(host, path, query, allowed).map_err(|_| Refusal::Unavailable)
}

fn contains(body: &[u8], needle: &[u8]) -> bool {
    body.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests;
