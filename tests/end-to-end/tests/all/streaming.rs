//! The proxy with streamed answers, through the REST API.

use std::time::{Duration, Instant};

use emulators::Fault;
use emulators::devops::{Gate, LargeContent};
use end_to_end::{Answer, Caller, INTEGRATION, PROJECTS, World};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn bodies_too_large_for_the_gateway_are_streamed_and_the_refusal_names_the_other_address() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let large: Vec<u8> =
        (0..9_000_000_u32).map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    world.devops().inject(Fault::on("projects.list").times(2).status(200).body_bytes(&large));
    let refused = world.proxied(&connection, PROJECTS).await;
    let refused = refused.expect_problem(502, "response_too_large");
    let there = format!("{}/proxy/{connection}/{PROJECTS}", world.stack.streaming_url());
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains(&there), "{detail}");

    let streamed = world.streamed(&connection, PROJECTS).await.expect(200);
    assert_eq!(streamed.body, large);
    assert!(streamed.header("x-request-id").is_some());
    assert_eq!(streamed.header("x-content-type-options"), Some("nosniff"));
    let line = world.logged(|line| line.contains("streamed_bytes")).await;
    let line: Value =
        serde_json::from_str(line.strip_prefix("streaming-proxy: ").unwrap()).unwrap();
    assert_eq!(
        (&line["streamed_bytes"], &line["stream_end"]),
        (&json!(9_000_000), &json!("complete"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_azure_devops_breaks_off_is_broken_off_for_the_client_too() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let large = vec![b'x'; 3_000_000];
    let fault = Fault::on("projects.list").status(200).body_bytes(&large).truncate(2_000_000);
    world.devops().inject(fault);
    let url = format!("{}/proxy/{connection}/{PROJECTS}", world.stack.streaming_url());
    let mut answer =
        world.request_at(&Caller::Application, Method::GET, &url).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let mut received = 0;
    let ended = loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => received += chunk.len(),
            Ok(None) => break "as if it were whole",
            Err(_) => break "broken off",
        }
    };
    assert_eq!(ended, "broken off");
    assert!((1..=2_000_000).contains(&received), "{received}");
    let line = world.logged(|line| line.contains("broken_off")).await;
    assert!(line.contains("streamed_bytes"), "{line}");
    // A new process serves the next call.
    world.streamed(&connection, PROJECTS).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_renewed_and_addresses_point_back_as_they_do_behind_the_gateway() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    for fault in [
        Fault::on("projects.list").status(401),
        Fault::on("projects.list").status(203).header("content-type", "text/html").body("<html>"),
    ] {
        world.devops().inject(fault);
        world.streamed(&connection, PROJECTS).await.expect(200);
    }
    assert_eq!(world.entra().count("token.refresh_token"), 2);
    let here = format!("{}/proxy/{connection}/", world.stack.streaming_url());
    let areas = world.streamed(&connection, "dev.azure.com/mycompany/_apis/resourceAreas").await;
    for area in areas.expect(200).json()["value"].as_array().unwrap() {
        let location = area["locationUrl"].as_str().unwrap();
        assert!(location.starts_with(&here), "{location}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_the_same_and_only_the_proxy_is_served() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    world.streamed(&connection, "evil.example/x").await.expect_problem(400, "unknown_host");
    let url = |path: &str| format!("{}{path}", world.stack.streaming_url());
    let proxied = url(&format!("/proxy/{connection}/{PROJECTS}"));
    let request = world.request_at(&Caller::Nobody, Method::GET, &proxied);
    world.send(request).await.expect_problem(401, "missing_credentials");
    for path in ["/integrations", "/api-keys", "/health", "/authorize?session=x", "/"] {
        let request = world.request_at(&Caller::Nobody, Method::GET, &url(path));
        world.send(request).await.expect_problem(404, "not_found");
        // API Gateway takes `Authorization` for a signature there, and the status of that refusal stays its own.
        let request = world.request_at(&Caller::Operator, Method::GET, &url(path));
        world.send(request).await.expect_problem_without_status(403, "request_refused");
    }
}

const ATTACHMENTS: &str = "dev.azure.com/mycompany/Website/_apis/wit/attachments";

fn large_attachment(world: &World, bytes: u64, gate: Option<&Gate>) -> String {
    let added = world.devops().add_large_attachment("mycompany", "Website", "a.bin", bytes, gate);
    added.unwrap().id.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_byte_arrives_before_the_last_is_made() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let gate = Gate::closed();
    let large = large_attachment(&world, 1_000_000, Some(&gate));
    let base = world.stack.streaming_url();
    let url = format!("{base}/proxy/{connection}/{ATTACHMENTS}/{large}");
    let request = world.request_at(&Caller::Application, Method::GET, &url);
    let mut answer = request.send().await.unwrap();
    let first = answer.chunk().await.unwrap().unwrap();
    assert!(!first.is_empty() && first.len() < 100_000, "{}", first.len());
    gate.open();
    let mut received = first.to_vec();
    while let Some(chunk) = answer.chunk().await.unwrap() {
        received.extend_from_slice(&chunk);
    }
    assert_eq!(received, LargeContent::new(1_000_000).collect::<Vec<_>>().concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn nearly_two_hundred_megabytes_pass_through_little_memory() {
    const BYTES: u64 = 199_900_000;
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let large = large_attachment(&world, BYTES, None);
    let base = world.stack.streaming_url();
    let url = format!("{base}/proxy/{connection}/{ATTACHMENTS}/{large}");
    let request = world.request_at(&Caller::Application, Method::GET, &url);
    let mut answer = request.send().await.unwrap().error_for_status().unwrap();
    let mut expected = LargeContent::new(BYTES).flatten();
    let mut received = 0_u64;
    while let Some(chunk) = answer.chunk().await.unwrap() {
        received += chunk.len() as u64;
        // The client reads slowly at first, and the function must not buffer meanwhile.
        if received < 200_000 {
            assert!(chunk.iter().copied().eq(expected.by_ref().take(chunk.len())));
        }
    }
    assert_eq!(received, BYTES);
    let peak = world.stack.peak_memory("streaming-proxy").await.unwrap();
    println!("the function's process held at most {} kB", peak / 1000);
    assert!(peak < 64_000_000, "{peak} bytes");
}

/// The challenge of a refusal, as the client receives it.
fn challenge(answer: &Answer) -> Option<&str> {
    answer.header("www-authenticate")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_credentials_is_challenged_before_a_function_is_called() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let url = format!("{}/proxy/{connection}/{PROJECTS}", world.stack.streaming_url());
    for authorization in [None, Some("")] {
        let mut request = world.plain_get(&url);
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        let refused = world.send(request).await.expect_problem(401, "missing_credentials");
        assert_eq!(refused.header("content-type"), Some("application/problem+json"));
        let expected = r#"Bearer realm="ado-connect", Basic realm="ado-connect""#;
        assert_eq!(challenge(&refused), Some(expected));
        // Functions name the request in this header.
        assert_eq!(refused.header("x-request-id"), None);
        let problem = refused.json();
        assert_eq!(problem["type"], world.url("/problems/missing_credentials"));
        assert_eq!(problem["request_id"].as_str(), refused.header("x-amzn-requestid"));
    }
    // A refusal of the function has another name for its challenge when it arrives, so no client asks a person for a
    // second password.
    let wrong = Caller::Bearer("adoc_0000000000000000_nonsense".to_owned());
    let refused = world.send(world.request_at(&wrong, Method::GET, &url)).await;
    let refused = refused.expect_problem(401, "invalid_credentials");
    assert_eq!(challenge(&refused), None);
    assert!(refused.header("x-request-id").is_some());
    // A preflight has no credentials and must reach the function.
    let preflight = world.request_at(&Caller::Nobody, Method::OPTIONS, &url);
    let preflight = preflight
        .header("origin", "https://app.mycompany.example")
        .header("access-control-request-method", "GET");
    assert!(world.send(preflight).await.header("x-request-id").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn api_gateway_s_refusals_never_repeat_a_key() {
    let world = World::start().await;
    let base = world.stack.streaming_url();
    let key = world.new_key("application", None).await;
    for path in ["/health", "/proxy", "/", ""] {
        let get = || world.plain_get(&format!("{base}{path}"));
        for request in [get().bearer_auth(&key), get().basic_auth("any", Some(&key))] {
            let refused = world.send(request).await;
            let refused = refused.expect_problem_without_status(403, "request_refused");
            let answered = format!("{refused:?}");
            let repeated =
                ["adoc_", "Bearer", "Basic"].iter().find(|part| answered.contains(**part));
            assert_eq!(repeated, None, "{answered}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_refused_split_or_regrouped_as_the_page_says() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let base = world.stack.streaming_url();
    let sent = async |query: &str| {
        let path = format!("/proxy/{connection}/{PROJECTS}?{query}");
        let answer = world.raw_get_at(base, &path).await;
        let requests = world.devops().requests();
        let last = requests.last().map(|request| request.target.clone());
        (
            answer.status.as_u16(),
            last.unwrap_or_default().split_once('?').map(|(_, sent)| sent.to_owned()),
        )
    };
    for (query, arrives) in [
        ("b=1&a=2&b=3", "a=2&b=1&b=3"),
        ("x=a+b%2Bc&y=%7B%7C%7D", "x=a%20b%2Bc&y=%7B%7C%7D"),
        ("x", "x="),
        ("path=/a;b", "b=&path=%2Fa"),
        ("path=/a%3Bb", "path=%2Fa%3Bb"),
        ("$top=3&api-version=7.1", "$top=3&api-version=7.1"),
    ] {
        assert_eq!(sent(query).await, (200, Some(arrives.to_owned())), "{query}");
    }
    let before = world.devops().requests().len();
    for query in ["x={y}", "x=a|b"] {
        assert_eq!(sent(query).await.0, 400, "{query}");
    }
    assert_eq!(world.devops().requests().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_lambda_cannot_stream_is_refused_before_its_first_byte() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let large = large_attachment(&world, 200_000_001, None);
    let path = format!("{ATTACHMENTS}/{large}");
    let refused = world.streamed(&connection, &path).await;
    let refused = refused.expect_problem(502, "response_too_large").json();
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("200 MB") && detail.contains("Range"), "{detail}");
    // Its parts pass.
    let url = format!("{}/proxy/{connection}/{path}", world.stack.streaming_url());
    let part = world.request_at(&Caller::Application, Method::GET, &url);
    let part = world.send(part.header("range", "bytes=199000001-200000000")).await.expect(206);
    assert_eq!(part.body.len(), 1_000_000);
    // Through the gateway the refusal leads to the streaming proxy, for what that can stream.
    let refused = world.proxied(&connection, &path).await;
    let refused = refused.expect_problem(502, "response_too_large").json();
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("up to 200 MB") && detail.contains(&url), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_unknown_length_is_broken_off_where_lambda_would_end_it() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let large = large_attachment(&world, 205_000_000, None);
    world.devops().inject(Fault::on("wit.attachments.get").without_length());
    let base = world.stack.streaming_url();
    let url = format!("{base}/proxy/{connection}/{ATTACHMENTS}/{large}");
    let request = world.request_at(&Caller::Application, Method::GET, &url);
    let mut answer = request.send().await.unwrap().error_for_status().unwrap();
    let mut received = 0_u64;
    let ended = loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => received += chunk.len() as u64,
            Ok(None) => break "as if it were whole",
            Err(_) => break "broken off",
        }
    };
    assert_eq!(ended, "broken off");
    assert!((190_000_000..200_000_000).contains(&received), "{received}");
    let line = world.logged(|line| line.contains("\"stream_end\":\"too_large\"")).await;
    assert!(line.contains("\"StreamsTooLarge\":1"), "{line}");
}

/// A download that never ends by itself.
struct Download(reqwest::Response);

impl Download {
    async fn begin(world: &World, caller: &Caller, connection: &str, gate: &Gate) -> Self {
        let large = large_attachment(world, 1_000_000, Some(gate));
        let base = world.stack.streaming_url();
        let url = format!("{base}/proxy/{connection}/{ATTACHMENTS}/{large}");
        let mut answer = world.request_at(caller, Method::GET, &url).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(!answer.chunk().await.unwrap().unwrap().is_empty());
        Self(answer)
    }

    /// Returns how long it goes on, or `None` if it is still open after 15 seconds.
    async fn broken_off_after(&mut self, begun: Instant) -> Option<Duration> {
        let reading = async {
            loop {
                match self.0.chunk().await {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("the download ended as if it were whole"),
                    Err(_) => break begun.elapsed(),
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(15), reading).await.ok()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_under_way_end_when_what_permits_them_is_withdrawn() {
    let world = World::start().await;
    let gate = Gate::closed();
    let post = async |path: &str| {
        world.ask(&Caller::Operator, Method::POST, path).await.expect(200);
    };
    let key = world.new_key("application", None).await;
    let key_id = key.split('_').nth(1).unwrap().to_owned();
    let key = Caller::Bearer(key);
    let (ada, grace) = (world.connect("ada", "ada").await, world.connect("grace", "grace").await);
    let linus = world.connect("linus", "ada").await;
    let download = |caller, connection| Download::begin(&world, caller, connection, &gate);
    let mut with_key = download(&key, &ada).await;
    let mut disconnected = download(&Caller::Application, &grace).await;
    let mut paused = download(&Caller::Application, &linus).await;
    let mut healthy = download(&Caller::Application, &ada).await;

    let begun = Instant::now();
    let path = format!("/api-keys/{key_id}");
    world.ask(&Caller::Operator, Method::DELETE, &path).await.expect(204);
    let path = format!("/connections/{grace}");
    world.ask(&Caller::Application, Method::DELETE, &path).await.expect(204);
    post(&format!("/connections/{linus}/pause")).await;
    let ended = tokio::join!(
        with_key.broken_off_after(begun),
        disconnected.broken_off_after(begun),
        paused.broken_off_after(begun),
    );
    println!("key deleted, disconnected, connection paused: {ended:?}");
    assert!(matches!(ended, (Some(_), Some(_), Some(_))), "one goes on: {ended:?}");
    let line = world.logged(|line| line.contains("\"stream_end\":\"withdrawn\"")).await;
    assert!(line.contains("streamed_bytes"), "{line}");

    let begun = Instant::now();
    post(&format!("/integrations/{INTEGRATION}/pause")).await;
    let ended = healthy.broken_off_after(begun).await;
    println!("integration paused: {ended:?}");
    assert!(ended.is_some(), "a download goes on under a paused integration");
    post(&format!("/integrations/{INTEGRATION}/resume")).await;

    let mut healthy = download(&Caller::Application, &ada).await;
    let begun = Instant::now();
    post("/service/pause").await;
    let ended = healthy.broken_off_after(begun).await;
    println!("service paused: {ended:?}");
    assert!(ended.is_some(), "a download goes on in a paused service");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_azure_devops_has_not_answered_ends_too() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let held = world.devops().inject(Fault::on("projects.list").times(0).hold());
    let pause = async {
        held.arrived(2).await;
        let path = format!("/connections/{connection}/pause");
        world.ask(&Caller::Operator, Method::POST, &path).await.expect(200);
    };
    let (streamed, buffered, ()) = tokio::join!(
        world.streamed(&connection, PROJECTS),
        world.proxied(&connection, PROJECTS),
        pause,
    );
    for ended in [streamed, buffered] {
        ended.expect_problem(409, "connection_paused");
    }
    held.release();
}
