//! A deployed stack in an emulated AWS account, and its operator and users.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use aws_config::SdkConfig;
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
use url::Url;

use crate::account::{Account, client, listen};
use crate::stack;

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

/// Configures the service as the operator. Returns the application's key.
pub async fn configure(deployed: &Deployment) -> String {
    let operator = deployed.operator_key().await;
    let integration = integration();
    let put = deployed.ask(Method::PUT, "/integrations/azure-devops", &operator, Some(integration));
    put.await.expect(201);
    let key = json!({"name": "the application's", "role": "application"});
    let key = deployed.ask(Method::POST, "/api-keys", &operator, Some(key)).await.expect(201);
    key.text("key")
}

/// The address that browsers use.
pub enum Address {
    /// That of this test's front, as `PublicUrl`.
    PublicUrl,
    /// A domain name of the company's own, as `DomainName`.
    Domain(&'static str),
}

/// A deployed stack. Dropping it ends the emulated account and its functions.
pub struct Deployment {
    pub account: Account,
    pub entra: Entra,
    aws: SdkConfig,
    front: String,
    public_url: String,
    http: reqwest::Client,
    resources: BTreeMap<String, String>,
    _devops: AzureDevOps,
}

/// An answer of the gateway.
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
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

impl Deployment {
    /// Deploys a template with these parameters.
    pub async fn start(
        account: Account,
        template: &Path,
        address: Address,
        parameters: &[(&str, &str)],
    ) -> Self {
        let (listener, front) = listen().await;
        let (entra, entra_url) = listen().await;
        let public_url = match address {
            Address::PublicUrl => front.clone(),
            Address::Domain(name) => format!("https://{name}"),
        };
        let options = EntraOptions {
            base_url: Some(entra_url.clone()),
            redirect_uris: vec![format!("{public_url}/integration-callback")],
            ..EntraOptions::default()
        };
        let entra = Entra::start(entra, options).unwrap();
        let (devops, _) = listen().await;
        let devops = AzureDevOps::start(devops, &entra, AzureDevOpsOptions::default()).unwrap();

        let address_parameter = match address {
            Address::PublicUrl => ("PublicUrl", front.as_str()),
            Address::Domain(name) => ("DomainName", name),
        };
        let common = [
            address_parameter,
            ("Architecture", "x86_64"),
            ("EntraUrl", &entra_url),
            ("GraphUrl", &entra_url),
            ("DevopsUrl", devops.base_url()),
        ];
        let parameters = [&common, parameters].concat();
        assert!(stack::deploy(&account, template, &parameters).await, "sam deploy fails");
        let resources = stack::resources(&account).await;
        let host = match address {
            Address::PublicUrl => format!("{}.execute-api.localhost", resources["Api"]),
            Address::Domain(name) => name.to_owned(),
        };
        let api = Api { emulator: account.emulator.clone(), host, http: client() };
        let app = Router::new().fallback(forward).with_state(Arc::new(api));
        tokio::spawn(async move { axum::serve(listener, app).await });
        let deployment = Self {
            aws: account.sdk_config(),
            account,
            entra,
            front,
            public_url,
            http: client(),
            resources,
            _devops: devops,
        };
        deployment.take_punctuation_from_the_operator_key().await;
        deployment.spell_cors_as_the_api_reads_it().await;
        deployment
    }

