//! An emulated AWS account with the deployed stack, and its operator and users.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::operation::get_queue_attributes::builders::GetQueueAttributesFluentBuilder;
use aws_sdk_sqs::types::QueueAttributeName;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use emulators::entra::{DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET};
use emulators::{AzureDevOps, AzureDevOpsOptions, Entra, EntraOptions};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use url::Url;

const STACK: &str = "ado-connect";
const RETURN_TO: &str = "https://app.mycompany.example/connected";

/// Returns the integration that the operator puts.
pub fn integration() -> Value {
    json!({
        "client_id": DEFAULT_CLIENT_ID,
        "client_credential": {"kind": "client_secret", "client_secret": DEFAULT_CLIENT_SECRET},
        "organizations": ["mycompany"],
        "scopes": ["vso.code", "vso.project"],
        "allowed_return_origins": ["https://app.mycompany.example"],
    })
}

/// A deployed stack. Dropping it ends the emulated account and its functions.
pub struct Deployment {
    aws: SdkConfig,
    front: String,
    http: reqwest::Client,
    resources: BTreeMap<String, String>,
    _account: Child,
    _entra: Entra,
    _devops: AzureDevOps,
}

/// An answer of the gateway.
pub struct Answer {
    status: u16,
    headers: reqwest::header::HeaderMap,
    text: String,
    pub json: Value,
}

impl Answer {
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    pub fn text(&self, field: &str) -> String {
        self.json[field].as_str().unwrap().to_owned()
    }

    fn location(&self) -> Url {
        self.headers["location"].to_str().unwrap().parse().unwrap()
    }
}

