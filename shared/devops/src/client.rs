//! Our own calls of Azure DevOps: the user of a token, and the tenant that backs an organization.

mod answers;

use std::time::Duration;

use ground::bearer_token::BearerToken;
use http::header::{ACCEPT, AUTHORIZATION, HOST, HeaderName, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method, StatusCode};
use jiff::Timestamp;
use url::Url;
use uuid::Uuid;

pub use answers::ConnectionData;
use answers::ConnectionDataAnswer;

use crate::address::Address;
use crate::host::{Family, SharedHost};
use crate::organization::OrganizationName;
use crate::pace::throttled;
use crate::rejection::{Asked, Rejection};

/// The time for one call.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The largest accepted body of our own calls, in bytes.
const LARGEST: usize = 1_000_000;
/// Azure DevOps' code for a policy that blocks a token outside the place where it was issued.
const BLOCKED_BY_POLICY: &[u8] = b"VS403463";

/// Requests a 401 instead of a sign-in page.
const FEDAUTH_REDIRECT: HeaderName = HeaderName::from_static("x-tfs-fedauthredirect");
const SUPPRESS: HeaderValue = HeaderValue::from_static("Suppress");
/// The user agent of our calls.
pub const AGENT: &str = concat!("ado-connect/", env!("CARGO_PKG_VERSION"));

/// The reasons why `connectionData` could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionDataError {
    /// The token is rejected.
    #[error("the token is not accepted in this organization")]
    Unauthorized,
    /// The user has no access, or the organization does not exist. Azure DevOps answers with a 401 that names the user,
    /// a 403 or a 404.
    #[error("the user has no access to this organization")]
    NotAMember,
    /// A policy of the organization blocks the call (VS403463).
    #[error("a policy of the organization blocks the access")]
    PolicyBlocked,
    /// Too many calls for this user. The answer is not about the token, whatever its status is.
    #[error("Azure DevOps asks to call later")]
    Throttled {
        /// The wait that it asks for, if it names one.
        retry_after: Option<Duration>,
    },
    /// Azure DevOps gives no usable answer.
    #[error("Azure DevOps does not answer as it should")]
    Unavailable,
}

/// The directory that backs an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrganizationTenant {
    /// A tenant of Entra.
    Entra(Uuid),
    /// No tenant: personal Microsoft accounts.
    PersonalMicrosoftAccounts,
    /// Azure DevOps names no tenant, or the organization does not exist.
    Unknown,
}

/// Azure DevOps did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Azure DevOps does not answer")]
pub struct Unavailable;

/// Calls Azure DevOps, or the server that replaces it.
#[derive(Debug, Clone)]
pub struct DevopsClient {
    http: reqwest::Client,
    /// The server that replaces Azure DevOps. Requests name the real host in `Host`.
    instead: Option<Url>,
}

impl DevopsClient {
    /// Returns a client that uses the process's HTTP client. That must not follow redirects, because they would carry
    /// the token along.
    pub fn new(http: reqwest::Client, instead: Option<Url>) -> Self {
        Self { http, instead }
    }

