//! The audit trail: a line and an item for everything that has to be accounted for.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::types::AttributeValue;
use edge::caller::Role;
use edge::routes::{Operation, ROUTES, Route};
use emulators::Fault;
use end_to_end::{Answer, Caller, INTEGRATION, World};
use local::names;
use reqwest::Method;
use serde_json::{Value, json};

use crate::permissions::as_function;

/// Returns the entries of a page.
fn entries(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Returns all entries that a query finds, page by page.
async fn search(world: &World, query: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut next = Some(format!("/audit?{query}"));
    while let Some(path) = next {
        let answer = world.get(&Caller::Operator, &path).await.expect(200);
        found.extend(entries(&answer));
        next = answer.header("link").map(|link| {
            let address = link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap();
            address.strip_prefix(world.stack.public_url()).unwrap().to_owned()
        });
    }
    found
}

fn whats(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["what"].as_str().unwrap()).collect()
}

/// Returns the public half of an API key.
fn id_of(key: &str) -> &str {
    key.split('_').nth(1).unwrap()
}

/// A user's life under an integration that hands tokens out, as the holder of this key. Returns the connection.
async fn live(world: &World, key: &str) -> String {
    let bearer = &Caller::Bearer(key.to_owned());
    let handing_out = json!({"allow_token_handout": true});
    world.put_integration(INTEGRATION, handing_out).await.expect(200);
    let wish = json!({"integration": INTEGRATION, "user": "ada", "return_to": world.return_to()});
    let made = world.post(bearer, "/connect-sessions", wish).await.expect(201).json();
    let link = made["connect_url"].as_str().unwrap();
    world.secret(link.split("session=").nth(1).unwrap());
    let returned = world.browser().finish(link, "ada").await.expect(303);
    let connection = returned.location_parameter("connection_id").unwrap();
    world.confirm_as(bearer, &returned, json!({"user": "ada"})).await.expect(200);
    let token = format!("/connections/{connection}/token");
    let handed_out = world.request(bearer, Method::POST, &token);
    assert_eq!(world.send_unwatched(handed_out).await.status, 200);
    world.entra().inject(Fault::on("token.refresh_token").status(503));
    let refresh = format!("/connections/{connection}/refresh");
    world.ask(bearer, Method::POST, &refresh).await.expect_problem(503, "entra_unavailable");
    let pause = format!("/connections/{connection}/pause");
    world.ask(&Caller::Operator, Method::POST, &pause).await.expect(200);
    let disconnect = format!("/connections/{connection}");
    world.ask(bearer, Method::DELETE, &disconnect).await.expect(204);
    let delete = format!("/api-keys/{}", id_of(key));
    world.ask(&Caller::Operator, Method::DELETE, &delete).await.expect(204);
    connection
}

