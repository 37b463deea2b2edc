//! The wire under the SDKs of one process: each request meets its fate, then the embedded service.

use std::sync::Arc;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use local::names;

use crate::audit::Audit;
use crate::cloud::{Cloud, answer, conflict, target};
use crate::faults::{Fate, Faults};

/// The condition that is taken out of the protocol, to prove that the simulation notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// Nothing.
    None,
    /// Tokens are stored over any item: step 4 without its condition.
    BlindWrite,
    /// Leases are taken from any owner: step 1 without its condition.
    NoLease,
}

/// The wire of one process.
#[derive(Clone)]
pub struct Wire {
    cloud: Cloud,
    faults: Faults,
    sabotage: Sabotage,
    audit: Option<Arc<Audit>>,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wire")
    }
}

impl Wire {
    /// A wire to these services; `audit` runs after every write.
    pub fn new(
        cloud: Cloud,
        faults: Faults,
        sabotage: Sabotage,
        audit: Option<Arc<Audit>>,
    ) -> Self {
        Self { cloud, faults, sabotage, audit }
    }

    /// Returns the configuration of the SDKs, with the same limits as in the functions.
    pub fn sdk_config(&self) -> SdkConfig {
        let credentials = aws_sdk_dynamodb::config::Credentials::new(
            "simulated",
            "simulated",
            None,
            None,
            "simulated",
        );
        let connector = SharedHttpConnector::new(self.clone());
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .endpoint_url("http://localhost")
            .credentials_provider(aws_sdk_dynamodb::config::SharedCredentialsProvider::new(
                credentials,
            ))
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .retry_config(vault::aws::retries())
            .timeout_config(vault::aws::timeouts())
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .build()
    }

    async fn send(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let lost = || ConnectorError::io("the connection broke".into());
        let (fate, there, back) = self.faults.next();
        tokio::time::sleep(there).await;
        match fate {
            Fate::Lost => return Err(lost()),
            Fate::CrashBefore => return self.faults.end_process().await,
            Fate::Refused => {
                let busy = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"busy"}"#;
                return Ok(answer(400, busy.to_owned()));
            }
            Fate::Conflict => {
                let target = target(&request);
                let operation = target.strip_prefix("DynamoDB_20120810.").unwrap_or_default();
                let body = request.body().bytes().unwrap_or_default();
                if let Some(refusal) = conflict(operation, body) {
                    return Ok(refusal);
                }
            }
            Fate::Doubled => drop(self.perform(&request).await),
            Fate::Served | Fate::ReplyLost | Fate::CrashAfter => {}
        }
        let answered = self.perform(&request).await;
        tokio::time::sleep(back).await;
        match fate {
            Fate::ReplyLost => Err(lost()),
            Fate::CrashAfter => self.faults.end_process().await,
            _ => Ok(answered),
        }
    }

    async fn perform(&self, request: &HttpRequest) -> HttpResponse {
        let sabotaged = self.sabotaged(request);
        let answered = self.cloud.perform(sabotaged.as_ref().unwrap_or(request)).await;
        if let Some(audit) = &self.audit
            && touches_tokens(request)
        {
            audit.look().await;
        }
        answered
    }

    /// Returns the request without its condition, or `None` if the sabotage does not apply to it.
    fn sabotaged(&self, request: &HttpRequest) -> Option<HttpRequest> {
        let (table, sign) = match self.sabotage {
            Sabotage::None => return None,
            Sabotage::BlindWrite => (names::TOKENS, "access_expires_at"),
            Sabotage::NoLease => (names::CONNECTIONS, "SET #lease_owner"),
        };
        if !target(request).ends_with("UpdateItem") {
            return None;
        }
        let mut body: serde_json::Value = serde_json::from_slice(request.body().bytes()?).ok()?;
        if body["TableName"] != table || !body["UpdateExpression"].as_str()?.contains(sign) {
            return None;
        }
        let members = body.as_object_mut()?;
        members.remove("ConditionExpression");
        // DynamoDB refuses unused names and values.
        let used = members["UpdateExpression"].as_str()?.to_owned();
        for list in ["ExpressionAttributeNames", "ExpressionAttributeValues"] {
            if let Some(entries) = members.get_mut(list).and_then(serde_json::Value::as_object_mut)
            {
                entries.retain(|name, _| used.split([' ', ',', '+', '=']).any(|word| word == name));
                if entries.is_empty() {
                    members.remove(list);
                }
            }
        }
        let mut changed = HttpRequest::new(SdkBody::from(body.to_string()));
        changed.headers_mut().insert("x-amz-target", target(request));
        Some(changed)
    }
}

/// Whether the request may change stored tokens or their connection.
fn touches_tokens(request: &HttpRequest) -> bool {
    let target = target(request);
    if target.ends_with("TransactWriteItems") {
        return true;
    }
    let table = |body: &[u8]| serde_json::from_slice::<serde_json::Value>(body).ok();
    target.ends_with("UpdateItem")
        && request
            .body()
            .bytes()
            .and_then(table)
            .is_some_and(|body| body["TableName"] == names::TOKENS)
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().send(request))
    }
}
