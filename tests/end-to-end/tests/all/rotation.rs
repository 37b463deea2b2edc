//! Client secrets that renew themselves: Secrets Manager's steps, Microsoft Graph, and nobody disconnected.

use emulators::entra::{DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET};
use end_to_end::{Caller, INTEGRATION, World};
use local::names;
use serde_json::{Value, json};

const STEPS: [&str; 4] = ["createSecret", "setSecret", "testSecret", "finishSecret"];

fn token(number: u32) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// Invokes one step as Secrets Manager does.
async fn step(world: &World, step: &str, token: &str) -> Result<(), String> {
    let secret = world.stack.aws().secrets_manager.describe_secret();
    let secret = secret.secret_id(format!("{}integrations/{INTEGRATION}", names::SECRETS));
    let arn = secret.send().await.unwrap().arn.unwrap();
    assert!(arn.starts_with("arn:aws:secretsmanager:"), "{arn}");
    let event = json!({"Step": step, "SecretId": arn, "ClientRequestToken": token});
    let answered = world.stack.invoke("rotate", event.to_string().into_bytes()).await;
    answered.map(drop).map_err(|e| e.to_string())
}

async fn rotate(world: &World, number: u32) {
    for name in STEPS {
        // Each may come twice.
        step(world, name, &token(number)).await.unwrap();
        step(world, name, &token(number)).await.unwrap();
    }
}

/// The version of the integration's secret that has a stage.
async fn version(world: &World, stage: &str) -> Option<(String, Value)> {
    let read = world.stack.aws().secrets_manager.get_secret_value();
    let read = read.secret_id(format!("{}integrations/{INTEGRATION}", names::SECRETS));
    let read = read.version_stage(stage).send().await.ok()?;
    Some((read.version_id?, serde_json::from_str(&read.secret_string?).unwrap()))
}

fn secrets_in_entra(world: &World) -> Vec<String> {
    let app = world.entra().app(DEFAULT_CLIENT_ID).unwrap();
    app.secrets.into_iter().map(|secret| secret.value).collect()
}

async fn world_that_may_rotate() -> World {
    let world = World::start().await;
    world.entra().change_app(DEFAULT_CLIENT_ID, |app| app.owns_itself = true).unwrap();
    // The app is known in its own tenant once somebody there has consented.
    world.connect("ada", "ada").await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_renews_the_client_secret_and_disconnects_nobody() {
    let world = world_that_may_rotate().await;
    let connection = world.connect("ada", "ada").await;
    let refresh = format!("/connections/{connection}/refresh");
    world.post(&Caller::Application, &refresh, json!({})).await.expect(200);

    rotate(&world, 1).await;
    let (current, stored) = version(&world, "AWSCURRENT").await.unwrap();
    assert_eq!(current, token(1));
    let first = stored["client_secret"].as_str().unwrap().to_owned();
    assert_ne!(first, DEFAULT_CLIENT_SECRET);
    assert_eq!(
        version(&world, "AWSPREVIOUS").await.unwrap().1["client_secret"],
        DEFAULT_CLIENT_SECRET
    );
    assert_eq!(secrets_in_entra(&world), [DEFAULT_CLIENT_SECRET, &first]);
    let shown = world.get(&Caller::Operator, &format!("/integrations/{INTEGRATION}")).await;
    let shown = shown.expect(200).json();
    let expires_at = shown["client_credential"]["expires_at"].as_str().unwrap();
    let expires_at: jiff::Timestamp = expires_at.parse().unwrap();
    let days = expires_at.duration_since(world.entra().now()).as_hours() / 24;
    assert!((178..=180).contains(&days), "{days}");

    // A process that has cached the old one is told by Entra, and finds the new one.
    world.entra().remove_secret(DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET).unwrap();
    world.post(&Caller::Application, &refresh, json!({})).await.expect(200);
    let verify = format!("/integrations/{INTEGRATION}/verify");
    assert_eq!(
        world.post(&Caller::Operator, &verify, json!({})).await.expect(200).json()["ok"],
        true
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_before_the_last_is_removed_from_entra() {
    let world = world_that_may_rotate().await;
    let mut made = Vec::new();
    for number in 1..=4 {
        rotate(&world, number).await;
        let (_, stored) = version(&world, "AWSCURRENT").await.unwrap();
        made.push(stored["client_secret"].as_str().unwrap().to_owned());
    }
    // The operator's own is not ours to remove.
    assert_eq!(secrets_in_entra(&world), [DEFAULT_CLIENT_SECRET, &made[2], &made[3]]);
    assert_eq!(world.entra().count("graph.add_password"), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_entra_does_not_allow_changes_nothing() {
    let world = World::start().await;
    world.connect("ada", "ada").await;
    let refused = step(&world, "createSecret", &token(1)).await.unwrap_err();
    assert!(refused.contains("Application.ReadWrite.OwnedBy"), "{refused}");
    assert_eq!(secrets_in_entra(&world), [DEFAULT_CLIENT_SECRET]);
    assert!(version(&world, "AWSPENDING").await.is_none());
    for name in ["testSecret", "finishSecret"] {
        let refused = step(&world, name, &token(1)).await.unwrap_err();
        assert!(refused.contains("no pending version"), "{refused}");
    }
    world.connect("ada", "ada").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_secrets_of_integrations_that_have_one_are_rotated() {
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
    let federated = json!({"client_credential": {"kind": "federated"}});
    world.put_integration(INTEGRATION, federated).await.expect(200);
    let refused = step(&world, "createSecret", &token(1)).await.unwrap_err();
    assert!(refused.contains("no client secret to renew"), "{refused}");
    assert_eq!(world.entra().count("graph.add_password"), 0);
}
