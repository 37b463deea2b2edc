//! The start: creates an integration and an application key, and prints the addresses and four commands to try.

use askama::Template;
use emulators::entra::{DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::StartError;
use crate::demo;
use crate::options::Options;
use crate::stack::Stack;

/// The integration that is created at the start.
const INTEGRATION: &str = "azure-devops";
/// The integration of the demo application where the users of the other one name themselves.
const DEMO_INTEGRATION: &str = "demo";

/// The settings of the demo application, created at the start.
pub(crate) struct Greeting {
    application_key: String,
    organization: String,
    demo_url: String,
    /// The issuer of the users who name themselves.
    jwt_issuer: Option<String>,
    demo_integration: &'static str,
}

#[derive(Template)]
#[template(path = "greeting.txt")]
struct Text<'a> {
    greeting: &'a Greeting,
    stack: &'a Stack,
    integration: &'a str,
}

/// Creates the integration and the application key through the API, as an operator would.
pub(crate) async fn prepare(
    stack: &Stack,
    options: &Options,
    demo_url: String,
) -> Result<Greeting, StartError> {
    let organization = options.organization.clone().unwrap_or_else(|| "mycompany".to_owned());
    let jwt_issuer = options.jwt_issuer.clone();
    let mut integration = json!({
        "client_id": options.client_id.clone().unwrap_or_else(|| DEFAULT_CLIENT_ID.to_string()),
        "client_credential": {
            "kind": "client_secret",
            "client_secret": options.client_secret.as_deref().unwrap_or(DEFAULT_CLIENT_SECRET),
        },
        "organizations": [organization],
        "scopes": ["vso.code", "vso.work", "vso.build", "vso.project", "vso.identity"],
        "allowed_return_origins": [demo_url],
        "mcp": {"access": "write"},
    });
    let demo_integration = if jwt_issuer.is_some() { DEMO_INTEGRATION } else { INTEGRATION };
    ask(stack, Method::PUT, &format!("/integrations/{demo_integration}"), &integration).await?;
    if jwt_issuer.is_some() {
        integration["users"] = "jwt".into();
        ask(stack, Method::PUT, &format!("/integrations/{INTEGRATION}"), &integration).await?;
    }
    let key = json!({"name": "demo application", "role": "application"});
    let made = ask(stack, Method::POST, "/api-keys", &key).await?;
    let application_key = made["key"].as_str().unwrap_or_default().to_owned();
    Ok(Greeting { application_key, organization, demo_url, jwt_issuer, demo_integration })
}

async fn ask(stack: &Stack, method: Method, path: &str, body: &Value) -> Result<Value, StartError> {
    let url = format!("{}{path}", stack.public_url());
    let failed = |e: reqwest::Error| StartError::Greeting(format!("{method} {path}: {e}"));
    let answer = reqwest::Client::new()
        .request(method.clone(), url)
        .bearer_auth(stack.operator_key())
        .json(body)
        .send()
        .await
        .map_err(failed)?;
    let status = answer.status();
    let text = answer.text().await.map_err(failed)?;
    if matches!(status, StatusCode::OK | StatusCode::CREATED) {
        return serde_json::from_str(&text).map_err(|e| StartError::Greeting(e.to_string()));
    }
    Err(StartError::Greeting(format!("{method} {path} was answered with {status}: {text}")))
}

impl Greeting {
    /// The settings of the demo application.
    pub(crate) fn demo_settings(&self, stack: &Stack) -> demo::Settings {
        demo::Settings {
            gateway: stack.public_url().to_owned(),
            application_key: self.application_key.clone(),
            integration: self.demo_integration.to_owned(),
            organization: self.organization.clone(),
            own_url: self.demo_url.clone(),
        }
    }

    /// Prints the addresses and keys, and three commands to paste.
    pub(crate) fn print(&self, stack: &Stack) {
        println!("{}", Text { greeting: self, stack, integration: self.demo_integration });
    }
}
