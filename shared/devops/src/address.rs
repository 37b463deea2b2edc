//! What may be called: one parser, whose result is both what is authorized and what is sent (S-28, S-29).
//!
//! A path comes percent-encoded (REST APIs, function URLs) or decoded (HTTP APIs). Either way it is split
//! into segments once; whatever a second reader could split, decode or resolve otherwise is refused.

use std::fmt::Write as _;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::host::Host;
use crate::organization::OrganizationName;

/// An address of Azure DevOps that a connection may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    host: String,
    organization: Option<OrganizationName>,
    path: String,
    url: Url,
}

/// Why an address is not called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The host is not Azure DevOps'.
    #[error("The host is not one of Azure DevOps.")]
    UnknownHost,
    /// The organization is not the connection's, or none is named.
    #[error("The address names no organization of this connection.")]
    OrganizationNotAllowed,
    /// Somebody could read the path otherwise.
    #[error("The path contains {0}.")]
    AmbiguousPath(&'static str),
}

impl Address {
    /// Parses and authorizes an address.
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
        let segments = segments(path)?;
        let organization = match &host {
            Host::OrganizationInPath(_) => {
                let first = segments.first().and_then(|segment| segment.parse().ok());
                Some(first.ok_or(AddressError::OrganizationNotAllowed)?)
            }
            Host::OrganizationInName { organization, .. } => Some(organization.clone()),
            Host::WithoutOrganization(_) => None,
        };
        if organization.as_ref().is_some_and(|organization| !allowed.contains(organization)) {
            return Err(AddressError::OrganizationNotAllowed);
        }
        let mut sent = String::with_capacity(path.len() + 16);
        if let Host::OrganizationInName { organization, .. } = &host {
            sent = format!("/{organization}");
        }
        for segment in &segments {
            sent.push('/');
            sent.push_str(segment);
        }
        if path.len() > 1 && path.ends_with('/') || sent.is_empty() {
            sent.push('/');
        }
        let joint = query
            .map(checked_query)
            .transpose()?
            .map(|query| format!("?{query}"))
            .unwrap_or_default();
        let text = format!("https://{}{sent}{joint}", host.name());
        let url =
            Url::parse(&text).map_err(|_| AddressError::AmbiguousPath("no usable address"))?;
        // The parser that sends must read what was authorized.
        if url.path() != sent || url.host_str() != Some(host.name()) || url.port().is_some() {
            return Err(AddressError::AmbiguousPath("characters that are read in several ways"));
        }
        Ok(Self { host: host.name().to_owned(), organization, path: sent, url })
    }

    /// The host that is called.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The organization that is called, unless the host serves none in particular.
    pub fn organization(&self) -> Option<&OrganizationName> {
        self.organization.as_ref()
    }

    /// The path as it goes on the wire.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The whole address.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Path and query as they go on the wire.
    pub fn path_and_query(&self) -> String {
        self.url[url::Position::BeforePath..url::Position::AfterQuery].to_owned()
    }
}

/// The segments of a path, each percent-encoded where it must be. One slash at the end is no segment.
fn segments(path: &str) -> Result<Vec<String>, AddressError> {
    let Some(rest) = path.strip_prefix('/') else {
        return if path.is_empty() {
            Ok(Vec::new())
        } else {
            Err(AddressError::AmbiguousPath("no slash at its beginning"))
        };
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.is_empty() {
        return if path == "/" {
            Ok(Vec::new())
        } else {
            Err(AddressError::AmbiguousPath("an empty segment"))
        };
    }
    rest.split('/').map(segment).collect()
}

fn segment(raw: &str) -> Result<String, AddressError> {
    let refuse = |reason| Err(AddressError::AmbiguousPath(reason));
    if raw.is_empty() {
        return refuse("an empty segment");
    }
    if has_stray_percent(raw) {
        return refuse("a percent sign that encodes nothing");
    }
    let Ok(decoded) = percent_decode_str(raw).decode_utf8() else {
        return refuse("bytes that are not UTF-8");
    };
    // Parameters such as `..;x` hide a dot segment from some readers.
    let name = decoded.split(';').next().unwrap_or_default();
    if name == "." || name == ".." {
        return refuse("a dot segment");
    }
    for character in decoded.chars() {
        match character {
            '/' | '\\' => return refuse("an encoded slash or a backslash"),
            '%' => return refuse("a percent sign that is encoded itself"),
            '?' | '#' => return refuse("an encoded question mark or number sign"),
            c if c.is_control() => return refuse("a control character"),
            // Unicode has look-alikes of slashes and dots that some readers fold.
            '\u{2024}' | '\u{2025}' | '\u{2215}' | '\u{2044}' | '\u{3002}' | '\u{ff0e}'
            | '\u{ff0f}' | '\u{ff3c}' | '\u{ff61}' => {
                return refuse("a look-alike of a slash or a dot");
            }
            _ => {}
        }
    }
    Ok(canonical(raw))
}

/// Whether a `%` is not followed by two hexadecimal digits.
fn has_stray_percent(raw: &str) -> bool {
    let bytes = raw.as_bytes();
    bytes.iter().enumerate().any(|(at, byte)| {
        let hexadecimal = |offset| bytes.get(at + offset).is_some_and(u8::is_ascii_hexdigit);
        *byte == b'%' && !(hexadecimal(1) && hexadecimal(2))
    })
}

/// The segment as it came, with what cannot stand in a path percent-encoded.
fn canonical(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    for byte in raw.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%".contains(&byte);
        if plain {
            text.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// The query as it came. What no URI may hold is refused; a quotation mark or apostrophe goes out encoded,
/// as the URL standard has it.
fn checked_query(query: &str) -> Result<&str, AddressError> {
    if query.contains('#') || query.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
        return Err(AddressError::AmbiguousPath(
            "a blank, a control character or a fragment in its query",
        ));
    }
    Ok(query)
}

#[cfg(test)]
mod tests;
