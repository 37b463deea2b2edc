//! Sealed values with the embedded KMS: a value opens only in the context that it was sealed for.

use std::sync::Arc;

use ground::clock::{Clock as _, StoppedClock, SystemClock};
use ground::random::Random;
use local::{Aws, names};
use secrecy::{ExposeSecret, SecretString};
use vault::Error;
use vault::ids::{ConnectionId, GrantId, IntegrationId};
use vault::sealing::{Sealer, SealingContext};

/// A wrapped data key, and a value sealed under it.
type Sealed = (Vec<u8>, Vec<u8>);

struct Names {
    integration: IntegrationId,
    connection: ConnectionId,
    grant: GrantId,
}

fn fresh(integration: &str) -> Names {
    let (now, rng) = (SystemClock.now(), &mut Random::System);
    Names {
        integration: integration.parse().unwrap(),
        connection: ConnectionId::mint(now, rng),
        grant: GrantId::mint(now, rng),
    }
}

fn context(names: &Names) -> SealingContext<'_> {
    let Names { integration, connection, grant } = names;
    SealingContext { integration, connection, grant, field: "access_token", version: 1 }
}

fn process(aws: &Aws) -> Sealer {
    Sealer::new(aws.kms.clone(), names::KEY.to_owned(), Arc::new(SystemClock))
}

async fn seal(process: &Sealer, names: &Names) -> Sealed {
    let key = process.data_key(&names.integration, 1).await.unwrap();
    let sealed = key.seal(context(names), &"the token".into(), &mut Random::System).unwrap();
    (key.into_wrapped(), sealed)
}

#[tokio::test]
async fn a_value_opens_in_its_context_even_in_another_process() {
    let aws = Aws::start("operator key").await.unwrap();
    let (here, sealing) = (fresh("one"), process(&aws));
    let (wrapped, sealed) = seal(&sealing, &here).await;
    assert!(!sealed.windows(9).any(|bytes| bytes == b"the token"));
    // A second sealer has no key in memory and must ask KMS.
    let opened = process(&aws).open(context(&here), &wrapped, &sealed).await.unwrap();
    assert_eq!(opened.expose_secret(), "the token");
    // Under the same data key the nonce differs.
    let (same, again) = seal(&sealing, &here).await;
    assert_eq!(same, wrapped);
    assert_ne!(again, sealed);
}

#[tokio::test]
async fn a_value_is_sealed_under_the_key_that_kms_generates() {
    let aws = Aws::start("operator key").await.unwrap();
    let here = fresh("one");
    // With the same nonce in the same context, only the key makes a difference.
    let sealed = async || {
        let key = process(&aws).data_key(&here.integration, 1).await.unwrap();
        key.seal(context(&here), &"the token".into(), &mut Random::seeded(1)).unwrap()
    };
    assert_ne!(sealed().await, sealed().await);
}

#[tokio::test]
async fn a_value_opens_in_no_other_context() {
    let aws = Aws::start("operator key").await.unwrap();
    let (here, elsewhere, foreign) = (fresh("one"), fresh("one"), fresh("two"));
    let process = process(&aws);
    let (wrapped, sealed) = seal(&process, &here).await;
    for other in [
        SealingContext { connection: &elsewhere.connection, ..context(&here) },
        SealingContext { grant: &elsewhere.grant, ..context(&here) },
        SealingContext { integration: &foreign.integration, ..context(&here) },
        SealingContext { field: "refresh_token", ..context(&here) },
        // An older ciphertext put back under a newer version.
        SealingContext { version: 2, ..context(&here) },
    ] {
        assert!(process.open(other, &wrapped, &sealed).await.is_err(), "{other:?}");
    }
    assert!(process.open(context(&here), &wrapped, &sealed).await.is_ok());
}

#[tokio::test]
async fn a_value_with_a_changed_or_missing_byte_does_not_open() {
    let aws = Aws::start("operator key").await.unwrap();
    let here = fresh("one");
    let process = process(&aws);
    let (wrapped, sealed) = seal(&process, &here).await;
    for position in 0..sealed.len() {
        let mut altered = sealed.clone();
        altered[position] ^= 0x40;
        assert!(process.open(context(&here), &wrapped, &altered).await.is_err(), "byte {position}");
    }
    for length in 0..sealed.len() {
        let cut = &sealed[..length];
        assert!(process.open(context(&here), &wrapped, cut).await.is_err(), "{length} bytes");
    }
    // The same for the data key: another one, an altered one, none.
    let (foreign, _) = seal(&process, &fresh("two")).await;
    let mut altered = wrapped.clone();
    altered[wrapped.len() / 2] ^= 0x40;
    for other in [foreign, altered, wrapped[1..].to_vec(), Vec::new()] {
        assert!(process.open(context(&here), &other, &sealed).await.is_err(), "{other:?}");
    }
}

/// A process whose clock is stopped.
fn process_at(aws: &Aws, clock: &Arc<StoppedClock>) -> Sealer {
    Sealer::new(aws.kms.clone(), names::KEY.to_owned(), clock.clone())
}

/// The wrapped data key with which the process seals so many values.
async fn wrapped_key(process: &Sealer, names: &Names, seals: u32) -> Vec<u8> {
    process.data_key(&names.integration, seals).await.unwrap().into_wrapped()
}

/// A value that a process has sealed and opened.
struct Opened {
    process: Sealer,
    names: Names,
    wrapped: Vec<u8>,
    sealed: Vec<u8>,
}

