//! Many simultaneous requests of the same kind.

use std::collections::BTreeMap;
use std::time::Duration;

use emulators::Fault;
use end_to_end::{Answer, Caller, INTEGRATION, World, crowd};
use reqwest::Method;
use serde_json::json;

const CROWD: usize = 64;

fn outcomes(answers: &[Answer]) -> BTreeMap<u16, usize> {
    let mut counted = BTreeMap::new();
    for answer in answers {
        *counted.entry(answer.status.as_u16()).or_default() += 1;
    }
    counted
}

/// Warms all processes and slows Entra down, so that all calls arrive during one renewal.
async fn set_the_scene(world: &World, connection: &str) {
    let calls =
        (0..CROWD).map(|_| world.proxied(connection, "dev.azure.com/mycompany/_apis/projects"));
    crowd(calls).await;
    world.entra().inject(Fault::on("token.refresh_token").times(0).delay(Duration::from_secs(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_64_identical_callbacks_redeems_the_code_and_63_are_clean_refusals() {
    let world = World::start().await;
    let link = world.connect_url("ada").await;
    // The processes are warm, so that the requests really run at the same time.
    let strangers = world.url("/integration-callback?state=none&code=none");
    crowd((0..CROWD).map(|_| world.send(world.plain_get(&strangers)))).await;
    let browser = world.browser();
    let callback = browser.sign_in(&link, "ada").await;
    let cookies = browser.cookies();
    let calls = (0..CROWD).map(|_| {
        let request = world.plain_get(callback.as_str()).header("cookie", &cookies);
        world.send(request)
    });
    let answers = crowd(calls).await;
    assert_eq!(outcomes(&answers), BTreeMap::from([(303, 1), (400, CROWD - 1)]));
    for refused in answers.iter().filter(|answer| answer.status == 400) {
        refused.clone().expect_problem(400, "state_unknown");
    }
    assert_eq!(world.entra().count("token.authorization_code"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_64_calls_on_an_expired_token_renews_it_and_all_succeed() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    set_the_scene(&world, &connection).await;
    world.expire_tokens().await;
    let calls =
        (0..CROWD).map(|_| world.proxied(&connection, "dev.azure.com/mycompany/_apis/projects"));
    let answers = crowd(calls).await;
    assert_eq!(outcomes(&answers), BTreeMap::from([(200, CROWD)]));
    assert_eq!(world.entra().count("token.refresh_token"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_a_thousand_calls_at_expiry_over_sixteen_processes_renews_and_all_succeed() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    set_the_scene(&world, &connection).await;
    world.expire_tokens().await;
    let calls =
        (0..1000).map(|_| world.proxied(&connection, "dev.azure.com/mycompany/_apis/projects"));
    let answers = crowd(calls).await;
    assert_eq!(outcomes(&answers), BTreeMap::from([(200, 1000)]));
    assert_eq!(world.entra().count("token.refresh_token"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_64_calls_with_a_rejected_token_renews_it_and_all_succeed() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    set_the_scene(&world, &connection).await;
    world.entra().revoke_access_tokens("ada").unwrap();
    let calls =
        (0..CROWD).map(|_| world.proxied(&connection, "dev.azure.com/mycompany/_apis/projects"));
    let answers = crowd(calls).await;
    assert_eq!(outcomes(&answers), BTreeMap::from([(200, CROWD)]));
    assert_eq!(world.entra().count("token.refresh_token"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_flows_of_one_link_leave_one_connection() {
    let world = World::start().await;
    let link = world.connect_url("ada").await;
    let (one, two) = (world.browser(), world.browser());
    let callbacks = [one.sign_in(&link, "ada").await, two.sign_in(&link, "ada").await];
    let (first, second) =
        tokio::join!(one.open(callbacks[0].as_str()), two.open(callbacks[1].as_str()));
    let (won, lost): (Vec<_>, Vec<_>) = [first, second]
        .into_iter()
        .map(|answer| answer.expect(303))
        .partition(|answer| answer.location_parameter("confirmation").is_some());
    assert_eq!((won.len(), lost.len()), (1, 1));
    assert_eq!(lost[0].location_parameter("error").as_deref(), Some("session_unknown"));
    world.confirm(&won[0], "ada").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_began_before_a_reconnect_never_writes_after_it() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    world.expire_tokens().await;
    // The refresh hangs at Entra while the user reconnects.
    let held = world.entra().inject(Fault::on("token.refresh_token").hold());
    let call = world.proxied(&connection, "dev.azure.com/mycompany/_apis/projects");
    let reconnect = async {
        held.arrived(1).await;
        assert_eq!(world.connect("ada", "ada").await, connection);
        let before = world.connection(&connection).await;
        held.release();
        before
    };
    let (answer, before) = tokio::join!(call, reconnect);
    answer.expect(200);
    let after = world.connection(&connection).await;
    assert_eq!(after["token_expires_at"], before["token_expires_at"]);
    assert_eq!(after["last_refreshed_at"], before["last_refreshed_at"]);
    world.proxied(&connection, "dev.azure.com/mycompany/_apis/projects").await.expect(200);
    assert_eq!(world.items(local::names::TOKENS).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_began_before_a_delete_brings_nothing_back() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    world.expire_tokens().await;
    let held = world.entra().inject(Fault::on("token.refresh_token").hold());
    let call = world.proxied(&connection, "dev.azure.com/mycompany/_apis/projects");
    let delete = async {
        held.arrived(1).await;
        let path = format!("/connections/{connection}");
        world.ask(&Caller::Application, Method::DELETE, &path).await.expect(204);
        held.release();
    };
    let (answer, ()) = tokio::join!(call, delete);
    answer.expect_problem(404, "connection_not_found");
    assert!(world.items(local::names::TOKENS).await.is_empty());
    assert!(world.items(local::names::CONNECTIONS).await.is_empty());
}

/// Deletes an integration while a sign-in under it is at Entra. `then` happens before Entra answers. Returns the answer
/// to the browser.
async fn sign_in_during_a_delete(world: &World, then: impl AsyncFnOnce()) -> Answer {
    let link = world.connect_url("ada").await;
    let browser = world.browser();
    let callback = browser.sign_in(&link, "ada").await;
    let held = world.entra().inject(Fault::on("token.authorization_code").hold());
    let delete = async {
        held.arrived(1).await;
        let path = format!("/integrations/{INTEGRATION}");
        world.ask(&Caller::Operator, Method::DELETE, &path).await.expect(204);
        then().await;
        held.release();
    };
    let (answer, ()) = tokio::join!(browser.open(callback.as_str()), delete);
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_began_before_its_integration_was_deleted_leaves_nothing() {
    let world = World::start().await;
    let answer = sign_in_during_a_delete(&world, async || {}).await.expect(303);
    let error = answer.location_parameter("error");
    assert_eq!(error.as_deref(), Some("integration_not_ready"));
    assert!(world.items(local::names::TOKENS).await.is_empty());
    assert!(world.items(local::names::CONNECTIONS).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_does_not_end_under_a_later_integration_of_the_same_name() {
    let world = World::start().await;
    let put = async || drop(world.put_integration(INTEGRATION, json!({})).await.expect(201));
    let answer = sign_in_during_a_delete(&world, put).await.expect(303);
    let error = answer.location_parameter("error");
    assert_eq!(error.as_deref(), Some("integration_not_ready"));
    assert!(world.items(local::names::TOKENS).await.is_empty());
}
