//! Embedded AWS: DynamoDB, Secrets Manager, KMS, SQS and EventBridge in this process, behind their real
//! wire protocols on loopback.

use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response, StatusCode};
use serde_json::json;
use std::sync::{Arc, OnceLock};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use uuid::Uuid;
use winterbaume_core::{MockRequest, MockService};

use crate::aws_request::needed;
use crate::front::{self, text_response};
use crate::names::{self, REGION};
use crate::permissions::Permissions;
use crate::secrets_manager::SecretsManager;
use crate::sts::Sts;
use crate::template::Template;
use crate::{StartError, tables};

/// The largest request that an SDK sends to one of the services, in bytes.
const LARGEST_REQUEST: usize = 8 * 1024 * 1024;

/// Takes a request to one of the services: its `X-Amz-Target`, and its body.
pub type Observer = Box<dyn Fn(&str, &[u8]) + Send + Sync>;

/// The embedded services.
pub struct Aws {
    /// DynamoDB, for tests that read or change the tables.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// Secrets Manager.
    pub secrets_manager: aws_sdk_secretsmanager::Client,
    /// KMS.
    pub kms: aws_sdk_kms::Client,
    /// SQS, for the event source mapping.
    pub sqs: aws_sdk_sqs::Client,
    /// The refresh queue.
    pub queue_url: String,
    /// STS, for tests that change its behaviour.
    pub sts: Arc<Sts>,
    observer: Arc<OnceLock<Observer>>,
    variables: Vec<(String, String)>,
    administrator: String,
    dynamodb_stops: Arc<Notify>,
    servers: [JoinHandle<()>; 2],
}

impl Drop for Aws {
    fn drop(&mut self) {
        for server in &self.servers {
            server.abort();
        }
    }
}