    /// Unlike AWS, the emulated account ignores `ExcludePunctuation` of generated secrets, and splits headers at their
    /// commas.
    async fn take_punctuation_from_the_operator_key(&self) {
        let generated = self.operator_key().await;
        assert_eq!(generated.chars().count(), 48);
        let key: String =
            generated.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '0' }).collect();
        let put = self.secrets_manager().put_secret_value().secret_id(self.resource("OperatorKey"));
        put.secret_string(key).send().await.unwrap();
    }

    /// Unlike AWS, the emulated CloudFormation stores CORS settings under names that the emulated API Gateway does not
    /// read.
    async fn spell_cors_as_the_api_reads_it(&self) {
        let api = format!("{}/v2/apis/{}", self.account.endpoint, self.resource("Api"));
        let deployed = answer(self.http.get(&api)).await.expect(200).json;
        let Some(settings) = deployed["corsConfiguration"].as_object() else { return };
        let lower = |name: &String| format!("{}{}", name[..1].to_lowercase(), &name[1..]);
        let settings: serde_json::Map<_, _> =
            settings.iter().map(|(name, value)| (lower(name), value.clone())).collect();
        let change = json!({"corsConfiguration": settings});
        answer(self.http.patch(&api).body(change.to_string())).await.expect(200);
    }

    /// Returns the physical id of a resource: a table's name, a queue's URL.
    pub fn resource(&self, logical_id: &str) -> String {
        self.resources[logical_id].clone()
    }

    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.aws)
    }

    pub fn secrets_manager(&self) -> aws_sdk_secretsmanager::Client {
        aws_sdk_secretsmanager::Client::new(&self.aws)
    }

    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.aws)
    }

    /// Returns a URL as this machine reaches it: the domain name has no record here.
    fn here(&self, url: impl AsRef<str>) -> String {
        url.as_ref().replacen(&self.public_url, &self.front, 1)
    }

    /// Returns a request of the API.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.front))
    }

    pub async fn operator_key(&self) -> String {
        let read = self.secrets_manager().get_secret_value();
        let read = read.secret_id(self.resource("OperatorKey")).send().await;
        read.unwrap().secret_string.unwrap()
    }

    pub async fn ask(&self, method: Method, path: &str, key: &str, body: Option<Value>) -> Answer {
        let mut request = self.request(method, path).bearer_auth(key);
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
        let opened =
            answer(self.http.get(self.here(session.text("connect_url")))).await.expect(302);
        let cookie = opened.headers["set-cookie"].to_str().unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let mut decision = opened.location();
        decision.set_path(&format!("{}/decision", decision.path()));
        let form = [("account", account), ("action", "approve")];
        let signed_in = answer(self.http.post(decision).form(&form)).await.expect(302);
        let callback = self.http.get(self.here(signed_in.location())).header("cookie", cookie);
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
        let signing_in = self.request(Method::POST, "/portal/sign-in");
        let signing_in = signing_in.header("content-type", "application/x-www-form-urlencoded");
        let signed_in = signing_in.body(form).send().await.unwrap();
        assert_eq!(signed_in.status(), 303);
        let location = signed_in.headers()["location"].to_str().unwrap().to_owned();
        let cookie = signed_in.headers()["set-cookie"].to_str().unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let page =
            self.request(Method::GET, &location).header("cookie", cookie).send().await.unwrap();
        assert_eq!(page.status(), 200);
        page.text().await.unwrap()
    }

    /// Asks the REST API of the streaming proxy.
    pub async fn streaming_api(&self, path: &str) -> Answer {
        let port = self.account.emulator.rsplit(':').next().unwrap();
        let host = format!("{}.execute-api.localhost:{port}", self.resource("StreamingApi"));
        let asked = self.http.get(format!("{}{path}", self.account.emulator));
        answer(asked.header("host", host)).await
    }

    /// Lists projects through the streaming proxy. Returns the status and the body.
    ///
    /// The emulated API Gateway knows no integration that streams. So its part is done here: the event of the API's one
    /// method goes to the function of that method's integration.
    pub async fn streamed(&self, connection: &str, key: &str) -> (u64, String) {
        let api = self.resource("StreamingApi");
        let resources = format!("{}/restapis/{api}/resources?embed=methods", self.account.endpoint);
        let resources = answer(self.http.get(resources)).await.expect(200).json;
        let items = resources["item"].as_array().or(resources["items"].as_array()).unwrap();
        let address = items.iter().find(|one| one["path"] == "/proxy/{proxy+}").unwrap();
        let integration = &address["resourceMethods"]["ANY"]["methodIntegration"];
        let uri = integration["uri"].as_str().unwrap();
        let function = uri.strip_suffix("/response-streaming-invocations").unwrap();
        let function = function.rsplit(':').next().unwrap();

        let event = include_str!("../../events/rest-api-proxy.json");
        let event = event.replace("CONNECTION", connection).replace("API_KEY", key);
        let path = format!("/2021-11-15/functions/{function}/response-streaming-invocations");
        let invoked = self.http.post(format!("{}{path}", self.account.endpoint)).body(event);
        let streamed = invoked.send().await.unwrap().bytes().await.unwrap();
        let answer = payload(&streamed);
        let (prelude, body) = answer.split_once(&"\0".repeat(8)).expect(&answer);
        let prelude: Value = serde_json::from_str(prelude).unwrap();
        (prelude["statusCode"].as_u64().unwrap(), body.to_owned())
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

pub async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let answered = request.send().await.unwrap();
    let status = answered.status().as_u16();
    let headers = answered.headers().clone();
    let text = answered.text().await.unwrap();
    let json = serde_json::from_str(&text).unwrap_or_default();
    Answer { status, headers, text, json }
}

/// Returns the payload of the first message of an event stream, which the emulator makes a string in JSON.
///
/// A message is its length and that of its headers (four bytes each), a checksum, the headers, the payload, and a
/// checksum (`application/vnd.amazon.eventstream`, Amazon Transcribe developer guide, "Event stream encoding").
fn payload(stream: &[u8]) -> String {
    let number = |at: usize| u32::from_be_bytes(stream[at..at + 4].try_into().unwrap()) as usize;
    let payload = &stream[12 + number(4)..number(0) - 4];
    serde_json::from_slice(payload).unwrap()
}

/// The deployed API. The emulated account serves it under its host name.
struct Api {
    emulator: String,
    host: String,
    http: reqwest::Client,
}

/// Forwards a request to the deployed API. This front takes the place of a domain name.
async fn forward(State(api): State<Arc<Api>>, request: Request) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let port = api.emulator.rsplit(':').next().unwrap();
    let host = format!("{}:{port}", api.host);
    parts.headers.insert("host", host.parse().unwrap());
    let body = axum::body::to_bytes(body, 10_000_000).await.unwrap();
    let sent = api.http.request(parts.method, format!("{}{path}", api.emulator));
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
