#![allow(clippy::unwrap_used)]
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ground::clock::SystemClock;
use http::StatusCode;
use http::header::{LOCATION, SET_COOKIE};
use serde_json::{Value, json};

use super::*;
use crate::log::{StreamEnd, Streamed};
use crate::respond;

const LOCAL: &str = "http://localhost:8080";

fn event(method: &str, path: &str, headers: &Value) -> Event {
    serde_json::from_value(json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "session=marker",
        "headers": headers,
        "requestContext": {
            "requestId": "JKJaXmPLvHcESHA=", "stage": "$default", "http": {"method": method, "path": path},
        },
        "isBase64Encoded": false,
    }))
    .unwrap()
}

/// A handler that is a closure.
struct Stub<H>(H);

impl<H, F, C> HttpFunction for Stub<H>
where
    H: Fn(Request, RequestLog) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Response<C>, Problem>> + Send,
    C: Into<Content> + Send,
{
    type Content = C;

    fn handle(
        &self,
        request: Request,
        log: RequestLog,
    ) -> impl Future<Output = Result<Response<C>, Problem>> {
        (self.0)(request, log)
    }
}

async fn answer<H, F>(function: Function, handler: H, event: Event) -> (GatewayResponse, Value)
where
    H: Fn(Request, RequestLog) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Response<Body>, Problem>> + Send,
{
    let (outgoing, entry) =
        super::answer(&stub(function, handler), event, Context::default()).await;
    let line = entry.line(None);
    assert!(!line.contains("marker"), "{line}");
    (whole(outgoing), serde_json::from_str(&line).unwrap())
}

fn stub<H>(function: Function, handler: H) -> Server<Stub<H>> {
    Server {
        handler: Stub(handler),
        function,
        public_url: LOCAL.parse().unwrap(),
        clock: Arc::new(SystemClock),
        audit: None,
        response_mode: ResponseMode::Buffered,
    }
}

fn whole(outgoing: Outgoing) -> GatewayResponse {
    match outgoing {
        Outgoing::Whole(answer) => answer,
        Outgoing::Streamed { .. } => panic!("an answer that is not whole"),
    }
}

async fn nothing(_: Request, _: RequestLog) -> Result<Response<Body>, Problem> {
    Ok(respond::no_content())
}

