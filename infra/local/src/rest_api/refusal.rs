//! Refusals of API Gateway itself, as the template's gateway responses word them
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html>).

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Response, StatusCode};
use serde_json::{Value, json};

use crate::front::text_response;

/// A gateway response of the template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GatewayResponse {
    /// The status, or that of the refusal.
    status: Option<u16>,
    /// Names and values of headers.
    headers: Vec<(String, String)>,
    /// The body, with variables of API Gateway in it.
    body: Option<String>,
}

impl GatewayResponse {
    /// Reads the properties of an `AWS::ApiGateway::GatewayResponse`. Returns it with its response type.
    pub(super) fn of(properties: &Value) -> Option<(String, Self)> {
        let status = match properties.get("StatusCode") {
            Some(status) => Some(status.as_str()?.parse().ok()?),
            None => None,
        };
        let parameters = properties["ResponseParameters"].as_object().into_iter().flatten();
        let headers = parameters.map(|(name, value)| {
            // A text in single quotes is a fixed value.
            let value = value.as_str()?.strip_prefix('\'')?.strip_suffix('\'')?;
            Some((name.strip_prefix("gatewayresponse.header.")?.to_owned(), value.to_owned()))
        });
        let body = properties["ResponseTemplates"]["application/json"].as_str();
        let response = Self {
            status,
            headers: headers.collect::<Option<_>>()?,
            body: body.map(str::to_owned),
        };
        Some((properties["ResponseType"].as_str()?.to_owned(), response))
    }
}

/// A refusal of API Gateway itself.
#[derive(Debug)]
pub(super) struct Refusal {
    /// Its own type, if it is known; the template's response for it comes before the one for all of its class.
    response_type: Option<&'static str>,
    status: StatusCode,
    message: String,
}

impl Refusal {
    fn new(response_type: &'static str, status: StatusCode, message: impl Into<String>) -> Self {
        Self { response_type: Some(response_type), status, message: message.into() }
    }

    /// API Gateway expects a signature (AWS Signature Version 4) at an address that the API does not have, and refuses
    /// any other `Authorization` header with a message that repeats it. No document names the type of that refusal.
    pub(super) fn unknown_address(headers: &HeaderMap) -> Self {
        let Some(credentials) = headers.get(AUTHORIZATION) else {
            let message = "Missing Authentication Token";
            return Self::new("MISSING_AUTHENTICATION_TOKEN", StatusCode::FORBIDDEN, message);
        };
        let credentials = String::from_utf8_lossy(credentials.as_bytes());
        let first = credentials.split(' ').nth(1).unwrap_or_default();
        let message = format!(
            "'{first}' not a valid key=value pair (missing equal-sign) in Authorization header: '{credentials}'."
        );
        Self { response_type: None, status: StatusCode::FORBIDDEN, message }
    }

    pub(super) fn throttled() -> Self {
        Self::new("THROTTLED", StatusCode::TOO_MANY_REQUESTS, "Too Many Requests")
    }

    pub(super) fn missing_parameters(names: &[&str]) -> Self {
        let message = format!("Missing required request parameters: [{}]", names.join(", "));
        Self::new("BAD_REQUEST_PARAMETERS", StatusCode::BAD_REQUEST, message)
    }

    pub(super) fn request_too_large() -> Self {
        Self::new("REQUEST_TOO_LARGE", StatusCode::PAYLOAD_TOO_LARGE, "Request Too Long")
    }

    pub(super) fn integration_failure() -> Self {
        Self::new("INTEGRATION_FAILURE", StatusCode::GATEWAY_TIMEOUT, "Internal server error")
    }

    /// The refusal of a call for which Lambda has no free execution. Its status is 500, or that of the gateway response for
    /// `INTEGRATION_FAILURE` if there is one, according to one report
    /// (<https://repost.aws/questions/QUL-z6rJbmR4meafB7MzYXxw>).
    pub(super) fn no_execution() -> Self {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Self::new("INTEGRATION_FAILURE", status, "Internal server error")
    }

    pub(super) fn integration_timeout() -> Self {
        Self::new("INTEGRATION_TIMEOUT", StatusCode::GATEWAY_TIMEOUT, "Endpoint request timed out")
    }

    /// The function failed, or did not answer in the format of its integration.
    pub(super) fn malformed_answer() -> Self {
        let message = "Internal server error".to_owned();
        Self { response_type: None, status: StatusCode::BAD_GATEWAY, message }
    }

