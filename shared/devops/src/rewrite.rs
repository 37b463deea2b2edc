//! Rewrites addresses in answers so that they point back at the proxy, and no client leaves it unnoticed: `location`
//! and `link` headers, and the addresses by which Microsoft's SDKs discover other hosts.

mod areas;
mod discovery;
mod next_link;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, HeaderValue, LINK, LOCATION};
use url::Url;

pub use next_link::NextLinks;

use crate::address::Address;
use crate::host::{Family, Host};
use crate::organization::OrganizationName;

/// The proxy, as the callers of one connection see it.
#[derive(Debug, Clone)]
pub struct Gateway {
    /// `https://<gateway>/proxy/<connection>/`
    base: String,
    /// The call whose answer is rewritten.
    called: Option<Called>,
}

#[derive(Debug, Clone)]
struct Called {
    /// The base of relative addresses in headers.
    url: Url,
    /// The organizations that its connection reaches.
    reachable: Vec<OrganizationName>,
}

impl Gateway {
    /// Returns the gateway of an origin (without a slash at the end) and a connection.
    pub fn new(public_url: &str, connection: &str) -> Self {
        Self { base: format!("{public_url}/proxy/{connection}/"), called: None }
    }

    /// Adds the call whose answer is rewritten, and the organizations that its connection reaches. Then relative
    /// addresses in headers are rewritten, too; otherwise they stay, and lead nowhere.
    #[must_use]
    pub fn answering(self, called: &Address, reachable: Vec<OrganizationName>) -> Self {
        Self { called: Some(Called { url: called.url().clone(), reachable }), ..self }
    }

    /// Returns an absolute address of Azure DevOps as an address of the proxy, or `None` for all others, which stay
    /// unchanged. The proxy may still refuse it: [`Address::parse`] decides.
    pub fn address(&self, url: &str) -> Option<String> {
        let (scheme, rest) = url.split_at_checked("https://".len())?;
        if !scheme.eq_ignore_ascii_case("https://") {
            return None;
        }
        let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let name = authority.strip_suffix(":443").unwrap_or(authority).to_ascii_lowercase();
        Host::parse(&name)?;
        // Dot segments are resolved here, because at the gateway they would lead out of the proxy.
        let path = Url::parse(url).ok()?.path().to_owned();
        let query_on = &rest[rest.find(['?', '#']).unwrap_or(rest.len())..];
        Some(format!("{}{name}{path}{query_on}", self.base))
    }

    /// Rewrites `location` and `link`. A `location` that leads to neither Azure DevOps nor its storage is dropped, because a
    /// client that follows redirects could send our key there (S-34).
    pub fn rewrite_headers(&self, headers: &mut HeaderMap) {
        if let Some(location) = headers.remove(LOCATION) {
            let location = location.to_str().ok().and_then(|text| self.location(text));
            if let Some(Ok(location)) = location.map(|text| HeaderValue::from_str(&text)) {
                headers.insert(LOCATION, location);
            }
        }
        rewrite_values(headers, &LINK, |links| Some(self.links(links)));
    }

    fn location(&self, location: &str) -> Option<String> {
        let is_kept = self.leads_to_another_account(location) || leads_to_storage(location);
        if is_kept || (self.called.is_none() && Url::parse(location).is_err()) {
            return Some(location.to_owned());
        }
        self.reference(location)
    }

    /// Returns an absolute or relative address in a header as an address of the proxy.
    fn reference(&self, reference: &str) -> Option<String> {
        self.address(reference)
            .or_else(|| self.address(self.called.as_ref()?.url.join(reference).ok()?.as_str()))
    }

    /// Returns whether an address is on a host below `visualstudio.com` whose first label is no organization of the
    /// connection, such as `artprodcus3.artifacts.visualstudio.com/A<account's id>/…`, where the archive of a pipeline
    /// artifact is. The proxy refuses it. As it came, it at least leads somewhere.
    fn leads_to_another_account(&self, location: &str) -> bool {
        let host = Url::parse(location).ok().and_then(|url| Host::parse(url.host_str()?));
        match (host, &self.called) {
            (Some(Host::OrganizationInName { organization, .. }), Some(called)) => {
                !called.reachable.contains(&organization)
            }
            _ => false,
        }
    }

