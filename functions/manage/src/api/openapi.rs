//! `openapi.json`: `OpenAPI` 3.1, generated from the table of routes and the types on the wire.

mod described;
mod responses;

use edge::caller::Role;
use edge::config::PublicUrl;
use edge::routes::{Operation, ROUTES, Route};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use vault::ids::{ApiKeyId, ConnectionId, IntegrationId};

use described::{Schema, describe, schema, text};
use responses::{gateway_refusal_schema, problem_schema, responses};

/// Methods that a route for any method is described with.
const EVERY_METHOD: [&str; 7] = ["get", "head", "post", "put", "patch", "delete", "options"];

/// The whole document.
pub fn document(public_url: &PublicUrl) -> Value {
    // Schemas of OpenAPI 3.1 are JSON Schema 2020-12, which lacks the keyword `nullable` of OpenAPI 3.0.
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
        let methods = methods(route);
        for method in &methods {
            let mut operation = operation.clone();
            if methods.len() > 1 {
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
                "connection" if route.operation == Operation::Mcp => connection_or_own(generator),
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

fn connection_or_own(generator: &mut SchemaGenerator) -> Value {
    json!({"anyOf": [schema::<ConnectionId>(generator), schema::<IntegrationId>(generator)]})
}

fn methods(route: &Route) -> Vec<String> {
    match (&route.method, route.operation) {
        (Some(method), _) => vec![method.as_str().to_lowercase()],
        // Its function refuses the others, after it has authenticated their callers.
        (None, Operation::Mcp) => vec!["post".to_owned()],
        (None, _) => EVERY_METHOD.map(str::to_owned).to_vec(),
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use edge::problem::Code;
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
