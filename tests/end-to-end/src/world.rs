//! A running service with an integration and an application.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use aws_sdk_dynamodb::types::AttributeValue;
use emulators::entra::{DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET};
use emulators::{AzureDevOps, Entra};
use local::{Binaries, GatewayOptions, Stack, StackOptions, Upstream};
use reqwest::Method;
use serde_json::{Value, json};
use tap::Tap;

use crate::leaks::Watch;
use crate::{Answer, Browser};

/// The integration that every world starts with.
pub const INTEGRATION: &str = "azure-devops";
/// The projects of the organization that the integration serves, without the scheme.
pub const PROJECTS: &str = "dev.azure.com/mycompany/_apis/projects";
/// The origin of the application. No server runs there.
const APPLICATION: &str = "https://app.mycompany.example";

/// The service, an operator, and an application.
pub struct World {
    /// The running service.
    pub stack: Stack,
    http: reqwest::Client,
    watch: Watch,
    application_key: String,
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.watch.check();
        }
    }
}

/// The caller of a request.
#[derive(Debug, Clone)]
pub enum Caller {
    /// Has the operator key.
    Operator,
    /// Has the application's key.
    Application,
    /// Has this key or token as Bearer.
    Bearer(String),
    /// Has this as the whole `Authorization` header.
    Raw(String),
    /// Has no credentials.
    Nobody,
}

/// The options of a world.
#[derive(Debug, Clone)]
pub struct WorldOptions {
    /// More environment variables for the functions.
    pub variables: Vec<(String, String)>,
    /// Parameters of the deployment in place of their defaults.
    pub parameters: Vec<(String, String)>,
    /// The HTTP API.
    pub gateway: GatewayOptions,
    /// The most executions at a time of all functions together.
    pub environments: usize,
    /// The functions' executables; those of the directory `BUILT_FUNCTIONS`, or else those that Cargo builds now, unless
    /// given.
    pub binaries: Option<Binaries>,
}

impl Default for WorldOptions {
    fn default() -> Self {
        Self {
            variables: Vec::new(),
            parameters: Vec::new(),
            gateway: GatewayOptions::default(),
            environments: 64,
            binaries: None,
        }
    }
}

/// Names and values as owned text.
fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The functions below the directory `BUILT_FUNCTIONS`, or else those that Cargo builds now.
fn binaries() -> Binaries {
    static BINARIES: OnceLock<Binaries> = OnceLock::new();
    let find = || match std::env::var_os("BUILT_FUNCTIONS") {
        Some(directory) => Binaries::prebuilt(Path::new(&directory)).expect("built functions"),
        None => Binaries::build().expect("the functions build"),
    };
    BINARIES.get_or_init(find).clone()
}

impl World {
    /// Starts a service with one integration that serves `mycompany`.
    pub async fn start() -> Self {
        Self::with_variables(&[]).await
    }

    /// Starts a service with more environment variables for the functions.
    pub async fn with_variables(variables: &[(&str, &str)]) -> Self {
        Self::with(WorldOptions { variables: owned(variables), ..WorldOptions::default() }).await
    }

    /// Starts a service that is deployed with these parameters.
    pub async fn deployed_with(parameters: &[(&str, &str)]) -> Self {
        Self::with(WorldOptions { parameters: owned(parameters), ..WorldOptions::default() }).await
    }

    /// Starts a service behind an HTTP API with these settings.
    pub async fn behind(gateway: GatewayOptions) -> Self {
        Self::with(WorldOptions { gateway, ..WorldOptions::default() }).await
    }

    /// Starts a service with these options.
    pub async fn with(options: WorldOptions) -> Self {
        Self::leading(options, |_| {}).await
    }

