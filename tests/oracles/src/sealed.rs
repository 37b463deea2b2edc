//! A second opinion on sealed values: a value opens in its own context with its own bytes, and nothing else does.

use std::sync::LazyLock;

use aws_sdk_kms::Client;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::config::timeout::TimeoutConfig;
use aws_sdk_kms::config::{BehaviorVersion, Builder, Region, StalledStreamProtectionConfig};
use ground::random::Random;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use vault::ids::{ConnectionId, GrantId, IntegrationId};
use vault::sealing::{Sealer, SealingContext};
use winterbaume_core::MockAws;
use winterbaume_kms::KmsService;

use crate::edit::edited;
use crate::provider::{NOW, clock};
use crate::run;

static SEALER: LazyLock<Sealer> = LazyLock::new(|| {
    let kms = MockAws::builder().with_service(KmsService::new()).build();
    let config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(kms.credentials_provider())
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .http_client(kms.http_client());
    let client = Client::from_conf(config.build());
    let key = run(client.create_key().send()).unwrap().key_metadata.unwrap().key_id;
    Sealer::new(client, key, clock())
});
static NAMES: LazyLock<[Names; 2]> = LazyLock::new(|| [Names::new("one"), Names::new("two")]);

struct Names {
    integration: IntegrationId,
    connection: ConnectionId,
    grant: GrantId,
}

impl Names {
    fn new(integration: &str) -> Self {
        let (now, rng) = (Timestamp::from_second(NOW).unwrap(), &mut Random::System);
        Self {
            integration: integration.parse().unwrap(),
            connection: ConnectionId::mint(now, rng),
            grant: GrantId::mint(now, rng),
        }
    }
}

/// Judges `secret SEPARATOR places SEPARATOR edit SEPARATOR edit of the key`: seals the secret, and opens it with the sealed
/// bytes and the wrapped key edited, in a context whose places `i`, `c`, `g`, `f` and `v` are of another value. Then opens
/// the input itself under a key that has sealed nothing, because a fuzzer finds sealed values in the memory of its process.
/// Returns whether the secret was opened with edits.
pub fn judge(input: &[u8]) -> bool {
    LazyLock::force(&SEALER);
    run(async {
        judge_seal(input).await;
        let [_, elsewhere] = &*NAMES;
        let unused = SEALER.data_key(&elsewhere.integration, 0).await.unwrap().into_wrapped();
        let opened = SEALER.open(context(elsewhere), &unused, input).await;
        assert!(opened.is_err(), "{input:?} was not sealed");
    });
    std::str::from_utf8(input).is_ok_and(judge_edited)
}

/// Asserts that a sealed text opens again.
async fn judge_seal(input: &[u8]) {
    let [here, _] = &*NAMES;
    let text = String::from_utf8_lossy(input);
    let (sealed, wrapped) = seal(context(here), &text).await;
    assert_eq!(opened(context(here), &wrapped, &sealed).await.as_deref(), Some(&*text));
}

fn judge_edited(input: &str) -> bool {
    let [text, places, edit, edit_of_key] = crate::parts(input.as_bytes()).unwrap_or_default();
    let [here, elsewhere] = &*NAMES;
    let is_elsewhere = |place| places.contains(place);
    let there = SealingContext {
        integration: &if is_elsewhere('i') { elsewhere } else { here }.integration,
        connection: &if is_elsewhere('c') { elsewhere } else { here }.connection,
        grant: &if is_elsewhere('g') { elsewhere } else { here }.grant,
        field: if is_elsewhere('f') { "refresh_token" } else { "access_token" },
        version: 1 + u64::from(is_elsewhere('v')),
    };
    run(async {
        let (sealed, wrapped) = seal(context(here), text).await;
        let given = (edited(&wrapped, edit_of_key), edited(&sealed, edit));
        let opened = opened(there, &given.0, &given.1).await;
        let is_same = given == (wrapped, sealed) && !"icgfv".chars().any(is_elsewhere);
        assert_eq!(opened.as_deref(), is_same.then_some(text), "{there:?} {given:?}");
        is_same
    })
}

fn context(names: &Names) -> SealingContext<'_> {
    let Names { integration, connection, grant } = names;
    SealingContext { integration, connection, grant, field: "access_token", version: 1 }
}

async fn seal(context: SealingContext<'_>, text: &str) -> (Vec<u8>, Vec<u8>) {
    let key = SEALER.data_key(context.integration, 1).await.unwrap();
    let sealed = key.seal(context, &SecretString::from(text), &mut Random::System).unwrap();
    (sealed, key.into_wrapped())
}

async fn opened(context: SealingContext<'_>, wrapped: &[u8], sealed: &[u8]) -> Option<String> {
    let opened = SEALER.open(context, wrapped, sealed).await;
    opened.ok().map(|text| text.expose_secret().to_owned())
}
