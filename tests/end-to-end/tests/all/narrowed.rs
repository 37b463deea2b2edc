//! Settings of an integration that were narrowed after users connected: they reach what exists.

use end_to_end::{Caller, INTEGRATION, PROJECTS, World};
use reqwest::Method;
use serde_json::{Value, json};

/// A tenant that nobody of these tests is in.
const OTHER_TENANT: &str = "99999999-9999-4999-8999-999999999999";

/// Checks that the tokens of a connection are not used, handed out or renewed, by nobody.
async fn assert_unserved(world: &World, connection: &str, code: &str) {
    world.devops().reset_counts();
    let (asked, audited) = (world.entra().count("token"), "token_handed_out");
    for front in world.fronts() {
        let url = format!("{front}/proxy/{connection}/{PROJECTS}");
        let request = world.request_at(&Caller::Application, Method::GET, &url);
        world.send(request).await.expect_problem(403, code);
    }
    for action in ["refresh", "token"] {
        let path = format!("/connections/{connection}/{action}");
        let refused = world.ask(&Caller::Application, Method::POST, &path).await;
        refused.expect_problem(403, code);
    }
    world.make_due(connection).await;
    world.stack.tick().await.expect("the schedule runs");
    assert_eq!(world.entra().count("token"), asked, "Entra is not asked");
    assert_eq!(world.devops().requests().len(), 0);
    assert!(!world.log().iter().any(|line| line.contains(audited)));
}

async fn assert_served(world: &World, connection: &str) {
    world.proxied(connection, PROJECTS).await.expect(200);
    world.renew(connection).await.expect(200);
}

async fn put(world: &World, changes: Value) {
    let mut settings = json!({"allow_token_handout": true});
    for (name, value) in changes.as_object().unwrap() {
        settings[name] = value.clone();
    }
    world.put_integration(INTEGRATION, settings).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_of_a_tenant_that_is_no_longer_allowed_serves_nobody_until_it_is_again() {
    let world = World::start().await;
    put(&world, json!({})).await;
    let connection = world.connect("ada", "ada").await;
    assert_served(&world, &connection).await;
    put(&world, json!({"allowed_tenants": [OTHER_TENANT]})).await;
    assert_unserved(&world, &connection, "wrong_tenant").await;
    let tenant = world.connection(&connection).await["account"]["tenant_id"].clone();
    put(&world, json!({"allowed_tenants": [OTHER_TENANT, tenant]})).await;
    assert_served(&world, &connection).await;
    assert_eq!(world.connection(&connection).await["status"], "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_of_an_organization_that_is_no_longer_served_serves_nobody_until_it_is_again()
{
    let world = World::start().await;
    put(&world, json!({"organizations": ["mycompany", "fabrikam"]})).await;
    let link = json!({
        "integration": INTEGRATION, "user": "ada", "organization": "mycompany", "return_to": world.return_to(),
    });
    let link = world.connect_url_for(link).await;
    let returned = world.browser().finish(&link, "ada").await.expect(303);
    world.confirm(&returned, "ada").await.expect(200);
    let connection = returned.location_parameter("connection_id").unwrap();
    assert_served(&world, &connection).await;
    put(&world, json!({"organizations": ["fabrikam"]})).await;
    assert_unserved(&world, &connection, "organization_not_allowed").await;
    put(&world, json!({"organizations": ["mycompany"]})).await;
    assert_served(&world, &connection).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_is_sent_to_no_origin_that_was_removed_while_its_user_signed_in() {
    let world = World::start().await;
    let narrowed = json!({"allowed_return_origins": ["https://new.mycompany.example"]});
    for confirmation in ["required", "none"] {
        put(&world, json!({"confirmation": confirmation})).await;
        let link = world.connect_url("ada").await;
        put(&world, narrowed.clone()).await;
        let shown = world.browser().finish(&link, "ada").await;
        assert_eq!(shown.header("location"), None);
        shown.expect_problem(400, "return_to_not_allowed");
    }
    // Nothing was redeemed for an address that is gone.
    assert_eq!(world.entra().count("token.authorization_code"), 0);
    // A refusal by the user goes to no removed origin either.
    put(&world, json!({})).await;
    let link = world.connect_url("ada").await;
    put(&world, narrowed).await;
    let browser = world.browser();
    let authorize_url = browser.start(&link).await;
    let callback =
        browser.decide(&authorize_url, &[("account", "ada"), ("action", "cancel")]).await;
    let shown = browser.open(callback.as_str()).await;
    assert_eq!(shown.header("location"), None);
}
