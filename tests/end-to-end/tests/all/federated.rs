//! Signing in to Entra with a token of AWS: no secret anywhere.

use emulators::entra::{DEFAULT_CLIENT_ID, FederatedCredential};
use end_to_end::{Caller, INTEGRATION, World};
use local::{names, sts};
use serde_json::json;

/// Makes the app trust this subject of AWS, and nothing else.
fn trust_only(world: &World, subject: &str) {
    world
        .entra()
        .change_app(DEFAULT_CLIENT_ID, |app| {
            app.secrets.clear();
            app.federated_credentials = vec![FederatedCredential {
                issuer: sts::ISSUER.to_owned(),
                subject: subject.to_owned(),
                audience: "api://AzureADTokenExchange".to_owned(),
                public_key_pem: sts::public_key_pem().to_owned(),
            }];
        })
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_connects_and_calls_and_is_renewed_without_any_client_secret() {
    let world = World::start().await;
    trust_only(&world, sts::ROLE_ARN);
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
    // Each function has a token of AWS of its own, and it serves the refresh grant, too.
    world
        .post(&Caller::Application, &format!("/connections/{connection}/refresh"), json!({}))
        .await
        .expect(200);
    world.proxied(&connection, projects).await.expect(200);

    let stored = world.stack.aws().secrets_manager.get_secret_value();
    let stored = stored.secret_id(format!("{}integrations/{INTEGRATION}", names::SECRETS));
    let stored = stored.send().await.unwrap().secret_string.unwrap();
    assert_eq!(stored, r#"{"kind":"federated"}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_trusts_another_role_is_told_by_verify() {
    let world = World::start().await;
    trust_only(&world, "arn:aws:iam::000000000000:role/another");
    let federated = json!({"client_credential": {"kind": "federated"}});
    world.put_integration(INTEGRATION, federated).await.expect(200);
    let path = format!("/integrations/{INTEGRATION}/verify");
    let verified = world.post(&Caller::Operator, &path, json!({})).await.expect(200).json();
    assert_eq!(verified["ok"], false);
    let finding = verified["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["check"] == "client_credential")
        .unwrap();
    assert_eq!(finding["status"], "failed");
    let fix = finding["fix"].as_str().unwrap();
    assert!(fix.contains("FederationSubject"), "{finding}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_without_the_role_takes_no_federated_credential() {
    let world = World::with_variables(&[("FEDERATION_ROLE_ARN", "")]).await;
    let federated = json!({"client_credential": {"kind": "federated"}});
    let refused = world.put_integration("second", federated).await;
    let problem = refused.expect_problem(400, "invalid_request");
    assert!(problem.text().contains("FederatedCredential=true"), "{}", problem.text());
}
