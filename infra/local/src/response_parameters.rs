//! The response parameters of the API's integrations, as in the template: headers that an HTTP API copies under another
//! name (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-parameter-mapping.html>).

use std::collections::HashMap;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::Value;

use crate::StartError;
use crate::template::{Template, name_of};

/// The copy of a header that is absent from the function's answer. AWS does not document it, and reports differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AbsentSources {
    /// There is no copy.
    #[default]
    LeftOut,
    /// The copy is empty.
    Empty,
}

/// The copies for a function and a status.
#[derive(Debug)]
pub(crate) struct ResponseParameters {
    copies: HashMap<(String, u16), Vec<HeaderCopy>>,
    absent_sources: AbsentSources,
}

/// `overwrite:header.TO` with `$response.header.FROM`; the template uses nothing else.
#[derive(Debug, PartialEq, Eq)]
struct HeaderCopy {
    from: HeaderName,
    to: HeaderName,
}

impl ResponseParameters {
    /// Reads the response parameters of all integrations.
    ///
    /// # Errors
    /// [`StartError::Template`] when one is malformed, or is of another kind than the copy of a header.
    pub(crate) fn of_template(
        template: &Template,
        absent_sources: AbsentSources,
    ) -> Result<Self, StartError> {
        let mut all = HashMap::new();
        for (id, integration) in template.of_type("AWS::ApiGatewayV2::Integration") {
            let by_status = integration.properties["ResponseParameters"].as_object();
            for (status, parameters) in by_status.into_iter().flatten() {
                let malformed =
                    || StartError::Template(format!("{id}: the parameters of {status}"));
                let parameters =
                    parameters["ResponseParameters"].as_array().ok_or_else(malformed)?;
                let copies: Option<Vec<HeaderCopy>> = parameters.iter().map(copy).collect();
                let status = status.parse().map_err(|_| malformed())?;
                all.insert((name_of(id, "Integration"), status), copies.ok_or_else(malformed)?);
            }
        }
        Ok(Self { copies: all, absent_sources })
    }

    /// Applies those of a function and a status.
    pub(crate) fn apply(&self, function: &str, status: StatusCode, headers: &mut HeaderMap) {
        let copies = self.copies.get(&(function.to_owned(), status.as_u16()));
        for HeaderCopy { from, to } in copies.into_iter().flatten() {
            match (headers.get(from).cloned(), self.absent_sources) {
                (Some(value), _) => headers.insert(to, value),
                (None, AbsentSources::Empty) => headers.insert(to, HeaderValue::from_static("")),
                (None, AbsentSources::LeftOut) => None,
            };
        }
    }
}

fn copy(parameter: &Value) -> Option<HeaderCopy> {
    let to = parameter["Destination"].as_str()?.strip_prefix("overwrite:header.")?;
    let from = parameter["Source"].as_str()?.strip_prefix("$response.header.")?;
    Some(HeaderCopy { from: from.parse().ok()?, to: to.parse().ok()? })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_copy_of_a_header_is_understood() {
        let read = |to: &str, from: &str| copy(&json!({"Destination": to, "Source": from}));
        let copied =
            read("overwrite:header.WWW-Authenticate", "$response.header.x-challenge").unwrap();
        assert_eq!((copied.from.as_str(), copied.to.as_str()), ("x-challenge", "www-authenticate"));
        for (to, from) in [
            ("overwrite:statuscode", "403"),
            ("append:header.a", "$response.header.b"),
            ("overwrite:header.a", "$context.requestId"),
            ("overwrite:header.a b", "$response.header.b"),
        ] {
            assert_eq!(read(to, from), None, "{to} {from}");
        }
    }
}