impl Aws {
    /// Starts the services and creates tables, key, secret, queue and bus.
    ///
    /// # Errors
    /// [`StartError`] when a service cannot be started or refuses a request.
    pub async fn start(operator_key: &str) -> Result<Self, StartError> {
        let dynamodb_stops = Arc::<Notify>::default();
        let template = Template::read()?;
        let (dynamodb_url, dynamodb_server) =
            start_dynamodb(&template, Arc::clone(&dynamodb_stops)).await?;
        let sts = Arc::<Sts>::default();
        let observer = Arc::<OnceLock<Observer>>::default();
        let administrator = Uuid::new_v4().simple().to_string();
        let access = Access {
            permissions: Permissions::of(&template)?,
            administrator: administrator.clone(),
        };
        let (services_url, services_server) =
            start_services(&dynamodb_url, access, Arc::clone(&sts), Arc::clone(&observer)).await?;
        // Two variables, so that a test can put a server of its own between the functions and DynamoDB alone.
        let variables = [
            ("AWS_ENDPOINT_URL", services_url.as_str()),
            ("AWS_ENDPOINT_URL_DYNAMODB", services_url.as_str()),
            ("AWS_REGION", REGION),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        let config = |endpoint: &str| {
            let credentials = Credentials::new(administrator.clone(), "local", None, None, "local");
            aws_config::SdkConfig::builder()
                .behavior_version(aws_config::BehaviorVersion::latest())
                .region(aws_config::Region::from_static(REGION))
                .endpoint_url(endpoint)
                .credentials_provider(SharedCredentialsProvider::new(credentials))
                .build()
        };
        let services = config(&services_url);
        let sqs = aws_sdk_sqs::Client::new(&services);
        let aws = Self {
            dynamodb: aws_sdk_dynamodb::Client::new(&config(&dynamodb_url)),
            secrets_manager: aws_sdk_secretsmanager::Client::new(&services),
            kms: aws_sdk_kms::Client::new(&services),
            queue_url: make_queue(&sqs).await?,
            sqs,
            variables: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            sts,
            observer,
            administrator,
            dynamodb_stops,
            servers: [dynamodb_server, services_server],
        };
        aws.make_key().await?;
        make_bus(&services).await?;
        aws.secrets_manager
            .create_secret()
            .name(names::OPERATOR_KEY)
            .secret_string(operator_key)
            .send()
            .await
            .map_err(|e| StartError::aws("CreateSecret", &e))?;
        Ok(aws)
    }

    /// Shows every later request to an observer. Only the first observer counts.
    pub fn observe(&self, observer: Observer) {
        let _ = self.observer.set(observer);
    }

    /// Stops DynamoDB; connections to it fail from then on.
    pub fn stop_dynamodb(&self) {
        self.dynamodb_stops.notify_one();
    }

    /// The environment of an SDK that uses these services, without the caller: that is `AWS_ACCESS_KEY_ID`, a function's
    /// name.
    pub fn variables(&self) -> &[(String, String)] {
        &self.variables
    }

    /// The access key id to which everything is allowed; random for each start.
    pub(crate) fn administrator(&self) -> &str {
        &self.administrator
    }

    async fn make_key(&self) -> Result<(), StartError> {
        let made =
            self.kms.create_key().send().await.map_err(|e| StartError::aws("CreateKey", &e))?;
        let id = made.key_metadata.map(|key| key.key_id).unwrap_or_default();
        self.kms
            .create_alias()
            .alias_name(names::KEY)
            .target_key_id(id)
            .send()
            .await
            .map(drop)
            .map_err(|e| StartError::aws("CreateAlias", &e))
    }
}

async fn make_queue(sqs: &aws_sdk_sqs::Client) -> Result<String, StartError> {
    let made = sqs
        .create_queue()
        .queue_name(names::QUEUE)
        .attributes(aws_sdk_sqs::types::QueueAttributeName::FifoQueue, "true")
        .send()
        .await
        .map_err(|e| StartError::aws("CreateQueue", &e))?;
    Ok(made.queue_url.unwrap_or_default())
}

async fn make_bus(config: &aws_config::SdkConfig) -> Result<(), StartError> {
    aws_sdk_eventbridge::Client::new(config)
        .create_event_bus()
        .name(names::BUS)
        .send()
        .await
        .map(drop)
        .map_err(|e| StartError::aws("CreateEventBus", &e))
}

async fn start_dynamodb(
    template: &Template,
    stops: Arc<Notify>,
) -> Result<(String, JoinHandle<()>), StartError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let database = dynoxide::Database::memory()
        .map_err(|e| StartError::Aws { operation: "DynamoDB", message: e.to_string() })?;
    tables::make(&database, template)?;
    let server = tokio::spawn(async move {
        let stopped = async move { stops.notified().await };
        let served = dynoxide::server::serve_with_shutdown(listener, database, stopped);
        if let Err(error) = served.await {
            eprintln!("the embedded DynamoDB stopped: {error}");
        }
    });
    Ok((url, server))
}

/// Access control: functions by their roles, the administrator everything, and other callers nothing.
struct Access {
    permissions: Permissions,
    administrator: String,
}

impl Access {
    /// The message for the first permission that a request needs and its caller lacks.
    fn forbidden(&self, caller: &str, target: &str, body: &[u8]) -> Option<String> {
        if caller == self.administrator {
            return None;
        }
        let body = serde_json::from_slice(body).unwrap_or_default();
        let needed = needed(target, &body);
        let denied = needed.iter().find(|needed| !self.permissions.allow(caller, needed))?;
        Some(format!(
            "User: {caller} is not authorized to perform: {} on resource: {}",
            denied.action, denied.resource
        ))
    }
}

/// The services behind one listener; `X-Amz-Target` names the service, and requests to STS have none.
struct Services {
    dynamodb_url: String,
    http: reqwest::Client,
    secrets_manager: SecretsManager,
    kms: winterbaume_kms::KmsService,
    sqs: winterbaume_sqs::SqsService,
    eventbridge: winterbaume_eventbridge::EventBridgeService,
    sts: Arc<Sts>,
    access: Access,
    observer: Arc<OnceLock<Observer>>,
}

