//! The calls inside a batch, so that each is judged as the call that it is.
//!
//! | batch | its calls |
//! | --- | --- |
//! | `_apis/wit/$batch` | a JSON array of `method`, `uri`, `headers`, `body`; a `uri` is relative to the organization |
//! | `_odata/…/$batch` of analytics | `multipart/mixed` of HTTP requests, or a JSON object with `requests` (`OData` 4.01, section 11.7) |
//!
//! A batch is read more strictly than any server reads it: with one reading only, or not at all. What cannot be read is
//! refused. Work items: <https://learn.microsoft.com/rest/api/azure/devops/wit/>.

mod json;
mod multipart;

use ground::media_type;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, Method};

use crate::address::{Address, AddressError, without_parameters};
use crate::headers;
use crate::method_override::{self, MethodOverride};
use crate::policy::METHODS;

/// The most calls of a batch, which is Azure DevOps' own limit for work items.
pub const MOST_CALLS: usize = 200;

/// A call inside a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchedCall {
    /// Its method.
    pub method: Method,
    /// Its address; several if servers may resolve it in several ways.
    pub readings: Vec<Address>,
}

/// Why a batch is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Its calls cannot be read for certain.
    #[error("The batch {0}, so its calls cannot be judged.")]
    Unreadable(&'static str),
    /// One of its calls names another method than its own.
    #[error(transparent)]
    MethodOverride(#[from] MethodOverride),
    /// One of its calls has an address that must not be called.
    #[error(transparent)]
    Address(#[from] AddressError),
}

/// A call as the batch writes it.
struct Written<'a> {
    method: &'a str,
    uri: &'a str,
    form: Form,
}

/// The kind of a batch, which decides the base of relative addresses.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The organization; a `uri` always begins with a slash.
    WorkItems,
    /// The host for an address that begins with a slash; for another one, the address of the batch itself.
    OData,
}

/// Returns the calls of a batch; `None` if the call is no batch.
///
/// # Errors
/// [`BatchError`] if the batch, or the address of one of its calls, must not be sent.
pub fn calls(
    method: &Method,
    address: &Address,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Option<Vec<BatchedCall>>, BatchError> {
    // A client may ask for the route of batches (OPTIONS) before it sends one.
    if !is_batch(address) || (method.is_safe() && body.is_empty()) {
        return Ok(None);
    }
    let encoding = headers.get(CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(BatchError::Unreadable("is compressed"));
    }
    let kinds: Vec<_> = headers.get_all(CONTENT_TYPE).iter().collect();
    let kind = match kinds[..] {
        [] => "application/json",
        [kind] => kind.to_str().map_err(|_| BatchError::Unreadable("has no readable type"))?,
        _ => return Err(BatchError::Unreadable("has several types")),
    };
    let text = std::str::from_utf8(body).map_err(|_| BatchError::Unreadable("is not UTF-8"))?;
    let (essence, parameters) = media_type::split(kind);
    let calls = match essence.as_str() {
        "multipart/mixed" => multipart::calls(text, parameters, address),
        kind if is_json(kind) && is_utf8(parameters) => json::calls(text, address),
        _ => Err(BatchError::Unreadable("is neither JSON nor multipart/mixed in UTF-8")),
    }?;
    if calls.len() > MOST_CALLS {
        return Err(BatchError::Unreadable("has more than 200 calls"));
    }
    Ok(Some(calls))
}

fn is_batch(address: &Address) -> bool {
    let names_batch = |name: &str| name.trim().eq_ignore_ascii_case("$batch");
    address.segments().map(without_parameters).any(names_batch)
}

/// Whether a media type is JSON (RFC 6839 section 3.1). A type such as `multipart/json` is another one for some readers.
fn is_json(essence: &str) -> bool {
    let Some((kind @ ("application" | "text"), subtype)) = essence.split_once('/') else {
        return false;
    };
    let is_suffixed = kind == "application" && subtype.ends_with("+json");
    (subtype == "json" || is_suffixed) && !subtype.contains('/')
}

fn is_utf8(parameters: &str) -> bool {
    parameters.split(';').map(str::trim).all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    })
}

impl Written<'_> {
    fn read(&self, batch: &Address) -> Result<BatchedCall, BatchError> {
        let method = self.method.to_ascii_uppercase();
        let method = METHODS.into_iter().find(|known| known.as_str() == method);
        let method = method.ok_or(BatchError::Unreadable("has a call with an unknown method"))?;
        let readings = self.readings(batch)?;
        if readings.iter().any(is_batch) {
            return Err(BatchError::Unreadable("has a call that is a batch itself"));
        }
        Ok(BatchedCall { method, readings })
    }

    fn readings(&self, batch: &Address) -> Result<Vec<Address>, BatchError> {
        let allowed: Vec<_> = batch.organization().cloned().into_iter().collect();
        let [organization] = &allowed[..] else {
            return Err(BatchError::Unreadable("is not within an organization"));
        };
        // Readers of addresses trim them: ` /x` is `/x` to a server, and would be beside the batch to us.
        if self.uri.trim() != self.uri {
            return Err(BatchError::Unreadable(
                "has a call whose address begins or ends with a blank",
            ));
        }
        let (path, query) = match self.uri.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (self.uri, None),
        };
        // Addresses above the organizations are for calls by themselves.
        let at = |host: &str, path: &str| {
            let address = Address::parse(host, path, query, &allowed)?;
            if address.organization().is_some() {
                Ok(address)
            } else {
                Err(AddressError::OrganizationNotAllowed)
            }
        };
        // Beside the batch to one reader, and the batch itself to another (RFC 3986 section 5.2.2).
        if path.is_empty() {
            return Err(BatchError::Unreadable("has a call without a path"));
        }
        if let Some((scheme, rest)) = path.split_once("://") {
            if !scheme.eq_ignore_ascii_case("https") {
                return Err(BatchError::Unreadable("has a call with another scheme than https"));
            }
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            return Ok(vec![at(host, path)?]);
        }
        if path.starts_with("//") || path.contains(['#', '\\']) {
            return Err(BatchError::Unreadable("has a call with an unclear address"));
        }
        match (self.form, path.starts_with('/')) {
            (Form::WorkItems, true) => {
                let mut readings = vec![at(batch.host(), &format!("/{organization}{path}"))?];
                // A server may also accept the path of the host.
                readings.extend(at(batch.host(), path).ok());
                Ok(readings)
            }
            (Form::OData, true) => Ok(vec![at(batch.host(), path)?]),
            (Form::OData, false) => {
                let (beside, _) = batch.path().rsplit_once('/').unwrap_or_default();
                Ok(vec![at(batch.host(), &format!("{beside}/{path}"))?])
            }
            (Form::WorkItems, false) => {
                Err(BatchError::Unreadable("has a call whose uri begins with no slash"))
            }
        }
    }
}

/// Refuses headers of a call that would not be sent up outside a batch either.
fn refuse_headers<'a>(mut names: impl Iterator<Item = &'a str>) -> Result<(), BatchError> {
    names.try_for_each(|name| {
        method_override::refuse_header(name)?;
        if headers::may_go_up(&name.trim().to_ascii_lowercase()) {
            Ok(())
        } else {
            Err(BatchError::Unreadable("has a call with a header that must not be sent"))
        }
    })
}

#[cfg(test)]
mod tests;
