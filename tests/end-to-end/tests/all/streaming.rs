//! The proxy with streamed answers.

use emulators::Fault;
use emulators::devops::{Gate, LargeContent};
use end_to_end::{Caller, PROJECTS, World};
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
        let request = world.request_at(&Caller::Operator, Method::GET, &url(path));
        world.send(request).await.expect_problem(404, "not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_a_rest_api_are_accepted_too() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let key = world.new_key("application", None).await;
    let event = json!({
        "resource": "/proxy/{proxy+}",
        "path": format!("/proxy/{connection}/{PROJECTS}"),
        "httpMethod": "GET",
        "headers": {"Authorization": format!("Bearer {key}")},
        "multiValueHeaders": {"Authorization": [format!("Bearer {key}")]},
        "queryStringParameters": {"$top": "3"},
        "multiValueQueryStringParameters": {"$top": ["3"]},
        "requestContext": {"stage": "live", "requestId": "rest-1", "path": format!("/live/proxy/{connection}/{PROJECTS}"), "httpMethod": "GET"},
        "body": null,
        "isBase64Encoded": false,
    });
    let answer =
        world.stack.invoke("streaming-proxy", event.to_string().into_bytes()).await.unwrap();
    let end = answer.windows(8).position(|eight| eight == [0; 8]).unwrap();
    let prelude: Value = serde_json::from_slice(&answer[..end]).unwrap();
    assert_eq!(
        (&prelude["statusCode"], &prelude["headers"]["x-request-id"]),
        (&json!(200), &json!("rest-1"))
    );
    let body: Value = serde_json::from_slice(&answer[end + 8..]).unwrap();
    assert_eq!(body["value"].as_array().unwrap().len(), 3);
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
async fn two_hundred_megabytes_pass_through_little_memory() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let large = large_attachment(&world, 200_000_000, None);
    let base = world.stack.streaming_url();
    let url = format!("{base}/proxy/{connection}/{ATTACHMENTS}/{large}");
    let request = world.request_at(&Caller::Application, Method::GET, &url);
    let mut answer = request.send().await.unwrap().error_for_status().unwrap();
    let mut expected = LargeContent::new(200_000_000).flatten();
    let mut received = 0_u64;
    while let Some(chunk) = answer.chunk().await.unwrap() {
        received += chunk.len() as u64;
        // The client reads slowly at first, and the function must not buffer meanwhile.
        if received < 200_000 {
            assert!(chunk.iter().copied().eq(expected.by_ref().take(chunk.len())));
        }
    }
    assert_eq!(received, 200_000_000);
    let peak = world.stack.peak_memory("streaming-proxy").await.unwrap();
    println!("the function's process held at most {} kB", peak / 1000);
    assert!(peak < 64_000_000, "{peak} bytes");
}