impl Opened {
    async fn by(process: Sealer) -> Self {
        let names = fresh("one");
        let (wrapped, sealed) = seal(&process, &names).await;
        let opened = Self { process, names, wrapped, sealed };
        assert!(opened.opens_again().await);
        opened
    }

    async fn opens_again(&self) -> bool {
        self.open_again().await.is_ok()
    }

    async fn open_again(&self) -> Result<SecretString, Error> {
        let Self { process, names, wrapped, sealed } = self;
        process.open(context(names), wrapped, sealed).await
    }
}

#[tokio::test]
async fn a_data_key_seals_for_an_hour_and_no_longer() {
    let aws = Aws::start("operator key").await.unwrap();
    let clock = StoppedClock::at(SystemClock.now());
    let process = process_at(&aws, &clock);
    let here = fresh("one");
    let wrapped = async |seals| wrapped_key(&process, &here, seals).await;
    let first = wrapped(1).await;
    clock.advance(3_599);
    assert_eq!(wrapped(1).await, first);
    clock.advance(1);
    assert_ne!(wrapped(1).await, first);
}

#[tokio::test]
async fn a_data_key_seals_two_to_the_twentieth_values_and_no_more() {
    let aws = Aws::start("operator key").await.unwrap();
    let process = process(&aws);
    let here = fresh("one");
    let wrapped = async |seals| wrapped_key(&process, &here, seals).await;
    let first = wrapped((1 << 20) - 3).await;
    assert_eq!(wrapped(2).await, first);
    assert_eq!(wrapped(1).await, first);
    assert_ne!(wrapped(1).await, first);
}

#[tokio::test]
async fn each_integration_has_data_keys_of_its_own_in_one_process() {
    let aws = Aws::start("operator key").await.unwrap();
    let process = process(&aws);
    let (one, two) = (fresh("one"), fresh("two"));
    assert_ne!(wrapped_key(&process, &one, 1).await, wrapped_key(&process, &two, 1).await);
    // Nor does the key that one has opened open a value for the other.
    let (key, sealed) = seal(&process, &one).await;
    process.open(context(&one), &key, &sealed).await.unwrap();
    let forged = process.data_key(&one.integration, 1).await.unwrap();
    let value = forged.seal(context(&two), &"the token".into(), &mut Random::System).unwrap();
    let opened = process.open(context(&two), &forged.into_wrapped(), &value).await;
    assert!(matches!(opened, Err(Error::Unsealable { field: "access_token" })));
}

#[tokio::test]
async fn a_disabled_kms_key_opens_nothing_after_five_minutes() {
    let aws = Aws::start("operator key").await.unwrap();
    let clock = StoppedClock::at(SystemClock.now());
    let opened = Opened::by(process_at(&aws, &clock)).await;
    let key = aws.kms.describe_key().key_id(names::KEY).send().await.unwrap();
    let key = key.key_metadata.unwrap().key_id;
    aws.kms.disable_key().key_id(&key).send().await.unwrap();
    clock.advance(299);
    assert!(opened.opens_again().await);
    clock.advance(1);
    // A refusal is not taken for an altered value.
    assert!(matches!(opened.open_again().await, Err(Error::Unavailable { service: "kms", .. })));
    aws.kms.enable_key().key_id(&key).send().await.unwrap();
    assert!(opened.opens_again().await);
}

#[tokio::test]
async fn values_open_without_a_question_to_kms_for_five_minutes_after_one() {
    let aws = Aws::start("operator key").await.unwrap();
    let clock = StoppedClock::at(SystemClock.now());
    let process = process_at(&aws, &clock);
    let here = fresh("one");
    let (wrapped, sealed) = seal(&process, &here).await;
    let opens = || process.opens(&here.integration, &wrapped);
    assert!(!opens().await);
    process.open(context(&here), &wrapped, &sealed).await.unwrap();
    clock.advance(299);
    assert!(opens().await);
    clock.advance(1);
    assert!(!opens().await);
}

#[tokio::test]
async fn an_outage_of_kms_stops_nobody_for_an_hour() {
    let aws = Aws::start("operator key").await.unwrap();
    let clock = StoppedClock::at(SystemClock.now());
    let opened = Opened::by(process_at(&aws, &clock)).await;
    drop(aws);
    for _ in 0..3 {
        clock.advance(1_199);
        assert!(opened.opens_again().await);
    }
    clock.advance(3);
    assert!(!opened.opens_again().await);
}

#[tokio::test]
async fn values_under_a_replaced_kms_key_open_and_are_sealed_under_the_new_one() {
    let aws = Aws::start("operator key").await.unwrap();
    let here = fresh("one");
    let (wrapped, sealed) = seal(&process(&aws), &here).await;
    let new_key = aws.kms.create_key().send().await.unwrap().key_metadata.unwrap().key_id;
    let under = |former: Option<&str>| {
        Sealer::new(aws.kms.clone(), new_key.clone(), Arc::new(SystemClock))
            .also_opening(former.map(str::to_owned))
    };
    let opened = under(Some(names::KEY)).open(context(&here), &wrapped, &sealed).await.unwrap();
    assert_eq!(opened.expose_secret(), "the token");
    // What is written next needs the former key no more; what was not written still does.
    let (rewrapped, resealed) = seal(&under(Some(names::KEY)), &here).await;
    assert!(under(None).open(context(&here), &rewrapped, &resealed).await.is_ok());
    assert!(under(None).open(context(&here), &wrapped, &sealed).await.is_err());
}
