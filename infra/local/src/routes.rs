//! The routes of `infra/template.yaml`, matched as API Gateway does: the most specific route wins, a method before `ANY`,
//! and `$default` comes last.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::StartError;
use crate::template::Template;

/// One route of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// As in the template: `GET /connections/{connection}`, or `$default`.
    pub key: String,
    /// The function's name: `manage`.
    pub function: String,
}

/// The API's routes.
#[derive(Debug, Clone)]
pub struct Routes(Vec<Route>);

/// The route of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matched<'a> {
    /// The route.
    pub route: &'a Route,
    /// Its path parameters.
    pub parameters: BTreeMap<String, String>,
}

impl Routes {
    /// The routes of the template that this program was built with.
    ///
    /// # Errors
    /// [`StartError::Template`] when it is malformed.
    pub fn of_template() -> Result<Self, StartError> {
        Template::read()?
            .of_type("AWS::ApiGatewayV2::Route")
            .map(|(_, resource)| route(&resource.properties))
            .collect::<Option<_>>()
            .map(Self)
            .ok_or_else(|| StartError::Template("a route has no RouteKey or no Target".to_owned()))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.0.iter()
    }

    /// The route for a method and a path as the front has read it.
    pub fn find(&self, method: &str, path: &str) -> Option<Matched<'_>> {
        let candidates = self.0.iter().filter_map(|route| {
            let Some((wanted, template)) = route.key.split_once(' ') else {
                return (route.key == "$default").then(|| (vec![9], route, BTreeMap::new()));
            };
            if wanted != "ANY" && wanted != method {
                return None;
            }
            let (mut rank, parameters) = match_path(template, path)?;
            rank.push(u8::from(wanted == "ANY"));
            Some((rank, route, parameters))
        });
        let best = candidates.min_by(|a, b| a.0.cmp(&b.0))?;
        Some(Matched { route: best.1, parameters: best.2 })
    }
}

/// `integrations/${ManageIntegration}` names the function `manage`.
fn route(properties: &Value) -> Option<Route> {
    let key = properties.get("RouteKey")?.as_str()?.to_owned();
    let target = properties.get("Target")?.as_str()?;
    let integration = target.strip_prefix("integrations/${")?.strip_suffix("Integration}")?;
    Some(Route { key, function: integration.to_ascii_lowercase() })
}

/// The path parameters, and a rank for each segment: literal before parameter before greedy parameter.
pub(crate) fn match_path(
    template: &str,
    path: &str,
) -> Option<(Vec<u8>, BTreeMap<String, String>)> {
    let (mut rank, mut parameters) = (Vec::new(), BTreeMap::new());
    let mut rest = path.strip_prefix('/')?;
    let mut expected = template.strip_prefix('/')?.split('/').peekable();
    while let Some(segment) = expected.next() {
        if let Some(name) = segment.strip_prefix('{').and_then(|s| s.strip_suffix("+}")) {
            parameters.insert(name.to_owned(), rest.to_owned());
            rank.push(2);
            return (!rest.is_empty()).then_some((rank, parameters));
        }
        let (actual, after) = match rest.split_once('/') {
            Some((actual, after)) => (actual, Some(after)),
            None => (rest, None),
        };
        match segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')) {
            Some(name) if !actual.is_empty() => {
                parameters.insert(name.to_owned(), actual.to_owned());
                rank.push(1);
            }
            None if segment == actual => rank.push(0),
            _ => return None,
        }
        match (after, expected.peek()) {
            (Some(after), Some(_)) => rest = after,
            (None, None) => return Some((rank, parameters)),
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn found(method: &str, path: &str) -> (String, String) {
        let routes = Routes::of_template().unwrap();
        let matched = routes.find(method, path).unwrap();
        (matched.route.key.clone(), matched.route.function.clone())
    }

    #[test]
    fn the_template_s_routes_are_matched_as_api_gateway_does() {
        for (method, path, key, function) in [
            ("GET", "/", "$default", "manage"),
            ("GET", "/authorize", "GET /authorize", "authorize"),
            ("GET", "/integration-callback", "GET /integration-callback", "callback"),
            ("HEAD", "/authorize", "$default", "manage"),
            ("GET", "/connections", "$default", "manage"),
            ("GET", "/connections/conn_1", "$default", "manage"),
            ("GET", "/connections/conn_1/token", "$default", "manage"),
            ("POST", "/connections/conn_1/token", "POST /connections/{connection}/token", "proxy"),
            ("POST", "/mcp/conn_1/readonly", "ANY /mcp/{mcp+}", "mcp"),
            ("PATCH", "/proxy/conn_1/dev.azure.com/a//b", "ANY /proxy/{proxy+}", "proxy"),
            ("OPTIONS", "/proxy/conn_1/dev.azure.com", "ANY /proxy/{proxy+}", "proxy"),
            ("OPTIONS", "/connections", "$default", "manage"),
            ("GET", "/nowhere", "$default", "manage"),
            ("POST", "/connections/", "$default", "manage"),
            ("GET", "/proxy/", "$default", "manage"),
            ("GET", "/authorize/", "$default", "manage"),
        ] {
            assert_eq!(
                found(method, path),
                (key.to_owned(), function.to_owned()),
                "{method} {path}"
            );
        }
    }
}
