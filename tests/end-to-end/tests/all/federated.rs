//! Signing in to Entra with a token of AWS, without any secret.

use end_to_end::{Caller, INTEGRATION, World, trust_only};
use jiff::SignedDuration;
use local::names;
use serde_json::{Value, json};

/// Returns the finding of `verify` about the credential.
async fn credential_finding(world: &World) -> Value {
    world.finding(INTEGRATION, "client_credential").await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_connects_and_calls_and_is_renewed_without_any_client_secret() {
    let world = World::start().await;
    trust_only(world.entra(), names::FEDERATION_ROLE_ARN);
    let federated = json!({"client_credential": {"kind": "federated"}});
    let put = world.put_integration(INTEGRATION, federated).await.expect(200).json();
    assert_eq!(put["client_credential"]["kind"], "federated");
    let verified = world
        .post(&Caller::Operator, &format!("/integrations/{INTEGRATION}/verify"), json!({}))
        .await;
    assert_eq!(verified.expect(200).json()["ok"], true);

    let connection = world.connect("ada", "ada").await;
    let projects = "dev.azure.com/mycompany/_apis/projects";
    world.proxied(&connection, projects).await.expect(200);
    // Each function gets its own token of AWS, which also serves the refresh grant.
    world.renew(&connection).await.expect(200);
    world.proxied(&connection, projects).await.expect(200);

    let stored = world.stack.aws().secrets_manager.get_secret_value();
    let stored = stored.secret_id(format!("{}integrations/{INTEGRATION}", names::SECRETS));
    let stored = stored.send().await.unwrap().secret_string.unwrap();
    assert_eq!(stored, r#"{"kind":"federated"}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn requested_tokens_never_outlive_their_session() {
    let world = World::start().await;
    trust_only(world.entra(), names::FEDERATION_ROLE_ARN);
    // The session is about to end, and tokens are too short-lived to be cached.
    world.stack.aws().sts.set(|settings| {
        settings.session = SignedDuration::from_secs(350);
        settings.token = Some(SignedDuration::from_secs(30));
    });
    let federated = json!({"client_credential": {"kind": "federated"}});
    world.put_integration(INTEGRATION, federated).await.expect(200);
    assert_eq!(credential_finding(&world).await["status"], "ok");
    // Later, AWS would refuse another token in the same session.
    world.stack.aws().sts.set(|settings| settings.ahead = SignedDuration::from_secs(100));
    let finding = credential_finding(&world).await;
    assert_eq!(finding["status"], "ok", "{finding}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_tokens_is_a_fault_of_the_integration_and_costs_no_connection() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let federated = json!({"client_credential": {"kind": "federated"}});
    world.put_integration(INTEGRATION, federated).await.expect(200);
    world.stack.aws().sts.set(|settings| {
        settings.refusal = Some("OutboundWebIdentityFederationDisabledException");
    });
    let finding = credential_finding(&world).await;
    assert_eq!(finding["status"], "failed");
    assert!(finding["fix"].as_str().unwrap().contains("enable-outbound-web-identity-federation"));

    let refused = world.renew(&connection).await;
    refused.expect_problem(502, "credential_rejected");
    let path = format!("/integrations/{INTEGRATION}");
    let shown = world.get(&Caller::Operator, &path).await.expect(200).json();
    assert_eq!(shown["status"], "credential_rejected");
    assert_eq!(world.connection(&connection).await["status"], "active");

    // An operator enables it and runs `verify`.
    trust_only(world.entra(), names::FEDERATION_ROLE_ARN);
    world.stack.aws().sts.set(|settings| settings.refusal = None);
    assert_eq!(credential_finding(&world).await["status"], "ok");
    world.renew(&connection).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_reports_an_app_that_trusts_another_role() {
    let world = World::start().await;
    trust_only(world.entra(), "arn:aws:iam::000000000000:role/another");
    let federated = json!({"client_credential": {"kind": "federated"}});
    world.put_integration(INTEGRATION, federated).await.expect(200);
    let finding = credential_finding(&world).await;
    assert_eq!(finding["status"], "failed");
    let fix = finding["fix"].as_str().unwrap();
    assert!(fix.contains("FederationSubject"), "{finding}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_without_the_role_refuses_federated_credentials() {
    let world = World::with_variables(&[("FEDERATION_ROLE_ARN", "")]).await;
    let federated = json!({"client_credential": {"kind": "federated"}});
    let refused = world.put_integration("second", federated).await;
    let problem = refused.expect_problem(400, "invalid_request");
    assert!(problem.text().contains("FederatedCredential=true"), "{}", problem.text());
}
