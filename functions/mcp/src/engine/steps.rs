//! The calls that the steps of a tool make. A step is a [`Call`] as in a row, filled with the tool's arguments and those
//! that the step adds.

use bytes::Bytes;
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue, IF_MATCH};
use serde_json::Value;

use super::arguments::Arguments;
use super::failure::Failure;
use super::fill::Template;
use super::people;
use super::session::{Answer, Outgoing, Raw, Session};
use crate::tools::tool::Call;

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
        let template = Template::parse(call).map_err(Failure::broken_row)?;
        let me =
            if template.needs_me() { Some(people::my_id(organization, self).await?) } else { None };
        let filled = template.fill(arguments, me.as_deref())?;
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
        self.exchange(&outgoing, headers, body.unwrap_or_default()).await
    }
}

fn json(body: &Value, headers: &mut HeaderMap) -> Bytes {
    headers.insert(CONTENT_TYPE, JSON);
    Bytes::from(body.to_string())
}
