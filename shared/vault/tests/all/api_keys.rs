//! API keys in the embedded DynamoDB: who is let in by one, and for how long.

use ground::random::Random;
use jiff::{SignedDuration, Timestamp};
use local::{Aws, names};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use vault::api_keys::{ApiKeyRequest, ApiKeys, NewApiKey, Presented, Role};
use vault::ids::IntegrationId;
use vault::integrations::{Integration, Integrations};

const NOW: Timestamp = Timestamp::constant(1_767_225_600, 0);

fn after(seconds: i64) -> Timestamp {
    NOW + SignedDuration::from_secs(seconds)
}

struct Table {
    keys: ApiKeys,
    integrations: Integrations,
    _aws: Aws,
}

impl Table {
    async fn start() -> Self {
        let aws = Aws::start("operator key").await.unwrap();
        let name = names::INTEGRATIONS.to_owned();
        let keys = ApiKeys::new(aws.dynamodb.clone(), name.clone());
        Self { keys, integrations: Integrations::new(aws.dynamodb.clone(), name), _aws: aws }
    }

    async fn try_to_make(
        &self,
        integration: Option<&str>,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<NewApiKey> {
        let integration = integration.map(|id| id.parse().unwrap());
        let role = Role::Application;
        let request = ApiKeyRequest { name: "a key".to_owned(), role, integration, expires_at };
        self.keys.create(request, now, &mut Random::System).await.unwrap()
    }

    async fn make(&self) -> NewApiKey {
        self.try_to_make(None, None, NOW).await.unwrap()
    }

    /// The id of the key that lets `presented` in.
    async fn let_in(&self, presented: &SecretString, now: Timestamp) -> Option<String> {
        let presented = Presented::parse(presented)?;
        let key = self.keys.authenticate(&presented, now).await.unwrap();
        key.map(|key| key.id.as_str().to_owned())
    }
}

#[tokio::test]
async fn a_key_lets_in_by_its_own_secret_and_by_no_other() {
    let table = Table::start().await;
    let (one, two) = (table.make().await, table.make().await);
    for key in [&one, &two] {
        let id = key.description.id.as_str();
        assert_eq!(table.let_in(&key.key, NOW).await.as_deref(), Some(id));
    }
    let secret = one.key.expose_secret();
    let (of_two, _) = two.key.expose_secret().split_at(two.key.expose_secret().len() - 43);
    for wrong in [
        format!("{of_two}{}", &secret[secret.len() - 43..]),
        format!("{secret}x"),
        secret[..secret.len() - 1].to_owned(),
        "adoc_0a1b_secret".to_owned(),
    ] {
        assert_eq!(table.let_in(&wrong.clone().into(), NOW).await, None, "{wrong}");
    }
}

#[tokio::test]
async fn a_key_works_until_the_second_in_which_it_expires() {
    let table = Table::start().await;
    let key = table.try_to_make(None, Some(after(60)), NOW).await.unwrap();
    let id = &key.description.id;
    for (now, works) in [(after(59), true), (after(60), false), (after(61), false)] {
        assert_eq!(table.let_in(&key.key, now).await.is_some(), works, "{now}");
        assert_eq!(table.keys.working(id, now).await.unwrap().is_some(), works, "{now}");
    }
}

#[tokio::test]
async fn a_deleted_key_lets_nobody_in_and_leaves_the_others() {
    let table = Table::start().await;
    let (gone, kept) = (table.make().await, table.make().await);
    let id = &gone.description.id;
    assert!(table.keys.delete(id).await.unwrap());
    assert_eq!(table.let_in(&gone.key, NOW).await, None);
    assert!(table.keys.working(id, NOW).await.unwrap().is_none());
    assert!(!table.keys.delete(id).await.unwrap());
    assert!(table.let_in(&kept.key, NOW).await.is_some());
}

#[tokio::test]
async fn a_key_is_bound_to_an_integration_that_exists() {
    let table = Table::start().await;
    assert!(table.try_to_make(Some("one"), None, NOW).await.is_none());
    assert!(table.keys.list().await.unwrap().is_empty());
    let one = integration("one");
    assert!(table.integrations.put(one.clone(), None).await.unwrap());
    let bound = table.try_to_make(Some("one"), None, NOW).await.unwrap();
    let presented = Presented::parse(&bound.key).unwrap();
    let known = table.keys.authenticate(&presented, NOW).await.unwrap().unwrap();
    assert_eq!(known.integration, Some(one.id));
    assert_eq!(known.integration_created_at, Some(one.created_at));
}

#[tokio::test]
async fn keys_are_listed_by_age_and_by_integration() {
    let table = Table::start().await;
    assert!(table.integrations.put(integration("one"), None).await.unwrap());
    let mut made = Vec::new();
    for (integration, age) in [(None, 2), (Some("one"), 1), (None, 3)] {
        made.push(table.try_to_make(integration, None, after(-age)).await.unwrap().description.id);
    }
    let ids = |keys: Vec<vault::api_keys::ApiKey>| keys.into_iter().map(|key| key.id);
    let listed: Vec<_> = ids(table.keys.list().await.unwrap()).collect();
    assert_eq!(listed, [made[2].clone(), made[0].clone(), made[1].clone()]);
    let of = async |id: &str| {
        let id: IntegrationId = id.parse().unwrap();
        ids(table.keys.list_of(&id).await.unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(of("one").await, [made[1].clone()]);
    assert!(of("two").await.is_empty());
}

fn integration(id: &str) -> Integration {
    let fields = json!({
        "id": id,
        "client_id": "3f0e5a1c-7c51-4c3f-8d1e-0c9d1f6f1a01",
        "credential": {"kind": "client_secret"},
        "organizations": ["mycompany"],
        "scopes": ["vso.code"],
        "status": "ready",
        "created_at": NOW,
        "updated_at": NOW,
    });
    serde_json::from_value(fields).unwrap()
}

#[tokio::test]
async fn a_key_shows_until_when_its_calls_are_counted_and_a_deleted_one_does_not_come_back() {
    let table = Table::start().await;
    let id = table.make().await.description.id;
    table.keys.record_calls_counted(&id, after(60)).await.unwrap();
    let working = table.keys.working(&id, NOW).await.unwrap();
    assert_eq!(working.unwrap().calls_counted_until, Some(after(60)));
    table.keys.delete(&id).await.unwrap();
    table.keys.record_calls_counted(&id, after(120)).await.unwrap();
    assert!(table.keys.working(&id, NOW).await.unwrap().is_none());
}
