//! CORS of an HTTP API, as the template configures it
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html>).

use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderName, HeaderValue, ORIGIN,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use serde::Deserialize;
use serde_json::Value;

use crate::StartError;
use crate::template::Template;

/// The CORS configuration of the API.
#[derive(Debug)]
pub(crate) struct Cors {
    origins: Vec<String>,
    /// Added to the answer for an allowed origin.
    of_answers: Vec<(HeaderName, HeaderValue)>,
    /// Added to the answer of a preflight as well.
    of_preflights: Vec<(HeaderName, HeaderValue)>,
}

/// `CorsConfiguration` of `AWS::ApiGatewayV2::Api`, without the origins.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Configuration {
    allow_methods: Vec<String>,
    allow_headers: Vec<String>,
    expose_headers: Vec<String>,
    max_age: u32,
}

impl Cors {
    /// Returns the template's configuration for these origins, or `None` if there are no origins.
    ///
    /// # Errors
    /// [`StartError::Template`] when it is malformed.
    pub(crate) fn of_template(
        template: &Template,
        origins: &[String],
    ) -> Result<Option<Self>, StartError> {
        if origins.is_empty() {
            return Ok(None);
        }
        let malformed =
            || StartError::Template("the API has no usable CorsConfiguration".to_owned());
        let api = template.of_type("AWS::ApiGatewayV2::Api").next().ok_or_else(malformed)?.1;
        // `!If [HasCors, the configuration, none]`.
        let configured: &Value = &api.properties["CorsConfiguration"][1];
        let configured = Configuration::deserialize(configured).map_err(|_| malformed())?;
        let list =
            |values: &[String]| HeaderValue::from_str(&values.join(",")).map_err(|_| malformed());
        Ok(Some(Self {
            origins: origins.to_vec(),
            of_answers: vec![(ACCESS_CONTROL_EXPOSE_HEADERS, list(&configured.expose_headers)?)],
            of_preflights: vec![
                (ACCESS_CONTROL_ALLOW_METHODS, list(&configured.allow_methods)?),
                (ACCESS_CONTROL_ALLOW_HEADERS, list(&configured.allow_headers)?),
                (ACCESS_CONTROL_MAX_AGE, HeaderValue::from(configured.max_age)),
            ],
        }))
    }

    /// Replaces the integration's own CORS headers by the API's, which only a request from an allowed origin gets.
    pub(crate) fn apply(&self, request: &Parts, answer: &mut HeaderMap) {
        let own: Vec<_> = answer
            .keys()
            .filter(|name| name.as_str().starts_with("access-control-"))
            .cloned()
            .collect();
        for name in own {
            answer.remove(name);
        }
        let Some(origin) = request.headers.get(ORIGIN).filter(|origin| self.allows(origin)) else {
            return;
        };
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        answer.extend(self.of_answers.iter().cloned());
        if is_preflight(request) {
            answer.extend(self.of_preflights.iter().cloned());
        }
    }

    /// Wildcards are `*`, `https://*` and `http://*`.
    fn allows(&self, origin: &HeaderValue) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        self.origins.iter().any(|allowed| match allowed.strip_suffix('*') {
            Some(prefix) => origin.starts_with(prefix),
            None => allowed == origin,
        })
    }
}

/// Whether a request asks for permission to send another one (Fetch standard, "CORS-preflight request").
pub(crate) fn is_preflight(request: &Parts) -> bool {
    request.method == Method::OPTIONS
        && request.headers.contains_key(ORIGIN)
        && request.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use axum::http::Request;

    use super::*;

    fn applied(origins: &[&str], origin: &str) -> HeaderMap {
        let origins: Vec<_> = origins.iter().map(|&origin| origin.to_owned()).collect();
        let cors = Cors::of_template(&Template::read().unwrap(), &origins).unwrap().unwrap();
        let request = Request::options("/").header("origin", origin);
        let request = request.header("access-control-request-method", "GET").body(()).unwrap();
        let mut answer = HeaderMap::new();
        answer.insert("access-control-allow-origin", HeaderValue::from_static("*"));
        answer.insert("access-control-allow-private-network", HeaderValue::from_static("true"));
        cors.apply(&request.into_parts().0, &mut answer);
        answer
    }

    #[test]
    fn a_configured_origin_gets_the_headers_of_the_api_and_another_gets_none() {
        let app = "https://app.mycompany.example";
        let allowed = applied(&["https://other.mycompany.example", app], app);
        assert_eq!(allowed["access-control-allow-origin"], app);
        assert_eq!(allowed["access-control-allow-methods"], "*");
        assert!(allowed.contains_key("access-control-allow-headers"));
        assert!(!allowed.contains_key("access-control-allow-private-network"));
        for other in ["https://evil.example", "http://app.mycompany.example", "null"] {
            assert!(applied(&[app], other).is_empty(), "{other}");
        }
        assert_eq!(applied(&["https://*"], app)["access-control-allow-origin"], app);
        assert!(applied(&["http://*"], app).is_empty());
    }

    #[test]
    fn without_origins_there_is_no_cors() {
        assert!(Cors::of_template(&Template::read().unwrap(), &[]).unwrap().is_none());
    }
}
