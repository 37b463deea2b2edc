//! `openapi.json`: `OpenAPI` 3.1, generated from the table of routes and the types on the wire.

use edge::caller::Role;
use edge::config::PublicUrl;
use edge::problem::Code;
use edge::routes::{Operation, ROUTES, Route};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::api::wire;

/// Methods that a route for any method is described with.
const EVERY_METHOD: [&str; 7] = ["get", "head", "post", "put", "patch", "delete", "options"];

/// The whole document.
pub fn document(public_url: &PublicUrl) -> Value {
    let mut generator = SchemaSettings::openapi3().into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let operation = operation(route, &mut generator);
        let path = route.path.replace("+}", "}");
        let entry =
            paths.entry(path).or_insert_with(|| json!({"parameters": path_parameters(route)}));
        for method in methods(route) {
            let mut operation = operation.clone();
            if route.method.is_none() {
                operation["operationId"] = format!("{}_{method}", operation_id(route)).into();
            }
            entry[method.as_str()] = operation;
        }
    }
    let problem = problem_schema();
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Problem".to_owned(), problem);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "ado-connect",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Connects users to Azure DevOps through Microsoft Entra ID and calls Azure DevOps on their behalf",
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": public_url.as_str()}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "An API key, or a JWT of the application's own identity provider"},
                "password": {"type": "http", "scheme": "basic", "description": "The API key as the password, with any user name"},
            },
        },
    })
}

fn operation(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let described = describe(route.operation, generator);
    let mut operation = json!({
        "operationId": operation_id(route),
        "summary": route.summary,
        "responses": responses(route, described.answers),
    });
    if !route.callers.is_empty() {
        operation["security"] = json!([{"key": []}, {"password": []}]);
        let roles: Vec<_> = route.callers.iter().map(Role::to_string).collect();
        operation["description"] = format!("Callers: {}.", roles.join(", ")).into();
    }
    let query = described.query.iter().map(query_parameter);
    let parameters: Vec<_> = query.chain(described.headers.iter().map(header_parameter)).collect();
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if let Some(schema) = described.body {
        let content = json!({"application/json": {"schema": schema}});
        operation["requestBody"] = json!({"required": true, "content": content});
    }
    operation
}

fn responses(route: &Route, answers: Vec<(&'static str, &'static str, Option<Value>)>) -> Value {
    let mut responses: Map<String, Value> = Map::new();
    for (status, description, schema) in answers {
        let mut response = json!({"description": description});
        if let Some(schema) = schema {
            response["content"] = json!({"application/json": {"schema": schema}});
        }
        responses.insert(status.to_owned(), response);
    }
    for code in route.problems() {
        let status = code.status().as_str().to_owned();
        let response = responses.entry(status).or_insert_with(|| {
            let schema = json!({"$ref": "#/components/schemas/Problem"});
            json!({"description": "", "content": {"application/problem+json": {"schema": schema}}})
        });
        let description = response["description"].as_str().unwrap_or_default();
        let joint = if description.is_empty() { "" } else { ", " };
        response["description"] = format!("{description}{joint}{}", code.as_str()).into();
    }
    responses.into()
}

/// The part of an operation's description that its route does not have.
#[derive(Default)]
struct Described {
    /// Status, meaning and schema of each answer that is not a problem.
    answers: Vec<(&'static str, &'static str, Option<Value>)>,
    /// The schema of the request's body.
    body: Option<Value>,
    /// The query parameters, and whether each is required.
    query: &'static [(&'static str, bool)],
    /// The request headers that the operation reads itself, with their meaning.
    headers: &'static [(&'static str, &'static str)],
}

impl Described {
    /// One answer.
    fn answer(status: &'static str, meaning: &'static str, schema: Option<Value>) -> Self {
        Self { answers: vec![(status, meaning, schema)], ..Self::default() }
    }

    fn and(mut self, status: &'static str, meaning: &'static str, schema: Option<Value>) -> Self {
        self.answers.push((status, meaning, schema));
        self
    }

    fn body(self, schema: Value) -> Self {
        Self { body: Some(schema), ..self }
    }

    fn query(self, query: &'static [(&'static str, bool)]) -> Self {
        Self { query, ..self }
    }

    fn headers(self, headers: &'static [(&'static str, &'static str)]) -> Self {
        Self { headers, ..self }
    }
}

