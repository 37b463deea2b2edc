//! What may be called: one parser, whose result is both what is authorized and what is sent (S-28, S-29).
//!
//! A path comes percent-encoded (REST APIs, function URLs) or decoded (HTTP APIs). Either way it is split
//! into segments once; whatever a second reader could split, decode or resolve otherwise is refused.

mod path;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use url::{Position, Url};

use crate::host::{Host, SharedHost};
use crate::organization::OrganizationName;
use path::{Ambiguous, Path};

/// What the URL standard encodes in the query of an `https` address, besides what is not ASCII.
const ENCODED_IN_QUERY: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'\'').add(b'<').add(b'>');

/// An address of Azure DevOps that a connection may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    host: &'static str,
    organization: Option<OrganizationName>,
    url: Url,
}

/// Why an address is not called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The host is not Azure DevOps'.
    #[error("The host is not one of Azure DevOps.")]
    UnknownHost,
    /// The organization is not the connection's, or none is named where one must be.
    #[error("The address names no organization of this connection.")]
    OrganizationNotAllowed,
    /// Somebody could read the address otherwise.
    #[error("The address contains {0}.")]
    AmbiguousPath(&'static str),
}

impl From<Ambiguous> for AddressError {
    fn from(Ambiguous(reason): Ambiguous) -> Self {
        Self::AmbiguousPath(reason)
    }
}

impl Address {
    /// Parses and authorizes an address: `host` is the bare name, `path` what follows it (empty, or with a
    /// slash at its beginning; percent-encoded or decoded), `query` what follows the question mark.
    ///
    /// What came encoded is sent byte for byte; what cannot stand in an address is percent-encoded. That
    /// includes the apostrophe of a query, which the URL standard has sent as `%27`.
    ///
    /// # Errors
    /// [`AddressError`] for everything that is not surely an address of an allowed organization.
    pub fn parse(
        host: &str,
        path: &str,
        query: Option<&str>,
        allowed: &[OrganizationName],
    ) -> Result<Self, AddressError> {
        let host = Host::parse(host).ok_or(AddressError::UnknownHost)?;
        let path = Path::parse(path)?;
        let organization = organization(&host, &path)?;
        if organization.as_ref().is_some_and(|organization| !allowed.contains(organization)) {
            return Err(AddressError::OrganizationNotAllowed);
        }
        let sent = match &host {
            Host::OrganizationInName { organization, .. } => path.below(organization),
            Host::OrganizationInPath(_) | Host::Shared(_) => path.to_string(),
        };
        let url = url(host.name(), &sent, query.map(canonical_query).transpose()?.as_deref())?;
        Ok(Self { host: host.name(), organization, url })
    }

    /// The host that is called.
    pub fn host(&self) -> &'static str {
        self.host
    }

    /// The organization that is called, unless the host serves none in particular.
    pub fn organization(&self) -> Option<&OrganizationName> {
        self.organization.as_ref()
    }

    /// The path as it goes on the wire.
    pub fn path(&self) -> &str {
        self.url.path()
    }

    /// The whole address.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Path and query as they go on the wire.
    pub fn path_and_query(&self) -> String {
        self.url[Position::BeforePath..Position::AfterQuery].to_owned()
    }

    /// The decoded segments below the organization, without the optional `DefaultCollection`: what
    /// [`crate::policy`] judges.
    pub(crate) fn below_organization(&self) -> Vec<String> {
        let decoded = |segment| percent_decode_str(segment).decode_utf8_lossy().into_owned();
        let mut segments: Vec<_> = self
            .path()
            .split('/')
            .filter(|segment| !segment.is_empty())
            .skip(usize::from(self.organization.is_some()))
            .map(decoded)
            .collect();
        if segments.first().is_some_and(|first| first.eq_ignore_ascii_case("DefaultCollection")) {
            segments.remove(0);
        }
        segments
    }

    /// The segments from `_apis` on, if this is the API and not a page, a feed or a Git repository.
    pub(crate) fn api(&self) -> Option<impl Iterator<Item = &str>> {
        let mut segments = self.path().split('/');
        segments.find(|segment| segment.eq_ignore_ascii_case("_apis")).map(|_| segments)
    }
}

/// The organization that an address names.
fn organization(host: &Host, path: &Path) -> Result<Option<OrganizationName>, AddressError> {
    match host {
        Host::OrganizationInPath(_) if is_deployment_discovery(path) => Ok(None),
        Host::OrganizationInPath(_) => {
            // As it stands: an organization's name needs no encoding, so an encoded one is no name.
            let named = path.segments().next().and_then(|first| first.parse().ok());
            named.map(Some).ok_or(AddressError::OrganizationNotAllowed)
        }
        Host::OrganizationInName { organization, .. } => Ok(Some(organization.clone())),
        Host::Shared(shared) if concerns_no_organization(*shared, path) => Ok(None),
        Host::Shared(_) => Err(AddressError::OrganizationNotAllowed),
    }
}

/// `_apis` and `_apis/resourceAreas` above the organizations: Microsoft's Python client asks there for routes
/// that it does not find below one. They are the same for everybody, and open to everybody.
fn is_deployment_discovery(path: &Path) -> bool {
    let segments: Vec<_> = path.segments().map(str::to_ascii_lowercase).collect();
    match segments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["_apis"] | ["_apis", "resourceareas"] => true,
        ["_apis", "resourceareas", id] => uuid::Uuid::parse_str(id).is_ok(),
        _ => false,
    }
}

fn concerns_no_organization(shared: SharedHost, path: &Path) -> bool {
    let mut segments = path.segments();
    let api = segments.next().is_some_and(|first| first.eq_ignore_ascii_case("_apis"));
    // `_apis` alone lists the routes.
    let listed = |area: &str| shared.areas().contains(&area.to_ascii_lowercase().as_str());
    api && segments.next().is_none_or(listed)
}

fn canonical_query(query: &str) -> Result<String, AddressError> {
    if query.contains('#') || query.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
        let reason = "a blank, a control character or a number sign in its query";
        return Err(AddressError::AmbiguousPath(reason));
    }
    Ok(utf8_percent_encode(query, ENCODED_IN_QUERY).to_string())
}

/// The address for the HTTP client, whose parser must read exactly what was authorized.
fn url(host: &str, path: &str, query: Option<&str>) -> Result<Url, AddressError> {
    let ambiguous = AddressError::AmbiguousPath("characters that are read in several ways");
    let text = match query {
        Some(query) => format!("https://{host}{path}?{query}"),
        None => format!("https://{host}{path}"),
    };
    match Url::parse(&text) {
        Ok(url)
            if url.as_str() == text
                && url.scheme() == "https"
                && url.authority() == host
                && url.path() == path
                && url.query() == query
                && url.fragment().is_none() =>
        {
            Ok(url)
        }
        _ => Err(ambiguous),
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
