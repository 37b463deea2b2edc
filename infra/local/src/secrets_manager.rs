//! The embedded Secrets Manager, and two rules that it lacks: a staging label is attached to one version at a time, and a
//! stored version is immutable.
//!
//! Source: "`PutSecretValue`" and "`UpdateSecretVersionStage`", AWS Secrets Manager API reference.

use std::pin::Pin;

use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;
use winterbaume_core::{
    MockRequest, MockResponse, MockService, StatefulService, default_account_id,
};
use winterbaume_secretsmanager::SecretsManagerService;
use winterbaume_secretsmanager::views::{SecretVersionView, SecretView, SecretsmanagerStateView};

use crate::names::REGION;

const CURRENT: &str = "AWSCURRENT";
const PREVIOUS: &str = "AWSPREVIOUS";

/// Secrets Manager.
#[derive(Default)]
pub(crate) struct SecretsManager {
    embedded: SecretsManagerService,
    /// One request at a time, so that the checks before a request still hold when it is served.
    turn: Mutex<()>,
}

/// The fields of requests that the rules need.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Asked {
    secret_id: String,
    client_request_token: Option<String>,
    secret_string: Option<String>,
    version_stages: Option<Vec<String>>,
    version_stage: Option<String>,
    remove_from_version_id: Option<String>,
    move_to_version_id: Option<String>,
}

impl MockService for SecretsManager {
    fn service_name(&self) -> &str {
        self.embedded.service_name()
    }

    fn url_patterns(&self) -> Vec<&str> {
        self.embedded.url_patterns()
    }

    fn handle(
        &self,
        request: MockRequest,
    ) -> Pin<Box<dyn Future<Output = MockResponse> + Send + '_>> {
        Box::pin(async move {
            let _turn = self.turn.lock().await;
            let target = request.headers.get("x-amz-target").and_then(|name| name.to_str().ok());
            let operation = target.and_then(|target| target.rsplit_once('.'));
            match (operation, serde_json::from_slice::<Asked>(&request.body)) {
                (Some((_, "PutSecretValue")), Ok(asked)) => self.put(request, &asked).await,
                (Some((_, "RotateSecret")), Ok(asked)) => {
                    let before = self.secret(&asked.secret_id).await;
                    self.replace_current(request, before).await
                }
                (Some((_, "UpdateSecretVersionStage")), Ok(asked)) => {
                    self.move_stage(request, &asked).await
                }
                _ => self.embedded.handle(request).await,
            }
        })
    }
}

impl SecretsManager {
    async fn put(&self, request: MockRequest, asked: &Asked) -> MockResponse {
        let before = self.secret(&asked.secret_id).await;
        let token = asked.client_request_token.as_deref().unwrap_or_default();
        if let Some(secret) = &before
            && let Some(stored) = secret.versions.get(token)
            && stored.secret_string.is_some()
        {
            return stored_before(secret, stored, asked);
        }
        let moves_current =
            asked.version_stages.as_ref().is_none_or(|stages| stages.iter().any(|s| s == CURRENT));
        if moves_current {
            self.replace_current(request, before).await
        } else {
            self.embedded.handle(request).await
        }
    }

    /// Serves a request that makes another version the current one; here `RotateSecret` does so at once.
    async fn replace_current(
        &self,
        request: MockRequest,
        before: Option<SecretView>,
    ) -> MockResponse {
        let answered = self.embedded.handle(request).await;
        if let (Some(before), 200) = (before, answered.status) {
            self.keep_previous_at(&before).await;
        }
        answered
    }

    /// Removes [`PREVIOUS`] from all versions but the former current one.
    async fn keep_previous_at(&self, before: &SecretView) {
        let Some(mut secret) = self.secret(&before.name).await else { return };
        for (id, version) in &mut secret.versions {
            if Some(id) != before.current_version_id.as_ref() {
                version.version_stages.retain(|stage| stage != PREVIOUS);
            }
        }
        secret.versions.retain(|_, version| !version.version_stages.is_empty());
        let changed = SecretsmanagerStateView { secrets: [(secret.name.clone(), secret)].into() };
        // Merging its own views back cannot fail.
        let _ = self.embedded.merge(default_account_id(), REGION, changed).await;
    }

    async fn move_stage(&self, request: MockRequest, asked: &Asked) -> MockResponse {
        let stage = asked.version_stage.as_deref().unwrap_or_default();
        let secret = self.secret(&asked.secret_id).await;
        let holder = secret.and_then(|secret| {
            let mut versions = secret.versions.into_values();
            versions.find(|version| version.version_stages.iter().any(|label| label == stage))
        });
        let is_meant = holder.is_none_or(|holder| {
            let id = Some(holder.version_id);
            asked.remove_from_version_id == id || asked.move_to_version_id == id
        });
        if is_meant {
            return self.embedded.handle(request).await;
        }
        refused(
            "InvalidParameterException",
            "RemoveFromVersionId must be the version that currently has the staging label.",
        )
    }