/// Waits until a condition holds.
///
/// # Panics
/// If it does not hold in time.
pub async fn poll(what: &str, within: Duration, so: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + within;
    while !so().await {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Returns a path that `infra/emulate` sets.
fn told(name: &str) -> PathBuf {
    std::env::var_os(name).unwrap_or_else(|| panic!("{name} is not set: run infra/emulate")).into()
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://localhost:{}", listener.local_addr().unwrap().port());
    (listener, url)
}

impl Deployment {
    pub async fn start() -> Self {
        let (port_holder, account_url) = listen().await;
        drop(port_holder);
        let account = start_account(&account_url).await;

        let (front, front_url) = listen().await;
        let (entra, entra_url) = listen().await;
        let options = EntraOptions {
            base_url: Some(entra_url.clone()),
            redirect_uris: vec![format!("{front_url}/integration-callback")],
            ..EntraOptions::default()
        };
        let entra = Entra::start(entra, options).unwrap();
        let (devops, _) = listen().await;
        let devops = AzureDevOps::start(devops, &entra, AzureDevOpsOptions::default()).unwrap();

        deploy(
            &account_url,
            &[
                ("Architecture", "x86_64"),
                ("PublicUrl", &front_url),
                ("EntraUrl", &entra_url),
                ("DevopsUrl", devops.base_url()),
            ],
        )
        .await;
        let resources = resources(&account_url).await;
        let api =
            Api { account_url: account_url.clone(), id: resources["Api"].clone(), http: client() };
        let app = Router::new().fallback(forward).with_state(Arc::new(api));
        tokio::spawn(async move { axum::serve(front, app).await });
        let deployment = Self {
            aws: sdk_config(&account_url),
            front: front_url,
            http: client(),
            resources,
            _account: account,
            _entra: entra,
            _devops: devops,
        };
        deployment.take_punctuation_from_the_operator_key().await;
        deployment
    }

    /// Unlike AWS, the emulated account ignores `ExcludePunctuation` of generated secrets, and splits headers at their
    /// commas.
    async fn take_punctuation_from_the_operator_key(&self) {
        let generated = self.operator_key().await;
        assert_eq!(generated.chars().count(), 48);
        let key: String = generated.chars().filter(char::is_ascii_alphanumeric).collect();
        let put = self.secrets_manager().put_secret_value().secret_id(self.resource("OperatorKey"));
        put.secret_string(key).send().await.unwrap();
    }

    /// Returns the physical id of a resource: a table's name, a queue's URL.
    pub fn resource(&self, logical_id: &str) -> String {
        self.resources[logical_id].clone()
    }

    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.aws)
    }

    fn secrets_manager(&self) -> aws_sdk_secretsmanager::Client {
        aws_sdk_secretsmanager::Client::new(&self.aws)
    }

    fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.aws)
    }

    pub async fn operator_key(&self) -> String {
        let read = self.secrets_manager().get_secret_value();
        let read = read.secret_id(self.resource("OperatorKey")).send().await;
        read.unwrap().secret_string.unwrap()
    }

    pub async fn ask(&self, method: Method, path: &str, key: &str, body: Option<Value>) -> Answer {
        let mut request =
            self.http.request(method, format!("{}{path}", self.front)).bearer_auth(key);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        answer(request).await
    }

    /// Connects an account, from the connect link to the confirmation. Returns the connection's id.
    pub async fn connect(&self, key: &str, account: &str) -> String {
        let request = json!({"integration": "azure-devops", "user": "ada", "return_to": RETURN_TO});
        let session =
            self.ask(Method::POST, "/connect-sessions", key, Some(request)).await.expect(201);
        let opened = answer(self.http.get(session.text("connect_url"))).await.expect(302);
        let cookie = opened.headers["set-cookie"].to_str().unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let mut decision = opened.location();
        decision.set_path(&format!("{}/decision", decision.path()));
        let form = [("account", account), ("action", "approve")];
        let signed_in = answer(self.http.post(decision).form(&form)).await.expect(302);
        let callback = self.http.get(signed_in.location()).header("cookie", cookie);
        let returned = answer(callback).await.expect(303).location();
        let parameter = |name: &str| {
            let found = returned.query_pairs().find(|(known, _)| known == name);
            found.unwrap_or_else(|| panic!("{returned}")).1.into_owned()
        };
        let connection = parameter("connection_id");
        let confirm = json!({"confirmation": parameter("confirmation"), "user": "ada"});
        let path = format!("/connections/{connection}/confirm");
        self.ask(Method::POST, &path, key, Some(confirm)).await.expect(200);
        connection
    }

    /// Signs in as an operator. Returns a page of the portal.
    pub async fn portal_page(&self, path: &str) -> String {
        let key = self.operator_key().await;
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("key", &key)
            .append_pair("next", path)
            .finish();
        let signing_in = self.http.post(format!("{}/portal/sign-in", self.front));
        let signing_in = signing_in.header("content-type", "application/x-www-form-urlencoded");
        let signed_in = signing_in.body(form).send().await.unwrap();
        assert_eq!(signed_in.status(), 303);
        let location = signed_in.headers()["location"].to_str().unwrap().to_owned();
        let cookie = signed_in.headers()["set-cookie"].to_str().unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let page = self
            .http
            .get(format!("{}{location}", self.front))
            .header("cookie", cookie)
            .send()
            .await
            .unwrap();
        assert_eq!(page.status(), 200);
        page.text().await.unwrap()
    }

    /// Sets an attribute of an item, as the passing of time would.
    pub async fn set(&self, table: &str, pk: &str, name: &str, value: AttributeValue) {
        let update = self.dynamodb().update_item().table_name(self.resource(table));
        let update = update.key("pk", AttributeValue::S(pk.to_owned()));
        let update = update
            .update_expression("SET #name = :value")
            .condition_expression("attribute_exists(pk)");
        let update = update.expression_attribute_names("#name", name);
        update.expression_attribute_values(":value", value).send().await.unwrap();
    }

    pub async fn count(&self, table: &str) -> i32 {
        let scanned = self.dynamodb().scan().table_name(self.resource(table)).send().await.unwrap();
        scanned.count
    }

    /// Returns the number of a queue's messages, visible or not.
    pub async fn messages(&self, queue: &str) -> u32 {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let asked = self.sqs().get_queue_attributes().queue_url(queue);
        let asked = names.into_iter().fold(asked, GetQueueAttributesFluentBuilder::attribute_names);
        let attributes = asked.send().await.unwrap().attributes.unwrap_or_default();
        attributes.values().map(|count| count.parse::<u32>().unwrap()).sum()
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let answered = request.send().await.unwrap();
    let status = answered.status().as_u16();
    let headers = answered.headers().clone();
    let text = answered.text().await.unwrap();
    let json = serde_json::from_str(&text).unwrap_or_default();
    Answer { status, headers, text, json }
}

