//! Rotation of client secrets: the steps of Secrets Manager, Microsoft Graph, and no lost connection.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use emulators::Fault;
use emulators::entra::{DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, TestCertificate};
use end_to_end::{Caller, INTEGRATION, PROJECTS, World, at_every_step};
use futures_util::future::join_all;
use jiff::SignedDuration;
use local::names;
use reqwest::Method;
use serde_json::{Value, json};

const STEPS: [&str; 4] = ["createSecret", "setSecret", "testSecret", "finishSecret"];
/// Another app that is registered in Entra.
const OTHER_SECRET: &str = "another-secret-of-the-operator";

fn token(number: u32) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

fn secret_name() -> String {
    format!("{}integrations/{INTEGRATION}", names::SECRETS)
}

/// Invokes one step as Secrets Manager does.
async fn step(world: &World, step: &str, number: u32) -> Result<(), String> {
    let secret = world.stack.aws().secrets_manager.describe_secret().secret_id(secret_name());
    let arn = secret.send().await.unwrap().arn.unwrap();
    assert!(arn.starts_with("arn:aws:secretsmanager:"), "{arn}");
    let event = json!({"Step": step, "SecretId": arn, "ClientRequestToken": token(number)});
    let answered = world.stack.invoke("rotate", event.to_string().into_bytes()).await;
    answered.map(drop).map_err(|e| e.to_string())
}

async fn rotate(world: &World, number: u32) {
    world.announce_rotation(INTEGRATION, &token(number)).await;
    for name in STEPS {
        // Secrets Manager may invoke each step twice.
        step(world, name, number).await.unwrap();
        step(world, name, number).await.unwrap();
    }
}

/// Returns the version of the integration's secret with this stage.
async fn version(world: &World, stage: &str) -> Option<(String, Option<Value>)> {
    let read = world.stack.aws().secrets_manager.get_secret_value();
    let read = read.secret_id(secret_name()).version_stage(stage).send().await.ok()?;
    let value = read.secret_string.map(|text| serde_json::from_str(&text).unwrap());
    Some((read.version_id?, value))
}

/// Returns the client secret with this stage.
async fn secret(world: &World, stage: &str) -> String {
    let (_, stored) = version(world, stage).await.unwrap();
    stored.unwrap()["client_secret"].as_str().unwrap().to_owned()
}

/// Returns the versions of the integration's secret by stage.
async fn stages(world: &World) -> BTreeMap<String, Vec<String>> {
    let read = world.stack.aws().secrets_manager.describe_secret().secret_id(secret_name());
    let described = read.send().await.unwrap();
    let mut stages = BTreeMap::<String, Vec<String>>::new();
    for (version, of_it) in described.version_ids_to_stages().unwrap() {
        for stage in of_it {
            stages.entry(stage.clone()).or_default().push(version.clone());
        }
    }
    stages
}

fn secrets_in_entra(world: &World) -> Vec<String> {
    let app = world.entra().app(DEFAULT_CLIENT_ID).unwrap();
    app.secrets.into_iter().map(|secret| secret.value).collect()
}

/// Makes the app's secrets an hour older.
fn age_secrets(world: &World) {
    let age = |app: &mut emulators::entra::AppRegistration| {
        for secret in &mut app.secrets {
            secret.starts_at = secret.starts_at.map(|at| at - SignedDuration::from_hours(1));
        }
    };
    world.entra().change_app(DEFAULT_CLIENT_ID, age).unwrap();
}

async fn world_that_may_rotate() -> World {
    let world = World::start().await;
    world.entra().change_app(DEFAULT_CLIENT_ID, |app| app.owns_itself = true).unwrap();
    world
}

