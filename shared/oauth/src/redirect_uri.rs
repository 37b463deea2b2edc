//! Redirect URIs: the addresses to which a browser carries a code.

use std::fmt;

use url::{Host, Url};

use crate::issuer::Issuer;

/// Private schemes that are taken although any program on the user's computer may claim one: Cursor knows no other way.
const PRIVATE_SCHEMES: &[&str] = &["cursor"];
/// The most bytes of a redirect URI.
const LONGEST: usize = 512;

/// A redirect URI in its one canonical spelling: `https`, `http` on the user's own computer (RFC 8252 section 7.3), or a
/// private scheme that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectUri {
    url: Url,
    /// As the client spells it: addresses are compared as text (RFC 6749 section 3.1.2.3).
    text: String,
}

/// Where a code goes, in the words of the consent page and the operator's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A host of the web.
    Host(String),
    /// A program on the user's computer that listens on a port.
    Loopback,
    /// The program that has claimed a private scheme on the user's computer.
    Scheme(String),
}

impl RedirectUri {
    /// Reads a redirect URI, or returns `None` if no client may have it. A spelling that a URL parser would change (such as
    /// `\` for `/`, a number for an address, a default port) is refused, so that no two readers differ about the host.
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok().filter(|_| text.len() <= LONGEST)?;
        let is_canonical = url.as_str() == text || url.as_str().strip_suffix('/') == Some(text);
        let is_bare = url.username().is_empty() && url.password().is_none();
        let has_fragment = url.fragment().is_some() || text.contains('#');
        let is_usable = match url.scheme() {
            "https" => url.host_str().is_some_and(|host| !host.ends_with('.')),
            "http" => is_loopback(&url),
            scheme => PRIVATE_SCHEMES.contains(&scheme) && url.has_host(),
        };
        let is_accepted = is_canonical && is_bare && !has_fragment && is_usable;
        is_accepted.then(|| Self { url, text: text.to_owned() })
    }

    /// Returns whether a client that has registered this one may use `presented`: the same text, with any port on the
    /// user's own computer, where a program cannot choose it beforehand.
    pub fn allows(&self, presented: &Self) -> bool {
        if !is_loopback(&self.url) || self.url.scheme() != "http" {
            return self.text == presented.text;
        }
        let portless = |uri: &Self| {
            let mut url = uri.url.clone();
            url.set_port(None).ok().map(|()| url)
        };
        portless(self).is_some_and(|own| portless(presented) == Some(own))
    }

    /// Returns where the browser goes.
    pub fn destination(&self) -> Destination {
        match self.url.scheme() {
            "https" => Destination::Host(self.url.host_str().unwrap_or_default().to_owned()),
            "http" => Destination::Loopback,
            scheme => Destination::Scheme(scheme.to_owned()),
        }
    }

    /// Returns the address with the parameters of an authorization response (RFC 6749 section 4.1.2): these, the client's
    /// `state`, and `iss` (RFC 9207).
    pub fn answered(
        &self,
        parameters: &[(&str, &str)],
        state: Option<&str>,
        issuer: &Issuer,
    ) -> Url {
        let mut url = self.url.clone();
        let state = state.map(|state| ("state", state));
        url.query_pairs_mut()
            .extend_pairs(parameters)
            .extend_pairs(state)
            .append_pair("iss", &issuer.url());
        url
    }

    /// Returns the address as the client spells it.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Destination {
    /// As in the operator's list of clients.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host(name) | Self::Scheme(name) => name,
            Self::Loopback => "loopback",
        })
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.octets() == [127, 0, 0, 1],
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests;
