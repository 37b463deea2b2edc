//! Operating the service: pause, sweep, dead letters, costs and metrics.

use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use emulators::Fault;
use end_to_end::{Caller, INTEGRATION, PROJECTS, World, crowd};
use local::names;
use reqwest::Method;
use serde_json::{Value, json};

async fn post(world: &World, path: &str) -> Value {
    world.ask(&Caller::Operator, Method::POST, path).await.expect(200).json()
}

fn exchanges(world: &World) -> u64 {
    world.entra().count("token.refresh_token")
}

/// Returns a number from a connection's item, or `None` if the attribute is missing.
async fn number(world: &World, connection: &str, name: &str) -> Option<i64> {
    let items = world.items(names::CONNECTIONS).await;
    let item = items.iter().find(|item| item["pk"].as_s().unwrap() == connection).unwrap();
    item.get(name)?.as_n().ok()?.parse().ok()
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_integration_rests_and_loses_nothing() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let path = format!("/integrations/{INTEGRATION}");
    assert_eq!(post(&world, &format!("{path}/pause")).await["status"], "paused");
    world.proxied(&connection, PROJECTS).await.expect_problem(409, "integration_not_ready");
    world.expire_tokens().await;
    world.make_due(&connection).await;
    world.stack.tick().await.unwrap();
    assert_eq!(exchanges(&world), 0);
    // The connection is postponed and stays scheduled.
    let due_in = number(&world, &connection, "due_at").await.unwrap() - now();
    assert!((500..=1800).contains(&due_in), "{due_in}");
    // A new secret does not resume the integration; only the operator can.
    assert_eq!(
        world.put_integration(INTEGRATION, json!({})).await.expect(200).json()["status"],
        "paused"
    );
    assert_eq!(post(&world, &format!("{path}/resume")).await["status"], "ready");
    world.proxied(&connection, PROJECTS).await.expect(200);
    assert_eq!(world.connection(&connection).await["status"], "active");
    for action in ["pause", "resume"] {
        let path = format!("/integrations/nobody/{action}");
        let answer = world.ask(&Caller::Operator, Method::POST, &path).await;
        answer.expect_problem(404, "integration_not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_connection_serves_nobody_is_renewed_and_goes_on_when_resumed() {
    let world = World::start().await;
    world.put_integration(INTEGRATION, json!({"allow_token_handout": true})).await.expect(200);
    let connection = world.connect("ada", "ada").await;
    let other = world.connect("grace", "grace").await;
    let path = format!("/connections/{connection}");
    for caller in [Caller::Application, Caller::Nobody] {
        let answer = world.ask(&caller, Method::POST, &format!("{path}/pause")).await;
        assert!([401, 403].contains(&answer.status.as_u16()), "{answer:?}");
    }
    let paused = post(&world, &format!("{path}/pause")).await;
    assert_eq!(paused["status"], "active");
    assert!(paused["paused_at"].is_string(), "{paused}");
    assert_eq!(post(&world, &format!("{path}/pause")).await, paused);

    world.proxied(&connection, PROJECTS).await.expect_problem(409, "connection_paused");
    world.streamed(&connection, PROJECTS).await.expect_problem(409, "connection_paused");
    for action in ["token", "refresh"] {
        let path = format!("{path}/{action}");
        let answer = world.ask(&Caller::Application, Method::POST, &path).await;
        answer.expect_problem(409, "connection_paused");
    }
    world.proxied(&other, PROJECTS).await.expect(200);
    // The schedule renews it, so that it works at once when it is resumed.
    world.expire_tokens().await;
    world.make_due(&connection).await;
    world.stack.tick().await.unwrap();
    assert_eq!(exchanges(&world), 1);
    // A new sign-in of the user does not end the operator's pause.
    assert_eq!(world.connect("ada", "ada").await, connection);
    world.proxied(&connection, PROJECTS).await.expect_problem(409, "connection_paused");

    let resumed = post(&world, &format!("{path}/resume")).await;
    assert_eq!(resumed["paused_at"], Value::Null);
    world.proxied(&connection, PROJECTS).await.expect(200);
    for audit in ["connection_paused", "connection_resumed"] {
        let line = world.logged(|line| line.contains(&format!("\"audit\":\"{audit}\""))).await;
        assert!(line.contains("\"caller\":\"operator\"") && line.contains(&connection), "{line}");
    }
    let nobody = "/connections/conn_0123456789abcdef0123456789abcdef/pause";
    let answer = world.ask(&Caller::Operator, Method::POST, nobody).await;
    answer.expect_problem(404, "connection_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kill_switch_stops_everything_within_five_seconds_and_nothing_is_lost() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let link = world.connect_url("grace").await;
    let half_way = world.browser();
    let callback = half_way.sign_in(&world.connect_url("linus").await, "grace").await;
    world.proxied(&connection, PROJECTS).await.expect(200);
    world.make_due(&connection).await;

    assert_eq!(post(&world, "/service/pause").await["status"], "paused");
    assert_eq!(
        world.get(&Caller::Operator, "/service").await.expect(200).json()["status"],
        "paused"
    );
    let turned = Instant::now();
    // The proxy has just read the switch, and may continue until it reads it again.
    loop {
        let called_after = turned.elapsed();
        if world.proxied(&connection, PROJECTS).await.status == 503 {
            break;
        }
        assert!(called_after < Duration::from_secs(5), "the switch has no effect");
    }
    world.stack.restart_functions().await;
    let refused = world.proxied(&connection, PROJECTS).await.expect_problem(503, "service_paused");
    assert!(refused.header("retry-after").is_some());
    for path in ["refresh", "token"] {
        let path = format!("/connections/{connection}/{path}");
        let answer = world.ask(&Caller::Application, Method::POST, &path).await;
        answer.expect_problem(503, "service_paused");
    }
    let wish = json!({"integration": INTEGRATION, "user": "mary", "return_to": world.return_to()});
    let answer = world.post(&Caller::Application, "/connect-sessions", wish).await;
    answer.expect_problem(503, "service_paused");
    world.browser().open(&link).await.expect_problem(503, "service_paused");
    half_way.open(callback.as_str()).await.expect_problem(503, "service_paused");
    world.stack.tick().await.unwrap();
    assert_eq!(exchanges(&world), 0);
    assert!(number(&world, &connection, "due_at").await.unwrap() < now());

    assert_eq!(post(&world, "/service/resume").await["status"], "running");
    world.stack.restart_functions().await;
    world.proxied(&connection, PROJECTS).await.expect(200);
    half_way.open(callback.as_str()).await.expect(303);
    world.browser().open(&link).await.expect(302);
    world.stack.tick().await.unwrap();
    assert_eq!(exchanges(&world), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_finds_what_the_schedule_has_forgotten() {
    let world = World::start().await;
    let forgotten = world.connect("ada", "ada").await;
    let known = world.connect("grace", "grace").await;
    world.stack.tick().await.unwrap();
    // No code of ours does this: one leaves the index, the other goes to a shard without a worker.
    world.remove(names::CONNECTIONS, &forgotten, "due_at").await;
    let nowhere = AttributeValue::N("77".to_owned());
    world.set(names::CONNECTIONS, &known, "due_shard", nowhere).await;
    world.stack.sweep().await.unwrap();
    assert_metric(&world, "SweepForgotten", 2).await;
    world.stack.tick().await.unwrap();
    assert_eq!(exchanges(&world), 2);
    world.stack.sweep().await.unwrap();
    // The second sweep finds no further connection.
    assert_metric_in(&world, "SweepForgotten", 2, 2).await;
}

/// Returns the log lines, which are JSON after the function's name.
fn logged(world: &World) -> Vec<Value> {
    let json = |line: &String| serde_json::from_str(line.get(line.find('{')?..)?).ok();
    world.log().iter().filter_map(json).collect()
}

/// Waits until the sum of a metric over all log lines is as expected: a line may arrive after its answer.
async fn assert_metric(world: &World, name: &str, expected: u64) {
    assert_metric_in(world, name, expected, 0).await;
}

/// As [`assert_metric`], once at least this number of lines has the metric.
async fn assert_metric_in(world: &World, name: &str, expected: u64, lines: usize) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let told: Vec<u64> = logged(world).iter().filter_map(|line| line[name].as_u64()).collect();
        let sum: u64 = told.iter().sum();
        if sum == expected && told.len() >= lines {
            return;
        }
        assert!(sum <= expected && Instant::now() < deadline, "{name}: {told:?}, not {expected}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_of_an_earlier_larger_number_are_still_drained() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    world.stack.tick().await.unwrap();
    // The service once had 16 shards.
    let shards = AttributeValue::N("16".to_owned());
    world.set(names::INTEGRATIONS, "service", "refresh_shards", shards).await;
    world
        .set(names::CONNECTIONS, &connection, "due_shard", AttributeValue::N("13".to_owned()))
        .await;
    world.make_due(&connection).await;
    world.stack.tick().await.unwrap();
    assert_eq!(exchanges(&world), 1);
    // Now it is in one of the present shards.
    assert!(number(&world, &connection, "due_shard").await.unwrap() < 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_only_puts_aside_the_connection_that_its_worker_died_of() {
    let world = World::start().await;
    let died_of = world.connect("ada", "ada").await;
    let other = world.connect("grace", "grace").await;
    for id in [&died_of, &other] {
        world.make_due(id).await;
    }
    let past = AttributeValue::N("1000000000000".to_owned());
    world.set(names::CONNECTIONS, &died_of, "lease_until", past).await;
    for shard in 0..4 {
        let body = json!({"due_shard": shard}).to_string();
        let record =
            json!({"messageId": "1", "body": body, "eventSourceARN": names::DEAD_LETTERS_ARN});
        let event = json!({"Records": [record]}).to_string().into_bytes();
        let answer = world.stack.invoke("refresh", event).await.unwrap();
        assert_eq!(
            serde_json::from_slice::<Value>(&answer).unwrap(),
            json!({"batchItemFailures": []})
        );
    }
    assert_eq!(exchanges(&world), 0);
    let due_in = number(&world, &died_of, "due_at").await.unwrap() - now();
    assert!((3500..=3600).contains(&due_in), "{due_in}");
    assert!(number(&world, &other, "due_at").await.unwrap() < now());
    assert_metric(&world, "DeadLettersPutAside", 1).await;
    assert_eq!(world.connection(&died_of).await["status"], "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_message_is_delivered_again_and_stops_its_batch() {
    let world = World::start().await;
    let records = json!([
        {"messageId": "a", "body": "{\"due_shard\": 0}"},
        {"messageId": "b", "body": "nonsense"},
        {"messageId": "c", "body": "{\"due_shard\": 1}"},
    ]);
    let event = json!({"Records": records}).to_string().into_bytes();
    let answer = world.stack.invoke("refresh", event).await.unwrap();
    let failures = json!([{"itemIdentifier": "b"}, {"itemIdentifier": "c"}]);
    assert_eq!(serde_json::from_slice::<Value>(&answer).unwrap()["batchItemFailures"], failures);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_renewed_before_expiry_while_it_is_used_and_weekly_otherwise() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let renew = async || {
        world.make_due(&connection).await;
        world.work_on(&connection).await.unwrap();
        let due = number(&world, &connection, "due_at").await.unwrap() - now();
        let expires = number(&world, &connection, "token_expires_at").await.unwrap() - now();
        (due, expires)
    };
    let week = 6 * 86_400..8 * 86_400;
    let (due, _) = renew().await;
    assert!(week.contains(&due), "never used: {due}");
    // The first use makes it due earlier.
    world.proxied(&connection, PROJECTS).await.expect(200);
    let due = number(&world, &connection, "due_at").await.unwrap() - now();
    let expires = number(&world, &connection, "token_expires_at").await.unwrap() - now();
    assert!((expires - 1260..expires - 540).contains(&due), "used: {due} of {expires}");
    let (due, expires) = renew().await;
    assert!((expires - 1260..expires - 540).contains(&due), "used: {due} of {expires}");
    // The last use was over a day ago.
    let long_ago = AttributeValue::N((now() - 90_000).to_string());
    world.set(names::CONNECTIONS, &connection, "last_used_at", long_ago).await;
    let (due, _) = renew().await;
    assert!(week.contains(&due), "idle: {due}");
    let shown = world.put_integration(INTEGRATION, json!({"always_warm": true})).await.expect(200);
    assert_eq!(shown.json()["always_warm"], true);
    let (due, expires) = renew().await;
    assert!((expires - 1260..expires - 540).contains(&due), "always warm: {due} of {expires}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schedule_follows_the_token_lifetime_of_entra() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    world.proxied(&connection, PROJECTS).await.expect(200);
    world.entra().set_token_lifetime(27 * 3600);
    world.make_due(&connection).await;
    world.stack.tick().await.unwrap();
    let due = number(&world, &connection, "due_at").await.unwrap() - now();
    assert!((20 * 3600..27 * 3600).contains(&due), "{due}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_connection_costs_one_write_an_hour() {
    let (world, taps) = World::tapped().await;
    let connection = world.connect("ada", "ada").await;
    // All processes are warm, with filled caches.
    world.get(&Caller::Application, &format!("/connections/{connection}")).await.expect(200);
    taps[0].reset();
    let calls = (0..64).map(|_| world.proxied(&connection, PROJECTS));
    for answer in crowd(calls).await {
        answer.expect(200);
    }
    for _ in 0..20 {
        world.proxied(&connection, PROJECTS).await.expect(200);
    }
    let counts = taps[0].counts();
    let done = |counts: &tap::Counts, operation: &str| {
        let of = |counted: &std::collections::BTreeMap<String, u64>| {
            counted.get(operation).copied().unwrap_or_default()
        };
        of(&counts.requests) - of(&counts.refused)
    };
    assert_eq!(done(&counts, "UpdateItem"), 1, "{counts:?}");
    // Each process writes its tallies once in ten seconds, not with each call.
    assert!((1..84 / 2).contains(&counts.tallies), "{counts:?}");
    let others = ["PutItem", "DeleteItem", "BatchWriteItem"];
    assert!(others.iter().all(|name| !counts.requests.contains_key(*name)), "{counts:?}");
    // The first use of the key on this day is an audit entry. Each process tries to write it until the entry is there, and
    // one of them succeeds.
    assert!(done(&counts, "TransactWriteItems") <= 1, "{counts:?}");
    assert!(
        counts.requests.get("TransactWriteItems").is_none_or(|tried| *tried < 84 / 2),
        "{counts:?}"
    );
    // An hour later there is one more write.
    let an_hour_ago = AttributeValue::N((now() - 3700).to_string());
    world.set(names::CONNECTIONS, &connection, "last_used_at", an_hour_ago).await;
    taps[0].reset();
    for _ in 0..20 {
        world.proxied(&connection, PROJECTS).await.expect(200);
    }
    let counts = taps[0].counts();
    assert_eq!(done(&counts, "UpdateItem"), 1, "{counts:?}");
    assert_eq!(done(&counts, "TransactWriteItems"), 0, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_due_connection_costs_four_requests_and_nine_write_units() {
    let (world, taps) = World::tapped().await;
    let users = ["ada", "grace"];
    let mut connections = Vec::new();
    for user in users {
        connections.push(world.connect(user, user).await);
    }
    let mut costs = Vec::new();
    // The first run fills the caches; the third renews one connection more than the second.
    for due in [&connections[..1], &connections[..1], &connections[..]] {
        for connection in due {
            let shard = AttributeValue::N("0".to_owned());
            world.set(names::CONNECTIONS, connection, "due_shard", shard).await;
            world.make_due(connection).await;
        }
        taps[0].reset();
        let body = json!({"due_shard": 0}).to_string();
        let event = json!({"Records": [{"messageId": "1", "body": body}]}).to_string();
        world.stack.invoke("refresh", event.into_bytes()).await.unwrap();
        costs.push(taps[0].counts());
    }
    let more = |name: &str| costs[2].requests[name] - costs[1].requests[name];
    // Three updates: lease, store and release. One read; another of the kill switch every few seconds.
    assert_eq!((more("UpdateItem"), more("Query")), (3, 0), "{costs:?}");
    assert!(more("GetItem") <= 2, "{costs:?}");
    assert_eq!(costs[2].requests.len(), 3, "no other requests: {costs:?}");
    let units = costs[2].write_units - costs[1].write_units;
    assert!((1.0..=9.0).contains(&units), "{costs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_due_connections_their_delays_and_outcomes() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    world.make_due(&connection).await;
    world.stack.tick().await.unwrap();
    for (name, value) in [
        ("DueShards", 1),
        ("DueHandled", 1),
        ("DueRenewed", 1),
        ("TokenRequests", 1),
        ("TokensRenewed", 1),
        ("TokensUnsaved", 0),
        ("IntegrationsCredentialRejected", 0),
        ("ServicePaused", 0),
    ] {
        assert_metric(&world, name, value).await;
    }
    let mut overdue = logged(&world);
    overdue.retain(|line| line["OverdueSeconds"].is_array());
    assert_eq!(overdue.len(), 1);
    assert!(overdue[0]["_aws"]["CloudWatchMetrics"].to_string().contains("OverdueSeconds"));
}

/// Runs a worker on the shard of each connection. The schedule would send one message a minute.
async fn work(world: &World, connections: &[String]) {
    for connection in connections {
        world.work_on(connection).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_secret_stops_the_schedule_not_the_connections_and_is_found_repaired() {
    let world = World::start().await;
    let mut connections = Vec::new();
    for user in ["ada", "grace"] {
        connections.push(world.connect(user, user).await);
    }
    world.entra().expire_secrets(emulators::entra::DEFAULT_CLIENT_ID).unwrap();
    let all_due = async || {
        for connection in &connections {
            world.make_due(connection).await;
        }
    };
    all_due().await;
    world.stack.tick().await.unwrap();
    let asked = exchanges(&world);
    assert!((1..=10).contains(&asked), "{asked}");
    all_due().await;
    work(&world, &connections).await;
    assert_eq!(exchanges(&world), asked, "the breaker is open");
    let path = format!("/integrations/{INTEGRATION}");
    assert_eq!(world.get(&Caller::Operator, &path).await.json()["status"], "credential_rejected");
    for connection in &connections {
        assert_eq!(world.connection(connection).await["status"], "active");
    }
    world.stack.tick().await.unwrap();
    assert_metric(&world, "IntegrationsCredentialRejected", 1).await;
    // The secret is rotated directly in Secrets Manager; half a minute later a probe finds it.
    let fresh = world.entra().new_secret(emulators::entra::DEFAULT_CLIENT_ID).unwrap();
    let value = json!({"kind": "client_secret", "client_secret": fresh}).to_string();
    let name = format!("{}integrations/{INTEGRATION}", names::SECRETS);
    let secrets = &world.stack.aws().secrets_manager;
    secrets.put_secret_value().secret_id(name).secret_string(value).send().await.unwrap();
    let past = AttributeValue::N("1000000000".to_owned());
    world.set(names::INTEGRATIONS, &format!("integration#{INTEGRATION}"), "probed_at", past).await;
    all_due().await;
    work(&world, &connections).await;
    assert_eq!(world.get(&Caller::Operator, &path).await.json()["status"], "ready");
    all_due().await;
    work(&world, &connections).await;
    for connection in &connections {
        assert!(world.connection(connection).await["last_refreshed_at"].is_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_removed_by_one_tenant_still_works_for_the_others() {
    let world = World::start().await;
    world.put_integration("saas", json!({"organizations": "any"})).await.expect(201);
    let wish = json!({"integration": "saas", "user": "ada", "organization": "mycompany", "return_to": world.return_to()});
    let link = world.connect_url_for(wish).await;
    let returned = world.browser().finish(&link, "ada").await.expect(303);
    world.confirm(&returned, "ada").await.expect(200);
    let connection = returned.location_parameter("connection_id").unwrap();
    world
        .entra()
        .inject(Fault::on("token.refresh_token").error("unauthorized_client").code(700_016));
    world.make_due(&connection).await;
    world.stack.tick().await.unwrap();
    assert_eq!(exchanges(&world), 1);
    assert_eq!(world.get(&Caller::Operator, "/integrations/saas").await.json()["status"], "ready");
    assert_eq!(world.connection(&connection).await["status"], "active");
    // The tenant is tried again after two minutes.
    let due_in = number(&world, &connection, "due_at").await.unwrap() - now();
    assert!((100..=120).contains(&due_in), "{due_in}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_expires_soon_is_reported_every_day() {
    let world = World::start().await;
    let secret = emulators::entra::DEFAULT_CLIENT_SECRET;
    let expires_at = "2020-01-01T00:00:00Z";
    let credential =
        json!({"kind": "client_secret", "client_secret": secret, "expires_at": expires_at});
    world.put_integration(INTEGRATION, json!({"client_credential": credential})).await.expect(200);
    world.stack.sweep().await.unwrap();
    assert_metric(&world, "CredentialsExpiring", 1).await;
    world.logged(|line| line.contains("the client credential expires soon")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_token_that_a_call_could_not_store_is_reported() {
    let (world, [dynamodb, _services]) = World::tapped().await;
    let connection = world.connect("ada", "ada").await;
    let projects = "dev.azure.com/mycompany/_apis/projects";
    world.expire_tokens().await;
    world.proxied(&connection, projects).await.expect(200);
    assert_metric(&world, "TokensRenewed", 1).await;
    assert_metric(&world, "TokensUnsaved", 0).await;

    world.expire_tokens().await;
    dynamodb.refuse("UpdateItem", names::TOKENS);
    world.proxied(&connection, projects).await.expect_problem(503, "service_unavailable");
    assert_metric(&world, "TokensUnsaved", 1).await;
    assert_metric(&world, "TokensRenewed", 1).await;
    // Entra keeps the earlier refresh token valid, so the connection survives.
    dynamodb.let_through();
    let past = AttributeValue::N("1000000000000".to_owned());
    world.set(names::CONNECTIONS, &connection, "lease_until", past).await;
    world.proxied(&connection, projects).await.expect(200);
}
