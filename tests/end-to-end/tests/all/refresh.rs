//! Connections survive expired tokens, restarts, faults of Entra, and an expired client secret.

use aws_sdk_dynamodb::types::AttributeValue;
use emulators::Fault;
use emulators::entra::DEFAULT_CLIENT_ID;
use end_to_end::{Caller, INTEGRATION, PROJECTS, World};
use local::names;
use reqwest::Method;
use serde_json::json;

async fn tick(world: &World) {
    world.stack.tick().await.expect("the schedule runs");
}

/// Makes a failed refresh ready to be retried.
async fn let_retry(world: &World, connection: &str) {
    let past = AttributeValue::N("1000000000".to_owned());
    for name in ["retry_at", "due_at"] {
        world.set(names::CONNECTIONS, connection, name, past.clone()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schedule_renews_only_a_due_connection() {
    let world = World::start().await;
    let due = world.connect("ada", "ada").await;
    let not_due = world.connect("grace", "grace").await;
    tick(&world).await;
    assert_eq!(world.entra().count("token.refresh_token"), 0);
    world.make_due(&due).await;
    tick(&world).await;
    assert_eq!(world.entra().count("token.refresh_token"), 1);
    assert!(world.connection(&due).await["last_refreshed_at"].is_string());
    assert!(world.connection(&not_due).await["last_refreshed_at"].is_null());
    // The connection is due in the future again.
    tick(&world).await;
    assert_eq!(world.entra().count("token.refresh_token"), 1);
    world.proxied(&due, PROJECTS).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxied_call_renews_an_expired_token_on_demand() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    world.entra().advance_clock(2 * 3600);
    world.expire_tokens().await;
    world.proxied(&connection, PROJECTS).await.expect(200);
    world.proxied(&connection, PROJECTS).await.expect(200);
    assert_eq!(world.entra().count("token.refresh_token"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn restarting_the_functions_between_any_two_requests_loses_nothing() {
    let world = World::start().await;
    let link = world.connect_url("ada").await;
    world.stack.restart_functions().await;
    let browser = world.browser();
    let callback = browser.sign_in(&link, "ada").await;
    world.stack.restart_functions().await;
    let returned = browser.open(callback.as_str()).await.expect(303);
    world.stack.restart_functions().await;
    world.confirm(&returned, "ada").await.expect(200);
    world.stack.restart_functions().await;
    let connection = returned.location_parameter("connection_id").unwrap();
    world.proxied(&connection, PROJECTS).await.expect(200);
    world.stack.restart_functions().await;
    world.expire_tokens().await;
    world.proxied(&connection, PROJECTS).await.expect(200);
    world.stack.restart_functions().await;
    world.make_due(&connection).await;
    tick(&world).await;
    world.stack.restart_functions().await;
    world.proxied(&connection, PROJECTS).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttle_of_entra_that_looks_like_a_dead_grant_costs_no_connection() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    world.entra().inject(
        Fault::on("token.refresh_token").times(0).status(400).error("invalid_grant").code(50196),
    );
    for _ in 0..5 {
        let_retry_if_failed(&world, &connection).await;
        world.expire_tokens().await;
        let answer =
            world.proxied(&connection, PROJECTS).await.expect_problem(503, "entra_throttled");
        assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() >= 60);
        // An earlier call does not ask Entra again.
        let asked = world.entra().count("token.refresh_token");
        world.proxied(&connection, PROJECTS).await.expect_problem(503, "entra_throttled");
        assert_eq!(world.entra().count("token.refresh_token"), asked);
    }
    assert_eq!(world.connection(&connection).await["status"], "active");
    world.entra().clear_faults();
    let_retry(&world, &connection).await;
    world.proxied(&connection, PROJECTS).await.expect(200);
}

async fn let_retry_if_failed(world: &World, connection: &str) {
    let failed =
        world.items(names::CONNECTIONS).await.iter().any(|item| item.contains_key("retry_at"));
    if failed {
        let_retry(world, connection).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_entra_is_waited_out() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    for fault in [
        Fault::on("token.refresh_token").status(503),
        Fault::on("token.refresh_token").reset(),
        Fault::on("token.refresh_token").status(400).error("temporarily_unavailable"),
        Fault::on("token.refresh_token").status(429).retry_after(7),
    ] {
        world.entra().inject(fault);
        world.expire_tokens().await;
        let answer = world.proxied(&connection, PROJECTS).await.expect(503);
        assert!(answer.header("retry-after").is_some());
        assert_eq!(world.connection(&connection).await["status"], "active");
        let_retry(&world, &connection).await;
    }
    world.proxied(&connection, PROJECTS).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_grant_is_confirmed_before_the_user_is_bothered() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    world.entra().revoke_grants("ada").unwrap();
    world.expire_tokens().await;
    world.proxied(&connection, PROJECTS).await.expect_problem(503, "refresh_refused");
    assert_eq!(world.connection(&connection).await["status"], "active");
    // More than five minutes later Entra answers the same.
    let_retry(&world, &connection).await;
    let long_ago = AttributeValue::N("1000000000".to_owned());
    world.set(names::CONNECTIONS, &connection, "refused_since", long_ago).await;
    tick(&world).await;
    let shown = world.connection(&connection).await;
    assert_eq!(shown["status"], "reauthorization_required");
    assert!(shown["reason"].as_str().unwrap().contains("invalid_grant"), "{shown}");
    world
        .proxied(&connection, PROJECTS)
        .await
        .expect_problem(401, "connection_reauthorization_required");
    // It leaves the schedule, and connecting again repairs it under the same id.
    tick(&world).await;
    assert_eq!(world.entra().count("token.refresh_token"), 2);
    assert_eq!(world.connect("ada", "ada").await, connection);
    world.proxied(&connection, PROJECTS).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claims_challenge_is_kept_for_the_next_authorize_url() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let claims = r#"{"access_token":{"polids":{"essential":true,"values":["p1"]}}}"#;
    world.entra().require_interaction("ada", claims).unwrap();
    world.expire_tokens().await;
    world
        .proxied(&connection, PROJECTS)
        .await
        .expect_problem(401, "connection_reauthorization_required");
    let link = world.connect_url("ada").await;
    let authorize_url = world.browser().start(&link).await;
    let sent =
        authorize_url.query_pairs().find(|(name, _)| name == "claims").unwrap().1.into_owned();
    assert!(sent.contains("polids") && sent.contains("cp1"), "{sent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_client_secret_changes_no_connection_and_a_new_one_repairs_all() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    world.entra().expire_secrets(DEFAULT_CLIENT_ID).unwrap();
    world.expire_tokens().await;
    world.proxied(&connection, PROJECTS).await.expect_problem(502, "credential_rejected");
    let integration = format!("/integrations/{INTEGRATION}");
    assert_eq!(
        world.get(&Caller::Operator, &integration).await.json()["status"],
        "credential_rejected"
    );
    assert_eq!(world.connection(&connection).await["status"], "active");
    // The breaker is open, so Entra gets no request.
    let asked = world.entra().count("token.refresh_token");
    for _ in 0..10 {
        world.proxied(&connection, PROJECTS).await.expect_problem(502, "credential_rejected");
    }
    assert!(world.entra().count("token.refresh_token") <= asked + 2);
    // New connect sessions are refused, too.
    let wish = json!({"integration": INTEGRATION, "user": "grace", "return_to": world.return_to()});
    world
        .post(&Caller::Application, "/connect-sessions", wish)
        .await
        .expect_problem(409, "integration_not_ready");

    let secret = world.entra().new_secret(DEFAULT_CLIENT_ID).unwrap();
    let changes = json!({"client_credential": {"kind": "client_secret", "client_secret": secret}});
    world.put_integration(INTEGRATION, changes).await.expect(200);
    world.stack.restart_functions().await;
    world.proxied(&connection, PROJECTS).await.expect(200);
    assert_eq!(world.get(&Caller::Operator, &integration).await.json()["status"], "ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_rotated_in_secrets_manager_is_found_without_a_restart() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    // A renewal, so that the process caches the secret.
    world.expire_tokens().await;
    world.proxied(&connection, PROJECTS).await.expect(200);
    replace_secret(&world).await;
    world.expire_tokens().await;
    world.proxied(&connection, PROJECTS).await.expect(200);
    assert_eq!(
        world.get(&Caller::Operator, &format!("/integrations/{INTEGRATION}")).await.json()["status"],
        "ready"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_refusal_of_a_replaced_secret_marks_nothing() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    // A renewal, so that the process caches the secret.
    world.expire_tokens().await;
    world.proxied(&connection, PROJECTS).await.expect(200);
    let current = replace_secret(&world).await;
    // Entra knows the cached secret no longer, and refuses the new one for a reason unknown to us. Forms encode its `~`.
    let end = current.rsplit('~').next().unwrap();
    let fault = Fault::on("token.refresh_token").times(0).containing(end);
    let fault = world.entra().inject(fault.status(401).error("invalid_client").code(7_654_321));
    world.expire_tokens().await;
    world.proxied(&connection, PROJECTS).await.expect_problem(502, "entra_misconfigured");
    let integration = format!("/integrations/{INTEGRATION}");
    assert_eq!(world.get(&Caller::Operator, &integration).await.json()["status"], "ready");
    fault.remove();
    let_retry(&world, &connection).await;
    world.proxied(&connection, PROJECTS).await.expect(200);
}

/// Replaces the client secret in Entra and in Secrets Manager. Returns the new one.
async fn replace_secret(world: &World) -> String {
    let fresh = world.entra().new_secret(DEFAULT_CLIENT_ID).unwrap();
    let value = json!({"kind": "client_secret", "client_secret": fresh}).to_string();
    let name = format!("{}integrations/{INTEGRATION}", names::SECRETS);
    let secrets = &world.stack.aws().secrets_manager;
    secrets.put_secret_value().secret_id(name).secret_string(value).send().await.unwrap();
    world
        .entra()
        .remove_secret(DEFAULT_CLIENT_ID, emulators::entra::DEFAULT_CLIENT_SECRET)
        .unwrap();
    fresh
}

#[tokio::test(flavor = "multi_thread")]
async fn refresh_now_renews_and_shows_the_connection() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let path = format!("/connections/{connection}/refresh");
    let shown = world.ask(&Caller::Application, Method::POST, &path).await.expect(200).json();
    assert!(shown["last_refreshed_at"].is_string(), "{shown}");
    assert_eq!(world.entra().count("token.refresh_token"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_is_forced_once_a_minute() {
    let world = World::start().await;
    let (ada, grace) = (world.connect("ada", "ada").await, world.connect("grace", "grace").await);
    let force = async |id: &str| {
        let path = format!("/connections/{id}/refresh");
        world.ask(&Caller::Application, Method::POST, &path).await
    };
    force(&ada).await.expect(200);
    let again = force(&ada).await.expect_problem(429, "renewed_recently");
    let after: u64 = again.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&after), "{after}");
    assert_eq!(world.entra().count("token.refresh_token"), 1);
    force(&grace).await.expect(200);
    world.proxied(&ada, PROJECTS).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_handed_out_only_where_the_integration_allows_it() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let path = format!("/connections/{connection}/token");
    let refused = world.ask(&Caller::Application, Method::POST, &path).await;
    refused.expect_problem(403, "token_handout_disabled");
    world.put_integration(INTEGRATION, json!({"allow_token_handout": true})).await.expect(200);
    let request = world.request(&Caller::Application, Method::POST, &path);
    let token = world.send_unwatched(request).await.expect(200).json();
    assert_eq!(token["token_type"], "Bearer");
    let issued = world.entra().secrets_issued();
    assert!(issued.iter().any(|secret| token["access_token"] == secret.as_str()));
    world.logged(|line| line.contains("token_handed_out")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_never_confirmed_are_erased() {
    let world = World::start().await;
    let link = world.connect_url("ada").await;
    let returned = world.browser().finish(&link, "ada").await.expect(303);
    let connection = returned.location_parameter("connection_id").unwrap();
    assert_eq!(world.connection(&connection).await["status"], "pending");
    let stored = world.items(names::CONNECTIONS).await;
    let item = stored.iter().find(|item| item["pk"].as_s().unwrap() == &connection).unwrap();
    let mut pending = item["pending"].as_m().unwrap().clone();
    pending.insert("expires_at".to_owned(), AttributeValue::N("1000000000".to_owned()));
    world.set(names::CONNECTIONS, &connection, "pending", AttributeValue::M(pending)).await;
    world.make_due(&connection).await;
    tick(&world).await;
    assert!(world.items(names::TOKENS).await.is_empty());
    assert!(world.items(names::CONNECTIONS).await.is_empty());
    world.confirm(&returned, "ada").await.expect_problem(404, "connection_not_found");
}