fn code(answer: &GatewayResponse) -> String {
    let document: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    assert_eq!(document["request_id"], answer.headers["x-request-id"]);
    assert_eq!(document["status"], answer.status_code);
    document["code"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_answer_has_the_request_id_and_is_neither_stored_nor_framed() {
    let (answer, line) =
        answer(Function::Manage, nothing, event("GET", "/health", &json!({}))).await;
    assert_eq!(answer.status_code, 204);
    assert_eq!(answer.headers["x-request-id"], "JKJaXmPLvHcESHA=");
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    assert_eq!(answer.headers["referrer-policy"], "no-referrer");
    assert!(answer.headers["content-security-policy"].contains("frame-ancestors 'none'"));
    assert_eq!(line["request_id"], "JKJaXmPLvHcESHA=");
    assert_eq!(line["route"], "GET /health");
    assert_eq!(line["function"], "manage");
    assert_eq!(
        (&line["status"], &line["Requests"], &line["Errors"]),
        (&json!(204), &json!(1), &json!(0))
    );
}

#[tokio::test]
async fn a_handler_gets_its_route_and_the_path_as_sent() {
    let handler = |request: Request, log: RequestLog| async move {
        let matched = routes::matched(&request).unwrap();
        assert_eq!(matched.parameter("host"), Some("dev.azure.com"));
        assert_eq!(matched.parameter("path"), Some("mycompany/a b/%2e"));
        assert_eq!(request.uri().query(), Some("session=marker"));
        assert_eq!(log.request_id(), "JKJaXmPLvHcESHA=");
        log.host("dev.azure.com");
        Ok(respond::no_content())
    };
    let path = "/proxy/conn_1/dev.azure.com/mycompany/a b/%2e";
    let (answer, line) = answer(Function::Proxy, handler, event("REPORT", path, &json!({}))).await;
    assert_eq!(answer.status_code, 204);
    assert_eq!(
        (&line["route"], &line["host"]),
        (&json!("ANY /proxy/{proxy+}"), &json!("dev.azure.com"))
    );
    assert!(!line.to_string().contains("a b"));
}

#[tokio::test]
async fn an_address_that_is_no_route_of_the_function_does_not_reach_the_handler() {
    let handler = |_: Request, _: RequestLog| async move { panic!("not to be called") };
    for (method, path, expected) in [
        ("GET", "/nothing", "not_found"),
        ("GET", "/authorize", "not_found"),
        ("PATCH", "/api-keys", "method_not_allowed"),
        ("G E T", "/health", "invalid_request"),
        ("", "/health", "invalid_request"),
    ] {
        let (answer, line) =
            answer(Function::Manage, handler, event(method, path, &json!({}))).await;
        assert_eq!(code(&answer), expected, "{method} {path}");
        assert_eq!(line["problem"], expected);
        if expected == "method_not_allowed" {
            assert_eq!(answer.headers["allow"], "POST, GET, HEAD");
        }
    }
}

#[tokio::test]
async fn a_preflight_is_answered_on_every_route_before_anything_else() {
    let handler = |_: Request, _: RequestLog| async move { panic!("not to be called") };
    for (function, path, wanted, route) in [
        (Function::Proxy, "/proxy/conn_1/dev.azure.com/x", "PATCH", "ANY /proxy/{proxy+}"),
        (Function::Manage, "/connections", "GET", "GET /connections"),
        (Function::Manage, "/connect-sessions", "POST", "POST /connect-sessions"),
        // `$default` takes OPTIONS for all functions.
        (
            Function::Manage,
            "/connections/conn_1/token",
            "POST",
            "POST /connections/{connection}/token",
        ),
        (Function::Manage, "/nowhere", "GET", "$default"),
        (Function::Manage, "/connections", "PATCH", "$default"),
    ] {
        let headers = json!({"Origin": "https://app.mycompany.example", "access-control-request-method": wanted});
        let (answer, line) = answer(function, handler, event("OPTIONS", path, &headers)).await;
        assert_eq!((answer.status_code, answer.body.as_str()), (204, ""), "{path}");
        assert!(!answer.headers.keys().any(|name| name.starts_with("access-control-")));
        assert_eq!((&line["route"], &line["method"]), (&json!(route), &json!("OPTIONS")), "{path}");
    }
}

#[tokio::test]
async fn options_without_origin_or_requested_method_is_no_preflight() {
    for headers in [
        json!({}),
        json!({"origin": "https://app.mycompany.example"}),
        json!({"access-control-request-method": "GET"}),
        json!({"origin": "https://app.mycompany.example", "access-control-request-method": "a b"}),
    ] {
        let event = event("OPTIONS", "/connections", &headers);
        let (answer, _) = answer(Function::Manage, nothing, event).await;
        assert_eq!(code(&answer), "method_not_allowed", "{headers}");
    }
}

#[tokio::test]
async fn head_is_answered_as_get_without_the_body() {
    let handler = |_: Request, _: RequestLog| async move {
        respond::json(StatusCode::OK, &json!({"status": "ok"}))
    };
    let (got, _) = answer(Function::Manage, handler, event("GET", "/health", &json!({}))).await;
    let (head, line) =
        answer(Function::Manage, handler, event("HEAD", "/health", &json!({}))).await;
    assert!(!got.body.is_empty());
    assert_eq!((head.status_code, head.body.as_str()), (200, ""));
    assert_eq!(head.headers, got.headers);
    assert_eq!((&line["route"], &line["method"]), (&json!("GET /health"), &json!("HEAD")));
    let (refused, _) =
        answer(Function::Manage, handler, event("HEAD", "/nowhere", &json!({}))).await;
    assert_eq!((refused.status_code, refused.body.as_str()), (404, ""));
}

#[tokio::test]
async fn a_challenge_is_sent_under_a_second_name_too() {
    let challenged =
        |_: Request, _: RequestLog| async { Err(Problem::new(Code::MissingCredentials)) };
    let event = || event("GET", "/proxy/conn_1/dev.azure.com/x", &json!({}));
    let (refused, _) = answer(Function::Proxy, challenged, event()).await;
    assert!(refused.headers["www-authenticate"].contains("Bearer"));
    assert_eq!(refused.headers["x-ado-connect-challenge"], refused.headers["www-authenticate"]);

    let foreign = |_: Request, _: RequestLog| async {
        let response = Response::builder().status(401).header("x-ado-connect-challenge", "Basic");
        Ok(respond::passed_through(response.body(Body::new()).unwrap()))
    };
    let (passed, _) = answer(Function::Proxy, foreign, event()).await;
    assert!(!passed.headers.contains_key("x-ado-connect-challenge"));
}

#[tokio::test]
async fn a_malformed_request_is_refused_and_not_a_failure() {
    for headers in [json!({"x-name": "a\r\nb"}), json!({"na me": "b"}), json!({"": "b"})] {
        let (answer, _) =
            answer(Function::Manage, nothing, event("GET", "/health", &headers)).await;
        assert_eq!(code(&answer), "invalid_request");
    }
    let odd = json!({"host": "::::", "x-forwarded-proto": "1 x", "x-name": "Zoë \u{1F600}"});
    let (answer, _) = answer(Function::Manage, nothing, event("GET", "/health", &odd)).await;
    assert_eq!(answer.status_code, 204);
}

#[tokio::test]
async fn a_panic_is_an_internal_error_without_its_message() {
    let handler = |request: Request, _: RequestLog| async move {
        assert!(request.uri().query().is_none(), "the query is {:?}", request.uri().query());
        Ok(respond::no_content())
    };
    let (answer, line) =
        answer(Function::Manage, handler, event("GET", "/health", &json!({}))).await;
    assert_eq!(code(&answer), "internal_error");
    assert!(!answer.body.contains("marker"));
    assert_eq!(
        (&line["level"], &line["cause"], &line["Errors"]),
        (&json!("ERROR"), &json!("panic"), &json!(1))
    );
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_does_not_return_is_refused_before_the_deadline_of_lambda() {
    let handler =
        |_: Request, _: RequestLog| std::future::pending::<Result<Response<Body>, Problem>>();
    let stub = stub(Function::Manage, handler);
    let mut context = Context::default();
    let deadline = SystemClock.now().as_millisecond() + 30_000;
    context.deadline = u64::try_from(deadline).unwrap();
    let (outgoing, _) = super::answer(&stub, event("GET", "/health", &json!({})), context).await;
    let answer = whole(outgoing);
    assert_eq!(code(&answer), "service_unavailable");
    assert!(answer.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn people_get_pages_and_programs_get_documents() {
    let handler = |_: Request, _: RequestLog| async { Err(Problem::new(Code::SessionUnknown)) };
    let html = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8";
    for (path, accept, page) in [
        ("/authorize", html, true),
        ("/nothing", html, true),
        ("/authorize", "application/json", false),
        ("/authorize", "*/*", false),
        ("/authorize", "text/html;q=0, application/json", false),
        ("/nothing", "", false),
    ] {
        let (answer, line) =
            answer(Function::Authorize, handler, event("GET", path, &json!({"accept": accept})))
                .await;
        assert_eq!(
            answer.headers["content-type"].starts_with("text/html"),
            page,
            "{path} {accept}"
        );
        assert!(answer.headers["content-security-policy"].starts_with("default-src 'none'"));
        assert!(answer.body.contains("JKJaXmPLvHcESHA="));
        assert_eq!(line["status"], 404);
    }
    let (answer, _) = answer(
        Function::Manage,
        nothing,
        event("PATCH", "/connections", &json!({"accept": "text/html"})),
    )
    .await;
    assert!(answer.headers["content-type"].starts_with("text/html"));
}

#[tokio::test]
async fn a_passed_through_answer_keeps_its_headers_but_cannot_act_as_a_page_of_ours() {
    let handler = |_: Request, _: RequestLog| async {
        let mut response = Response::new(Body::from("<script>"));
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        for (name, value) in [
            ("content-type", "text/html; charset=utf-16"),
            ("cache-control", "public, max-age=5"),
            ("etag", "\"1\""),
            ("content-security-policy", "default-src *"),
        ] {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        Ok(respond::passed_through(response))
    };
    let event = event("GET", "/proxy/conn_1/dev.azure.com/x", &json!({}));
    let (answer, line) = answer(Function::Proxy, handler, event).await;
    assert_eq!(answer.headers["content-type"], "text/html; charset=utf-16");
    assert_eq!(answer.headers["cache-control"], "private, max-age=5");
    assert_eq!(answer.headers["etag"], "\"1\"");
    assert!(answer.headers["content-security-policy"].starts_with("sandbox;"));
    assert!(!answer.headers.contains_key("referrer-policy"));
    assert_eq!(answer.body, "<script>");
    assert_eq!(
        (&line["status"], &line["Errors"], &line["level"]),
        (&json!(503), &json!(0), &json!("INFO"))
    );
}

#[tokio::test]
async fn an_answer_beyond_the_limit_of_lambda_is_a_problem_instead() {
    for (size, expected) in [(4_700_000, 200), (4_720_000, 502), (20_000_000, 502)] {
        let handler = move |_: Request, _: RequestLog| async move {
            Ok(respond::passed_through(Response::new(Body::from(vec![0xff; size]))))
        };
        let event = event("GET", "/proxy/conn_1/dev.azure.com/x", &json!({}));
        let (answer, _) = answer(Function::Proxy, handler, event).await;
        assert_eq!(answer.status_code, expected, "{size}");
        assert!(serde_json::to_string(&answer).unwrap().len() <= ANSWER_LIMIT);
        match expected {
            200 => assert_eq!(STANDARD.decode(&answer.body).unwrap().len(), size),
            _ => assert_eq!(code(&answer), "response_too_large"),
        }
    }
}

#[tokio::test]
async fn a_problem_can_clear_a_cookie_and_a_redirect_stays_one() {
    let handler = |_: Request, _: RequestLog| async {
        let clear = HeaderValue::from_static("__Host-a=; Max-Age=0");
        Err(Problem::new(Code::StateUnknown).header(SET_COOKIE, clear))
    };
    let callback = || event("GET", "/integration-callback", &json!({}));
    let (refused, _) = answer(Function::Callback, handler, callback()).await;
    assert_eq!(refused.cookies, ["__Host-a=; Max-Age=0"]);
    let handler = |_: Request, _: RequestLog| async {
        respond::see_other(&"https://app.mycompany.example/?a=1".parse().unwrap())
    };
    let (redirect, _) = answer(Function::Callback, handler, callback()).await;
    assert_eq!(redirect.status_code, 303);
    assert_eq!(redirect.headers[LOCATION.as_str()], "https://app.mycompany.example/?a=1");
}

#[tokio::test]
async fn an_https_service_requires_https_from_browsers() {
    let https = "https://connect.mycompany.example".parse().unwrap();
    let stub = Server { public_url: https, ..stub(Function::Manage, nothing) };
    let health = event("GET", "/health", &json!({}));
    let (secure, _) = super::answer(&stub, health, Context::default()).await;
    assert!(whole(secure).headers.contains_key("strict-transport-security"));
    let (local, _) = answer(Function::Manage, nothing, event("GET", "/health", &json!({}))).await;
    assert!(!local.headers.contains_key("strict-transport-security"));
}

#[tokio::test]
async fn a_streamed_answer_is_a_prelude_and_a_body() {
    use futures_util::StreamExt as _;
    let chunked = |_: Request, _: RequestLog| async {
        let chunks = futures_util::stream::iter([Ok("a".into()), Ok("b".into())]).boxed();
        Ok(respond::passed_through(Response::new(Content::Chunks(
            chunks,
            Box::pin(std::future::pending()),
        ))))
    };
    let event = || event("GET", "/proxy/conn_1/dev.azure.com/x", &json!({}));
    let streamed =
        Server { response_mode: ResponseMode::Streamed, ..stub(Function::Proxy, chunked) };
    let (outgoing, entry) = super::answer(&streamed, event(), Context::default()).await;
    let Outgoing::Streamed { metadata_prelude, chunks, .. } = outgoing else {
        panic!("a whole answer")
    };
    assert_eq!(
        (metadata_prelude.status_code, metadata_prelude.headers.contains_key(REQUEST_ID)),
        (StatusCode::OK, true)
    );
    assert_eq!(chunks.map(Result::unwrap).collect::<Vec<_>>().await, ["a", "b"]);
    assert!(
        entry
            .line(Some(Streamed { bytes: 2, end: StreamEnd::Complete }))
            .contains("\"streamed_bytes\":2")
    );

    let refuses = |_: Request, _: RequestLog| async {
        Err::<Response<Body>, _>(Problem::new(Code::UnknownHost))
    };
    let streamed =
        Server { response_mode: ResponseMode::Streamed, ..stub(Function::Proxy, refuses) };
    let (outgoing, _) = super::answer(&streamed, event(), Context::default()).await;
    let Outgoing::Streamed { metadata_prelude, .. } = outgoing else { panic!("a whole answer") };
    assert_eq!(metadata_prelude.status_code, Code::UnknownHost.status());

    // A stream cannot leave where answers are buffered.
    let (outgoing, _) =
        super::answer(&stub(Function::Proxy, chunked), event(), Context::default()).await;
    assert_eq!(code(&whole(outgoing)), "internal_error");
}
