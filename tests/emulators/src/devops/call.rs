//! One authorized call to an organization, as handlers see it.

use std::collections::HashMap;

use bytes::Bytes;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::failure::{Answer, Failure};
use super::hosts::Site;
use super::identity::Identity;
use super::organizations::{Organization, Project};
use crate::reply::Reply;
use crate::request::{Parameters, Received};

/// The input of a handler.
pub(crate) struct Call<'a> {
    pub received: &'a Received,
    pub site: &'a Site,
    pub organization: &'a mut Organization,
    pub caller: Identity,
    /// Position of the project named in the path.
    pub project: Option<usize>,
    /// Values of the `{…}` segments of the route.
    pub parameters: HashMap<&'static str, String>,
    pub query: Parameters,
    pub now: Timestamp,
    /// Upper bound for pages.
    pub page_size: usize,
}

impl Call<'_> {
    /// Returns `https://dev.azure.com/{organization}` in the form of the request's host.
    pub fn base(&self) -> String {
        self.site.url("", &self.organization.name)
    }

    /// Returns the organization's URL in a family of hosts.
    pub fn base_in(&self, family: &str) -> String {
        self.site.url(family, &self.organization.name)
    }

    /// Returns the project named in the path.
    pub fn project(&self) -> Option<&Project> {
        self.organization.projects.get(self.project?)
    }

    pub fn parameter(&self, name: &str) -> &str {
        self.parameters.get(name).map(String::as_str).unwrap_or_default()
    }

    pub fn number(&self, name: &str) -> Option<u64> {
        self.parameter(name).parse().ok()
    }

    pub fn body(&self) -> &Bytes {
        &self.received.body
    }

    /// Refuses a call of a released version, for resources that have none.
    pub fn require_preview(&self) -> Result<(), Failure> {
        let version = super::headers::api_version(self.received, &self.query).unwrap_or_default();
        if version.contains("-preview") { Ok(()) } else { Err(Failure::preview(&version)) }
    }

    /// Parses the JSON body.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(self.body())
            .map_err(|error| Failure::argument(format!("The request body is not valid: {error}")))
    }

    /// Returns one page of `items`, with the continuation token of the next.
    ///
    /// `$top`, `$skip` and `continuationToken` are supported; the last is opaque and needs encoding in a URL.
    pub fn page(&self, items: &[Value]) -> Answer {
        let number = |name: &str| {
            self.query.get_any_case(name).and_then(|value| value.parse::<usize>().ok())
        };
        let continued = match self.query.get_any_case("continuationToken") {
            Some(token) => Some(
                read_continuation(token)
                    .ok_or_else(|| Failure::argument("The continuation token is not valid."))?,
            ),
            None => None,
        };
        let start = continued.or_else(|| number("$skip")).unwrap_or_default();
        let size = number("$top").unwrap_or(self.page_size).min(self.page_size);
        let end = start.saturating_add(size).min(items.len());
        let page = items.get(start..end).unwrap_or_default();
        let mut reply = list(page);
        if end < items.len() {
            reply = reply.header("x-ms-continuationtoken", continuation(end));
        }
        Ok(reply)
    }
}

/// Returns `{"count":…,"value":[…]}`, sent in chunks as by Azure DevOps.
pub(crate) fn list(values: &[Value]) -> Reply {
    let mut reply = Reply::json(200, &json!({"count": values.len(), "value": values}));
    reply.chunked = true;
    reply
}

pub(crate) fn ok(value: &Value) -> Answer {
    Ok(Reply::json(200, value))
}

pub(crate) fn created(value: &Value) -> Answer {
    Ok(Reply::json(201, value))
}

fn continuation(offset: usize) -> String {
    format!("2026-01-05T08:00:00.0000000Z;{offset}+/=")
}

fn read_continuation(token: &str) -> Option<usize> {
    token.split_once(';')?.1.strip_suffix("+/=")?.parse().ok()
}

/// Formats a time as Azure DevOps does.
pub(crate) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn continuation_tokens_lead_back_to_their_offset() {
        assert_eq!(read_continuation(&continuation(17)), Some(17));
        assert_eq!(read_continuation("17"), None);
    }
}