/// The events of that life about the connection, the first first.
const LIFE: [&str; 6] = [
    "connection_connected",
    "connection_confirmed",
    "token_handed_out",
    "renewal_failed",
    "connection_paused",
    "connection_disconnected",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_users_life_is_found_in_order_with_who_and_what_and_from_where() {
    let world = World::start().await;
    let key = world.new_key("application", None).await;
    let connection = live(&world, &key).await;

    let of_connection = search(&world, &format!("connection={connection}")).await;
    assert_eq!(whats(&of_connection), LIFE);
    let bearer = format!("key:{}", id_of(&key));
    let who = [
        ("anonymous", "anonymous"),
        (&*bearer, "application"),
        (&*bearer, "application"),
        (&*bearer, "application"),
        ("operator", "operator"),
        (&*bearer, "application"),
    ];
    for (entry, (id, role)) in of_connection.iter().zip(who) {
        assert_eq!(entry["who"], json!({"id": id, "role": role}), "{entry}");
        assert_eq!(entry["on"], json!({"integration": INTEGRATION, "connection": connection}));
        assert_eq!(entry["from"]["source"], "127.0.0.1", "{entry}");
        // The request's own line, and the second copy.
        let id = entry["from"]["request_id"].as_str().unwrap();
        let what = format!("\"audit\":{}", entry["what"]);
        let is_copy = |line: &str| line.contains(id) && line.contains(&what);
        assert!(world.logged(is_copy).await.contains(&connection), "{entry}");
        world.logged(|line| line.contains(id) && line.contains("\"message\":\"request\"")).await;
    }
    assert_eq!(of_connection[3]["detail"], json!({"failure": "unavailable"}));

    let of_key = search(&world, &format!("key={}", id_of(&key))).await;
    let expected = ["api_key_created", "api_key_used"].iter().chain(&LIFE[1..4]).chain(&LIFE[5..]);
    let expected: Vec<&str> = expected.copied().chain(["api_key_deleted"]).collect();
    assert_eq!(whats(&of_key), expected);
    assert_eq!(of_key[0]["detail"], json!({"role": "application"}));

    let all = search(&world, "").await;
    let in_order = all.windows(2).all(|pair| pair[0]["time"].as_str() <= pair[1]["time"].as_str());
    assert!(in_order, "{all:#?}");
    let configuration: Vec<&str> =
        whats(&all).into_iter().filter(|what| !what.starts_with("connection_")).collect();
    for what in ["integration_created", "integration_changed", "credential_replaced"] {
        assert!(configuration.contains(&what), "{what}: {configuration:?}");
    }
}

/// The body with which an operator asks for this change.
fn wish(operation: Operation) -> Value {
    match operation {
        Operation::PutIntegration => World::integration(&json!({})),
        Operation::PutClientCredential => json!({"kind": "federated"}),
        Operation::CreateApiKey => json!({"name": "a test's", "role": "application"}),
        _ => Value::Null,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_by_an_operator_is_an_entry_of_its_request() {
    let world = World::start().await;
    let is_change = |route: &&Route| {
        route.method != Some(Method::GET) && route.callers.contains(&Role::Operator)
    };
    let mut tried = 0;
    for (number, route) in ROUTES.iter().filter(is_change).enumerate() {
        // Each change has objects of its own, because some are deletions.
        let (integration, user) = (format!("change-{number}"), format!("ada-{number}"));
        world.put_integration(&integration, json!({})).await.expect(201);
        let connection = world.connect_under(&integration, &user, "ada").await;
        let key = world.new_key("application", None).await;
        let path = route.path.replace("{integration}", &integration);
        let path = path.replace("{connection}", &connection).replace("{key}", id_of(&key));
        let method = route.method.clone().unwrap();
        let body = wish(route.operation);
        let answer = world.ask_json(&Caller::Operator, method, &path, &body).await;
        assert!(answer.status.is_success(), "{}: {}", route.key(), answer.text());
        let id = answer.header("x-request-id").unwrap();
        let entries = search(&world, "").await;
        let found = entries.iter().filter(|entry| entry["from"]["request_id"] == id);
        let found: Vec<&Value> = found.collect();
        assert!(!found.is_empty(), "{} left no entry", route.key());
        for entry in found {
            assert_eq!(entry["who"], json!({"id": "operator", "role": "operator"}), "{entry}");
        }
        if route.operation == Operation::PauseService {
            world.ask(&Caller::Operator, Method::POST, "/service/resume").await.expect(200);
        }
        tried += 1;
    }
    assert!(tried >= 12, "{tried}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_lead_through_the_whole_trail_and_cursors_belong_to_their_search() {
    let world = World::start().await;
    let key = world.new_key("application", None).await;
    let connection = live(&world, &key).await;
    let all = search(&world, "").await;
    assert!(all.len() >= 12, "{all:#?}");
    for limit in [1, 3, 5] {
        assert_eq!(search(&world, &format!("limit={limit}")).await, all, "{limit}");
    }
    let path = format!("/audit?connection={connection}&limit=2");
    let first = world.get(&Caller::Operator, &path).await.expect(200);
    assert_eq!(entries(&first).len(), 2);
    let link = first.header("link").unwrap();
    let cursor = link.split("cursor=").nth(1).unwrap().split('>').next().unwrap();
    let elsewhere = format!("/audit?key={}&cursor={cursor}", id_of(&key));
    world.get(&Caller::Operator, &elsewhere).await.expect_problem(400, "invalid_request");

    // From the first moment on, and before the last one.
    let time = |entry: &Value| entry["time"].as_str().unwrap().to_owned();
    let span = format!("since={}&until={}", time(&all[2]), time(&all[5]));
    assert_eq!(search(&world, &span).await, all[2..5]);
    // Months without entries are left behind in a few pages.
    let before = |days: i64| jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24 * days);
    let long_ago = search(&world, &format!("since={}&until={}", before(1000), before(2))).await;
    assert!(long_ago.is_empty(), "{long_ago:?}");
    for bad in
        ["since=yesterday", "limit=0", "limit=1001", "key=A", "connection=me", "cursor=x", "q=1"]
    {
        let answer = world.get(&Caller::Operator, &format!("/audit?{bad}")).await;
        answer.expect_problem(400, "invalid_request");
    }
    world.get(&Caller::Application, "/audit").await.expect_problem(403, "role_not_allowed");
    world.get(&Caller::Nobody, "/audit").await.expect_problem(401, "missing_credentials");
    let both = format!("/audit?key={}&connection={connection}", id_of(&key));
    world.get(&Caller::Operator, &both).await.expect_problem(400, "invalid_request");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_use_of_a_key_is_one_entry_a_day_whichever_process_sees_it() {
    let world = World::start().await;
    let key = world.new_key("application", None).await;
    let bearer = Caller::Bearer(key.clone());
    for _ in 0..3 {
        world.get(&bearer, "/connections").await.expect(200);
        world.get(&bearer, &format!("/proxy/{}/dev.azure.com/x", "conn_0")).await.expect(404);
        world.stack.restart_functions().await;
    }
    let found = search(&world, &format!("key={}", id_of(&key))).await;
    // Midnight may pass.
    let uses = whats(&found).iter().filter(|what| **what == "api_key_used").count();
    let days: BTreeSet<_> =
        found.iter().map(|entry| entry["time"].as_str().unwrap()[..10].to_owned()).collect();
    assert!((1..=days.len()).contains(&uses), "{found:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_role_changes_or_deletes_an_entry_and_only_manage_reads_them() {
    let world = World::start().await;
    world.connect("ada", "ada").await;
    let items = world.items(names::AUDIT).await;
    let key: HashMap<_, _> =
        ["pk", "sk"].map(|name| (name.to_owned(), items[0][name].clone())).into();
    for function in
        ["authorize", "callback", "manage", "mcp", "proxy", "streaming-proxy", "refresh", "rotate"]
    {
        let dynamodb = aws_sdk_dynamodb::Client::new(&as_function(&world, function));
        let denied = Some("AccessDeniedException");
        let update = dynamodb.update_item().table_name(names::AUDIT).set_key(Some(key.clone()));
        let update = update.update_expression("REMOVE who").send().await.unwrap_err();
        assert_eq!(update.code(), denied, "{function}");
        let delete = dynamodb.delete_item().table_name(names::AUDIT).set_key(Some(key.clone()));
        assert_eq!(delete.send().await.unwrap_err().code(), denied, "{function}");
        let read = dynamodb.get_item().table_name(names::AUDIT).set_key(Some(key.clone()));
        assert_eq!(read.send().await.unwrap_err().code(), denied, "{function}");
        let query = dynamodb.query().table_name(names::AUDIT).key_condition_expression("pk = :pk");
        let query = query.expression_attribute_values(":pk", key["pk"].clone()).send().await;
        assert_eq!(query.is_ok(), function == "manage", "{function}");
    }
    assert_eq!(world.items(names::AUDIT).await.len(), items.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_cannot_be_stored_fails_no_request_and_is_counted() {
    let (world, [dynamodb, _services]) = World::tapped().await;
    dynamodb.refuse("TransactWriteItems", names::AUDIT);
    let key = world.new_key("application", None).await;
    let connection = live(&world, &key).await;
    dynamodb.let_through();
    assert!(search(&world, &format!("connection={connection}")).await.is_empty());
    // The line in the log is the copy that is left.
    for what in LIFE {
        world.logged(|line| line.contains(&format!("\"audit\":\"{what}\""))).await;
    }
    for function in ["callback", "manage", "proxy"] {
        let is_counted = |line: &str| {
            line.starts_with(&format!("{function}: ")) && line.contains("\"AuditLost\":")
        };
        let line = world.logged(is_counted).await;
        let line: Value = serde_json::from_str(line.split_once(": ").unwrap().1).unwrap();
        let directives = line["_aws"]["CloudWatchMetrics"].as_array().unwrap();
        // One alarm watches the sum of all functions.
        let directive = directives.iter().find(|one| one["Metrics"][0]["Name"] == "AuditLost");
        assert_eq!(directive.unwrap()["Dimensions"], json!([[]]), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_item_holds_a_secret_a_name_or_a_mail_address() {
    let world = World::start().await;
    let key = world.new_key("application", None).await;
    live(&world, &key).await;
    let items = world.items(names::AUDIT).await;
    assert!(items.len() > 20, "{}", items.len());
    for item in &items {
        let text = format!("{item:?}");
        let secrets = [emulators::MARKER, emulators::MARKER_DECODED, key.as_str()];
        for unwanted in
            secrets.iter().chain(&["Ada", "ada@", "\"ada\"", world.stack.operator_key()])
        {
            assert!(!text.contains(unwanted), "{unwanted}: {text}");
        }
        assert!(matches!(item["expires_at"], AttributeValue::N(_)), "{text}");
    }
}