/// Starts the emulated account.
async fn start_account(url: &str) -> Child {
    let directory = told("ACCOUNT");
    let log = std::fs::File::create(directory.join("account.log")).unwrap();
    println!("the account's log: {}", directory.join("account.log").display());
    let account = Command::new(told("MINISTACK"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", &directory)
        .env("TMPDIR", &directory)
        .env("S3_DATA_DIR", directory.join("s3"))
        .envs([("BIND_HOST", "127.0.0.1"), ("IOT_MTLS_ENABLED", "0"), ("SFTP_ENABLED", "0")])
        .env("GATEWAY_PORT", url.rsplit(':').next().unwrap())
        .env("AWS_ENDPOINT_URL", url)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let ready = format!("{url}/_ministack/ready");
    let http = client();
    poll("the emulated account is ready", Duration::from_mins(1), async || {
        http.get(&ready).send().await.is_ok_and(|answer| answer.status().is_success())
    })
    .await;
    account
}

/// Returns the command `sam` for the emulated account.
fn sam(account_url: &str) -> Command {
    let mut sam = Command::new(told("SAM"));
    sam.current_dir(told("SAM_BUILD"))
        .env("AWS_ENDPOINT_URL", account_url)
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("SAM_CLI_TELEMETRY", "0")
        .stdin(Stdio::null());
    sam
}

async fn deploy(account_url: &str, parameters: &[(&str, &str)]) {
    let parameters = parameters.iter().map(|(name, value)| format!("{name}={value}"));
    let status = sam(account_url)
        .args(["deploy", "--template-file", "template.yaml", "--stack-name", STACK])
        .args(["--resolve-s3", "--capabilities", "CAPABILITY_IAM"])
        .args(["--no-confirm-changeset", "--no-progressbar", "--parameter-overrides"])
        .args(parameters)
        .status()
        .await
        .unwrap();
    assert!(status.success(), "sam deploy: {status}");
}

/// Returns the physical id of each resource.
async fn resources(account_url: &str) -> BTreeMap<String, String> {
    let listed = sam(account_url)
        .args(["list", "resources", "--template-file", "template.yaml", "--stack-name", STACK])
        .args(["--output", "json"])
        .output()
        .await
        .unwrap();
    let listed: Vec<Value> = serde_json::from_slice(&listed.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    listed
        .iter()
        .map(|one| (text(&one["LogicalResourceId"]), text(&one["PhysicalResourceId"])))
        .collect()
}

fn sdk_config(account_url: &str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .endpoint_url(account_url)
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "test", "test", None, None, "test",
        )))
        .build()
}

/// The deployed API. The emulated account serves it under its host name.
struct Api {
    account_url: String,
    id: String,
    http: reqwest::Client,
}

/// Forwards a request to the deployed API. This front takes the place of a domain name.
async fn forward(State(api): State<Arc<Api>>, request: Request) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let port = api.account_url.rsplit(':').next().unwrap();
    let host = format!("{}.execute-api.localhost:{port}", api.id);
    parts.headers.insert("host", host.parse().unwrap());
    let body = axum::body::to_bytes(body, 10_000_000).await.unwrap();
    let sent = api.http.request(parts.method, format!("{}{path}", api.account_url));
    let answered = sent.headers(parts.headers).body(body).send().await.unwrap();
    let mut response = Response::new(Body::empty());
    *response.status_mut() = answered.status();
    for (name, value) in answered.headers() {
        if name != "transfer-encoding" && name != "connection" {
            response.headers_mut().append(name, value.clone());
        }
    }
    *response.body_mut() = Body::from(answered.bytes().await.unwrap());
    response
}