    /// Rewrites the targets of a `Link` header (RFC 8288), each between angle brackets.
    fn links(&self, text: &str) -> String {
        let mut parts = text.split('<');
        let mut rewritten = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            rewritten.push('<');
            match part.split_once('>') {
                Some((target, rest)) => {
                    let pointing_back = self.reference(target);
                    rewritten.extend([pointing_back.as_deref().unwrap_or(target), ">", rest]);
                }
                None => rewritten.push_str(part),
            }
        }
        rewritten
    }

    /// Returns the rewriting of links to the next page in the answer to a call, or `None` if it has none. `headers` are
    /// Azure DevOps' own, of the same answer.
    pub fn next_links(&self, address: &Address, headers: &HeaderMap) -> Option<NextLinks> {
        let is_whole_text =
            !headers.contains_key(CONTENT_ENCODING) && !headers.contains_key(CONTENT_RANGE);
        let has_links = is_analytics(address) && is_whole_text && is_json(headers);
        has_links.then(|| NextLinks::new(self.clone()))
    }

    /// Rewrites the addresses in the answers by which SDKs discover hosts, and links to the next page. Everything else
    /// stays byte for byte. `headers` are Azure DevOps' own, of the same answer.
    pub fn rewrite_body(&self, address: &Address, headers: &HeaderMap, body: Bytes) -> Bytes {
        if let Some(mut links) = self.next_links(address, headers) {
            return [links.push(&body), links.end()].concat().into();
        }
        // The proxy does not request compression on these routes. An answer that is compressed nevertheless stays
        // closed.
        if !is_discovery(address) || headers.contains_key(CONTENT_ENCODING) {
            return body;
        }
        let body = discovery::rewrite(&body, |url| self.address(url)).map_or(body, Bytes::from);
        if !lists_resource_areas(address) {
            return body;
        }
        let completed =
            std::str::from_utf8(&body).ok().and_then(|text| areas::completed(text, self));
        completed.map_or(body, Bytes::from)
    }
}

/// Returns whether an address is on a host to which Azure DevOps redirects downloads: hosts by account or scale unit, and
/// signed addresses of its storage
/// (<https://learn.microsoft.com/azure/devops/organizations/security/allow-list-ip-url>).
fn leads_to_storage(location: &str) -> bool {
    const DOMAINS: [&str; 4] =
        [".visualstudio.com", ".dev.azure.com", ".vsassets.io", ".blob.core.windows.net"];
    let Ok(url) = Url::parse(location) else { return false };
    let host = url.host_str().unwrap_or_default();
    url.scheme() == "https"
        && url.port().is_none()
        && url.username().is_empty()
        && url.password().is_none()
        && Host::parse(host).is_none()
        && DOMAINS.iter().any(|domain| host.ends_with(domain))
}

/// Returns whether a body is JSON, or of no named type.
fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(|kind| kind.to_str().unwrap_or_default());
    kind.is_none_or(|kind| kind.to_ascii_lowercase().contains("json"))
}

/// Returns whether an answer to this address may have links to the next page. They are rewritten as the body comes.
pub fn is_analytics(address: &Address) -> bool {
    address.host() == Family::Analytics.host()
        && address.segments().any(|segment| segment.eq_ignore_ascii_case("_odata"))
}

/// Returns whether an answer to this address contains the addresses of services or of Git's large files. It is
/// rewritten as a whole.
pub fn is_discovery(address: &Address) -> bool {
    const AREAS: [&str; 3] = ["resourceAreas", "connectionData", "serviceDefinitions"];
    let area = address.api().and_then(|mut segments| segments.next());
    area.is_some_and(|area| AREAS.iter().any(|known| known.eq_ignore_ascii_case(area)))
        || is_large_files_batch(address)
}

/// Returns whether this is the one answer of Git LFS that contains addresses.
fn is_large_files_batch(address: &Address) -> bool {
    let path = address.segments().collect::<Vec<_>>().join("/").to_ascii_lowercase();
    path.ends_with("/info/lfs/objects/batch")
}

fn lists_resource_areas(address: &Address) -> bool {
    address.api().is_some_and(|mut segments| {
        segments.next().is_some_and(|area| area.eq_ignore_ascii_case("resourceAreas"))
            && segments.next().is_none()
    })
}

/// Replaces the values of a header, one by one.
fn rewrite_values(
    headers: &mut HeaderMap,
    name: &http::HeaderName,
    rewrite: impl Fn(&str) -> Option<String>,
) {
    let http::header::Entry::Occupied(mut entry) = headers.entry(name) else { return };
    for value in entry.iter_mut() {
        let rewritten = value.to_str().ok().and_then(&rewrite);
        if let Some(rewritten) = rewritten.and_then(|text| HeaderValue::from_str(&text).ok()) {
            *value = rewritten;
        }
    }
}

#[cfg(test)]
mod tests;
