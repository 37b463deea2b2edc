//! The REST API of `infra/template.yaml`: its stage, methods and gateway responses.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::refusal::GatewayResponse;
use crate::StartError;
use crate::routes::match_path;
use crate::template::{Resource, Template, function_name};

/// A REST API.
#[derive(Debug, Clone)]
pub(crate) struct Definition {
    /// The first segment of every address: `live`.
    pub(crate) stage: String,
    methods: Vec<Method>,
    /// By response type: `THROTTLED`.
    pub(super) gateway_responses: BTreeMap<String, GatewayResponse>,
}

/// A method of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Method {
    /// `/proxy/{proxy+}`
    pub(crate) resource: String,
    /// `ANY`, or one method.
    verb: String,
    /// The headers without which API Gateway refuses a request.
    pub(crate) required_headers: Vec<String>,
    /// The function that answers: `streaming-proxy`.
    pub(crate) function: String,
    /// The longest time until the answer begins.
    pub(crate) timeout: Duration,
}

/// The method of a request.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    pub(crate) method: &'a Method,
    /// The parameters of the path, encoded as they were sent.
    pub(crate) parameters: BTreeMap<String, String>,
}

impl Definition {
    /// Reads the one REST API of a template.
    ///
    /// # Errors
    /// [`StartError::Template`] if a part of it is not understood.
    pub(crate) fn of(template: &Template) -> Result<Self, StartError> {
        let stage = template.of_type("AWS::ApiGateway::Stage").next();
        let stage = stage.and_then(|(_, stage)| text(&stage.properties, "StageName"));
        let stage =
            stage.ok_or_else(|| StartError::Template("the REST API has no stage".into()))?;
        let methods = template
            .of_type("AWS::ApiGateway::Method")
            .map(|(id, resource)| {
                let method = method(template, &resource.properties);
                method.ok_or_else(|| StartError::Template(format!("{id} is not understood")))
            })
            .collect::<Result<_, _>>()?;
        let gateway_responses = template
            .of_type("AWS::ApiGateway::GatewayResponse")
            .map(|(id, resource)| {
                let response = GatewayResponse::of(&resource.properties);
                response.ok_or_else(|| StartError::Template(format!("{id} is not understood")))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { stage: stage.to_owned(), methods, gateway_responses })
    }

    /// Returns the path within the stage, or `None` if the address begins with another stage.
    pub(crate) fn without_stage<'p>(&self, path: &'p str) -> Option<&'p str> {
        let rest = path.strip_prefix('/')?.strip_prefix(self.stage.as_str())?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }

    /// Returns the method for a request. One method comes before `ANY`.
    pub(crate) fn find(&self, verb: &str, path: &str) -> Option<Found<'_>> {
        let candidates = self.methods.iter().filter_map(|method| {
            let any = method.verb == "ANY";
            if !any && method.verb != verb {
                return None;
            }
            let (mut rank, parameters) = match_path(&method.resource, path)?;
            rank.push(u8::from(any));
            Some((rank, Found { method, parameters }))
        });
        Some(candidates.min_by(|a, b| a.0.cmp(&b.0))?.1)
    }
}

fn method(template: &Template, properties: &Value) -> Option<Method> {
    let integration = properties.get("Integration")?;
    if text(integration, "Type")? != "AWS_PROXY"
        || text(integration, "ResponseTransferMode")? != "STREAM"
    {
        return None;
    }
    // `…/2021-11-15/functions/${StreamingProxyFunction.Arn}/response-streaming-invocations`
    let (_, uri) = text(integration, "Uri")?.split_once("/2021-11-15/functions/${")?;
    let function = uri.strip_suffix(".Arn}/response-streaming-invocations")?;
    let timeout = Duration::from_millis(integration.get("TimeoutInMillis")?.as_u64()?);
    Some(Method {
        resource: path_of(template, text(properties, "ResourceId")?)?,
        verb: text(properties, "HttpMethod")?.to_owned(),
        required_headers: required_headers(template, properties),
        function: function_name(function),
        timeout,
    })
}

/// The path of a resource, from its part and its parents'.
fn path_of(template: &Template, id: &str) -> Option<String> {
    let Resource { properties, .. } = template.resources.get(id)?;
    let parent = text(properties, "ParentId")?;
    let above = if parent.ends_with(".RootResourceId") {
        String::new()
    } else {
        path_of(template, parent)?
    };
    Some(format!("{above}/{}", text(properties, "PathPart")?))
}

/// The headers that a method requires; none unless a validator checks parameters.
fn required_headers(template: &Template, properties: &Value) -> Vec<String> {
    let validator = text(properties, "RequestValidatorId");
    let validator = validator.and_then(|id| template.resources.get(id));
    if validator.is_none_or(|found| found.properties["ValidateRequestParameters"] != true) {
        return Vec::new();
    }
    let parameters = properties["RequestParameters"].as_object().into_iter().flatten();
    let required = parameters.filter(|(_, required)| **required == true);
    let headers = required.filter_map(|(name, _)| name.strip_prefix("method.request.header."));
    headers.map(str::to_owned).collect()
}

fn text<'a>(properties: &'a Value, name: &str) -> Option<&'a str> {
    properties.get(name)?.as_str()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn definition() -> Definition {
        Definition::of(&Template::read().unwrap()).unwrap()
    }

    #[test]
    fn an_address_begins_with_the_stage() {
        let definition = definition();
        assert_eq!(definition.without_stage("/live/proxy/a%2Fb"), Some("/proxy/a%2Fb"));
        assert_eq!(definition.without_stage("/live"), Some(""));
        for other in ["/", "/lively/proxy", "/dev/proxy/x", "/proxy/x"] {
            assert_eq!(definition.without_stage(other), None, "{other}");
        }
    }

    #[test]
    fn only_addresses_below_proxy_are_found_with_their_parameter_as_sent() {
        let definition = definition();
        let found = definition.find("GET", "/proxy/conn_1/dev.azure.com/a%2Fb//c").unwrap();
        assert_eq!(found.method.function, "streaming-proxy");
        assert_eq!(found.method.resource, "/proxy/{proxy+}");
        assert_eq!(found.method.timeout, Duration::from_mins(15));
        assert_eq!(found.parameters["proxy"], "conn_1/dev.azure.com/a%2Fb//c");
        for path in ["", "/", "/proxy", "/proxy/", "/health", "/connections/conn_1"] {
            assert!(definition.find("GET", path).is_none(), "{path}");
        }
    }
}
