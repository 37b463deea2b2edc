//! An emulated AWS account, and a front of it for what the emulator lacks: signatures of outbound web identity federation,
//! and rotations of secrets. All else passes through.
//!
//! ```text
//!  functions, tests ──> front ──> emulator ──> functions
//!                         └─ GetWebIdentityToken, RotateSecret
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response};
use jiff::{SignedDuration, Timestamp};
use local::sts;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

/// Returns a path that `infra/emulate` sets.
pub fn told(name: &str) -> PathBuf {
    std::env::var_os(name).unwrap_or_else(|| panic!("{name} is not set: run infra/emulate")).into()
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

pub async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://localhost:{}", listener.local_addr().unwrap().port());
    (listener, url)
}

pub fn client() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

/// An emulated account. Dropping it ends the account and its functions.
pub struct Account {
    /// The emulator itself, which serves deployed APIs under their host names.
    pub emulator: String,
    /// The address for SDKs, the CLI and SAM.
    pub endpoint: String,
    _process: Child,
}

impl Account {
    /// Starts an account with files in a directory of this name.
    pub async fn start(name: &str) -> Self {
        let (port_holder, emulator) = listen().await;
        let (listener, endpoint) = listen().await;
        drop(port_holder);
        let process = start_emulator(&told("ACCOUNT").join(name), &emulator, &endpoint).await;
        let front =
            Front { emulator: emulator.clone(), http: client(), rotations: Mutex::default() };
        let app = Router::new().fallback(answer).with_state(Arc::new(front));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { emulator, endpoint, _process: process }
    }

