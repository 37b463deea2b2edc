//! `wit/$batch`: calls inside a call. Each runs as if it had come by itself, with the token of the batch.

use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Call, list};
use super::failure::{Answer, Failure};
use super::identity::Identity;
use super::routes::Target;
use super::{Content, State};
use crate::entra::Bearer;
use crate::request::Received;

pub(crate) const ROUTE: &str = "wit.batch";

#[derive(Deserialize)]
struct Part {
    method: String,
    uri: String,
    #[serde(default)]
    headers: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    body: Value,
}

/// Batches are answered by [`State::each_of_batch`].
pub(crate) fn unhandled(_call: &mut Call<'_>) -> Answer {
    Err(Failure::not_found("The batch"))
}

impl State {
    pub(super) fn each_of_batch(
        &self,
        batch: &Received,
        outer: &Target,
        organization: &str,
        content: &mut Content,
        bearer: &Bearer,
        caller: &Identity,
    ) -> Answer {
        let invalid = |_| Failure::argument("The batch is not valid.".to_owned());
        let parts: Vec<Part> = serde_json::from_slice(&batch.body).map_err(invalid)?;
        let mut answers = Vec::new();
        for part in parts {
            let answer = received(batch, organization, part).and_then(|part| {
                let target = Target { site: outer.site.clone(), ..Target::of(&part)? };
                Some(self.authorized(&part, &target, organization, content, bearer, caller.clone()))
            });
            let answer = answer.unwrap_or_else(|| Err(Failure::not_found("The resource")));
            let reply = answer.unwrap_or_else(Failure::into_reply);
            answers.push(json!({"code": reply.status, "headers": {}, "body": reply.text()}));
        }
        Ok(list(&answers))
    }
}

/// Returns a part of a batch as a request of its own: its address is relative to the organization.
fn received(batch: &Received, organization: &str, part: Part) -> Option<Received> {
    let mut headers = batch.headers.clone();
    for (name, value) in part.headers {
        headers.insert(HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?);
    }
    Some(Received {
        method: part.method.parse().ok()?,
        uri: format!("/{organization}{}", part.uri).parse().ok()?,
        headers,
        body: part.body.to_string().into(),
    })
}
