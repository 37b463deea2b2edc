//! DynamoDB, KMS and Secrets Manager inside this process: the embedded services without a socket
//! between, so that time can stand still while they work.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use dynoxide::actions;
use dynoxide::{Database, DynoxideError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use winterbaume_core::{MockRequest, MockService as _};

/// The services.
#[derive(Clone)]
pub struct Cloud {
    database: Database,
    kms: Arc<winterbaume_kms::KmsService>,
    secrets: Arc<winterbaume_secretsmanager::SecretsManagerService>,
    events: Arc<Mutex<Vec<SentEvent>>>,
    conflicts: Arc<AtomicU32>,
    writes: Arc<Mutex<Option<Vec<String>>>>,
}

/// An event on the bus.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SentEvent {
    /// Its name.
    pub detail_type: String,
    /// Its content, JSON.
    pub detail: String,
}

impl Cloud {
    /// Empty services.
    ///
    /// # Panics
    /// If there is no memory for a database.
    #[expect(clippy::expect_used, reason = "the simulation needs its database")]
    pub fn new() -> Self {
        Self {
            database: Database::memory().expect("an empty database"),
            kms: Arc::new(winterbaume_kms::KmsService::new()),
            secrets: Arc::new(winterbaume_secretsmanager::SecretsManagerService::new()),
            events: Arc::default(),
            conflicts: Arc::default(),
            writes: Arc::default(),
        }
    }

    /// The DynamoDB.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Lets the next so many writes meet a transaction of others.
    pub fn conflict(&self, times: u32) {
        self.conflicts.store(times, Ordering::SeqCst);
    }

    /// Returns the tables of the writes since the last call of this, in their order. The first call begins the list.
    pub fn take_writes(&self) -> Vec<String> {
        let mut writes = self.writes.lock().unwrap_or_else(PoisonError::into_inner);
        writes.replace(Vec::new()).unwrap_or_default()
    }

    /// The events that were sent.
    pub fn events(&self) -> Vec<SentEvent> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn put_events(&self, body: &[u8]) -> (u16, String) {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Put {
            entries: Vec<SentEvent>,
        }
        let put: Put = serde_json::from_slice(body).unwrap_or_else(|_| Put { entries: Vec::new() });
        self.events.lock().unwrap_or_else(PoisonError::into_inner).extend(put.entries);
        (200, r#"{"FailedEntryCount":0,"Entries":[]}"#.to_owned())
    }

    /// Serves a request of an SDK.
    pub async fn perform(&self, request: &HttpRequest) -> HttpResponse {
        let target = target(request);
        let body = request.body().bytes().unwrap_or_default();
        match target.rsplit_once('.') {
            Some((service, operation)) if service.starts_with("DynamoDB") => {
                self.list_write(operation, body);
                if let Some(refusal) = conflict(operation, body).filter(|_| self.meets_conflict()) {
                    return refusal;
                }
                let (status, body) = self.dynamodb(operation, body);
                answer(status, body)
            }
            Some(("AWSEvents", "PutEvents")) => {
                let (status, body) = self.put_events(body);
                answer(status, body)
            }
            _ => self.other(&target, body).await,
        }
    }

    fn meets_conflict(&self) -> bool {
        let one_less = |left: u32| left.checked_sub(1);
        self.conflicts.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok()
    }

    fn list_write(&self, operation: &str, body: &[u8]) {
        let mut writes = self.writes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writes) = writes.as_mut()
            && operation.ends_with("Item")
            && operation != "GetItem"
            && let Ok(body) = serde_json::from_slice::<serde_json::Value>(body)
        {
            writes.push(body["TableName"].as_str().unwrap_or_default().to_owned());
        }
    }

