//! The items of a call in the embedded DynamoDB, by direct requests and by those of the SDK.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{SharedCredentialsProvider, future};
use ground::clock::{Clock, StoppedClock};
use ground::random::Random;
use ground::transport::{Transport, TransportError};
use http::{Request, Response};
use jiff::Timestamp;
use local::{Aws, names};
use serde_json::json;
use vault::api_keys::{ApiKeyRequest, ApiKeys, Role};
use vault::call_items::{CallItemReader, CallKeys};
use vault::direct_read::DirectReads;
use vault::integrations::{Integration, Integrations};

const NOW: Timestamp = Timestamp::constant(1_767_225_600, 0);

type Answered = Result<Response<Vec<u8>>, TransportError>;

/// The direct requests that were sent, and what takes the place of their answers.
#[derive(Clone, Default)]
struct Direct {
    sent: Arc<Mutex<Vec<Request<Vec<u8>>>>>,
    instead: Arc<Mutex<Option<Answered>>>,
}

impl Direct {
    fn transport(&self) -> Transport {
        let (own, real) = (self.clone(), Transport::from(ground::http::client().unwrap()));
        Transport::new(move |request, largest| {
            own.sent.lock().unwrap().push(request.clone());
            match own.instead.lock().unwrap().take() {
                Some(answer) => Box::pin(async move { answer }),
                None => real.send(request, largest),
            }
        })
    }

    fn count(&self) -> usize {
        self.sent.lock().unwrap().len()
    }

    fn answer_next(&self, answer: Result<(u16, &str), TransportError>) {
        let response = |(status, body): (u16, &str)| {
            Response::builder().status(status).body(body.as_bytes().to_vec()).unwrap()
        };
        *self.instead.lock().unwrap() = Some(answer.map(response));
    }

    /// The access key that signed the last request.
    fn last_access_key(&self) -> String {
        let sent = self.sent.lock().unwrap();
        let authorization = sent.last().unwrap().headers()["authorization"].to_str().unwrap();
        let (_, scope) = authorization.split_once("Credential=").unwrap();
        scope.split('/').next().unwrap().to_owned()
    }
}

/// Gives the access keys KEY0, KEY1 and so on, for an hour each.
#[derive(Debug)]
struct Provider(AtomicU32, Arc<StoppedClock>);

impl aws_credential_types::provider::ProvideCredentials for Provider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        let expiry = SystemTime::from(self.1.now()) + Duration::from_hours(1);
        let key = format!("KEY{number}");
        let session = Some("session".to_owned());
        future::ProvideCredentials::ready(Ok(Credentials::new(
            key,
            "secret",
            session,
            Some(expiry),
            "test",
        )))
    }
}

struct Setup {
    aws: Aws,
    clock: Arc<StoppedClock>,
    direct: Direct,
    by_sdk: CallItemReader,
    directly: CallItemReader,
}

impl Setup {
    async fn start() -> Self {
        let (aws, clock) = (Aws::start("operator key").await.unwrap(), StoppedClock::at(NOW));
        let provider = Provider(AtomicU32::new(0), Arc::clone(&clock));
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("eu-west-1"))
            .credentials_provider(SharedCredentialsProvider::new(provider))
            .build();
        let direct = Direct::default();
        let reads = DirectReads::new(&config, direct.transport(), Arc::clone(&clock) as _);
        let reader = |reads| CallItemReader::new(aws.dynamodb.clone(), reads, &names::tables());
        let (by_sdk, directly) = (reader(None), reader(Some(reads.unwrap())));
        Self { aws, clock, direct, by_sdk, directly }
    }

    /// Stores an integration and a key, and returns their names and that of an absent connection.
    async fn fill(&self) -> CallKeys {
        let table = names::tables().integrations;
        let integrations = Integrations::new(self.aws.dynamodb.clone(), table.clone());
        let integration: Integration = serde_json::from_value(json!({
            "id": "azure-devops", "client_id": "11111111-2222-4333-8444-555555555555",
            "credential": {"kind": "client_secret"}, "organizations": ["mycompany"], "scopes": ["vso.code"],
            "status": "ready", "created_at": NOW, "updated_at": NOW, "proxy_limits": {"connection": {"concurrent": 7}},
        }))
        .unwrap();
        assert!(integrations.put(integration.clone(), None).await.unwrap());
        let request = ApiKeyRequest {
            name: "Ünïcödé \"quoted\"".to_owned(),
            role: Role::Application,
            integration: Some(integration.id.clone()),
            expires_at: Some(NOW),
        };
        let keys = ApiKeys::new(self.aws.dynamodb.clone(), table);
        let key = keys.create(request, NOW, &mut Random::System).await.unwrap().unwrap();
        CallKeys {
            api_key: Some(key.description.id),
            integration: Some(integration.id),
            connection: Some("conn_0123456789abcdef0123456789abcdef".parse().unwrap()),
        }
    }
}

