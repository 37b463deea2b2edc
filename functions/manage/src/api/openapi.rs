//! `openapi.json`: `OpenAPI` 3.1, generated from the table of routes and the types on the wire.

use edge::caller::Role;
use edge::config::PublicUrl;
use edge::problem::Code;
use edge::routes::{Operation, ROUTES, Route};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};
use vault::connections::Status as ConnectionStatus;
use vault::ids::{ApiKeyId, ConnectionId, IntegrationId, UserId};

use crate::api::connections::LARGEST_PAGE;
use crate::api::wire;

/// Methods that a route for any method is described with.
const EVERY_METHOD: [&str; 7] = ["get", "head", "post", "put", "patch", "delete", "options"];

/// The whole document.
pub fn document(public_url: &PublicUrl) -> Value {
    // OpenAPI 3.1 takes JSON Schema 2020-12 as it is; `nullable` of 3.0 means nothing there.
    let mut generator = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let operation = operation(route, &mut generator);
        let path = route.path.replace("+}", "}");
        let entry = paths
            .entry(path)
            .or_insert_with(|| json!({"parameters": path_parameters(route, &mut generator)}));
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
    schemas.insert("GatewayRefusal".to_owned(), gateway_refusal_schema());
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
                "password": {"type": "http", "scheme": "basic", "description": "For the proxy only: an application's API key as the password, with any user name"},
            },
        },
    })
}

fn operation(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let described = describe(route.operation);
    let mut operation = json!({
        "operationId": operation_id(route),
        "summary": route.summary,
        "responses": responses(route, &described.answers, generator),
    });
    if !route.callers.is_empty() {
        operation["security"] = match route.operation {
            Operation::Proxy => json!([{"key": []}, {"password": []}]),
            _ => json!([{"key": []}]),
        };
        let roles: Vec<_> = route.callers.iter().map(Role::to_string).collect();
        operation["description"] = format!("Callers: {}.", roles.join(", ")).into();
    }
    let query = described.query.iter().map(|parameter| query_parameter(parameter, generator));
    let mut parameters: Vec<_> = query.collect();
    parameters.extend(described.headers.iter().map(header_parameter));
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if let Some(schema) = described.body {
        let content = json!({"application/json": {"schema": schema(generator)}});
        operation["requestBody"] = json!({"required": true, "content": content});
    }
    operation
}

fn responses(route: &Route, answers: &[Answer], generator: &mut SchemaGenerator) -> Value {
    let mut responses: Map<String, Value> = Map::new();
    for (status, description, schema) in answers {
        let mut response = json!({"description": description});
        if let Some(schema) = schema {
            response["content"] = json!({"application/json": {"schema": schema(generator)}});
        }
        responses.insert((*status).to_owned(), response);
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
    for (status, meaning) in GATEWAY_REFUSALS {
        let response = responses
            .entry(status.to_owned())
            .or_insert_with(|| json!({"description": meaning, "content": {}}));
        // An answer that is described without a body is a page.
        if let Some(content) = response["content"].as_object_mut() {
            let schema = json!({"$ref": "#/components/schemas/GatewayRefusal"});
            content.insert("application/json".to_owned(), json!({"schema": schema}));
        }
    }
    // An answer that is passed on may have any status, and any body with it.
    if responses.contains_key("default") {
        for response in responses.values_mut() {
            response["content"]["*/*"] = json!({});
        }
    }
    responses.into()
}

/// The statuses that API Gateway answers with itself, before a function is called or in its place.
const GATEWAY_REFUSALS: [(&str, &str); 7] = [
    ("400", "The address cannot be decoded"),
    ("404", "There is no such address"),
    ("413", "The request is larger than 10 MB"),
    ("429", "More requests than the deployment's rate"),
    ("431", "Request line and headers are larger than 10,240 bytes"),
    ("500", "The function has failed"),
    ("503", "The function does not answer in time, or has no capacity"),
];

type Schema = fn(&mut SchemaGenerator) -> Value;

/// Status, meaning and schema of an answer that is not a problem.
type Answer = (&'static str, &'static str, Option<Schema>);

/// The part of an operation's description that its route does not have.
#[derive(Default)]
struct Described {
    answers: Vec<Answer>,
    /// The schema of the request's body.
    body: Option<Schema>,
    /// The query parameters, whether each is required, and its schema.
    query: &'static [(&'static str, bool, Schema)],
    /// The request headers that the operation reads itself, with their meaning.
    headers: &'static [(&'static str, &'static str)],
}

impl Described {
    fn and(mut self, status: &'static str, meaning: &'static str) -> Self {
        self.answers.push((status, meaning, None));
        self
    }
}

/// An operation with one answer, whose body is JSON.
fn json_answer(status: &'static str, meaning: &'static str, schema: Schema) -> Described {
    Described { answers: vec![(status, meaning, Some(schema))], ..Described::default() }
}

/// An operation with one answer whose body is not JSON, or that has none.
fn other_answer(status: &'static str, meaning: &'static str) -> Described {
    Described::default().and(status, meaning)
}

