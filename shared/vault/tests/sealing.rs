//! Sealed values against the embedded KMS: only the place they were sealed for opens them.
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

fn place(names: &Names) -> SealingContext<'_> {
    let Names { integration, connection, grant } = names;
    SealingContext { integration, connection, grant, field: "access_token", version: 1 }
}

fn process(aws: &Aws) -> Sealer {
    Sealer::new(aws.kms.clone(), names::KEY.to_owned(), Arc::new(SystemClock))
}

#[tokio::test]
async fn a_value_opens_in_its_place_even_in_another_process() {
    let aws = Aws::start("operator key").await.unwrap();
    let here = fresh("one");
    let rng = &mut Random::System;
    let sealed = process(&aws).seal(place(&here), &"the token".into(), rng).await.unwrap();
    assert!(!sealed.windows(9).any(|bytes| bytes == b"the token"));
    // A second sealer has no key in memory and must ask KMS.
    let opened = process(&aws).open(place(&here), &sealed).await.unwrap();
    assert_eq!(opened.expose_secret(), "the token");
    let again = process(&aws).seal(place(&here), &"the token".into(), rng).await.unwrap();
    assert_ne!(again, sealed);
}

#[tokio::test]
async fn no_other_place_opens_it() {
    let aws = Aws::start("operator key").await.unwrap();
    let (here, elsewhere, foreign) = (fresh("one"), fresh("one"), fresh("two"));
    let process = process(&aws);
    let rng = &mut Random::System;
    let sealed = process.seal(place(&here), &"the token".into(), rng).await.unwrap();
    for other in [
        SealingContext { connection: &elsewhere.connection, ..place(&here) },
        SealingContext { grant: &elsewhere.grant, ..place(&here) },
        SealingContext { integration: &foreign.integration, ..place(&here) },
        SealingContext { field: "refresh_token", ..place(&here) },
        // An older ciphertext put back under a newer version.
        SealingContext { version: 2, ..place(&here) },
    ] {
        assert!(process.open(other, &sealed).await.is_err(), "{other:?}");
    }
    assert!(process.open(place(&here), &sealed).await.is_ok());
}

#[tokio::test]
async fn a_changed_byte_anywhere_is_found() {
    let aws = Aws::start("operator key").await.unwrap();
    let here = fresh("one");
    let process = process(&aws);
    let rng = &mut Random::System;
    let sealed = process.seal(place(&here), &"the token".into(), rng).await.unwrap();
    for position in 0..sealed.len() {
        let mut altered = sealed.clone();
        altered[position] ^= 0x40;
        assert!(process.open(place(&here), &altered).await.is_err(), "byte {position}");
    }
    for length in 0..sealed.len() {
        assert!(process.open(place(&here), &sealed[..length]).await.is_err(), "{length} bytes");
    }
}
