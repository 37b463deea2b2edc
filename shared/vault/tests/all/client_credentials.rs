//! Client credentials with the embedded Secrets Manager: which one a process uses, and for how long.

use std::sync::Arc;

use entra::credential::ClientCredential;
use ground::clock::{Clock as _, StoppedClock, SystemClock};
use local::{Aws, names};
use secrecy::ExposeSecret;
use vault::client_credentials::{ClientCredentials, NewCredential};
use vault::ids::IntegrationId;

fn process(aws: &Aws, clock: &Arc<StoppedClock>) -> ClientCredentials {
    let prefix = names::SECRETS.to_owned();
    ClientCredentials::new(aws.secrets_manager.clone(), prefix, None, clock.clone())
}

async fn put(process: &ClientCredentials, integration: &IntegrationId, secret: &str) {
    process.put(integration, &NewCredential::ClientSecret(secret.into())).await.unwrap();
}

async fn used(process: &ClientCredentials, integration: &IntegrationId) -> String {
    let credential = process.get(integration).await.unwrap().unwrap();
    let ClientCredential::Secret(secret) = &*credential else { panic!("not a secret") };
    secret.expose_secret().to_owned()
}

#[tokio::test]
async fn each_integration_has_a_credential_of_its_own_in_one_process() {
    let aws = Aws::start("operator key").await.unwrap();
    let process = process(&aws, &StoppedClock::at(SystemClock.now()));
    let (one, two) = ("one".parse().unwrap(), "two".parse().unwrap());
    put(&process, &one, "of one").await;
    put(&process, &two, "of two").await;
    for _ in 0..2 {
        assert_eq!(used(&process, &one).await, "of one");
        assert_eq!(used(&process, &two).await, "of two");
    }
}

#[tokio::test]
async fn another_process_uses_a_replaced_credential_for_five_minutes_at_most() {
    let aws = Aws::start("operator key").await.unwrap();
    let clock = StoppedClock::at(SystemClock.now());
    let (here, there) = (process(&aws, &clock), process(&aws, &clock));
    let integration = "one".parse().unwrap();
    put(&here, &integration, "first").await;
    assert_eq!(used(&there, &integration).await, "first");
    put(&here, &integration, "second").await;
    assert_eq!(used(&here, &integration).await, "second");
    clock.advance(299);
    assert_eq!(used(&there, &integration).await, "first");
    clock.advance(1);
    assert_eq!(used(&there, &integration).await, "second");
}
