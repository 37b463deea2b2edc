//! The events of AWS, as its services send them: each is taken by the function that it is for.

use end_to_end::World;
use serde_json::Value;

/// An event, its function, and what answers it.
struct Case {
    event: &'static str,
    function: &'static str,
    is_answer: fn(&Value) -> bool,
}

/// An HTTP answer of ours with this status; a refusal names its code.
fn refused(answer: &Value, status: u64, code: &str) -> bool {
    answer["statusCode"] == status
        && answer["body"].as_str().is_some_and(|body| body.contains(code))
}

const CASES: [Case; 11] = [
    Case {
        event: include_str!("../../events/http-api-authorize.json"),
        function: "authorize",
        is_answer: |answer| answer["statusCode"] == 404 || answer["statusCode"] == 410,
    },
    Case {
        event: include_str!("../../events/http-api-callback.json"),
        function: "callback",
        is_answer: |answer| {
            answer["statusCode"].as_u64().is_some_and(|status| (400..500).contains(&status))
        },
    },
    Case {
        event: include_str!("../../events/http-api-manage.json"),
        function: "manage",
        is_answer: |answer| refused(answer, 401, "invalid_credentials"),
    },
    Case {
        event: include_str!("../../events/http-api-proxy.json"),
        function: "proxy",
        is_answer: |answer| refused(answer, 401, "invalid_credentials"),
    },
    Case {
        event: include_str!("../../events/rest-api-proxy.json"),
        function: "proxy",
        is_answer: |answer| refused(answer, 401, "invalid_credentials"),
    },
    Case {
        event: include_str!("../../events/function-url-proxy.json"),
        function: "proxy",
        is_answer: |answer| refused(answer, 401, "invalid_credentials"),
    },
    Case {
        event: include_str!("../../events/scheduler-refresh.json"),
        function: "refresh",
        is_answer: |answer| answer["paused"] == false && answer["shards"] == 0,
    },
    Case {
        event: include_str!("../../events/scheduler-sweep.json"),
        function: "refresh",
        is_answer: Value::is_object,
    },
    Case {
        event: include_str!("../../events/sqs-refresh.json"),
        function: "refresh",
        is_answer: |answer| answer["batchItemFailures"] == Value::Array(Vec::new()),
    },
    Case {
        event: include_str!("../../events/sqs-dead-letter.json"),
        function: "refresh",
        is_answer: |answer| answer["batchItemFailures"] == Value::Array(Vec::new()),
    },
    Case {
        event: include_str!("../../events/secrets-manager-rotate.json"),
        function: "rotate",
        is_answer: Value::is_null,
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn each_function_takes_the_events_of_the_services_that_call_it() {
    let world = World::start().await;
    for case in &CASES {
        let answered = world.stack.invoke(case.function, case.event.as_bytes().to_vec()).await;
        if case.function == "rotate" {
            // Taken, and refused for what it says: no rotation has begun.
            let refused = answered.unwrap_err().to_string();
            assert!(refused.contains("no pending version"), "{refused}");
            continue;
        }
        let answer: Value = serde_json::from_slice(&answered.unwrap()).unwrap();
        assert!((case.is_answer)(&answer), "{}: {answer}", case.event);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_that_streams_takes_function_url_and_rest_events() {
    let world = World::start().await;
    for event in [
        include_str!("../../events/function-url-proxy.json"),
        include_str!("../../events/rest-api-proxy.json"),
    ] {
        let answered =
            world.stack.invoke("streaming-proxy", event.as_bytes().to_vec()).await.unwrap();
        // The head as JSON, eight zero bytes, and the body as it is.
        let end = answered.windows(8).position(|window| window == [0; 8]).unwrap();
        let head: Value = serde_json::from_slice(&answered[..end]).unwrap();
        assert_eq!(head["statusCode"], 401, "{head}");
        assert!(String::from_utf8_lossy(&answered[end..]).contains("invalid_credentials"));
    }
}