    /// The response, in the words of the template if it has any for this refusal. A status of the response for the class
    /// "changes the status codes of all other" responses of it, in AWS' words; those with an own response are no exception.
    pub(super) fn response(
        &self,
        worded: &BTreeMap<String, GatewayResponse>,
        public_url: &str,
        request_id: &str,
    ) -> Response<Body> {
        let of_class = if self.status.is_client_error() { "DEFAULT_4XX" } else { "DEFAULT_5XX" };
        let of_class = worded.get(of_class);
        let own = self.response_type.and_then(|name| worded.get(name));
        let status = [of_class, own].into_iter().flatten().find_map(|worded| worded.status);
        let status = status.and_then(|status| StatusCode::from_u16(status).ok());
        let worded = own.or(of_class);
        let template = worded.and_then(|worded| worded.body.as_deref());
        let body = self.body(template.unwrap_or(r#"{"message":$context.error.messageString}"#));
        let body = body
            .replace("$context.requestId", request_id)
            .replace("$stageVariables.publicUrl", public_url);
        let mut response = text_response(status.unwrap_or(self.status), "application/json", body);
        for (name, value) in worded.into_iter().flat_map(|worded| &worded.headers) {
            if let (Ok(name), Ok(value)) =
                (HeaderName::try_from(name.as_str()), HeaderValue::from_str(value))
            {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }

    fn body(&self, template: &str) -> String {
        let response_type = self.response_type.unwrap_or("UNKNOWN");
        template
            .replace("$context.error.messageString", &json!(self.message).to_string())
            .replace("$context.error.message", &self.message)
            .replace("$context.error.responseType", response_type)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use axum::body::to_bytes;

    use super::*;
    use crate::template::Template;

    async fn answered(refusal: &Refusal, template: &str) -> (u16, HeaderMap, Value) {
        let template: Template = template.parse().unwrap();
        let worded = template.of_type("AWS::ApiGateway::GatewayResponse");
        let worded = worded.map(|(_, found)| GatewayResponse::of(&found.properties).unwrap());
        let worded = worded.collect();
        let response = refusal.response(&worded, "https://ado.mycompany.example", "r-1");
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 10_000).await.unwrap();
        (parts.status.as_u16(), parts.headers, serde_json::from_slice(&body).unwrap())
    }

    fn with_key() -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Bearer adoc_1_s"))])
    }

    #[tokio::test]
    async fn without_gateway_responses_api_gateway_answers_in_its_own_words() {
        let nothing = "Resources: {}";
        for (refusal, status, message) in [
            (Refusal::unknown_address(&HeaderMap::new()), 403, "Missing Authentication Token"),
            (
                Refusal::unknown_address(&with_key()),
                403,
                "'adoc_1_s' not a valid key=value pair (missing equal-sign) in Authorization header: 'Bearer adoc_1_s'.",
            ),
            (
                Refusal::missing_parameters(&["Authorization"]),
                400,
                "Missing required request parameters: [Authorization]",
            ),
            (Refusal::throttled(), 429, "Too Many Requests"),
            (Refusal::request_too_large(), 413, "Request Too Long"),
            (Refusal::no_execution(), 500, "Internal server error"),
            (Refusal::integration_timeout(), 504, "Endpoint request timed out"),
            (Refusal::malformed_answer(), 502, "Internal server error"),
        ] {
            let (got, headers, body) = answered(&refusal, nothing).await;
            assert_eq!(
                (got, &headers["content-type"]),
                (status, &"application/json".parse().unwrap())
            );
            assert_eq!(body, json!({"message": message}));
        }
    }

    #[tokio::test]
    async fn a_gateway_response_of_the_template_replaces_status_headers_and_body() {
        let template = r#"
            Resources:
              Own:
                Type: AWS::ApiGateway::GatewayResponse
                Properties:
                  ResponseType: BAD_REQUEST_PARAMETERS
                  StatusCode: '401'
                  ResponseParameters:
                    gatewayresponse.header.Content-Type: "'application/problem+json'"
                    gatewayresponse.header.WWW-Authenticate: "'Basic realm=\"a\", Bearer'"
                  ResponseTemplates:
                    application/json: '{"type":"$stageVariables.publicUrl/problems/x","request_id":"$context.requestId"}'
              Others:
                Type: AWS::ApiGateway::GatewayResponse
                Properties: {ResponseType: DEFAULT_4XX, ResponseTemplates: {application/json: '{"said":$context.error.messageString}'}}
        "#;
        let (status, headers, body) =
            answered(&Refusal::missing_parameters(&["Authorization"]), template).await;
        assert_eq!(status, 401);
        assert_eq!(headers["content-type"], "application/problem+json");
        assert_eq!(headers["www-authenticate"], r#"Basic realm="a", Bearer"#);
        let r#type = "https://ado.mycompany.example/problems/x";
        assert_eq!(body, json!({"type": r#type, "request_id": "r-1"}));
        let (status, _, body) = answered(&Refusal::request_too_large(), template).await;
        assert_eq!((status, body), (413, json!({"said": "Request Too Long"})));
        let (status, _, body) = answered(&Refusal::malformed_answer(), template).await;
        assert_eq!((status, body), (502, json!({"message": "Internal server error"})));
        // A status for the whole class takes the place of every other.
        let template = template
            .replace("ResponseType: DEFAULT_4XX", "ResponseType: DEFAULT_4XX, StatusCode: '404'");
        let refusal = Refusal::missing_parameters(&["Authorization"]);
        assert_eq!(answered(&refusal, &template).await.0, 404);
        assert_eq!(answered(&Refusal::malformed_answer(), &template).await.0, 502);
    }

    #[tokio::test]
    async fn refusals_without_a_response_of_their_own_keep_their_status_in_the_template_s_words() {
        for (refusal, status, code) in [
            (Refusal::unknown_address(&with_key()), 403, "request_refused"),
            (Refusal::malformed_answer(), 502, "service_unavailable"),
        ] {
            let (got, headers, body) = answered(&refusal, crate::template::TEMPLATE).await;
            assert_eq!((got, &body["code"]), (status, &json!(code)));
            assert_eq!(
                (&body["status"], body.to_string().contains("adoc_")),
                (&Value::Null, false)
            );
            assert_eq!(headers.contains_key("retry-after"), status >= 500);
        }
    }
}
