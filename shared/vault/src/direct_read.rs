//! `BatchGetItem` without the layers of the SDK, for the one request that every proxied call makes.
//!
//! The SDK's interceptors, its resolution of endpoints and identities and its retries cost more processor time than all the
//! rest of a call. A direct request is signed by the SDK's own crate and sent once. Everything else is left to the SDK: it
//! finds the address, gives the credentials, and repeats a request that fails.
//!
//! Source: "DynamoDB low-level API", Amazon DynamoDB developer guide.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sdk_dynamodb::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use ground::clock::Clock;
use ground::transport::Transport;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderName, Method, Request, StatusCode};
use serde::{Deserialize, Serialize};
use serde_dynamo::Item;

const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
/// The time for a direct request, after which the SDK takes over.
const PATIENCE: Duration = Duration::from_secs(1);
/// The most bytes of an answer: 16 MB, DynamoDB's own limit.
const LARGEST: usize = 16 * 1024 * 1024;
/// Credentials are used until so long before they expire, and those without an expiry for so long.
const RENEWED_BEFORE: Duration = Duration::from_mins(5);

/// The keys to read, by table.
pub(crate) type Keys = HashMap<String, Vec<String>>;

/// Sends `BatchGetItem` requests of its own. Clones share the credentials and the address.
#[derive(Clone)]
pub struct DirectReads {
    transport: Transport,
    provider: SharedCredentialsProvider,
    credentials: Arc<Mutex<Option<Current>>>,
    region: String,
    endpoint: Endpoint,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Clone)]
struct Current {
    credentials: Credentials,
    until: SystemTime,
}

/// The address of the SDK's requests, once it has sent one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Endpoint(Arc<OnceLock<String>>);

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Asked<'a> {
    request_items: HashMap<&'a str, OfTable<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct OfTable<'a> {
    consistent_read: bool,
    keys: Vec<Key<'a>>,
}

#[derive(Serialize)]
struct Key<'a> {
    pk: Text<'a>,
}

#[derive(Serialize)]
struct Text<'a> {
    #[serde(rename = "S")]
    text: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answered {
    responses: HashMap<String, Vec<Item>>,
    #[serde(default)]
    unprocessed_keys: serde_json::Map<String, serde_json::Value>,
}

impl DirectReads {
    /// Returns `None` without a region or credentials.
    pub fn new(config: &SdkConfig, transport: Transport, clock: Arc<dyn Clock>) -> Option<Self> {
        Some(Self {
            transport,
            provider: config.credentials_provider()?,
            credentials: Arc::default(),
            region: config.region()?.to_string(),
            endpoint: Endpoint::default(),
            clock,
        })
    }

    /// The interceptor that learns the address from a request of the SDK.
    pub(crate) fn endpoint(&self) -> Endpoint {
        self.endpoint.clone()
    }

    /// Returns all items with these keys, each strongly read. Returns `None` if that fails for any reason, or if DynamoDB
    /// leaves items out: then the SDK is to be asked.
    pub(crate) async fn read(&self, keys: &Keys) -> Option<Vec<Item>> {
        let address = self.endpoint.0.get()?;
        let request = self.request(address, keys).await?;
        let sent = tokio::time::timeout(PATIENCE, self.transport.send(request, LARGEST));
        let answer = sent.await.ok()?.ok()?;
        if answer.status() != StatusCode::OK {
            // The credentials may have been withdrawn.
            *self.credentials.lock().unwrap_or_else(PoisonError::into_inner) = None;
            return None;
        }
        let answered: Answered = serde_json::from_slice(answer.body()).ok()?;
        let is_whole = answered.unprocessed_keys.is_empty();
        is_whole.then(|| answered.responses.into_values().flatten().collect())
    }

    async fn request(&self, address: &str, keys: &Keys) -> Option<Request<Vec<u8>>> {
        let body = serde_json::to_vec(&Asked::of(keys)).ok()?;
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = address.parse().ok()?;
        let headers = [
            (CONTENT_TYPE, "application/x-amz-json-1.0"),
            (TARGET, "DynamoDB_20120810.BatchGetItem"),
        ];
        for (name, value) in &headers {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        let now = SystemTime::from(self.clock.now());
        let identity = self.credentials(now).await?.into();
        let parameters = SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("dynamodb")
            .time(now)
            .settings(SigningSettings::default())
            .build()
            .ok()?
            .into();
        let headers = headers.iter().map(|(name, value)| (name.as_str(), *value));
        let body = SignableBody::Bytes(request.body());
        let signable = SignableRequest::new("POST", address, headers, body).ok()?;
        let (instructions, _) = sign(signable, &parameters).ok()?.into_parts();
        instructions.apply_to_request_http1x(&mut request);
        Some(request)
    }

    async fn credentials(&self, now: SystemTime) -> Option<Credentials> {
        let known = self.credentials.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(current) = known.filter(|current| now < current.until) {
            return Some(current.credentials);
        }
        let credentials = self.provider.provide_credentials().await.ok()?;
        let until = match credentials.expiry() {
            Some(expiry) => expiry.checked_sub(RENEWED_BEFORE)?,
            None => now + RENEWED_BEFORE,
        };
        let current = Current { credentials: credentials.clone(), until };
        *self.credentials.lock().unwrap_or_else(PoisonError::into_inner) = Some(current);
        Some(credentials)
    }
}

impl<'a> Asked<'a> {
    fn of(keys: &'a Keys) -> Self {
        let key = |pk: &'a String| Key { pk: Text { text: pk } };
        let of_table = |keys: &'a Vec<String>| OfTable {
            consistent_read: true,
            keys: keys.iter().map(key).collect(),
        };
        let tables = keys.iter().map(|(table, keys)| (table.as_str(), of_table(keys)));
        Self { request_items: tables.collect() }
    }
}

impl Intercept for Endpoint {
    fn name(&self) -> &'static str {
        "Endpoint"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.get_or_init(|| context.request().uri().to_owned());
        Ok(())
    }
}