fn describe(operation: Operation) -> Described {
    match operation {
        Operation::PutIntegration => Described {
            answers: vec![
                ("200", "Replaced", Some(schema::<wire::IntegrationView>)),
                ("201", "Created", Some(schema::<wire::IntegrationView>)),
            ],
            body: Some(schema::<wire::PutIntegration>),
            ..Described::default()
        },
        Operation::ListIntegrations => {
            json_answer("200", "All of them", schema::<wire::List<wire::IntegrationView>>)
        }
        Operation::PutClientCredential => Described {
            body: Some(schema::<wire::ClientCredential>),
            ..json_answer("200", "The integration", schema::<wire::IntegrationView>)
        },
        Operation::GetIntegration | Operation::PauseIntegration | Operation::ResumeIntegration => {
            json_answer("200", "The integration", schema::<wire::IntegrationView>)
        }
        Operation::VerifyIntegration => {
            json_answer("200", "The findings", schema::<wire::Verification>)
        }
        Operation::CreateConnectSession => Described {
            body: Some(schema::<wire::CreateConnectSession>),
            ..json_answer("201", "The link", schema::<wire::ConnectSessionView>)
        },
        Operation::ListConnections => Described {
            query: &[
                ("integration", false, schema::<IntegrationId>),
                ("user", false, schema::<UserId>),
                ("status", false, schema::<ConnectionStatus>),
                ("cursor", false, text),
                ("limit", false, page_size),
            ],
            ..json_answer("200", "One page", schema::<wire::List<wire::ConnectionView>>)
        },
        Operation::ConfirmConnection => Described {
            body: Some(schema::<wire::ConfirmConnection>),
            ..json_answer("200", "The connection", schema::<wire::ConnectionView>)
        },
        Operation::GetConnection
        | Operation::RefreshConnection
        | Operation::PauseConnection
        | Operation::ResumeConnection => {
            json_answer("200", "The connection", schema::<wire::ConnectionView>)
        }
        Operation::HandOutToken => json_answer("200", "The access token", token_schema),
        Operation::CreateApiKey => Described {
            body: Some(schema::<wire::CreateApiKey>),
            ..json_answer("201", "The key, shown this once", schema::<wire::NewApiKeyView>)
        },
        Operation::ListApiKeys => {
            json_answer("200", "All of them", schema::<wire::List<wire::ApiKeyView>>)
        }
        Operation::DeleteIntegration | Operation::DeleteConnection | Operation::DeleteApiKey => {
            other_answer("204", "Deleted")
        }
        Operation::Authorize => Described {
            query: &[("session", true, text)],
            ..other_answer("302", "On to Microsoft Entra ID")
        },
        Operation::IntegrationCallback => Described {
            query: &[
                ("state", true, text),
                ("code", false, text),
                ("error", false, text),
                ("iss", false, text),
            ],
            ..other_answer("200", "A page that says so, where the session has no return_to")
                .and("303", "Back to the application")
        },
        Operation::Proxy => Described {
            headers: &[
                ("x-ado-connect-dry", "`1`: describe the call and the limits, and call nothing"),
                (
                    "x-ado-connect-integration",
                    "with `me`: the integration whose connection is meant",
                ),
            ],
            ..other_answer("default", "The answer of Azure DevOps, as it came")
        },
        Operation::GetService | Operation::PauseService | Operation::ResumeService => {
            json_answer("200", "The service", schema::<wire::ServiceView>)
        }
        Operation::Health => json_answer("200", "Alive", any_object),
        Operation::OpenApi => json_answer("200", "This document", any_object),
        Operation::PortalAddress => other_answer("303", "On to the first page"),
        Operation::Portal | Operation::PortalPage => {
            other_answer("200", "A page").and("401", "The sign-in page")
        }
        Operation::PortalAction => {
            other_answer("200", "A page with the result, or with what is wrong")
                .and("303", "Done; on to a page that says so")
                .and("401", "The sign-in page")
        }
    }
}

fn query_parameter(
    (name, required, schema): &(&str, bool, Schema),
    generator: &mut SchemaGenerator,
) -> Value {
    json!({"name": name, "in": "query", "required": required, "schema": schema(generator)})
}

fn header_parameter((name, description): &(&str, &str)) -> Value {
    json!({"name": name, "in": "header", "required": false, "description": description, "schema": {"type": "string"}})
}

fn path_parameters(route: &Route, generator: &mut SchemaGenerator) -> Vec<Value> {
    route
        .path
        .split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| {
            let name = name.trim_end_matches('+');
            let schema = match name {
                "integration" => schema::<IntegrationId>(generator),
                "connection" if route.operation == Operation::Proxy => connection_or_me(generator),
                "connection" => schema::<ConnectionId>(generator),
                "key" => schema::<ApiKeyId>(generator),
                _ => text(generator),
            };
            json!({"name": name, "in": "path", "required": true, "schema": schema})
        })
        .collect()
}

fn connection_or_me(generator: &mut SchemaGenerator) -> Value {
    json!({"anyOf": [schema::<ConnectionId>(generator), {"const": "me"}]})
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

fn text(_: &mut SchemaGenerator) -> Value {
    json!({"type": "string"})
}

fn page_size(_: &mut SchemaGenerator) -> Value {
    json!({"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE})
}

fn any_object(_: &mut SchemaGenerator) -> Value {
    json!({"type": "object"})
}

fn token_schema(_: &mut SchemaGenerator) -> Value {
    json!({"type": "object", "required": ["access_token", "token_type", "expires_at"], "properties": {
        "access_token": {"type": "string"}, "token_type": {"const": "Bearer"}, "expires_at": {"type": "string", "format": "date-time"},
    }})
}

/// API Gateway's own words for a refusal.
fn gateway_refusal_schema() -> Value {
    json!({"type": "object", "required": ["message"], "properties": {"message": {"type": "string"}}})
}

/// RFC 9457, with our own members.
fn problem_schema() -> Value {
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    json!({
        "type": "object",
        // API Gateway's own refusals at the streaming address may be without `status`.
        "required": ["type", "title", "code", "request_id"],
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