fn describe(operation: Operation, generator: &mut SchemaGenerator) -> Described {
    let one = Described::answer;
    match operation {
        Operation::PutIntegration => {
            one("200", "Replaced", Some(schema::<wire::IntegrationView>(generator)))
                .and("201", "Created", Some(schema::<wire::IntegrationView>(generator)))
                .body(schema::<wire::PutIntegration>(generator))
        }
        Operation::ListIntegrations => {
            one("200", "All of them", Some(schema::<wire::List<wire::IntegrationView>>(generator)))
        }
        Operation::PutClientCredential => {
            one("200", "The integration", Some(schema::<wire::IntegrationView>(generator)))
                .body(schema::<wire::ClientCredential>(generator))
        }
        Operation::GetIntegration | Operation::PauseIntegration | Operation::ResumeIntegration => {
            one("200", "The integration", Some(schema::<wire::IntegrationView>(generator)))
        }
        Operation::VerifyIntegration => {
            one("200", "The findings", Some(schema::<wire::Verification>(generator)))
        }
        Operation::CreateConnectSession => {
            one("201", "The link", Some(schema::<wire::ConnectSessionView>(generator)))
                .body(schema::<wire::CreateConnectSession>(generator))
        }
        Operation::ListConnections => {
            one("200", "One page", Some(schema::<wire::List<wire::ConnectionView>>(generator)))
                .query(&[
                    ("integration", false),
                    ("user", false),
                    ("status", false),
                    ("cursor", false),
                    ("limit", false),
                ])
        }
        Operation::ConfirmConnection => {
            one("200", "The connection", Some(schema::<wire::ConnectionView>(generator)))
                .body(schema::<wire::ConfirmConnection>(generator))
        }
        Operation::GetConnection | Operation::RefreshConnection => {
            one("200", "The connection", Some(schema::<wire::ConnectionView>(generator)))
        }
        Operation::HandOutToken => one("200", "The access token", Some(token_schema())),
        Operation::CreateApiKey => {
            one("201", "The key, shown this once", Some(schema::<wire::NewApiKeyView>(generator)))
                .body(schema::<wire::CreateApiKey>(generator))
        }
        Operation::ListApiKeys => {
            one("200", "All of them", Some(schema::<wire::List<wire::ApiKeyView>>(generator)))
        }
        Operation::DeleteIntegration | Operation::DeleteConnection | Operation::DeleteApiKey => {
            one("204", "Deleted", None)
        }
        Operation::Authorize => {
            one("302", "On to Microsoft Entra ID", None).query(&[("session", true)])
        }
        Operation::IntegrationCallback => {
            one("200", "A page that says so, where the session has no return_to", None)
                .and("303", "Back to the application", None)
                .query(&[("state", true), ("code", false), ("error", false), ("iss", false)])
        }
        Operation::Proxy => {
            one("default", "The answer of Azure DevOps, as it came", None).headers(&[
                ("x-ado-connect-dry", "`1`: describe the call and the limits, and call nothing"),
                (
                    "x-ado-connect-integration",
                    "with `me`: the integration whose connection is meant",
                ),
            ])
        }
        Operation::GetService | Operation::PauseService | Operation::ResumeService => {
            one("200", "The service", Some(schema::<wire::ServiceView>(generator)))
        }
        Operation::Health => one("200", "Alive", Some(json!({"type": "object"}))),
        Operation::OpenApi => one("200", "This document", Some(json!({"type": "object"}))),
        Operation::PortalAddress => one("303", "On to the first page", None),
        Operation::Portal | Operation::PortalPage => {
            one("200", "A page", None).and("401", "The sign-in page", None)
        }
        Operation::PortalAction => {
            one("200", "A page with the result, or with what is wrong", None)
                .and("303", "Done; on to a page that says so", None)
                .and("401", "The sign-in page", None)
        }
    }
}

fn query_parameter((name, required): &(&str, bool)) -> Value {
    json!({"name": name, "in": "query", "required": required, "schema": {"type": "string"}})
}

fn header_parameter((name, description): &(&str, &str)) -> Value {
    json!({"name": name, "in": "header", "required": false, "description": description, "schema": {"type": "string"}})
}

fn path_parameters(route: &Route) -> Vec<Value> {
    route
        .path
        .split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| {
            let name = name.trim_end_matches('+');
            json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}})
        })
        .collect()
}

fn methods(route: &Route) -> Vec<String> {
    match &route.method {
        Some(method) => vec![method.as_str().to_lowercase()],
        None => EVERY_METHOD.map(str::to_owned).to_vec(),
    }
}

/// `PutIntegration` becomes `put_integration`.
fn operation_id(route: &Route) -> String {
    let mut id = String::new();
    for letter in format!("{:?}", route.operation).chars() {
        if letter.is_uppercase() && !id.is_empty() {
            id.push('_');
        }
        id.extend(letter.to_lowercase());
    }
    id
}

fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

fn token_schema() -> Value {
    json!({"type": "object", "required": ["access_token", "token_type", "expires_at"], "properties": {
        "access_token": {"type": "string"}, "token_type": {"const": "Bearer"}, "expires_at": {"type": "string", "format": "date-time"},
    }})
}

/// RFC 9457, with our own members.
fn problem_schema() -> Value {
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    json!({
        "type": "object",
        "required": ["type", "title", "status", "code", "request_id"],
        "properties": {
            "type": {"type": "string", "format": "uri"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "code": {"enum": codes},
            "request_id": {"type": "string"},
            "advice": {"type": "string"},
            "errors": {"type": "array", "items": {"type": "object", "properties": {"field": {"type": "string"}, "message": {"type": "string"}}}},
            "reconnect_url": {"type": "string", "format": "uri"},
            "admin_consent_url": {"type": "string", "format": "uri"},
        },
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use http::Method;

    use super::*;

    #[test]
    fn every_route_and_every_problem_code_is_described() {
        let document = document(&"https://gateway.example".parse().unwrap());
        for route in ROUTES {
            let path = route.path.replace("+}", "}");
            for method in methods(route) {
                let operation = &document["paths"][&path][&method];
                assert_eq!(operation["summary"], route.summary, "{method} {path}");
            }
        }
        let text = document.to_string();
        for code in Code::ALL {
            assert!(text.contains(&format!("\"{}\"", code.as_str())), "{code:?}");
        }
        assert!(ROUTES.iter().all(|route| route.method != Some(Method::TRACE)));
    }

    #[test]
    fn references_lead_somewhere() {
        let document = document(&"https://gateway.example".parse().unwrap());
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }
}