    async fn leading(options: WorldOptions, lead: impl FnOnce(&Stack)) -> Self {
        let watch = Watch::default();
        let sink = watch.clone();
        let binaries = match options.binaries {
            Some(binaries) => binaries,
            None => tokio::task::spawn_blocking(binaries).await.unwrap(),
        };
        let stack = Stack::start(StackOptions {
            port: None,
            operator_key: None,
            entra: Upstream::Emulator,
            devops: Upstream::Emulator,
            tick: None,
            environments: options.environments,
            sink: Arc::new(move |function, line| sink.logged(function, line)),
            parameters: options.parameters,
            variables: options.variables,
            gateway: options.gateway,
            binaries,
        })
        .await
        .expect("the service starts");
        let sink = watch.clone();
        stack.aws().observe(Box::new(move |target, body| sink.sent_to_aws(target, body)));
        lead(&stack);
        let http =
            reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        watch.secret(stack.operator_key());
        let mut world = Self { stack, http, watch, application_key: String::new() };
        world.put_integration(INTEGRATION, json!({})).await.expect(201);
        world.application_key = world.new_key("application", None).await;
        world
    }

    /// Starts a service whose functions reach AWS through taps: one for DynamoDB, one for the other services.
    pub async fn tapped() -> (Self, [Tap; 2]) {
        Self::tapped_with(&[]).await
    }

    /// The same with more environment variables for the functions.
    pub async fn tapped_with(variables: &[(&str, &str)]) -> (Self, [Tap; 2]) {
        let variables = owned(variables);
        Self::tapped_from(WorldOptions { variables, ..WorldOptions::default() }).await
    }

    /// The same with these options.
    pub async fn tapped_from(mut options: WorldOptions) -> (Self, [Tap; 2]) {
        let taps = [Tap::start().await.unwrap(), Tap::start().await.unwrap()];
        let names = ["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL"];
        options.variables.extend(owned(&[(names[0], taps[0].url()), (names[1], taps[1].url())]));
        let world = Self::leading(options, |stack| {
            for (name, tap) in names.iter().zip(&taps) {
                let target = stack.aws().variables().iter().find(|(known, _)| known == name);
                tap.lead_to(&target.unwrap().1);
            }
        })
        .await;
        (world, taps)
    }

    /// Returns the stand-in of Entra.
    pub fn entra(&self) -> &Entra {
        self.stack.entra().unwrap()
    }

    /// Returns the stand-in of Azure DevOps.
    pub fn devops(&self) -> &AzureDevOps {
        self.stack.azure_devops().unwrap()
    }

