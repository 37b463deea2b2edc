//! A deployment with every option: a domain name, CORS, streaming, a webhook, rotation of client secrets, and federated
//! sign-in.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use emulators::entra::{DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET};
use end_to_end::trust_only;
use reqwest::Method;
use serde_json::{Value, json};

use crate::account::{Account, poll};
use crate::deployment::{Address, Deployment, answer, configure};
use crate::failed_deployment::fail_and_start_again;
use crate::stack;
use crate::webhook::{Webhook, remove_unknown_resources};

const DOMAIN: &str = "ado.mycompany.example";
const PAGE: &str = "https://app.mycompany.example";
const SECRET: &str = "ado-connect/integrations/azure-devops";
/// The emulated tenant in which the app is registered.
const APP_TENANT: &str = "a1a1a1a1-0000-4000-8000-00000000000a";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs SAM and an emulated AWS: infra/emulate"]
async fn after_a_failed_first_deployment_one_with_every_option_works() {
    let account = Account::start("options").await;
    fail_and_start_again(&account).await;
    println!("failed and deleted");

    let (webhook, webhook_secret) = Webhook::start(&account).await;
    let template = stack::changed_template("options.json", remove_unknown_resources);
    let certificate = "arn:aws:acm:us-east-1:000000000000:certificate/ado";
    let parameters = [
        ("CertificateArn", certificate),
        ("CorsOrigins", PAGE),
        ("StreamingProxy", "true"),
        ("WebhookUrl", "https://hooks.mycompany.example/events"),
        ("WebhookSecretArn", &webhook_secret),
        ("SecretRotation", "true"),
        ("RotationTenant", APP_TENANT),
        ("FederatedCredential", "true"),
    ];
    let deployed =
        Deployment::start(account, &template, Address::Domain(DOMAIN), &parameters).await;
    let outputs = stack::outputs(&deployed.account).await;
    assert_eq!(outputs["GatewayUrl"], format!("https://{DOMAIN}"));
    assert!(outputs["DomainTarget"].contains("execute-api"), "{}", outputs["DomainTarget"]);
    println!("deployed");

    let application = configure(&deployed).await;
    a_page_may_call(&deployed).await;
    println!("asked by a browser");
    let connection = deployed.connect(&application, "ada").await;
    let event = webhook.receives("connection.created").await;
    assert_eq!(event["detail"]["connection"], connection);
    println!("told to the webhook");
    streams(&deployed, &connection, &application).await;
    println!("streamed");
    renews_its_client_secret(&deployed, &outputs["RotationFunction"]).await;
    refreshes(&deployed, &connection, &application).await;
    println!("rotated");
    signs_in_without_a_secret(&deployed, &outputs["FederationSubject"]).await;
    assert_eq!(deployed.connect(&application, "ada").await, connection);
    refreshes(&deployed, &connection, &application).await;
    println!("signed in without a secret");
}

/// API Gateway answers preflights of the configured origins and of no other.
async fn a_page_may_call(deployed: &Deployment) {
    let preflight = async |origin: &str| {
        let asked = deployed.request(Method::OPTIONS, "/connections").header("origin", origin);
        let asked = asked.header("access-control-request-method", "GET");
        answer(asked.header("access-control-request-headers", "authorization")).await
    };
    let allowed = preflight(PAGE).await;
    assert!((200..300).contains(&allowed.status), "{}", allowed.status);
    assert_eq!(allowed.headers["access-control-allow-origin"], PAGE);
    let headers = allowed.headers["access-control-allow-headers"].to_str().unwrap();
    assert!(headers.split(',').any(|name| name == "authorization"), "{headers}");
    let refused = preflight("https://another.example").await;
    assert!(!refused.headers.contains_key("access-control-allow-origin"));
}

/// Calls Azure DevOps through the function behind the REST API.
async fn streams(deployed: &Deployment, connection: &str, key: &str) {
    let (status, body) = deployed.streamed(connection, key).await;
    assert_eq!(status, 200, "{body}");
    let body: Value = serde_json::from_str(&body).unwrap();
    assert!(body["count"].as_u64().unwrap() > 0);
    let (status, body) = deployed.streamed(connection, "nonsense").await;
    assert_eq!(status, 401, "{body}");
    // API Gateway's own refusal, as the template words it.
    let unknown = deployed.streaming_api("/live/health").await.expect(404);
    assert_eq!(unknown.json["code"], "not_found");
}

/// Rotates the client secret as the README says, and ends the former one.
async fn renews_its_client_secret(deployed: &Deployment, function: &str) {
    deployed.entra.change_app(DEFAULT_CLIENT_ID, |app| app.owns_itself = true).unwrap();
    let rotate = deployed.secrets_manager().rotate_secret().secret_id(SECRET);
    let version = rotate.rotation_lambda_arn(function).send().await.unwrap().version_id.unwrap();
    poll("the new client secret is the current one", Duration::from_mins(1), async || {
        let read = deployed.secrets_manager().get_secret_value().secret_id(SECRET);
        read.send().await.unwrap().version_id.as_deref() == Some(version.as_str())
    })
    .await;
    deployed.entra.remove_secret(DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET).unwrap();
}

/// Replaces the client secret by the trust in the federation role, and leaves the app no secret at all.
async fn signs_in_without_a_secret(deployed: &Deployment, subject: &str) {
    trust_only(&deployed.entra, subject);
    let operator = deployed.operator_key().await;
    let path = "/integrations/azure-devops/client-credential";
    let federated = json!({"kind": "federated"});
    deployed.ask(Method::PUT, path, &operator, Some(federated)).await.expect(200);
}

/// Renews a connection's tokens as the application, as if it had not asked for that in the last minute.
async fn refreshes(deployed: &Deployment, connection: &str, key: &str) {
    let asked = AttributeValue::S(format!("limit#renewals#{connection}"));
    let forget = deployed.dynamodb().delete_item().table_name(deployed.resource("SessionsTable"));
    forget.key("pk", asked).send().await.unwrap();
    let path = format!("/connections/{connection}/refresh");
    deployed.ask(Method::POST, &path, key, Some(json!({}))).await.expect(200);
}