    /// Returns a request to an address, without credentials. It names our user agent and suppresses sign-in pages;
    /// headers that are added later with [`reqwest::RequestBuilder::headers`] take precedence.
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
        // Azure DevOps refuses large uploads over HTTP/2.
        request
            .version(http::Version::HTTP_11)
            .header(USER_AGENT, AGENT)
            .header(FEDAUTH_REDIRECT, SUPPRESS)
    }

    /// Returns the token's user in an organization, as proof of access; without an organization, at the host that serves
    /// none in particular, as proof that the token is good.
    ///
    /// # Errors
    /// [`ConnectionDataError`] if the user has no access, or Azure DevOps gives no usable answer.
    pub async fn connection_data(
        &self,
        organization: Option<&OrganizationName>,
        token: &BearerToken,
        now: Timestamp,
    ) -> Result<ConnectionData, ConnectionDataError> {
        let address = match organization {
            Some(organization) => {
                let path = format!("/{organization}/_apis/connectionData");
                own_address(Family::Core.host(), &path, Some(organization))
            }
            None => own_address(SharedHost::Profiles.host(), "/_apis/connectionData", None),
        };
        let address = address.ok_or(ConnectionDataError::Unavailable)?;
        let sent = self
            .request(&address, Method::GET)
            .header(AUTHORIZATION, token.authorization())
            .header(ACCEPT, "application/json;api-version=7.1-preview.1")
            .timeout(TIMEOUT)
            .send()
            .await;
        let answer = sent.map_err(|_| ConnectionDataError::Unavailable)?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = ground::http::read(answer, LARGEST)
            .await
            .map_err(|_| ConnectionDataError::Unavailable)?;
        judge(&address, status, &headers, &body, now)?;
        let answer: ConnectionDataAnswer =
            answers::read(&body).ok_or(ConnectionDataError::Unavailable)?;
        // Organizations with public access answer everybody, with a public identity instead of a 401.
        answer.user().ok_or(ConnectionDataError::Unauthorized)
    }

    /// Returns the tenant that backs an organization. Needs no token: Azure DevOps answers 404, with the tenant in a
    /// header.
    ///
    /// # Errors
    /// [`Unavailable`] if there is no answer.
    pub async fn resource_tenant(
        &self,
        organization: &OrganizationName,
    ) -> Result<OrganizationTenant, Unavailable> {
        let path = format!("/{organization}");
        let address =
            own_address(Family::Vssps.host(), &path, Some(organization)).ok_or(Unavailable)?;
        let asked = self.request(&address, Method::HEAD).timeout(TIMEOUT).send().await;
        let answer = asked.map_err(|_| Unavailable)?;
        let turned_away = answer.status() == StatusCode::TOO_MANY_REQUESTS;
        if turned_away || answer.status().is_server_error() {
            return Err(Unavailable);
        }
        Ok(backing(answer.headers()))
    }
}

/// Returns the tenant that backs an organization. The header may come several times, or as a list, with the id of no
/// tenant beside that of one.
fn backing(headers: &HeaderMap) -> OrganizationTenant {
    let values = headers.get_all("x-vss-resourcetenant").iter();
    let listed = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let ids: Vec<Uuid> = listed.filter_map(|id| Uuid::parse_str(id.trim()).ok()).collect();
    match ids.iter().find(|id| !id.is_nil()) {
        Some(id) => OrganizationTenant::Entra(*id),
        None if ids.is_empty() => OrganizationTenant::Unknown,
        None => OrganizationTenant::PersonalMicrosoftAccounts,
    }
}

fn judge(
    address: &Address,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<(), ConnectionDataError> {
    let asked = Asked { method: &Method::GET, address, wants_html: false };
    let retry_after = throttled(headers, now);
    if let Some(rejected) = Rejection::detect(&asked, status, headers, body) {
        // Azure DevOps also refuses callers beyond their limits as if the token were not good.
        let is_about_token = retry_after.is_none() || rejected.asks_for_claims();
        return Err(if is_about_token {
            ConnectionDataError::Unauthorized
        } else {
            ConnectionDataError::Throttled { retry_after }
        });
    }
    match status {
        StatusCode::OK => Ok(()),
        StatusCode::FORBIDDEN if contains(body, BLOCKED_BY_POLICY) => {
            Err(ConnectionDataError::PolicyBlocked)
        }
        // A 401 without a rejected token: the user has no access.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
            Err(ConnectionDataError::NotAMember)
        }
        StatusCode::TOO_MANY_REQUESTS => Err(ConnectionDataError::Throttled { retry_after }),
        StatusCode::SERVICE_UNAVAILABLE if retry_after.is_some() => {
            Err(ConnectionDataError::Throttled { retry_after })
        }
        _ => Err(ConnectionDataError::Unavailable),
    }
}

/// Returns the address of our own call, from the same parser as for proxied calls.
fn own_address(host: &str, path: &str, organization: Option<&OrganizationName>) -> Option<Address> {
    Address::parse(host, path, None, organization.map_or(&[], std::slice::from_ref)).ok()
}

fn contains(body: &[u8], needle: &[u8]) -> bool {
    body.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests;