    fn dynamodb(&self, operation: &str, body: &[u8]) -> (u16, String) {
        let database = &self.database;
        match operation {
            "GetItem" => run(body, |r: actions::get_item::GetItemRequest| database.get_item(r)),
            "PutItem" => run(body, |r: actions::put_item::PutItemRequest| database.put_item(r)),
            "UpdateItem" => {
                run(body, |r: actions::update_item::UpdateItemRequest| database.update_item(r))
            }
            "DeleteItem" => {
                run(body, |r: actions::delete_item::DeleteItemRequest| database.delete_item(r))
            }
            "BatchGetItem" => run(body, |r: actions::batch_get_item::BatchGetItemRequest| {
                database.batch_get_item(r)
            }),
            "Query" => run(body, |r: actions::query::QueryRequest| database.query(r)),
            "Scan" => run(body, |r: actions::scan::ScanRequest| database.scan(r)),
            "TransactWriteItems" => {
                run(body, |r: actions::transact_write_items::TransactWriteItemsRequest| {
                    database.transact_write_items(r)
                })
            }
            other => {
                (400, format!(r#"{{"__type":"UnknownOperationException","message":"{other}"}}"#))
            }
        }
    }

    async fn other(&self, target: &str, body: &[u8]) -> HttpResponse {
        let mut headers = http::HeaderMap::new();
        if let Ok(value) = target.parse() {
            headers.insert("x-amz-target", value);
        }
        headers
            .insert("content-type", http::HeaderValue::from_static("application/x-amz-json-1.1"));
        let request = MockRequest {
            method: "POST".to_owned(),
            uri: "http://localhost/".to_owned(),
            headers,
            body: bytes::Bytes::copy_from_slice(body),
        };
        let answered = if target.starts_with("TrentService") {
            self.kms.handle(request).await
        } else {
            self.secrets.handle(request).await
        };
        answer(answered.status, String::from_utf8_lossy(&answered.body).into_owned())
    }
}

impl Default for Cloud {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns the operation of an SDK request, such as `DynamoDB_20120810.GetItem`.
pub(crate) fn target(request: &HttpRequest) -> String {
    request.headers().get("x-amz-target").unwrap_or_default().to_owned()
}

fn run<R: DeserializeOwned, A: Serialize>(
    body: &[u8],
    operation: impl FnOnce(R) -> Result<A, DynoxideError>,
) -> (u16, String) {
    let request = match serde_json::from_slice(body) {
        Ok(request) => request,
        Err(error) => {
            return (400, format!(r#"{{"__type":"SerializationException","message":"{error}"}}"#));
        }
    };
    match operation(request) {
        Ok(answer) => (200, serde_json::to_string(&answer).unwrap_or_default()),
        Err(error) => (error.status_code(), error.to_json()),
    }
}

/// Returns DynamoDB's answer to a write that meets a transaction of others, or `None` for a read.
pub(crate) fn conflict(operation: &str, body: &[u8]) -> Option<HttpResponse> {
    let answer = |error: &str, reasons: serde_json::Value| {
        let body = serde_json::json!({
            "__type": format!("com.amazonaws.dynamodb.v20120810#{error}"),
            "message": "a transaction is ongoing for the item",
            "CancellationReasons": reasons,
        });
        Some(answer(400, body.to_string()))
    };
    match operation {
        "PutItem" | "UpdateItem" | "DeleteItem" => {
            answer("TransactionConflictException", serde_json::Value::Null)
        }
        "TransactWriteItems" => {
            let body: serde_json::Value = serde_json::from_slice(body).ok()?;
            let writes = body["TransactItems"].as_array()?.iter();
            let reasons = writes.enumerate().map(|(place, _)| {
                let code = if place == 0 { "TransactionConflict" } else { "None" };
                serde_json::json!({"Code": code})
            });
            answer("TransactionCanceledException", reasons.collect())
        }
        _ => None,
    }
}

/// Builds an answer of AWS.
pub(crate) fn answer(status: u16, body: String) -> HttpResponse {
    let status =
        StatusCode::try_from(status).unwrap_or_else(|_| StatusCode::from(http::StatusCode::OK));
    HttpResponse::new(status, SdkBody::from(body))
}
