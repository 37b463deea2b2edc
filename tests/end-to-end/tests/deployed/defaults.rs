//! A deployment with the defaults of all options: a user connects, calls, is renewed and disconnects.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::QueueAttributeName;
use reqwest::Method;
use serde_json::{Value, json};

use crate::account::{Account, poll};
use crate::deployment::{Address, Deployment, configure};
use crate::stack;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs SAM and an emulated AWS: infra/emulate"]
async fn the_template_deploys_and_a_user_connects_calls_is_renewed_and_disconnects() {
    let account = Account::start("defaults").await;
    let deployed = Deployment::start(account, &stack::template(), Address::PublicUrl, &[]).await;
    let application = configure(&deployed).await;
    println!("configured");
    let user = connect(deployed, application).await;
    println!("connected");
    user.calls().await;
    println!("called");
    user.is_seen_in_the_portal().await;
    println!("seen in the portal");
    user.is_renewed_by_the_schedule().await;
    println!("renewed");
    a_message_that_no_worker_understands_is_put_aside(&user.deployed).await;
    println!("put aside");
    user.disconnects().await;
    println!("disconnected");
}

/// A connected user of the application.
struct User {
    deployed: Deployment,
    application: String,
    connection: String,
}

/// Connects a user, from the connect link to a confirmed connection.
async fn connect(deployed: Deployment, application: String) -> User {
    let connection = deployed.connect(&application, "ada").await;
    let user = User { deployed, application, connection };
    let shown = user.shown().await;
    assert_eq!(shown["status"], "active");
    assert_eq!(shown["last_refreshed_at"], json!(null));
    user
}

impl User {
    fn path(&self) -> String {
        format!("/connections/{}", self.connection)
    }

    fn projects(&self) -> String {
        let connection = &self.connection;
        format!("/proxy/{connection}/dev.azure.com/mycompany/_apis/projects?api-version=7.1")
    }

    async fn shown(&self) -> Value {
        let path = self.path();
        self.deployed.ask(Method::GET, &path, &self.application, None).await.expect(200).json
    }

    async fn calls(&self) {
        let (deployed, projects) = (&self.deployed, self.projects());
        let called = deployed.ask(Method::GET, &projects, &self.application, None).await;
        assert!(called.expect(200).json["count"].as_u64().unwrap() > 0);
        deployed.ask(Method::GET, &projects, "nonsense", None).await.expect(401);
    }

    /// Reads sessions, tallies and the index `by_due` with the permissions of the template.
    async fn is_seen_in_the_portal(&self) {
        // Counts are written up to ten seconds later, or lost if writing takes too long.
        poll("the health page counts the calls", Duration::from_mins(1), async || {
            let health = self.deployed.portal_page("/portal/health").await;
            assert!(health.contains("<h1>Health</h1>") && health.contains("azure-devops"));
            let are_counted = health.contains("calls, 0 failed") && !health.contains(": 0 calls");
            if !are_counted {
                self.calls().await;
            }
            are_counted
        })
        .await;
    }

    /// The schedule finds the due connection, and the queue delivers it to a worker.
    async fn is_renewed_by_the_schedule(&self) {
        let due = AttributeValue::N("1000000000".to_owned());
        self.deployed.set("ConnectionsTable", &self.connection, "due_at", due).await;
        poll("the schedule renews the token", Duration::from_mins(3), async || {
            self.shown().await["last_refreshed_at"].is_string()
        })
        .await;
        self.calls().await;
    }

    async fn disconnects(&self) {
        let deployed = &self.deployed;
        let deleted = deployed.ask(Method::DELETE, &self.path(), &self.application, None).await;
        deleted.expect(204);
        deployed.ask(Method::GET, &self.projects(), &self.application, None).await.expect(404);
        assert_eq!(deployed.count("TokensTable").await, 0);
        assert_eq!(deployed.count("ConnectionsTable").await, 0);
    }
}

/// Sets the queue's visibility timeout to a second, because the template's is 90 seconds.
async fn a_message_that_no_worker_understands_is_put_aside(deployed: &Deployment) {
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
}
