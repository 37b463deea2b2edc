//! Responses: an operation's own answers, problems, and refusals of API Gateway.

use edge::problem::Code;
use edge::routes::{Operation, Route};
use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use super::described::Answer;

/// Returns the responses of a route: its own answers, our problems and the refusals of API Gateway.
pub(super) fn responses(
    route: &Route,
    answers: &[Answer],
    generator: &mut SchemaGenerator,
) -> Value {
    let mut responses: Map<String, Value> = Map::new();
    for (status, description, schema) in answers {
        let mut response = json!({"description": description});
        if let Some(schema) = schema {
            // The schema of lines is that of one line.
            let media_type = match route.operation {
                Operation::ReadAudit => "application/x-ndjson",
                _ => "application/json",
            };
            response["content"] = json!({media_type: {"schema": schema(generator)}});
        }
        responses.insert((*status).to_owned(), response);
    }
    for code in route.problems() {
        let status = code.status().as_str().to_owned();
        let response =
            responses.entry(status).or_insert_with(|| json!({"description": "", "content": {}}));
        // An answer without a described body is a page.
        if let Some(content) = response.get_mut("content").and_then(Value::as_object_mut) {
            let schema = json!({"$ref": "#/components/schemas/Problem"});
            content.insert("application/problem+json".to_owned(), json!({"schema": schema}));
        }
        let description = response["description"].as_str().unwrap_or_default();
        let joint = if description.is_empty() { "" } else { ", " };
        response["description"] = format!("{description}{joint}{}", code.as_str()).into();
    }
    for (status, meaning) in GATEWAY_REFUSALS {
        let response = responses
            .entry(status.to_owned())
            .or_insert_with(|| json!({"description": meaning, "content": {}}));
        // An answer without a described body is a page.
        if let Some(content) = response.get_mut("content").and_then(Value::as_object_mut) {
            let refusal = json!({"$ref": "#/components/schemas/GatewayRefusal"});
            let schema = match content.get("application/json") {
                Some(own) => json!({"anyOf": [own["schema"], refusal]}),
                None => refusal,
            };
            content.insert("application/json".to_owned(), json!({"schema": schema}));
        }
    }
    // Operations with `default` pass answers on, which may have any status and any body.
    if responses.contains_key("default") {
        for response in responses.values_mut() {
            response["content"]["*/*"] = json!({});
        }
    }
    responses.into()
}

/// The statuses with which API Gateway itself answers, before a function is called or in its place.
const GATEWAY_REFUSALS: [(&str, &str); 7] = [
    ("400", "The address cannot be decoded"),
    ("404", "There is no such address"),
    ("413", "The request is larger than 10 MB"),
    ("429", "More requests than the deployment's rate"),
    ("431", "Request line and headers are larger than 10,240 bytes"),
    ("500", "The function has failed"),
    ("503", "The function does not answer in time, or has no capacity"),
];

/// The body of a refusal by API Gateway.
pub(super) fn gateway_refusal_schema() -> Value {
    json!({"type": "object", "required": ["message"], "properties": {"message": {"type": "string"}}})
}

/// RFC 9457, with our own members.
pub(super) fn problem_schema() -> Value {
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    json!({
        "type": "object",
        // Refusals by API Gateway at the streaming address may lack `status`.
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