    async fn secret(&self, secret_id: &str) -> Option<SecretView> {
        let state = self.embedded.snapshot(default_account_id(), REGION).await;
        state.secrets.into_values().find(|one| one.name == secret_id || one.arn == secret_id)
    }
}

/// The answer to a `PutSecretValue` whose token names a stored version: success only with the same value.
fn stored_before(secret: &SecretView, stored: &SecretVersionView, asked: &Asked) -> MockResponse {
    if stored.secret_string != asked.secret_string {
        let message = "A version of this ClientRequestToken has another value.";
        return refused("ResourceExistsException", message);
    }
    let answer = json!({
        "ARN": secret.arn,
        "Name": secret.name,
        "VersionId": stored.version_id,
        "VersionStages": stored.version_stages,
    });
    MockResponse::json(200, answer.to_string())
}

fn refused(error: &str, message: &str) -> MockResponse {
    MockResponse::json(400, json!({"__type": error, "message": message}).to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use aws_sdk_secretsmanager::Client;

    use crate::Aws;

    const NAME: &str = "a-secret";

    fn token(number: u32) -> String {
        format!("00000000-0000-4000-8000-{number:012}")
    }

    async fn services() -> (Aws, Client) {
        let aws = Aws::start("key").await.unwrap();
        let client = aws.secrets_manager.clone();
        client.create_secret().name(NAME).secret_string("0").send().await.unwrap();
        (aws, client)
    }

    /// Stores a value under the token of a number; an error is its code.
    async fn put(client: &Client, number: u32, value: &str) -> Result<(), String> {
        let put = client.put_secret_value().secret_id(NAME).secret_string(value);
        let put = put.client_request_token(token(number)).send().await;
        put.map(drop).map_err(|error| error.into_service_error().meta().code().unwrap().to_owned())
    }

    /// The values by their staging labels.
    async fn values(client: &Client) -> BTreeMap<String, String> {
        let mut values = BTreeMap::new();
        let described = client.describe_secret().secret_id(NAME).send().await.unwrap();
        for (version, stages) in described.version_ids_to_stages().unwrap() {
            let read = client.get_secret_value().secret_id(NAME).version_id(version);
            let value = read.send().await.unwrap().secret_string.unwrap();
            for stage in stages {
                let other = values.insert(stage.clone(), value.clone());
                assert_eq!(other, None, "{stage} is at two versions");
            }
        }
        values
    }

    fn staged(current: &str, previous: &str) -> BTreeMap<String, String> {
        [("AWSCURRENT", current), ("AWSPREVIOUS", previous)]
            .map(|(stage, value)| (stage.to_owned(), value.to_owned()))
            .into()
    }

    #[tokio::test]
    async fn the_former_current_version_is_the_only_previous_one() {
        let (_aws, client) = services().await;
        for number in 1..4 {
            put(&client, number, &number.to_string()).await.unwrap();
        }
        assert_eq!(values(&client).await, staged("3", "2"));
        // The embedded service creates another version of the same value.
        client.rotate_secret().secret_id(NAME).send().await.unwrap();
        assert_eq!(values(&client).await, staged("3", "3"));
    }

    #[tokio::test]
    async fn a_value_stored_again_under_its_token_changes_nothing() {
        let (_aws, client) = services().await;
        put(&client, 1, "1").await.unwrap();
        put(&client, 2, "2").await.unwrap();
        put(&client, 1, "1").await.unwrap();
        assert_eq!(put(&client, 1, "another").await.unwrap_err(), "ResourceExistsException");
        assert_eq!(values(&client).await, staged("2", "1"));
    }

    #[tokio::test]
    async fn a_stage_is_moved_only_from_the_version_that_has_it() {
        let (_aws, client) = services().await;
        put(&client, 1, "1").await.unwrap();
        put(&client, 2, "2").await.unwrap();
        let pending = client.put_secret_value().secret_id(NAME).secret_string("3");
        let pending = pending.client_request_token(token(3)).version_stages("AWSPENDING");
        pending.send().await.unwrap();
        let promote = async |from: u32| {
            let promote = client.update_secret_version_stage().secret_id(NAME);
            let promote = promote.version_stage("AWSCURRENT").move_to_version_id(token(3));
            promote.remove_from_version_id(token(from)).send().await
        };
        let refused = promote(1).await.unwrap_err().into_service_error();
        assert!(refused.is_invalid_parameter_exception(), "{refused:?}");
        promote(2).await.unwrap();
        let mut expected = staged("3", "2");
        expected.insert("AWSPENDING".to_owned(), "3".to_owned());
        assert_eq!(values(&client).await, expected);
    }
}
