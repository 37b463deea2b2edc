//! API keys in the portal.

use aws_sdk_dynamodb::types::AttributeValue;
use end_to_end::portal::field;
use end_to_end::{Caller, INTEGRATION, World};
use local::names;
use serde_json::json;

use super::operator;

#[tokio::test(flavor = "multi_thread")]
async fn an_api_key_is_shown_once_works_until_its_time_and_is_revoked() {
    let world = World::start().await;
    let operator = operator(&world).await;
    let fields = [("name", "ci"), ("role", "application"), ("expires_at", "2035-01-01")];
    let made = operator.submit("/portal/api-keys", &fields).await.expect(200).text();
    let key = field(&made, "key").unwrap();
    world.secret(&key);
    let caller = Caller::Bearer(key.clone());
    world.get(&caller, "/connections").await.expect(200);
    let listed = operator.open("/portal/api-keys").await.expect(200).text();
    assert!(listed.contains("ci") && !listed.contains(&key));
    let id = key.split('_').nth(1).unwrap();
    let past = AttributeValue::S("2020-01-01T00:00:00Z".to_owned());
    world.set(names::INTEGRATIONS, &format!("api_key#{id}"), "expires_at", past).await;
    world.get(&caller, "/connections").await.expect_problem(401, "invalid_credentials");
    let listed = operator.open("/portal/api-keys").await.expect(200).text();
    assert!(listed.contains("expired"));
    let revoked = operator.submit_and_follow(&format!("/portal/api-keys/{id}/revoke"), &[]).await;
    assert!(!revoked.expect(200).text().contains(id));
    for (fields, field) in [
        (&[("name", ""), ("role", "application")][..], "name"),
        (&[("name", "x"), ("role", "owner")], "role"),
        (&[("name", "x"), ("role", "operator"), ("integration", INTEGRATION)], "integration"),
        (&[("name", "x"), ("role", "application"), ("expires_at", "2020-01-01")], "expires_at"),
    ] {
        let refused = operator.submit("/portal/api-keys", fields).await.expect(422).text();
        assert!(refused.contains(&format!("<li>{field}:")), "{field}: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_can_hide_behind_the_name_of_a_key_for_a_single_call() {
    let world = World::start().await;
    let wish = json!({"name": "one call of the portal", "role": "operator"});
    let made = world.post(&Caller::Operator, "/api-keys", wish).await.expect(201).json();
    let id = made["id"].as_str().unwrap();
    let page = operator(&world).await.open("/portal/api-keys").await.expect(200).text();
    assert!(page.contains(id), "{page}");
}