    /// Returns the HTTP client of browsers and callers.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Returns an address of the service.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.stack.public_url())
    }

    /// Returns the lines that the functions have logged.
    pub fn log(&self) -> Vec<String> {
        self.watch.lines()
    }

    /// Returns the requests to AWS since the last look for leaks, each after its target.
    pub fn requests_to_aws(&self) -> Vec<String> {
        self.watch.requests_to_aws()
    }

    /// Waits for a log line of a function and returns it.
    pub async fn logged(&self, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
        loop {
            if let Some(line) = self.log().into_iter().find(|line| wanted(line)) {
                return line;
            }
            assert!(tokio::time::Instant::now() < deadline, "nothing of that kind is logged");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    /// Checks everything that the functions have logged and sent to AWS so far, as the end of a test does, and forgets it.
    /// Returns the number of lines and of requests.
    pub fn check_for_leaks(&self) -> (usize, usize) {
        self.watch.check()
    }

    /// Registers a secret that must not be logged.
    pub fn secret(&self, secret: &str) {
        self.watch.secret(secret);
    }

    /// Returns the return address of the application.
    pub fn return_to(&self) -> String {
        format!("{APPLICATION}/connected?from=ado-connect")
    }

    /// Builds a request, which the caller finishes.
    pub fn request(&self, caller: &Caller, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.request_at(caller, method, &self.url(path))
    }

    /// Builds a request to any address of the service, not only the gateway's; the caller finishes it.
    pub fn request_at(
        &self,
        caller: &Caller,
        method: Method,
        url: &str,
    ) -> reqwest::RequestBuilder {
        let request = self.http.request(method, url);
        match caller {
            Caller::Operator => request.bearer_auth(self.stack.operator_key()),
            Caller::Application => request.bearer_auth(&self.application_key),
            Caller::Bearer(key) => request.bearer_auth(key),
            Caller::Raw(value) => request.header("authorization", value),
            Caller::Nobody => request,
        }
    }

    /// Sends the application's GET of a path exactly as written; HTTP clients usually normalize addresses.
    pub async fn raw_get(&self, path: &str) -> Answer {
        self.raw_get_at(self.stack.public_url(), path).await
    }

    /// Sends the application's GET of a path to a front, exactly as written.
    pub async fn raw_get_at(&self, front: &str, path: &str) -> Answer {
        self.raw_get_with(front, path, &BTreeMap::new()).await
    }

    /// Sends the application's GET with more headers, exactly as written.
    pub async fn raw_get_with(
        &self,
        front: &str,
        path: &str,
        headers: &BTreeMap<String, String>,
    ) -> Answer {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let front = front.trim_start_matches("http://");
        let (address, stage) = match front.split_once('/') {
            Some((address, stage)) => (address, format!("/{stage}")),
            None => (front, String::new()),
        };
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let key = &self.application_key;
        let more: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let more = more.concat();
        let request = format!(
            "GET {stage}{path} HTTP/1.0\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n{more}\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).await.unwrap();
        let answer = Answer::of_raw(&received);
        Watch::answered(&answer);
        answer
    }

    /// Builds a GET of any address without credentials, which the caller finishes.
    pub fn plain_get(&self, url: &str) -> reqwest::RequestBuilder {
        self.http.get(url)
    }

    /// Sends a request to the service and checks the answer for leaks.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let answer = Answer::of(request.send().await.expect("the service answers")).await;
        Watch::answered(&answer);
        answer
    }

    /// Sends a request whose answer is meant to contain a token.
    pub async fn send_unwatched(&self, request: reqwest::RequestBuilder) -> Answer {
        Answer::of(request.send().await.expect("the service answers")).await
    }

    /// Sends a request without a body.
    pub async fn ask(&self, caller: &Caller, method: Method, path: &str) -> Answer {
        self.send(self.request(caller, method, path)).await
    }

    /// Sends a GET.
    pub async fn get(&self, caller: &Caller, path: &str) -> Answer {
        self.ask(caller, Method::GET, path).await
    }

    /// Sends a request with a JSON body.
    pub async fn ask_json(
        &self,
        caller: &Caller,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Answer {
        self.send(self.request(caller, method, path).json(body)).await
    }

    /// Sends a POST with a JSON body.
    pub async fn post(&self, caller: &Caller, path: &str, body: Value) -> Answer {
        self.ask_json(caller, Method::POST, path, &body).await
    }

    /// Puts an integration of the default app; `changes` overwrite fields of the request.
    pub async fn put_integration(&self, id: &str, changes: Value) -> Answer {
        let path = format!("/integrations/{id}");
        let integration = Self::integration(&changes);
        self.ask_json(&Caller::Operator, Method::PUT, &path, &integration).await
    }

    /// Returns the request for an integration of the default app; `changes` overwrite its fields.
    pub fn integration(changes: &Value) -> Value {
        let mut integration = json!({
            "client_id": DEFAULT_CLIENT_ID.to_string(),
            "client_credential": {"kind": "client_secret", "client_secret": DEFAULT_CLIENT_SECRET},
            "organizations": ["mycompany"],
            "scopes": ["vso.code_write", "vso.work_write", "vso.build_execute", "vso.project"],
            "allowed_return_origins": [APPLICATION],
        });
        for (name, value) in changes.as_object().unwrap() {
            integration[name] = value.clone();
        }
        integration
    }

    /// Puts an integration whose users name themselves by tokens.
    pub async fn put_integration_of_users(&self, id: &str) {
        let put = self.put_integration(id, json!({"users": "jwt"})).await;
        assert!(put.status.is_success(), "{}", put.text());
    }

    /// Verifies an integration. Returns the finding of this check, if there is one.
    pub async fn finding(&self, integration: &str, check: &str) -> Option<Value> {
        let path = format!("/integrations/{integration}/verify");
        let verified = self.ask(&Caller::Operator, Method::POST, &path).await.expect(200).json();
        let findings = verified["findings"].as_array().unwrap();
        findings.iter().find(|finding| finding["check"] == check).cloned()
    }

    /// Creates an API key. Returns it.
    pub async fn new_key(&self, role: &str, integration: Option<&str>) -> String {
        let mut wish = json!({"name": "a test's", "role": role});
        if let Some(integration) = integration {
            wish["integration"] = integration.into();
        }
        let made = self.post(&Caller::Operator, "/api-keys", wish).await.expect(201).json();
        let key = made["key"].as_str().unwrap().to_owned();
        self.watch.secret(&key);
        key
    }

    /// Creates a connect session for a user of the first integration. Returns its link.
    pub async fn connect_url(&self, user: &str) -> String {
        let wish = json!({"integration": INTEGRATION, "user": user, "return_to": self.return_to()});
        self.connect_url_for(wish).await
    }

    /// Creates a connect session as the application. Returns its link.
    pub async fn connect_url_for(&self, wish: Value) -> String {
        self.connect_url_as(&Caller::Application, wish).await
    }

    async fn connect_url_as(&self, caller: &Caller, wish: Value) -> String {
        let made = self.post(caller, "/connect-sessions", wish).await.expect(201).json();
        let url = made["connect_url"].as_str().unwrap().to_owned();
        self.watch.secret(url.split("session=").nth(1).unwrap());
        url
    }

    /// Returns a browser without cookies.
    pub fn browser(&self) -> Browser<'_> {
        Browser::new(self)
    }

    /// Connects an account to the first integration, up to an active connection. Returns its id.
    pub async fn connect(&self, user: &str, account: &str) -> String {
        self.connect_under(INTEGRATION, user, account).await
    }

    /// Connects an account to any integration, up to an active connection. Returns its id.
    pub async fn connect_under(&self, integration: &str, user: &str, account: &str) -> String {
        let wish = json!({"integration": integration, "user": user, "return_to": self.return_to()});
        let link = self.connect_url_for(wish).await;
        let answer = self.browser().finish(&link, account).await.expect(303);
        self.confirm(&answer, user).await.expect(200);
        answer.location_parameter("connection_id").unwrap()
    }

    /// Connects an account as a user who names itself, up to an active connection. Returns its id.
    pub async fn connect_as(&self, user: &Caller, integration: &str, account: &str) -> String {
        let wish = json!({"integration": integration, "return_to": self.return_to()});
        let link = self.connect_url_as(user, wish).await;
        let returned = self.browser().finish(&link, account).await.expect(303);
        self.confirm_as(user, &returned, json!({})).await.expect(200);
        returned.location_parameter("connection_id").unwrap()
    }

    /// Renews a connection's tokens as the application, as if it had not asked for that in the last minute.
    pub async fn renew(&self, connection: &str) -> Answer {
        let key = AttributeValue::S(format!("limit#renewals#{connection}"));
        let forget = self.stack.aws().dynamodb.delete_item().table_name(local::names::SESSIONS);
        forget.key("pk", key).send().await.expect("the table is there");
        let path = format!("/connections/{connection}/refresh");
        self.ask(&Caller::Application, Method::POST, &path).await
    }

    /// Confirms a connection as the application, with the parameters that a browser brought back.
    pub async fn confirm(&self, returned: &Answer, user: &str) -> Answer {
        self.confirm_as(&Caller::Application, returned, json!({"user": user})).await
    }

    /// Confirms a connection as any caller.
    pub async fn confirm_as(&self, caller: &Caller, returned: &Answer, mut body: Value) -> Answer {
        let (Some(id), Some(confirmation)) = (
            returned.location_parameter("connection_id"),
            returned.location_parameter("confirmation"),
        ) else {
            panic!("nothing to confirm: {returned:?}");
        };
        self.watch.secret(&confirmation);
        body["confirmation"] = confirmation.into();
        self.post(caller, &format!("/connections/{id}/confirm"), body).await
    }

    /// Returns a connection as the application sees it.
    pub async fn connection(&self, id: &str) -> Value {
        self.get(&Caller::Application, &format!("/connections/{id}")).await.expect(200).json()
    }

    /// Sends the application's GET through the proxy.
    pub async fn proxied(&self, connection: &str, rest: &str) -> Answer {
        self.get(&Caller::Application, &format!("/proxy/{connection}/{rest}")).await
    }

    /// Sends the application's GET through the streaming proxy.
    pub async fn streamed(&self, connection: &str, rest: &str) -> Answer {
        let url = format!("{}/proxy/{connection}/{rest}", self.stack.streaming_url());
        self.send(self.request_at(&Caller::Application, Method::GET, &url)).await
    }

    /// Returns the addresses of both fronts of the proxy.
    pub fn fronts(&self) -> [&str; 2] {
        [self.stack.public_url(), self.stack.streaming_url()]
    }

    /// Creates a work item through a front of the proxy, as the application.
    pub async fn create_work_item(&self, front: &str, connection: &str) -> Answer {
        let task = "dev.azure.com/mycompany/Website/_apis/wit/workitems/$Task?api-version=7.1";
        let url = format!("{front}/proxy/{connection}/{task}");
        let patch = json!([{"op": "add", "path": "/fields/System.Title", "value": "Once"}]);
        let request = self.request_at(&Caller::Application, Method::POST, &url);
        let request = request.header("content-type", "application/json-patch+json");
        self.send(request.body(patch.to_string())).await
    }

    /// Sets an attribute of an item in a table, as the passing of time or an accident would.
    pub async fn set(&self, table: &str, pk: &str, name: &str, value: AttributeValue) {
        let update = self.stack.aws().dynamodb.update_item().table_name(table);
        update
            .key("pk", AttributeValue::S(pk.to_owned()))
            .update_expression("SET #name = :value")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#name", name)
            .expression_attribute_values(":value", value)
            .send()
            .await
            .expect("the item is there");
    }

    /// Removes an attribute of an item in a table, as an accident would.
    pub async fn remove(&self, table: &str, pk: &str, name: &str) {
        let update = self.stack.aws().dynamodb.update_item().table_name(table);
        update
            .key("pk", AttributeValue::S(pk.to_owned()))
            .update_expression("REMOVE #name")
            .expression_attribute_names("#name", name)
            .send()
            .await
            .expect("the table is there");
    }

    /// Returns every item of a table.
    pub async fn items(
        &self,
        table: &str,
    ) -> Vec<std::collections::HashMap<String, AttributeValue>> {
        let scanned = self.stack.aws().dynamodb.scan().table_name(table).send().await.unwrap();
        scanned.items.unwrap_or_default()
    }

    /// Runs one worker of the refresh function on the shard of a connection, without schedule and queue.
    ///
    /// # Errors
    /// If the worker does not answer.
    pub async fn work_on(&self, connection: &str) -> Result<(), local::InvokeError> {
        let items = self.items(local::names::CONNECTIONS).await;
        let item = items.iter().find(|item| item["pk"].as_s().unwrap() == connection);
        let shard: u32 = item
            .and_then(|item| item.get("due_shard")?.as_n().ok()?.parse().ok())
            .unwrap_or_default();
        let body = json!({"due_shard": shard}).to_string();
        let record =
            json!({"messageId": "1", "body": body, "eventSourceARN": local::names::QUEUE_ARN});
        let event = json!({"Records": [record]}).to_string().into_bytes();
        self.stack.invoke("refresh", event).await.map(drop)
    }

    /// Sets the stored expiry of every access token to the past.
    pub async fn expire_tokens(&self) {
        let shown_in = [
            (local::names::TOKENS, "access_expires_at"),
            (local::names::CONNECTIONS, "token_expires_at"),
        ];
        for (table, name) in shown_in {
            for item in self.items(table).await.iter().filter(|item| item.contains_key(name)) {
                let past = AttributeValue::N("1000000000".to_owned());
                self.set(table, item["pk"].as_s().unwrap(), name, past).await;
            }
        }
    }

    /// Starts a rotation of an integration's client secret, as Secrets Manager does before it calls the function: the
    /// version with this id is pending and has no value yet. Returns the secret's ARN.
    pub async fn announce_rotation(&self, integration: &str, version: &str) -> String {
        let secrets = &self.stack.aws().secrets_manager;
        let name = format!("{}integrations/{integration}", local::names::SECRETS);
        let described = secrets.describe_secret().secret_id(&name).send().await.unwrap();
        if described.rotation_enabled() != Some(true) {
            secrets.rotate_secret().secret_id(&name).send().await.unwrap();
        }
        let pending = secrets.put_secret_value().secret_id(&name).client_request_token(version);
        pending.version_stages("AWSPENDING").send().await.unwrap();
        described.arn().unwrap().to_owned()
    }

    /// Makes a connection due in the schedule.
    pub async fn make_due(&self, connection: &str) {
        let past = AttributeValue::N("1000000000".to_owned());
        self.set(local::names::CONNECTIONS, connection, "due_at", past).await;
    }
}
