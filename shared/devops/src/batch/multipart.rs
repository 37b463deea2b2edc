//! Batches of `multipart/mixed` (RFC 2046 section 5.1), whose parts are HTTP requests or, once more, such a batch (`OData`
//! 4.01, section 11.7.7).

use ground::media_type;

use super::{BatchError, BatchedCall, Form, Written, refuse_headers};
use crate::address::Address;
use crate::host::Host;

const UNREADABLE: BatchError =
    BatchError::Unreadable("is not certain to be multipart/mixed of HTTP requests");

pub(super) fn calls(
    body: &str,
    parameters: &str,
    batch: &Address,
) -> Result<Vec<BatchedCall>, BatchError> {
    let mut calls = Vec::new();
    for part in parts(body, parameters)? {
        match part.essence.as_str() {
            "application/http" => calls.push(call(part.content, batch)?),
            // A change set.
            "multipart/mixed" => {
                for part in parts(part.content, part.parameters)? {
                    // Nothing is nested in it.
                    if part.essence != "application/http" {
                        return Err(UNREADABLE);
                    }
                    calls.push(call(part.content, batch)?);
                }
            }
            _ => return Err(UNREADABLE),
        }
    }
    Ok(calls)
}

/// Reads `METHOD address HTTP/1.1` and its headers.
fn call(text: &str, batch: &Address) -> Result<BatchedCall, BatchError> {
    let text = text.trim_start_matches(['\r', '\n']);
    let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
    let words: Vec<&str> = line.trim_end_matches('\r').split(' ').collect();
    let [method, uri, version] = words[..] else { return Err(UNREADABLE) };
    if !["HTTP/1.1", "HTTP/1.0"].contains(&version) {
        return Err(UNREADABLE);
    }
    let (headers, _) = head(rest)?;
    let names = headers.iter().map(|(name, _)| *name);
    refuse_headers(names.filter(|name| !name.eq_ignore_ascii_case("host")))?;
    let same = |host: &str| Host::parse(host).is_some_and(|host| host.name() == batch.host());
    if only(&headers, "host")?.is_some_and(|host| !same(host)) {
        return Err(UNREADABLE);
    }
    Written { method, uri, form: Form::OData }.read(batch)
}

/// A part of a body, by its media type.
struct Part<'a> {
    essence: String,
    parameters: &'a str,
    content: &'a str,
}

impl<'a> Part<'a> {
    fn parse(text: &'a str) -> Result<Self, BatchError> {
        let (headers, content) = head(text)?;
        let kind = only(&headers, "content-type")?.ok_or(UNREADABLE)?;
        let (essence, parameters) = media_type::split(kind);
        Ok(Self { essence, parameters, content })
    }
}

/// Splits a body at its boundary. Every line that could be taken for a delimiter must be one.
fn parts<'a>(body: &'a str, parameters: &str) -> Result<Vec<Part<'a>>, BatchError> {
    let boundary = boundary(parameters)?;
    let delimiter = format!("--{boundary}");
    let (mut parts, mut begun, mut at, mut is_closed) = (Vec::new(), None, 0, false);
    for line in body.split_inclusive('\n') {
        let next = at + line.len();
        let text = line.trim_end_matches('\n').trim_end_matches('\r');
        if text.contains(['\r', '\0']) {
            return Err(UNREADABLE);
        }
        if let Some(after) = line.trim_start().strip_prefix(&delimiter) {
            let closes = after.trim_end() == "--";
            if is_closed
                || !(closes || after.trim_end().is_empty())
                || line.starts_with([' ', '\t'])
            {
                return Err(UNREADABLE);
            }
            if let Some(begun) = begun {
                parts.push(Part::parse(&body[begun..at])?);
            }
            begun = (!closes).then_some(next);
            is_closed = closes;
        } else if begun.is_none() && !text.trim().is_empty() {
            // A preamble or an epilogue.
            return Err(UNREADABLE);
        }
        at = next;
    }
    if is_closed { Ok(parts) } else { Err(UNREADABLE) }
}

fn boundary(parameters: &str) -> Result<&str, BatchError> {
    let [parameter] = parameters.split(';').collect::<Vec<_>>()[..] else { return Err(UNREADABLE) };
    let (name, value) = parameter.split_once('=').ok_or(UNREADABLE)?;
    let value = value.trim();
    let value = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "'()+_,-./:=?".contains(c);
    let is_one = name.trim().eq_ignore_ascii_case("boundary")
        && (1..=70).contains(&value.len())
        && value.chars().all(is_plain);
    if is_one { Ok(value) } else { Err(UNREADABLE) }
}

type Headers<'a> = Vec<(&'a str, &'a str)>;

/// Reads header lines up to the first empty line. Returns them and the rest.
fn head(text: &str) -> Result<(Headers<'_>, &str), BatchError> {
    let (mut headers, mut rest) = (Vec::new(), text);
    while let Some((line, after)) = rest.split_once('\n') {
        rest = after;
        let line = line.trim_end_matches('\r');
        if line.is_empty() {
            return Ok((headers, rest));
        }
        let (name, value) = line.split_once(':').ok_or(UNREADABLE)?;
        // A folded line or a blank before the colon is refused.
        if name.is_empty() || name.contains(|c: char| !(c.is_ascii_alphanumeric() || c == '-')) {
            return Err(UNREADABLE);
        }
        headers.push((name, value.trim()));
    }
    // A request without headers may end after its first line.
    if rest.trim().is_empty() { Ok((headers, "")) } else { Err(UNREADABLE) }
}

/// Returns the value of a header that may come once.
fn only<'a>(headers: &Headers<'a>, name: &str) -> Result<Option<&'a str>, BatchError> {
    let mut values = headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
    match (values.next(), values.next()) {
        (Some(_), Some(_)) => Err(UNREADABLE),
        (first, _) => Ok(first.map(|(_, value)| *value)),
    }
}