    pub fn sdk_config(&self) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .endpoint_url(&self.endpoint)
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "test", "test", None, None, "test",
            )))
            .build()
    }

    /// Calls an operation in one of AWS' JSON protocols, for services whose SDK is not needed elsewhere.
    pub async fn call(&self, target: &str, input: &Value) -> Value {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-target", target.parse().unwrap());
        headers.insert("content-type", "application/x-amz-json-1.1".parse().unwrap());
        let input = Bytes::from(input.to_string());
        let answered = client().post(&self.endpoint).headers(headers).body(input).send().await;
        let answered = answered.unwrap();
        let status = answered.status();
        let text = answered.text().await.unwrap();
        assert!(status.is_success(), "{target}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }
}

async fn start_emulator(directory: &std::path::Path, url: &str, endpoint: &str) -> Child {
    std::fs::create_dir_all(directory).unwrap();
    let log = std::fs::File::create(directory.join("account.log")).unwrap();
    println!("the account's log: {}", directory.join("account.log").display());
    let process = Command::new(told("MINISTACK"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", directory)
        .env("TMPDIR", directory)
        .env("S3_DATA_DIR", directory.join("s3"))
        .envs([("BIND_HOST", "127.0.0.1"), ("IOT_MTLS_ENABLED", "0"), ("SFTP_ENABLED", "0")])
        .env("GATEWAY_PORT", url.rsplit(':').next().unwrap())
        // The functions' address of AWS.
        .env("AWS_ENDPOINT_URL", endpoint)
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
    process
}

struct Front {
    emulator: String,
    http: reqwest::Client,
    /// The version that a rotation has announced, by the secret's ARN. It has no value until the function stores one.
    rotations: Mutex<BTreeMap<String, String>>,
}

async fn answer(State(front): State<Arc<Front>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 100_000_000).await.unwrap();
    let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    match target {
        Some("secretsmanager.RotateSecret") => front.rotate(parts.headers, body).await,
        Some("secretsmanager.DescribeSecret") => {
            json_response(&front.describe(parts.headers, body).await)
        }
        None if field(&body, "Action").as_deref() == Some("GetWebIdentityToken") => {
            front.web_identity_token(parts.headers, &body).await
        }
        _ => {
            let path = parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
            front.pass(parts.method, &path, parts.headers, body).await
        }
    }
}

impl Front {
    async fn pass(
        &self,
        method: Method,
        path: &str,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Response<Body> {
        for name in ["host", "content-length", "transfer-encoding", "expect"] {
            headers.remove(name);
        }
        let sent = self.http.request(method, format!("{}{path}", self.emulator));
        let answered = sent.headers(headers).body(body).send().await.unwrap();
        let mut response = Response::new(Body::empty());
        *response.status_mut() = answered.status();
        *response.headers_mut() = answered.headers().clone();
        response.headers_mut().remove("transfer-encoding");
        response.headers_mut().remove("connection");
        // A HEAD's answer keeps its length.
        let body = answered.bytes().await.unwrap();
        if !body.is_empty() {
            response.headers_mut().remove("content-length");
            *response.body_mut() = Body::from(body);
        }
        response
    }

    /// `DescribeSecret`, with the version that a rotation has announced.
    async fn describe(&self, headers: HeaderMap, body: Bytes) -> Value {
        let described = self.pass(Method::POST, "/", headers, body).await.into_body();
        let described = axum::body::to_bytes(described, 1_000_000).await.unwrap();
        let mut described: Value = serde_json::from_slice(&described).unwrap();
        let arn = described["ARN"].as_str().unwrap_or_default().to_owned();
        if let Some(version) = self.rotations.lock().unwrap().get(&arn) {
            described["RotationEnabled"] = json!(true);
            let stages = described["VersionIdsToStages"].as_object_mut().unwrap();
            stages.entry(version).or_insert(json!(["AWSPENDING"]));
        }
        described
    }

    /// `RotateSecret`: announces a version and invokes the function with each step. The emulator invokes nothing.
    async fn rotate(self: Arc<Self>, headers: HeaderMap, body: Bytes) -> Response<Body> {
        let asked: Value = serde_json::from_slice(&body).unwrap();
        let mut describing = headers.clone();
        describing.insert("x-amz-target", "secretsmanager.DescribeSecret".parse().unwrap());
        let secret = Bytes::from(json!({"SecretId": asked["SecretId"]}).to_string());
        let arn = self.describe(describing, secret).await["ARN"].as_str().unwrap().to_owned();
        let version = asked["ClientRequestToken"].as_str().unwrap().to_owned();
        let function = asked["RotationLambdaARN"].as_str().unwrap().to_owned();
        self.rotations.lock().unwrap().insert(arn.clone(), version.clone());
        let answer = json!({"ARN": arn, "Name": asked["SecretId"], "VersionId": version});
        tokio::spawn(async move {
            for step in ["createSecret", "setSecret", "testSecret", "finishSecret"] {
                let event = json!({"Step": step, "SecretId": arn, "ClientRequestToken": version});
                let invoked = self.invoke(&function, &event).await;
                println!("{step}: {invoked}");
            }
        });
        json_response(&answer)
    }

    async fn invoke(&self, function: &str, event: &Value) -> String {
        let name = function.rsplit(':').next().unwrap();
        let path = format!("/2015-03-31/functions/{name}/invocations");
        let event = Bytes::from(event.to_string());
        let invoked = self.pass(Method::POST, &path, HeaderMap::new(), event).await.into_body();
        let invoked = axum::body::to_bytes(invoked, 1_000_000).await.unwrap();
        String::from_utf8_lossy(&invoked).into_owned()
    }

    /// `GetWebIdentityToken`: the emulator's token has no signature that Entra could verify, and no subject.
    async fn web_identity_token(&self, headers: HeaderMap, body: &Bytes) -> Response<Body> {
        let who = Bytes::from_static(b"Action=GetCallerIdentity&Version=2011-06-15");
        let caller = self.pass(Method::POST, "/", headers, who).await.into_body();
        let caller = axum::body::to_bytes(caller, 1_000_000).await.unwrap();
        let subject = role(&String::from_utf8_lossy(&caller));
        let audience = field(body, "Audience.member.1").unwrap_or_default();
        let seconds = field(body, "DurationSeconds").and_then(|text| text.parse().ok());
        let expires_at = Timestamp::now() + SignedDuration::from_secs(seconds.unwrap_or(300));
        let token = sts::token(&subject, &audience, expires_at).unwrap();
        let answer = format!(
            "<GetWebIdentityTokenResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetWebIdentityTokenResult><WebIdentityToken>{token}</WebIdentityToken><Expiration>{expires_at:.0}</Expiration></GetWebIdentityTokenResult></GetWebIdentityTokenResponse>"
        );
        Response::builder().header("content-type", "text/xml").body(Body::from(answer)).unwrap()
    }
}

/// Returns the ARN of the role in an answer of `GetCallerIdentity`, which names a session of it, or that of somebody else.
fn role(caller: &str) -> String {
    let arn = caller.split("<Arn>").nth(1).and_then(|rest| rest.split('<').next());
    let arn = arn.unwrap_or_default();
    match arn.split_once(":assumed-role/") {
        Some((account, session)) => {
            let account = account.replacen(":sts:", ":iam:", 1);
            format!("{account}:role/{}", session.split('/').next().unwrap_or_default())
        }
        None => arn.to_owned(),
    }
}

/// Returns a field of a form.
fn field(form: &[u8], name: &str) -> Option<String> {
    let mut fields = url::form_urlencoded::parse(form);
    fields.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

fn json_response(value: &Value) -> Response<Body> {
    let response = Response::builder().header("content-type", "application/x-amz-json-1.1");
    response.body(Body::from(value.to_string())).unwrap()
}
