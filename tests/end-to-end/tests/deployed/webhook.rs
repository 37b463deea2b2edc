//! The receiver of events, and the EventBridge resources that lead to it.
//!
//! The emulator's CloudFormation does not know API destinations and their connections, and its EventBridge does. So a
//! copy of the template leaves both out, and they are created here with the properties that the template states.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::routing::post;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{self, UnboundedReceiver};

use crate::account::{Account, listen};

const DESTINATION: &str = "arn:aws:events:us-east-1:000000000000:api-destination/webhook";
/// The template's default for `WebhookHeader`.
const HEADER: &str = "x-ado-connect-webhook";

/// Removes the resources that the emulator's CloudFormation does not know, and leads to the destination made here.
pub fn remove_unknown_resources(template: &mut Value) {
    let resources = template["Resources"].as_object_mut().unwrap();
    for unknown in ["WebhookConnection", "WebhookDestination"] {
        resources.remove(unknown).expect("the template has it");
    }
    let attribute = json!({"Fn::GetAtt": ["WebhookDestination", "Arn"]});
    let target = resources["WebhookRule"]["Properties"]["Targets"].pointer_mut("/0/Arn").unwrap();
    let statement = "/Properties/Policies/0/PolicyDocument/Statement/0/Resource";
    assert_eq!(std::mem::replace(target, json!(DESTINATION)), attribute);
    let allowed = resources["WebhookRole"].pointer_mut(statement).unwrap();
    assert_eq!(std::mem::replace(allowed, json!(DESTINATION)), attribute);
}

/// A server that events are posted to.
pub struct Webhook {
    secret: String,
    posts: Mutex<UnboundedReceiver<(HeaderMap, Value)>>,
}

impl Webhook {
    /// Starts the receiver and creates the connection and the destination. Returns the secret's ARN, too.
    pub async fn start(account: &Account) -> (Self, String) {
        let secret = "what-the-receiver-expects".to_owned();
        let created = account
            .call(
                "secretsmanager.CreateSecret",
                &json!({"Name": "ado-connect-webhook", "SecretString": secret}),
            )
            .await;
        let (listener, url) = listen().await;
        let (sender, posts) = mpsc::unbounded_channel();
        let receive = async move |headers: HeaderMap, body: Bytes| {
            let _ = sender.send((headers, serde_json::from_slice(&body).unwrap_or_default()));
        };
        let app = Router::new().route("/events", post(receive));
        tokio::spawn(async move { axum::serve(listener, app).await });

        let connection = json!({
            "Name": "webhook",
            "AuthorizationType": "API_KEY",
            "AuthParameters": {
                "ApiKeyAuthParameters": {"ApiKeyName": HEADER, "ApiKeyValue": secret},
            },
        });
        let connection = account.call("AWSEvents.CreateConnection", &connection).await;
        let destination = json!({
            "Name": "webhook",
            "ConnectionArn": connection["ConnectionArn"],
            "InvocationEndpoint": format!("{url}/events"),
            "HttpMethod": "POST",
            "InvocationRateLimitPerSecond": 50,
        });
        account.call("AWSEvents.CreateApiDestination", &destination).await;
        (Self { secret, posts: Mutex::new(posts) }, created["ARN"].as_str().unwrap().to_owned())
    }

    /// Waits for an event of this kind, and checks that each post proves its sender.
    pub async fn receives(&self, kind: &str) -> Value {
        let mut posts = self.posts.lock().await;
        loop {
            let post = tokio::time::timeout(Duration::from_mins(1), posts.recv()).await;
            let (headers, event) = post.expect("no event reaches the webhook").unwrap();
            assert_eq!(headers[HEADER], self.secret.as_str());
            assert_eq!(event["source"], "ado-connect");
            if event["detail-type"] == kind {
                return event;
            }
        }
    }
}
