//! The addresses that may be called: one parser, whose result is both authorized and sent (S-28, S-29).
//!
//! A path comes percent-encoded (REST APIs, function URLs) or decoded (HTTP APIs). Either way it is judged as a server
//! reads it: decoded once, and split at its slashes, encoded ones and backslashes included. Everything that cannot change
//! this reading is sent exactly as it came.
//!
//! | in a path | treatment |
//! | --- | --- |
//! | `%2F`, `%5C` or `\` below the organization, or below the area of a host without one | sent; a slash to [`crate::policy`] |
//! | the same before that place | refused |
//! | `%23`, `%3F`, `%25`, `;` and every other character | sent |
//! | dot segments in any spelling, also between encoded slashes or with parameters | refused |
//! | `(S(…))` and `(A(…)F(…))`, which ASP.NET takes for a session without cookies and leaves out | refused |
//! | a slash, a backslash or a dot segment that only a second decoding shows, as in `%252F` | refused |
//! | control characters; bytes that are not UTF-8, which servers read in different encodings | refused |
//! | a percent sign that begins no encoded byte | sent as `%25`: a gateway that decodes leaves it |
//! | an empty segment in or before the organization, or the area of a host without one | refused |
//! | an empty segment below | sent; [`crate::policy`] judges the path with and without it |

mod path;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use url::{Position, Url};

use crate::host::Host;
use crate::method_override::{MethodOverride, refuse_in_query};
use crate::organization::OrganizationName;
pub(crate) use path::without_parameters;
use path::{Ambiguous, Path, Segment};

/// The characters that the URL standard encodes in the query of an `https` address, besides those beyond ASCII.
const ENCODED_IN_QUERY: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'\'').add(b'<').add(b'>');

/// An address of Azure DevOps that a connection may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    host: &'static str,
    organization: Option<OrganizationName>,
    url: Url,
    /// The path as a server reads it, with its empty segments.
    segments: Vec<String>,
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
    /// The query names another method.
    #[error(transparent)]
    MethodOverride(#[from] MethodOverride),
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
    /// Encoded characters are sent byte for byte as they came; characters that an address must not contain are
    /// percent-encoded. That includes the apostrophe of a query, which the URL standard encodes as `%27`.
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
        let segments = match &host {
            Host::OrganizationInName { organization, .. } => vec![organization.to_string()],
            Host::OrganizationInPath(_) | Host::Shared(_) => Vec::new(),
        };
        let segments = segments.into_iter().chain(path.into_read()).collect();
        Ok(Self { host: host.name(), organization, url, segments })
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

    /// Returns the segments below the organization as a server reads them, for [`crate::policy`]: with the empty ones,
    /// and without, as some servers do. The optional `DefaultCollection` is left out.
    pub(crate) fn below_organization(&self) -> [Vec<&str>; 2] {
        let above = usize::from(self.organization.is_some());
        let kept: Vec<_> = self.segments.iter().skip(above).map(String::as_str).collect();
        let merged = kept.iter().copied().filter(|segment| !segment.is_empty()).collect();
        [kept, merged].map(without_collection)
    }

    /// Returns the segments after `_apis` as a server reads them, or `None` if this is not the API but a page, a feed or
    /// a Git repository.
    pub(crate) fn api(&self) -> Option<impl Iterator<Item = &str>> {
        let mut segments = self.segments();
        segments.find(|segment| is_api(segment)).map(|_| segments)
    }

    /// Returns the segments as a server reads them, without empty ones.
    pub(crate) fn segments(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().map(String::as_str).filter(|segment| !segment.is_empty())
    }
}

fn without_collection(mut segments: Vec<&str>) -> Vec<&str> {
    if segments.first().is_some_and(|first| first.eq_ignore_ascii_case("DefaultCollection")) {
        segments.remove(0);
    }
    segments
}

/// Returns the organization that an address names, or `None` if it needs none.
fn organization(host: &Host, path: &Path) -> Result<Option<OrganizationName>, AddressError> {
    let mut segments = path.segments();
    let above_organizations = match host {
        Host::OrganizationInName { organization, .. } => return Ok(Some(organization.clone())),
        Host::OrganizationInPath(_) => {
            let first = segments.next().ok_or(AddressError::OrganizationNotAllowed)?.alone()?;
            if let Ok(organization) = first.parse() {
                return Ok(Some(organization));
            }
            is_api(first) && is_deployment_discovery(segments)?
        }
        Host::Shared(shared) => {
            let first = segments.next().ok_or(AddressError::OrganizationNotAllowed)?.alone()?;
            // `_apis` alone lists the routes.
            let area = segments.next().map(Segment::alone).transpose()?;
            let listed = |area: &str| shared.areas().contains(&area.to_ascii_lowercase().as_str());
            is_api(first) && area.is_none_or(listed)
        }
    };
    if above_organizations { Ok(None) } else { Err(AddressError::OrganizationNotAllowed) }
}

fn is_api(segment: &str) -> bool {
    segment.eq_ignore_ascii_case("_apis")
}

/// Returns whether the path is `_apis` or `_apis/resourceAreas` above the organizations, given the segments below
/// `_apis`. Microsoft's Python client looks there for routes that it does not find below an organization. The answers
/// are public and the same for everybody.
fn is_deployment_discovery<'a>(
    below: impl Iterator<Item = &'a Segment>,
) -> Result<bool, AddressError> {
    let below = below.map(Segment::alone).collect::<Result<Vec<_>, _>>()?;
    Ok(match below[..] {
        [] => true,
        [area] => is_resource_areas(area),
        [area, id] => is_resource_areas(area) && uuid::Uuid::parse_str(id).is_ok(),
        _ => false,
    })
}

fn is_resource_areas(area: &str) -> bool {
    area.eq_ignore_ascii_case("resourceAreas")
}

fn canonical_query(query: &str) -> Result<String, AddressError> {
    refuse_in_query(query)?;
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
        // The rest is the scheme. A number sign in path or query would make them shorter.
        Ok(url) if (url.authority(), url.path(), url.query()) == (host, path, query) => Ok(url),
        _ => Err(ambiguous),
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
