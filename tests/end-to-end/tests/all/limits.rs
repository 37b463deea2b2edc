//! The rate of calls: waits that Azure DevOps asks for, and limits that the operator has set.

use aws_sdk_dynamodb::types::AttributeValue;
use emulators::Fault;
use end_to_end::{Answer, Caller, INTEGRATION, PROJECTS, World, crowd};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

async fn limited(limits: Value) -> (World, String) {
    let world = World::start().await;
    world.put_integration(INTEGRATION, json!({"proxy_limits": limits})).await.expect(200);
    let connection = world.connect("ada", "ada").await;
    (world, connection)
}

async fn dry(world: &World, connection: &str) -> Value {
    let path = format!("/proxy/{connection}/{PROJECTS}?$top=1");
    let request = world.request(&Caller::Application, Method::GET, &path);
    world.send(request.header("x-ado-connect-dry", "1")).await.expect(200).json()
}

fn passed(answers: &[Answer]) -> usize {
    answers.iter().filter(|answer| answer.status == 200).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_that_azure_devops_asks_for_on_success_is_kept() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let delayed = |seconds| Fault::on("projects.list").status(200).retry_after(seconds).body("{}");
    world.devops().inject(delayed(1));
    let answer = world.proxied(&connection, PROJECTS).await.expect(200);
    assert_eq!(answer.header("retry-after"), Some("1"));
    // The proxy sits a short wait out.
    world.proxied(&connection, PROJECTS).await.expect(200);

    world.devops().inject(delayed(200));
    world.proxied(&connection, PROJECTS).await.expect(200);
    let sent = world.devops().count("projects.list");
    let refused = world.proxied(&connection, PROJECTS).await;
    let refused = refused.expect_problem(429, "devops_throttled");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((150..=201).contains(&wait), "{wait}");
    assert_eq!(world.devops().count("projects.list"), sent);
    assert!(dry(&world, &connection).await["call_after"].is_string());
    // The wait holds for this user only, and ends.
    let other = world.connect("grace", "grace").await;
    world.proxied(&other, PROJECTS).await.expect(200);
    let past = AttributeValue::N("1000000000".to_owned());
    world.set(local::names::CONNECTIONS, &connection, "call_after", past).await;
    world.proxied(&connection, PROJECTS).await.expect(200);
    assert!(dry(&world, &connection).await["call_after"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttle_is_met_by_two_repetitions_at_most_however_short_its_wait_is() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let past = "Sun, 06 Nov 1994 08:49:37 GMT";
    for (front, wait, status) in [
        (world.stack.public_url(), "0", 429),
        (world.stack.streaming_url(), "0", 503),
        (world.stack.public_url(), past, 503),
        (world.stack.streaming_url(), "1", 429),
    ] {
        world.devops().reset_counts();
        let fault = Fault::on("projects.list").times(0).status(status).header("retry-after", wait);
        world.devops().inject(fault);
        let url = format!("{front}/proxy/{connection}/{PROJECTS}");
        let answer = world.send(world.request_at(&Caller::Application, Method::GET, &url)).await;
        let sent = world.devops().count("projects.list");
        assert!((1..=3).contains(&sent), "{wait}: {sent}");
        assert_eq!(answer.expect(status).header("retry-after"), Some(wait));
        world.devops().clear_faults();
        // The next call of this user need not wait.
        let past = AttributeValue::N("1000000000".to_owned());
        world.set(local::names::CONNECTIONS, &connection, "call_after", past).await;
    }
}

/// Lets Azure DevOps ask once for this wait. Returns the wait that the next call is asked for, in seconds.
async fn next_wait(world: &World, connection: &str, seconds: u64) -> u64 {
    world.devops().inject(Fault::on("projects.list").status(429).retry_after(seconds));
    let answer = world.proxied(connection, PROJECTS).await.expect(429);
    assert_eq!(answer.header("retry-after"), Some(seconds.to_string().as_str()));
    let refused = world.proxied(connection, PROJECTS).await;
    let refused = refused.expect_problem(429, "devops_throttled");
    refused.header("retry-after").unwrap().parse().unwrap()
}

/// A waiting call occupies an execution of the function, so that others could be kept out.
#[tokio::test(flavor = "multi_thread")]
async fn a_wait_of_more_than_two_seconds_is_the_caller_s() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let wait = next_wait(&world, &connection, 5).await;
    assert!((1..=6).contains(&wait), "{wait}");
    assert_eq!(world.devops().count("projects.list"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_of_ten_hours_is_cut_to_five_minutes() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let wait = next_wait(&world, &connection, 36_000).await;
    assert!(wait <= 301, "{wait}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_is_kept_shown_in_headers_and_not_spent_by_dry_requests() {
    let day = json!({"requests": 3, "per_seconds": 86_400});
    let (world, connection) = limited(json!({"connection": day})).await;
    for left in [2, 1, 0] {
        let answer = world.proxied(&connection, PROJECTS).await.expect(200);
        assert_eq!(answer.header("ratelimit-policy"), Some(r#""connection";q=3;w=86400"#));
        let told = answer.header("ratelimit").unwrap();
        assert!(told.starts_with(&format!(r#""connection";r={left};t="#)), "{told}");
        let limits = dry(&world, &connection).await["limits"].clone();
        assert_eq!(
            limits,
            json!([{"of": "connection", "requests": 3, "per_seconds": 86_400, "remaining": left}])
        );
    }
    let refused = world.proxied(&connection, PROJECTS).await.expect_problem(429, "rate_limited");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((28_000..=28_800).contains(&wait), "{wait}");
    assert!(refused.header("ratelimit").unwrap().starts_with(r#""connection";r=0;t="#));
    assert_eq!(world.devops().count("projects.list"), 3);
    let other = world.connect("grace", "grace").await;
    world.proxied(&other, PROJECTS).await.expect(200);
    // Half a day later there is room for one and a half more calls.
    let half = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(12)).as_microsecond();
    let key = format!("limit#connection#{connection}");
    let full_at = AttributeValue::N(half.to_string());
    world.set(local::names::SESSIONS, &key, "full_at", full_at).await;
    world.proxied(&connection, PROJECTS).await.expect(200);
    world.proxied(&connection, PROJECTS).await.expect_problem(429, "rate_limited");
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_rate_of_many_simultaneous_calls_goes_through() {
    let day = |requests: u32| json!({"requests": requests, "per_seconds": 86_400});
    let limits = json!({"connection": day(20), "integration": day(7)});
    let (world, connection) = limited(limits).await;
    let calls = (0..40).map(|_| world.proxied(&connection, PROJECTS));
    let answers = crowd(calls).await;
    assert_eq!((passed(&answers), world.devops().count("projects.list")), (7, 7));
    for answer in answers.into_iter().filter(|answer| answer.status != 200) {
        answer.expect_problem(429, "rate_limited");
    }
    // Calls that the integration's limit refused are not counted for the connection.
    let limits = dry(&world, &connection).await["limits"].clone();
    assert_eq!((&limits[0]["remaining"], &limits[1]["remaining"]), (&json!(13), &json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_at_a_time_are_limited_until_they_have_ended() {
    let (world, connection) = limited(json!({"connection": {"concurrent": 2}})).await;
    let held = world.devops().inject(Fault::on("projects.list").times(2).hold());
    let mut under_way = Box::pin(async {
        tokio::join!(world.proxied(&connection, PROJECTS), world.streamed(&connection, PROJECTS))
    });
    tokio::select! {
        _ = &mut under_way => panic!("the held calls ended"),
        () = held.arrived(2) => {}
    }
    let refused = world.proxied(&connection, PROJECTS).await;
    let refused = refused.expect_problem(429, "concurrency_limited");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(
        refused.header("ratelimit-policy"),
        Some(r#""connection-concurrency";q=2;qu="concurrent-requests""#)
    );
    assert_eq!(dry(&world, &connection).await["limits"][0]["under_way"], 2);
    held.release();
    let (buffered, streamed) = under_way.await;
    buffered.expect(200);
    streamed.expect(200);
    // A call ends with its stream, which the service notices a moment later.
    world.logged(|line| line.contains("\"stream_end\":\"complete\"")).await;
    assert_eq!(dry(&world, &connection).await["limits"][0]["under_way"], 0);
    let calls = (0..2).map(|_| world.proxied(&connection, PROJECTS));
    assert_eq!(passed(&join_all(calls).await), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_place_of_a_dead_call_is_freed_when_its_time_is_over() {
    let (world, connection) = limited(json!({"integration": {"concurrent": 1}})).await;
    world.proxied(&connection, PROJECTS).await.expect(200);
    let key = format!("limit#integration#{INTEGRATION}");
    for (until, status) in [(4_102_444_800_000_i64, 429), (1_000_000_000_000, 200)] {
        let place = AttributeValue::N(until.to_string());
        let under_way = AttributeValue::M([("dead".to_owned(), place)].into());
        world.set(local::names::SESSIONS, &key, "under_way", under_way).await;
        world.proxied(&connection, PROJECTS).await.expect(status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_without_limits_are_not_counted_and_get_no_limit_headers() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let answer = world.proxied(&connection, PROJECTS).await.expect(200);
    assert_eq!((answer.header("ratelimit"), answer.header("ratelimit-policy")), (None, None));
    let items = world.items(local::names::SESSIONS).await;
    assert!(items.iter().all(|item| !item["pk"].as_s().unwrap().starts_with("limit#")));
    let seen = dry(&world, &connection).await;
    assert_eq!(
        (&seen["path"], &seen["allowed"]),
        (&json!("/mycompany/_apis/projects"), &json!(true))
    );
    let request = world.request(
        &Caller::Application,
        Method::GET,
        &format!("/proxy/{connection}/{PROJECTS}"),
    );
    let answer = world.send(request.header("x-ado-connect-dry", "yes")).await;
    answer.expect_problem(400, "invalid_request");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_breaks_off_gives_its_place_back() {
    let (world, connection) = limited(json!({"connection": {"concurrent": 1}})).await;
    let large = vec![b'x'; 3_000_000];
    let fault = Fault::on("projects.list").status(200).body_bytes(&large).truncate(2_000_000);
    world.devops().inject(fault);
    let url = format!("{}/proxy/{connection}/{PROJECTS}", world.stack.streaming_url());
    let answer = world.request_at(&Caller::Application, Method::GET, &url).send().await.unwrap();
    assert!(answer.bytes().await.is_err(), "it ended as if it were whole");
    world.streamed(&connection, PROJECTS).await.expect(200);
}