/// Asserts that the rotation was given up and released its version, so that another one can begin.
async fn assert_given_up(world: &World, refused: Result<(), String>, number: u32) {
    let refused = refused.unwrap_err();
    assert!(refused.contains("given up"), "{refused}");
    assert!(version(world, "AWSPENDING").await.is_none());
    for name in STEPS {
        let refused = step(world, name, number).await.unwrap_err();
        assert!(refused.contains("begun no such rotation"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_renews_the_client_secret_and_disconnects_nobody() {
    let world = world_that_may_rotate().await;
    let connection = world.connect("ada", "ada").await;
    world.renew(&connection).await.expect(200);

    rotate(&world, 1).await;
    assert_eq!(version(&world, "AWSCURRENT").await.unwrap().0, token(1));
    let first = secret(&world, "AWSCURRENT").await;
    assert_ne!(first, DEFAULT_CLIENT_SECRET);
    assert_eq!(secret(&world, "AWSPREVIOUS").await, DEFAULT_CLIENT_SECRET);
    assert_eq!(secrets_in_entra(&world), [DEFAULT_CLIENT_SECRET, &first]);
    let shown = world.get(&Caller::Operator, &format!("/integrations/{INTEGRATION}")).await;
    let shown = shown.expect(200).json();
    let expires_at = shown["client_credential"]["expires_at"].as_str().unwrap();
    let expires_at: jiff::Timestamp = expires_at.parse().unwrap();
    let days = expires_at.duration_since(world.entra().now()).as_hours() / 24;
    assert!((178..=180).contains(&days), "{days}");

    // Entra refuses the secret that a process has cached, and the process finds the new one.
    world.entra().remove_secret(DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET).unwrap();
    world.renew(&connection).await.expect(200);
    let verify = format!("/integrations/{INTEGRATION}/verify");
    let verified = world.post(&Caller::Operator, &verify, json!({})).await.expect(200).json();
    assert_eq!(verified["ok"], true, "{verified}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_before_the_last_is_removed_from_entra_once_nobody_can_use_it_any_more() {
    let world = world_that_may_rotate().await;
    let mut made = Vec::new();
    for number in 1..=4 {
        rotate(&world, number).await;
        made.push(secret(&world, "AWSCURRENT").await);
        age_secrets(&world);
    }
    // The operator's own secret is kept.
    assert_eq!(secrets_in_entra(&world), [DEFAULT_CLIENT_SECRET, &made[2], &made[3]]);
    assert_eq!(world.entra().count("graph.add_password"), 4);

    // Two rotations in a row: other processes still cache the secret before, so it stays for now.
    rotate(&world, 5).await;
    rotate(&world, 6).await;
    made.extend([secret(&world, "AWSPREVIOUS").await, secret(&world, "AWSCURRENT").await]);
    assert_eq!(secrets_in_entra(&world), [DEFAULT_CLIENT_SECRET, &made[3], &made[4], &made[5]]);
    age_secrets(&world);
    rotate(&world, 7).await;
    made.push(secret(&world, "AWSCURRENT").await);
    assert_eq!(secrets_in_entra(&world), [DEFAULT_CLIENT_SECRET, &made[5], &made[6]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_could_not_be_stored_is_removed_by_the_next_rotation() {
    let (world, [_dynamodb, services]) = World::tapped().await;
    world.entra().change_app(DEFAULT_CLIENT_ID, |app| app.owns_itself = true).unwrap();
    world.announce_rotation(INTEGRATION, &token(1)).await;
    services.refuse("PutSecretValue", "");
    let refused = step(&world, "createSecret", 1).await.unwrap_err();
    assert!(refused.contains("PutSecretValue"), "{refused}");
    services.let_through();
    assert_eq!(secrets_in_entra(&world).len(), 2, "only Entra has it");
    // Secrets Manager retries; the lost password stays for now.
    for name in STEPS {
        step(&world, name, 1).await.unwrap();
    }
    let first = secret(&world, "AWSCURRENT").await;
    assert_eq!(secrets_in_entra(&world).len(), 3);
    age_secrets(&world);
    rotate(&world, 2).await;
    let second = secret(&world, "AWSCURRENT").await;
    assert_eq!(secrets_in_entra(&world), [DEFAULT_CLIENT_SECRET, &first, &second]);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_people_s_passwords_of_the_same_app_are_left_alone() {
    let world = world_that_may_rotate().await;
    let another_stack_s = "ado-connect azure-devops ZyXwVu";
    world
        .entra()
        .change_app(DEFAULT_CLIENT_ID, |app| {
            let mut other = emulators::entra::ClientSecret::new(OTHER_SECRET);
            other.display_name = Some(another_stack_s.to_owned());
            app.secrets.push(other);
        })
        .unwrap();
    for number in 1..=3 {
        rotate(&world, number).await;
        age_secrets(&world);
    }
    let left = secrets_in_entra(&world);
    assert!(left.iter().any(|secret| secret == OTHER_SECRET), "{left:?}");
    assert_eq!(left.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_that_entra_s_servers_do_not_know_yet_is_tried_again() {
    let world = world_that_may_rotate().await;
    world.announce_rotation(INTEGRATION, &token(1)).await;
    step(&world, "createSecret", 1).await.unwrap();
    let before = world.entra().count("token.client_credentials");
    let unknown = Fault::on("token.client_credentials").error("invalid_client").code(7_000_215);
    world.entra().inject(unknown);
    step(&world, "testSecret", 1).await.unwrap();
    assert_eq!(world.entra().count("token.client_credentials") - before, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_the_operator_puts_during_a_rotation_is_not_overwritten() {
    for steps_before in 1..STEPS.len() {
        let world = world_that_may_rotate().await;
        world.announce_rotation(INTEGRATION, &token(1)).await;
        for name in &STEPS[..steps_before] {
            step(&world, name, 1).await.unwrap();
        }
        world.entra().add_secret(DEFAULT_CLIENT_ID, OTHER_SECRET, None).unwrap();
        let put = json!({"kind": "client_secret", "client_secret": OTHER_SECRET});
        let path = format!("/integrations/{INTEGRATION}/client-credential");
        world.ask_json(&Caller::Operator, Method::PUT, &path, &put).await.expect(200);
        let next = if steps_before < 3 { "testSecret" } else { "finishSecret" };
        assert_given_up(&world, step(&world, next, 1).await, 1).await;
        assert_eq!(secret(&world, "AWSCURRENT").await, OTHER_SECRET);
        // The next rotation succeeds.
        rotate(&world, 2).await;
        assert_eq!(secret(&world, "AWSPREVIOUS").await, OTHER_SECRET);
        world.connect("ada", "ada").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_matches_the_stored_secret_whenever_the_operator_puts_one() {
    const EXPIRES: &str = "2099-01-01T00:00:00Z";
    let (world, taps) = World::tapped().await;
    world.entra().change_app(DEFAULT_CLIENT_ID, |app| app.owns_itself = true).unwrap();
    world.entra().add_secret(DEFAULT_CLIENT_ID, OTHER_SECRET, None).unwrap();
    let put =
        json!({"kind": "client_secret", "client_secret": OTHER_SECRET, "expires_at": EXPIRES});
    let path = format!("/integrations/{INTEGRATION}/client-credential");
    let number = AtomicU32::new(0);
    for tap in &taps {
        let steps = at_every_step(
            tap,
            async || {
                let number = number.fetch_add(1, Ordering::Relaxed);
                world.announce_rotation(INTEGRATION, &token(number)).await;
                for name in STEPS {
                    // Secrets Manager retries a failed step; a rotation that was given up fails again.
                    if step(&world, name, number).await.is_err() {
                        drop(step(&world, name, number).await);
                    }
                }
            },
            async |step| {
                let put = world.ask_json(&Caller::Operator, Method::PUT, &path, &put);
                put.await.expect(200);
                step.go_on();
            },
            async |()| {
                let stages = stages(&world).await;
                assert!(stages.values().all(|versions| versions.len() == 1), "{stages:?}");
                let (_, current) = version(&world, "AWSCURRENT").await.unwrap();
                let current = current.unwrap();
                let integration = format!("/integrations/{INTEGRATION}");
                let shown = world.get(&Caller::Operator, &integration).await.expect(200).json();
                let expected = match current["client_secret"].as_str().unwrap() {
                    OTHER_SECRET => EXPIRES,
                    _ => current["made"]["expires_at"].as_str().unwrap(),
                };
                let seconds = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_second();
                let described = shown["client_credential"]["expires_at"].as_str().unwrap();
                assert_eq!(seconds(described), seconds(expected), "{shown}");
            },
        )
        .await;
        assert!(steps >= 4, "{steps}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_of_another_app_s_secret_is_given_up() {
    let world = world_that_may_rotate().await;
    world.announce_rotation(INTEGRATION, &token(1)).await;
    step(&world, "createSecret", 1).await.unwrap();
    let other =
        json!({"client_id": "22222222-2222-4222-8222-222222222222", "client_credential": null});
    world.put_integration(INTEGRATION, other).await.expect(200);
    assert_given_up(&world, step(&world, "finishSecret", 1).await, 1).await;
    assert_eq!(secret(&world, "AWSCURRENT").await, DEFAULT_CLIENT_SECRET);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_password_that_somebody_removed_from_entra_is_given_up() {
    let world = world_that_may_rotate().await;
    world.announce_rotation(INTEGRATION, &token(1)).await;
    step(&world, "createSecret", 1).await.unwrap();
    let pending = secret(&world, "AWSPENDING").await;
    world.entra().remove_secret(DEFAULT_CLIENT_ID, &pending).unwrap();
    // Secrets Manager retries the whole rotation, which is given up.
    assert_given_up(&world, step(&world, "createSecret", 1).await, 1).await;
    rotate(&world, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_entra_does_not_allow_changes_nothing() {
    let world = World::start().await;
    world.announce_rotation(INTEGRATION, &token(1)).await;
    let refused = step(&world, "createSecret", 1).await.unwrap_err();
    assert!(refused.contains("Application.ReadWrite.OwnedBy"), "{refused}");
    assert_eq!(secrets_in_entra(&world), [DEFAULT_CLIENT_SECRET]);
    assert_eq!(version(&world, "AWSPENDING").await.unwrap().1, None);
    for name in ["testSecret", "finishSecret"] {
        let refused = step(&world, name, 1).await.unwrap_err();
        assert!(refused.contains("no pending version"), "{refused}");
    }
    world.connect("ada", "ada").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_rotations_that_secrets_manager_has_started_are_carried_out() {
    let world = world_that_may_rotate().await;
    for other in [
        "arn:aws:secretsmanager:us-east-1:123456789012:secret:ado-connect/operator-key-a1B2c3",
        "arn:aws:secretsmanager:us-east-1:123456789012:secret:payroll/integrations/azure-devops-a1B2c3",
        "arn:aws:secretsmanager:us-east-1:123456789012:secret:ado-connect/integrations/nobody-a1B2c3",
    ] {
        let event =
            json!({"Step": "createSecret", "SecretId": other, "ClientRequestToken": token(1)});
        let refused =
            world.stack.invoke("rotate", event.to_string().into_bytes()).await.unwrap_err();
        assert!(refused.to_string().contains("not the secret of an integration"), "{refused}");
    }
    // A rotation that was never started, and one of a secret without rotation.
    let refused = step(&world, "createSecret", 1).await.unwrap_err();
    assert!(refused.contains("begun no such rotation"), "{refused}");
    world.announce_rotation(INTEGRATION, &token(1)).await;
    let refused = step(&world, "createSecret", 2).await.unwrap_err();
    assert!(refused.contains("begun no such rotation"), "{refused}");

    let federated = json!({"client_credential": {"kind": "federated"}});
    world.put_integration(INTEGRATION, federated).await.expect(200);
    let refused = step(&world, "createSecret", 1).await.unwrap_err();
    assert!(refused.contains("no client secret to renew"), "{refused}");
    assert_eq!(world.entra().count("graph.add_password"), 0);
}

/// Waits until every connection has been renewed a few times.
async fn renewed(world: &World) {
    let renewals = || world.entra().count("token.refresh_token");
    let wanted = renewals() + 10;
    let waiting = async {
        while renewals() < wanted {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), waiting).await.expect("renewals go on");
}

/// Stores a new certificate, and then ends all other credentials of the app in Entra.
async fn change_over_to_a_new_certificate(world: &World) {
    let certificate = TestCertificate::generate().unwrap();
    let pem = certificate.certificate_pem;
    world.entra().add_certificate(DEFAULT_CLIENT_ID, &pem).unwrap();
    let path = format!("/integrations/{INTEGRATION}/client-credential");
    let credential = json!({"kind": "certificate", "certificate_pem": pem, "private_key_pem": certificate.private_key_pem});
    world.ask_json(&Caller::Operator, Method::PUT, &path, &credential).await.expect(200);
    let only_this = |app: &mut emulators::entra::AppRegistration| {
        app.secrets.clear();
        app.certificates = vec![pem];
    };
    world.entra().change_app(DEFAULT_CLIENT_ID, only_this).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_replaced_under_load_and_no_call_or_renewal_fails() {
    let world = world_that_may_rotate().await;
    let connections = [world.connect("ada", "ada").await, world.connect("grace", "grace").await];
    let is_over = AtomicBool::new(false);
    let calls = join_all(connections.iter().map(async |connection| {
        while !is_over.load(Ordering::SeqCst) {
            world.proxied(connection, PROJECTS).await.expect(200);
            // So that each call needs a renewal.
            world.expire_tokens().await;
        }
    }));
    let replacing = async {
        rotate(&world, 1).await;
        renewed(&world).await;
        world.entra().remove_secret(DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET).unwrap();
        renewed(&world).await;
        for _ in 0..2 {
            change_over_to_a_new_certificate(&world).await;
            renewed(&world).await;
        }
        is_over.store(true, Ordering::SeqCst);
    };
    tokio::join!(calls, replacing);
    for connection in &connections {
        assert_eq!(world.connection(connection).await["status"], "active");
    }
    let shown = world.get(&Caller::Operator, &format!("/integrations/{INTEGRATION}")).await;
    assert_eq!(shown.expect(200).json()["status"], "ready");
}
