//! Events in the shape of each AWS service: the function that an event is for handles it, with its path, query,
//! headers and body.

use aws_sdk_dynamodb::types::AttributeValue;
use emulators::entra::DEFAULT_CLIENT_ID;
use end_to_end::{INTEGRATION, World};
use local::names;
use serde_json::{Value, json};

/// A running service. Its connection and API key replace the placeholders in the events.
struct Setting {
    world: World,
    connection: String,
    key: String,
}

impl Setting {
    async fn new() -> Self {
        let world = World::start().await;
        let connection = world.connect("ada", "ada").await;
        let key = world.new_key("application", None).await;
        Self { world, connection, key }
    }

    fn fill(&self, event: &str) -> String {
        event.replace("CONNECTION", &self.connection).replace("API_KEY", &self.key)
    }

    async fn answer(&self, function: &str, event: &str) -> Vec<u8> {
        let event = self.fill(event).into_bytes();
        self.world.stack.invoke(function, event).await.unwrap()
    }

    async fn json(&self, function: &str, event: &str) -> Value {
        serde_json::from_slice(&self.answer(function, event).await).unwrap()
    }

    /// Returns a number from the connection's item.
    async fn number(&self, name: &str) -> i64 {
        let items = self.world.items(names::CONNECTIONS).await;
        let mut items = items.iter();
        let item = items.find(|item| item["pk"].as_s().unwrap() == &self.connection).unwrap();
        item[name].as_n().unwrap().parse().unwrap()
    }

    async fn on_its_shard(&self, event: &str) -> String {
        event.replace("SHARD", &self.number("due_shard").await.to_string())
    }
}

fn body(answer: &Value) -> Value {
    serde_json::from_str(answer["body"].as_str().unwrap()).unwrap()
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

#[tokio::test(flavor = "multi_thread")]
async fn http_api_events_reach_each_function_as_they_were_sent() {
    let setting = Setting::new().await;
    let link = setting.world.connect_url("grace").await;
    let session = link.split("session=").nth(1).unwrap();
    let authorize = include_str!("../../events/http-api-authorize.json");
    let answer = setting.json("authorize", &authorize.replace("SESSION", session)).await;
    assert_eq!(answer["statusCode"], 302, "{answer}");
    let to = answer["headers"]["location"].as_str().unwrap();
    assert!(to.contains("/oauth2/v2.0/authorize?"), "{to}");
    assert!(answer["cookies"][0].as_str().unwrap().starts_with("__Host-"), "{answer}");

    let callback = include_str!("../../events/http-api-callback.json");
    let answer = setting.json("callback", callback).await;
    assert_eq!(answer["statusCode"], 400, "{answer}");
    assert!(answer["body"].as_str().unwrap().contains("state_unknown"), "{answer}");

    let manage = include_str!("../../events/http-api-manage.json");
    let answer = setting.json("manage", manage).await;
    assert_eq!(answer["statusCode"], 400, "{answer}");
    assert_eq!(body(&answer)["code"], "confirmation_invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_of_a_browser_is_answered_by_either_function_without_a_caller() {
    let setting = Setting::new().await;
    let preflight = include_str!("../../events/http-api-preflight.json");
    for function in ["proxy", "manage"] {
        let answer = setting.json(function, preflight).await;
        assert_eq!((&answer["statusCode"], &answer["body"]), (&json!(204), &json!("")), "{answer}");
    }
    assert_eq!(setting.world.devops().count("projects.list"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_front_of_the_proxy_gets_its_calls_through() {
    let setting = Setting::new().await;
    for (event, member) in [
        (include_str!("../../events/http-api-proxy.json"), "value"),
        (include_str!("../../events/http-api-proxy-base64.json"), "workItems"),
        (include_str!("../../events/http-api-proxy-decoded.json"), "value"),
        (include_str!("../../events/rest-api-proxy.json"), "value"),
        (include_str!("../../events/rest-api-proxy-base64.json"), "workItems"),
        (include_str!("../../events/function-url-proxy.json"), "value"),
    ] {
        let answer = setting.json("proxy", event).await;
        assert_eq!(answer["statusCode"], 200, "{event}: {answer}");
        assert!(body(&answer)[member].is_array(), "{event}: {answer}");

        let streamed = setting.answer("streaming-proxy", event).await;
        // The head as JSON, eight zero bytes, and the raw body.
        let end = streamed.windows(8).position(|window| window == [0; 8]).unwrap();
        let head: Value = serde_json::from_slice(&streamed[..end]).unwrap();
        assert_eq!(head["statusCode"], 200, "{event}: {head}");
        let body: Value = serde_json::from_slice(&streamed[end + 8..]).unwrap();
        assert!(body[member].is_array(), "{event}: {body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn schedules_and_queues_start_their_own_work_in_the_refresh_function() {
    let setting = Setting::new().await;
    let (world, connection) = (&setting.world, &setting.connection);
    let tick = include_str!("../../events/scheduler-refresh.json");
    assert_eq!(setting.json("refresh", tick).await, json!({"shards": 0, "paused": false}));
    world.make_due(connection).await;
    assert_eq!(setting.json("refresh", tick).await, json!({"shards": 1, "paused": false}));
    let sweep = include_str!("../../events/scheduler-sweep.json");
    let begun = json!({"segments": 4, "expiring_credentials": 0});
    assert_eq!(setting.json("refresh", sweep).await, begun);

    // A dead letter only puts aside the connection that its worker died of; a message of the queue renews.
    let done = json!({"batchItemFailures": []});
    let abandoned = AttributeValue::N("1000000000000".to_owned());
    world.set(names::CONNECTIONS, connection, "lease_until", abandoned).await;
    let dead_letter = include_str!("../../events/sqs-dead-letter.json");
    let dead_letter = setting.on_its_shard(dead_letter).await;
    assert_eq!(setting.json("refresh", &dead_letter).await, done);
    assert!(setting.number("due_at").await > now() + 3000);
    assert_eq!(world.entra().count("token.refresh_token"), 0);

    world.make_due(connection).await;
    let message = setting.on_its_shard(include_str!("../../events/sqs-refresh.json")).await;
    assert_eq!(setting.json("refresh", &message).await, done);
    assert!(setting.number("due_at").await > now());
    assert_eq!(world.entra().count("token.refresh_token"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_steps_of_a_rotation_renew_a_client_secret() {
    let setting = Setting::new().await;
    let world = &setting.world;
    world.entra().change_app(DEFAULT_CLIENT_ID, |app| app.owns_itself = true).unwrap();
    let arn = world.announce_rotation(INTEGRATION, "d1a1c0de-7c1a-4c1e-9c1f-0a1b2c3d4e5f").await;
    for event in [
        include_str!("../../events/secrets-manager-create.json"),
        include_str!("../../events/secrets-manager-set.json"),
        include_str!("../../events/secrets-manager-test.json"),
        include_str!("../../events/secrets-manager-finish.json"),
    ] {
        let answer = setting.json("rotate", &event.replace("SECRET_ARN", &arn)).await;
        assert_eq!(answer, Value::Null);
    }
    assert_eq!(world.entra().count("graph.add_password"), 1);
    assert_eq!(world.entra().app(DEFAULT_CLIENT_ID).unwrap().secrets.len(), 2);
}
