//! The addresses that may be called: one parser, whose result is both authorized and sent (S-28, S-29).
//!
//! A path comes percent-encoded (REST APIs, function URLs) or decoded (HTTP APIs). Either way it is split into segments
//! once. The parser refuses each path that a second reader could split, decode or resolve differently.

mod path;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use url::{Position, Url};

use crate::host::{Host, SharedHost};
use crate::organization::OrganizationName;
use path::{Ambiguous, Path};

/// The characters that the URL standard encodes in the query of an `https` address, besides those beyond ASCII.
const ENCODED_IN_QUERY: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'\'').add(b'<').add(b'>');

/// An address of Azure DevOps that a connection may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    host: &'static str,
    organization: Option<OrganizationName>,
    url: Url,
}

/// The reasons why an address is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The host is not one of Azure DevOps.
    #[error("The host is not one of Azure DevOps.")]
    UnknownHost,
    /// The organization is not the connection's, or the address lacks one.
    #[error("The address names no organization of this connection.")]
    OrganizationNotAllowed,
    /// The address is ambiguous: another reader could read it differently.
    #[error("The address contains {0}.")]
    AmbiguousPath(&'static str),
}

impl From<Ambiguous> for AddressError {
    fn from(Ambiguous(reason): Ambiguous) -> Self {
        Self::AmbiguousPath(reason)
    }
}

impl Address {
    /// Parses and authorizes an address: `host` is the bare name; `path` is empty or begins with a slash,
    /// percent-encoded or decoded; `query` is the part after the question mark.
    ///
    /// Encoded characters are sent byte for byte; characters that an address must not contain are percent-encoded. That
    /// includes the apostrophe of a query, which the URL standard encodes as `%27`.
    ///
    /// # Errors
    /// [`AddressError`] if the address is not certain to be one of an allowed organization.
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

    /// Returns the host.
    pub fn host(&self) -> &'static str {
        self.host
    }

    /// Returns the organization, or `None` if the host serves none in particular.
    pub fn organization(&self) -> Option<&OrganizationName> {
        self.organization.as_ref()
    }

    /// Returns the path as it is sent.
    pub fn path(&self) -> &str {
        self.url.path()
    }

    /// Returns the whole address.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Returns path and query as they are sent.
    pub fn path_and_query(&self) -> String {
        self.url[Position::BeforePath..Position::AfterQuery].to_owned()
    }

    /// Returns the decoded segments below the organization, without the optional `DefaultCollection`, for
    /// [`crate::policy`].
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

    /// Returns the segments after `_apis`, or `None` if this is not the API but a page, a feed or a Git repository.
    pub(crate) fn api(&self) -> Option<impl Iterator<Item = &str>> {
        let mut segments = self.path().split('/');
        segments.find(|segment| segment.eq_ignore_ascii_case("_apis")).map(|_| segments)
    }
}

/// Returns the organization that an address names, or `None` if it needs none.
fn organization(host: &Host, path: &Path) -> Result<Option<OrganizationName>, AddressError> {
    match host {
        Host::OrganizationInPath(_) if is_deployment_discovery(path) => Ok(None),
        Host::OrganizationInPath(_) => {
            // Taken undecoded: an organization's name needs no encoding, so an encoded one is not a name.
            let named = path.segments().next().and_then(|first| first.parse().ok());
            named.map(Some).ok_or(AddressError::OrganizationNotAllowed)
        }
        Host::OrganizationInName { organization, .. } => Ok(Some(organization.clone())),
        Host::Shared(shared) if concerns_no_organization(*shared, path) => Ok(None),
        Host::Shared(_) => Err(AddressError::OrganizationNotAllowed),
    }
}

/// Returns whether the path is `_apis` or `_apis/resourceAreas` above the organizations. Microsoft's Python client
/// looks there for routes that it does not find below one. The answers are public and the same for everybody.
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

/// Returns the address for the HTTP client, whose parser must read exactly the authorized address.
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
