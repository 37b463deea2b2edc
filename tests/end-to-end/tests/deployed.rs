//! The template itself, deployed: `infra/emulate` builds the functions as they ship, and this deploys them with SAM to
//! an emulated AWS account on loopback, and walks through its API Gateway.
//!
//! ```text
//!  this ──> front (http://localhost) ──> API Gateway ──> the functions ──> Entra's and Azure DevOps' stand-ins
//!                                        Scheduler ──> refresh ──> queue ──> refresh ──> dead letters
//! ```

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod deployment;

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::QueueAttributeName;
use deployment::{Deployment, integration, poll};
use reqwest::Method;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs SAM and an emulated AWS: infra/emulate"]
async fn the_template_deploys_and_a_user_connects_calls_is_renewed_and_disconnects() {
    let deployed = Deployment::start().await;
    let operator = deployed.operator_key().await;

    let integration = integration();
    let put = deployed.ask(Method::PUT, "/integrations/azure-devops", &operator, Some(integration));
    put.await.expect(201);
    let key = json!({"name": "the application's", "role": "application"});
    let key = deployed.ask(Method::POST, "/api-keys", &operator, Some(key)).await.expect(201);
    let application = key.text("key");
    println!("configured");

    // Connect and confirm.
    let connection = deployed.connect(&application, "ada").await;
    let path = format!("/connections/{connection}");
    let shown = deployed.ask(Method::GET, &path, &application, None).await.expect(200);
    assert_eq!(shown.json["status"], "active");
    assert_eq!(shown.json["last_refreshed_at"], json!(null));
    println!("connected");

    // Call.
    let call =
        format!("/proxy/{connection}/dev.azure.com/mycompany/_apis/projects?api-version=7.1");
    let projects = deployed.ask(Method::GET, &call, &application, None).await.expect(200);
    assert!(projects.json["count"].as_u64().unwrap() > 0);
    deployed.ask(Method::GET, &call, "nonsense", None).await.expect(401);
    println!("called");

    // The schedule finds what is due, the queue brings it to a worker.
    let due = AttributeValue::N("1000000000".to_owned());
    deployed.set("ConnectionsTable", &connection, "due_at", due).await;
    poll("the schedule renews the token", Duration::from_mins(3), async || {
        let shown = deployed.ask(Method::GET, &path, &application, None).await.expect(200);
        shown.json["last_refreshed_at"].is_string()
    })
    .await;
    deployed.ask(Method::GET, &call, &application, None).await.expect(200);
    println!("renewed");

    // What no worker understands ends with the dead letters. In the template a message is hidden for six minutes after
    // each failure; here for a second.
    let queue = deployed.resource("RefreshQueue");
    let sqs = deployed.sqs();
    let hidden = sqs.set_queue_attributes().queue_url(&queue);
    hidden.attributes(QueueAttributeName::VisibilityTimeout, "1").send().await.unwrap();
    let poison = sqs.send_message().queue_url(&queue).message_body("{\"no\":\"message\"}");
    let poison = poison.message_group_id("poison").message_deduplication_id("poison");
    poison.send().await.unwrap();
    let dead_letters = deployed.resource("RefreshDeadLetters");
    poll("the poisoned message is put aside", Duration::from_mins(2), async || {
        deployed.messages(&dead_letters).await > 0
    })
    .await;
    assert_eq!(deployed.messages(&queue).await, 0, "the queue itself is free of it");
    println!("put aside");

    // Disconnect.
    deployed.ask(Method::DELETE, &path, &application, None).await.expect(204);
    deployed.ask(Method::GET, &call, &application, None).await.expect(404);
    assert_eq!(deployed.count("TokensTable").await, 0);
    assert_eq!(deployed.count("ConnectionsTable").await, 0);
    println!("disconnected");
}
