//! Sealed values with the embedded KMS: a value opens only in the context that it was sealed for.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;

use ground::clock::{Clock as _, SystemClock};
use ground::random::Random;
use local::{Aws, names};
use secrecy::ExposeSecret;
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
    let here = fresh("one");
    let (wrapped, sealed) = seal(&process(&aws), &here).await;
    assert!(!sealed.windows(9).any(|bytes| bytes == b"the token"));
    // A second sealer has no key in memory and must ask KMS.
    let opened = process(&aws).open(context(&here), &wrapped, &sealed).await.unwrap();
    assert_eq!(opened.expose_secret(), "the token");
    let (_, again) = seal(&process(&aws), &here).await;
    assert_ne!(again, sealed);
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