impl Services {
    fn named(&self, target: &str) -> Option<&dyn MockService> {
        match target.split(['.', '_']).next()? {
            "secretsmanager" => Some(&self.secrets_manager),
            "TrentService" => Some(&self.kms),
            "AmazonSQS" => Some(&self.sqs),
            "AWSEvents" => Some(&self.eventbridge),
            _ => None,
        }
    }

    /// Forwards a request to DynamoDB, which has a listener of its own.
    async fn dynamodb(&self, parts: Parts, body: Bytes) -> Result<Response<Body>, reqwest::Error> {
        let request = self.http.post(&self.dynamodb_url).headers(parts.headers).body(body);
        let answered = request.send().await?;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = answered.status();
        *response.headers_mut() = answered.headers().clone();
        *response.body_mut() = Body::from(answered.bytes().await?);
        Ok(response)
    }
}

async fn start_services(
    dynamodb_url: &str,
    access: Access,
    sts: Arc<Sts>,
    observer: Arc<OnceLock<Observer>>,
) -> Result<(String, JoinHandle<()>), StartError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let services = Arc::new(Services {
        dynamodb_url: dynamodb_url.to_owned(),
        http: reqwest::Client::new(),
        secrets_manager: SecretsManager::default(),
        kms: winterbaume_kms::KmsService::new(),
        sqs: winterbaume_sqs::SqsService::new(),
        eventbridge: winterbaume_eventbridge::EventBridgeService::new(),
        sts,
        access,
        observer,
    });
    let app = Router::new().fallback(serve).with_state(services);
    Ok((url, front::serve(app, listener, "embedded AWS services")))
}

async fn serve(State(services): State<Arc<Services>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let target = parts.headers.get("x-amz-target").and_then(|value| value.to_str().ok());
    let target = target.unwrap_or_default().to_owned();
    let Ok(body) = to_bytes(body, LARGEST_REQUEST).await else {
        return refused(StatusCode::PAYLOAD_TOO_LARGE, "the request is too large");
    };
    if let Some(observe) = services.observer.get() {
        observe(&target, &body);
    }
    let caller = access_key_id(&parts.headers).unwrap_or_default();
    if target.is_empty() {
        let permissions = &services.access.permissions;
        return services.sts.answer(permissions, caller, &parts.headers, &body);
    }
    if let Some(denied) = services.access.forbidden(caller, &target, &body) {
        eprintln!("{denied}");
        let body = json!({"__type": "AccessDeniedException", "Message": denied, "message": denied});
        let body = body.to_string();
        return text_response(StatusCode::BAD_REQUEST, "application/x-amz-json-1.1", body);
    }
    if target.starts_with("DynamoDB_") {
        return services.dynamodb(parts, body).await.unwrap_or_else(|error| {
            refused(StatusCode::SERVICE_UNAVAILABLE, format!("the embedded DynamoDB: {error}"))
        });
    }
    let Some(service) = services.named(&target) else {
        return refused(StatusCode::BAD_REQUEST, "no service of this name is embedded");
    };
    let request = MockRequest {
        method: parts.method.to_string(),
        uri: parts.uri.to_string(),
        headers: parts.headers.clone(),
        body,
    };
    let answered = service.handle(request).await;
    let mut response = Response::new(Body::from(answered.body));
    *response.status_mut() = answered.status.try_into().unwrap_or_default();
    *response.headers_mut() = answered.headers;
    response
}

fn refused(status: StatusCode, text: impl Into<Body>) -> Response<Body> {
    text_response(status, "text/plain", text)
}

/// `AWS4-HMAC-SHA256 Credential=<access key id>/<date>/…`; the signature is not verified.
fn access_key_id(headers: &HeaderMap) -> Option<&str> {
    let authorization = headers.get("authorization")?.to_str().ok()?;
    authorization.split_once("Credential=")?.1.split('/').next()
}
