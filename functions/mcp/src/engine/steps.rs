//! The calls that the steps of a tool make. A step is a [`Call`] as in a row, filled with the tool's arguments and those
//! that the step adds.

use std::num::NonZeroU32;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue, IF_MATCH};
use rand::RngCore as _;
use serde_json::Value;

use super::arguments::Arguments;
use super::failure::Failure;
use super::fill::{Filled, Template};
use super::people;
use super::session::{Answer, Outgoing, Raw, Session};
use crate::tools::tool::Call;

/// The most calls of one tool at a time.
const MOST_AT_ONCE: usize = 8;
/// The wait for a place under the operator's limits, as their refusal asks for it.
const PAUSE: Duration = Duration::from_secs(1);
/// The most that the wait is longer, so that two agents do not meet again, in milliseconds.
const JITTER_MS: u32 = 250;
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const JSON_PATCH: HeaderValue = HeaderValue::from_static("application/json-patch+json");
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// The body of a step.
pub(crate) enum Content<'a> {
    /// The one that the call describes, if any.
    OfCall,
    /// JSON.
    Json(&'a Value),
    /// A JSON Patch document (RFC 6902).
    Patch(&'a Value),
    /// JSON, if the thing still has this `ETag`.
    JsonIfMatch(&'a Value, &'a str),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl Session<'_> {
    /// Makes the call of a step.
    ///
    /// # Errors
    /// As [`Session::call`]; [`Failure::Arguments`] for an argument that cannot be part of a path.
    pub(crate) async fn step(&self, call: &Call, arguments: &Arguments) -> Result<Answer, Failure> {
        self.step_with(call, arguments, Content::OfCall).await
    }

    /// Makes the call of a step with a body.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub(crate) async fn step_with(
        &self,
        call: &Call,
        arguments: &Arguments,
        content: Content<'_>,
    ) -> Result<Answer, Failure> {
        let raw = self.raw_step(call, arguments, content, JSON).await?;
        Answer::read(raw)
    }

    /// Makes the call of a step for an answer of another type than JSON.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub(crate) async fn raw_step(
        &self,
        call: &Call,
        arguments: &Arguments,
        content: Content<'_>,
        accept: HeaderValue,
    ) -> Result<Raw, Failure> {
        let organization = self.organization(arguments)?;
        let filled = self.filled(call, arguments).await?;
        let mut headers = HeaderMap::from_iter([(ACCEPT, accept)]);
        let body = match content {
            Content::OfCall => filled.body.as_ref().map(|body| json(body, &mut headers)),
            Content::Json(body) => Some(json(body, &mut headers)),
            Content::JsonIfMatch(body, etag) => {
                let etag = HeaderValue::from_str(&format!("\"{etag}\""));
                let fault = |_| Failure::argument("version", "is none of get_wiki_page");
                headers.insert(IF_MATCH, etag.map_err(fault)?);
                Some(json(body, &mut headers))
            }
            Content::Patch(body) => {
                headers.insert(CONTENT_TYPE, JSON_PATCH);
                Some(Bytes::from(body.to_string()))
            }
            Content::Bytes(body) => {
                headers.insert(CONTENT_TYPE, BYTES);
                Some(Bytes::from(body))
            }
        };
        let outgoing = Outgoing {
            organization,
            host: call.host,
            method: call.method.into(),
            path: &filled.path,
            query: &filled.query(),
            body: None,
        };
        let body = body.unwrap_or_default();
        loop {
            let answer = self.exchange(&outgoing, headers.clone(), body.clone()).await;
            if !answer.as_ref().is_err_and(Failure::is_lack_of_places) || !self.has_time() {
                return answer;
            }
            // Nothing was sent, so the call is harmless once more.
            let jitter = self.random().clone().next_u32() % JITTER_MS;
            tokio::time::sleep(PAUSE + Duration::from_millis(jitter.into())).await;
        }
    }

    /// Fills a call with arguments, and with the user's id where the call has it.
    ///
    /// # Errors
    /// [`Failure::Arguments`] for an argument that cannot be part of a path; as [`Self::call`] where the id is asked for.
    pub(crate) async fn filled(
        &self,
        call: &Call,
        arguments: &Arguments,
    ) -> Result<Filled, Failure> {
        let template = Template::parse(call).map_err(Failure::broken_row)?;
        let me = if template.needs_me() {
            Some(people::my_id(self.organization(arguments)?, self).await?)
        } else {
            None
        };
        template.fill(arguments, me.as_deref())
    }

    /// Returns the number of calls that a tool makes at a time: as many as the operator's limits let through.
    pub(crate) fn at_once(&self) -> usize {
        let limits = &self.integration().settings.proxy_limits;
        let limits = [limits.connection, limits.integration].into_iter().flatten();
        let least = limits.filter_map(|limit| limit.concurrent).map(NonZeroU32::get).min();
        let least = least.and_then(|least| usize::try_from(least).ok());
        least.unwrap_or(MOST_AT_ONCE).min(MOST_AT_ONCE)
    }
}

fn json(body: &Value, headers: &mut HeaderMap) -> Bytes {
    headers.insert(CONTENT_TYPE, JSON);
    Bytes::from(body.to_string())
}
