//! Sealed values with the embedded KMS: a value opens only in the context that it was sealed for.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;

use ground::clock::{Clock as _, SystemClock};
use ground::random::Random;
use local::{Aws, names};
use secrecy::ExposeSecret;
use vault::ids::{ConnectionId, GrantId, IntegrationId};
use vault::sealing::{Sealer, SealingContext};

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

#[tokio::test]
async fn a_value_opens_in_its_context_even_in_another_process() {
    let aws = Aws::start("operator key").await.unwrap();
    let here = fresh("one");
    let rng = &mut Random::System;
    let sealed = process(&aws).seal(context(&here), &"the token".into(), rng).await.unwrap();
    assert!(!sealed.windows(9).any(|bytes| bytes == b"the token"));
    // A second sealer has no key in memory and must ask KMS.
    let opened = process(&aws).open(context(&here), &sealed).await.unwrap();
    assert_eq!(opened.expose_secret(), "the token");
    let again = process(&aws).seal(context(&here), &"the token".into(), rng).await.unwrap();
    assert_ne!(again, sealed);
}

#[tokio::test]
async fn a_value_opens_in_no_other_context() {
    let aws = Aws::start("operator key").await.unwrap();
    let (here, elsewhere, foreign) = (fresh("one"), fresh("one"), fresh("two"));
    let process = process(&aws);
    let rng = &mut Random::System;
    let sealed = process.seal(context(&here), &"the token".into(), rng).await.unwrap();
    for other in [
        SealingContext { connection: &elsewhere.connection, ..context(&here) },
        SealingContext { grant: &elsewhere.grant, ..context(&here) },
        SealingContext { integration: &foreign.integration, ..context(&here) },
        SealingContext { field: "refresh_token", ..context(&here) },
        // An older ciphertext put back under a newer version.
        SealingContext { version: 2, ..context(&here) },
    ] {
        assert!(process.open(other, &sealed).await.is_err(), "{other:?}");
    }
    assert!(process.open(context(&here), &sealed).await.is_ok());
}

#[tokio::test]
async fn a_value_with_a_changed_or_missing_byte_does_not_open() {
    let aws = Aws::start("operator key").await.unwrap();
    let here = fresh("one");
    let process = process(&aws);
    let rng = &mut Random::System;
    let sealed = process.seal(context(&here), &"the token".into(), rng).await.unwrap();
    for position in 0..sealed.len() {
        let mut altered = sealed.clone();
        altered[position] ^= 0x40;
        assert!(process.open(context(&here), &altered).await.is_err(), "byte {position}");
    }
    for length in 0..sealed.len() {
        assert!(process.open(context(&here), &sealed[..length]).await.is_err(), "{length} bytes");
    }
}