#[tokio::test]
async fn items_are_the_same_by_a_direct_request_and_by_one_of_the_sdk() {
    let setup = Setup::start().await;
    let keys = setup.fill().await;
    let expected = format!("{:?}", setup.by_sdk.read(&keys).await.unwrap());
    assert!(expected.contains("Ünïcödé") && expected.contains("connection: None"), "{expected}");
    // The first request is the SDK's, which finds the address.
    for direct in [0, 1, 2] {
        assert_eq!(format!("{:?}", setup.directly.read(&keys).await.unwrap()), expected);
        assert_eq!(setup.direct.count(), direct);
    }
    let nothing = setup.directly.read(&CallKeys::default()).await.unwrap();
    assert!(nothing.api_key.is_none() && nothing.integration.is_none());
    let sent = setup.direct.sent.lock().unwrap();
    let headers = sent[0].headers();
    assert_eq!(headers["x-amz-security-token"], "session");
    let signature = headers["authorization"].to_str().unwrap();
    assert!(signature.starts_with("AWS4-HMAC-SHA256 Credential=KEY"), "{signature}");
    let signed = "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target,";
    assert!(signature.contains(signed), "{signature}");
}

#[tokio::test]
async fn a_direct_request_that_fails_is_left_to_the_sdk() {
    let setup = Setup::start().await;
    let keys = setup.fill().await;
    let expected = format!("{:?}", setup.directly.read(&keys).await.unwrap());
    let throttled = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException"}"#;
    let left_out =
        r#"{"Responses":{},"UnprocessedKeys":{"integrations":{"Keys":[{"pk":{"S":"service"}}]}}}"#;
    for (number, failure) in (1..).zip([
        Err(TransportError::NoAnswer),
        Ok((400, throttled)),
        Ok((500, "")),
        Ok((200, "no JSON")),
        Ok((200, "{}")),
        Ok((200, left_out)),
    ]) {
        setup.direct.answer_next(failure);
        assert_eq!(format!("{:?}", setup.directly.read(&keys).await.unwrap()), expected);
        assert_eq!(setup.direct.count(), number, "the next one is direct again");
    }
    setup.aws.stop_dynamodb();
    assert!(setup.directly.read(&keys).await.is_err());
}

#[tokio::test]
async fn credentials_are_renewed_before_they_expire_and_after_a_refusal() {
    let setup = Setup::start().await;
    let keys = CallKeys::default();
    let key = async || {
        setup.directly.read(&keys).await.unwrap();
        setup.direct.last_access_key()
    };
    setup.directly.read(&keys).await.unwrap();
    assert_eq!((key().await, key().await), ("KEY0".to_owned(), "KEY0".to_owned()));
    setup.clock.advance(54 * 60);
    assert_eq!(key().await, "KEY0");
    setup.clock.advance(60);
    assert_eq!(key().await, "KEY1");
    setup.direct.answer_next(Ok((400, r#"{"__type":"ExpiredTokenException"}"#)));
    assert_eq!((key().await, key().await), ("KEY1".to_owned(), "KEY2".to_owned()));
}
