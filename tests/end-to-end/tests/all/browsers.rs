//! What pages of other origins may do (CORS), and the methods that browsers and monitors send by themselves: `OPTIONS` and
//! `HEAD`.

use edge::caller::Role;
use edge::routes::{Operation, ROUTES};
use end_to_end::{Answer, Caller, PROJECTS, World};
use local::GatewayOptions;
use reqwest::Method;
use serde_json::{Value, json};

use crate::contract::{NO_CONNECTION, example, example_body};

const PAGE: &str = "https://page.mycompany.example";

/// The headers that azure-devops-extension-api, Microsoft's client for browsers, adds to `fetch`.
const MICROSOFTS_CLIENT: [&str; 5] = [
    "authorization",
    "content-type",
    "x-tfs-fedauthredirect",
    "x-tfs-session",
    "x-vss-reauthenticationaction",
];

async fn with_origins(origins: &[&str]) -> World {
    let cors_origins = origins.iter().map(|&origin| origin.to_owned()).collect();
    World::behind(GatewayOptions { cors_origins, ..GatewayOptions::default() }).await
}

async fn preflight(world: &World, origin: &str, method: &str, path: &str) -> Answer {
    let request = world.request(&Caller::Nobody, Method::OPTIONS, path).header("origin", origin);
    let request = request.header("access-control-request-method", method);
    world.send(request.header("access-control-request-headers", MICROSOFTS_CLIENT.join(","))).await
}

fn cors_headers(answer: &Answer) -> Vec<&str> {
    let names = answer.headers.keys().map(reqwest::header::HeaderName::as_str);
    names.filter(|name| name.starts_with("access-control-")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_a_configured_origin_may_send_its_request_to_every_route() {
    let world = with_origins(&["https://other.mycompany.example", PAGE]).await;
    let connection = world.connect("ada", "ada").await;
    let before = world.devops().requests().len();
    for (method, path, route) in [
        ("PATCH", format!("/proxy/{connection}/{PROJECTS}"), "ANY /proxy/{proxy+}"),
        ("GET", "/connections?integration=azure-devops".to_owned(), "GET /connections"),
        ("POST", "/connect-sessions".to_owned(), "POST /connect-sessions"),
        (
            "POST",
            format!("/connections/{connection}/token"),
            "POST /connections/{connection}/token",
        ),
        ("GET", "/nowhere".to_owned(), "$default"),
    ] {
        let allowed = preflight(&world, PAGE, method, &path).await.expect(204);
        assert!(allowed.body.is_empty());
        assert_eq!(allowed.header("access-control-allow-origin"), Some(PAGE), "{path}");
        assert_eq!(allowed.header("access-control-allow-methods"), Some("*"), "{path}");
        let headers = allowed.header("access-control-allow-headers").unwrap();
        for wanted in MICROSOFTS_CLIENT {
            assert!(headers.split(',').any(|allowed| allowed == wanted), "{wanted}: {headers}");
        }
        let id = allowed.header("x-request-id").unwrap().to_owned();
        let line = world.logged(|line| line.contains(&id) && line.contains("\"route\"")).await;
        let line: Value = serde_json::from_str(&line[line.find('{').unwrap()..]).unwrap();
        assert_eq!((&line["route"], &line["status"]), (&json!(route), &json!(204)), "{line}");
        assert!(line.get("caller").is_none_or(Value::is_null), "{line}");
    }
    assert_eq!(world.devops().requests().len(), before);

    let request = world.request(
        &Caller::Application,
        Method::GET,
        &format!("/proxy/{connection}/{PROJECTS}"),
    );
    let listed = world.send(request.header("origin", PAGE)).await.expect(200);
    assert_eq!(listed.header("access-control-allow-origin"), Some(PAGE));
    assert_eq!(listed.header("access-control-expose-headers"), Some("*"));
    // A page can read a refusal as well.
    let request =
        world.request(&Caller::Nobody, Method::GET, "/connections").header("origin", PAGE);
    let refused = world.send(request).await.expect_problem(401, "missing_credentials");
    assert_eq!(refused.header("access-control-allow-origin"), Some(PAGE));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_origin_gets_no_permission() {
    let world = with_origins(&[PAGE]).await;
    for origin in ["https://evil.example", "https://page.mycompany.example.evil.example", "null"] {
        let answer = preflight(&world, origin, "GET", "/connections").await.expect(204);
        assert!(cors_headers(&answer).is_empty(), "{origin}: {answer:?}");
        let request = world.request(
            &Caller::Application,
            Method::GET,
            "/connections?integration=azure-devops",
        );
        let answer = world.send(request.header("origin", origin)).await.expect(200);
        assert!(cors_headers(&answer).is_empty(), "{origin}: {answer:?}");
    }
    let closed = World::start().await;
    let answer = preflight(&closed, PAGE, "GET", "/connections").await.expect(204);
    assert!(cors_headers(&answer).is_empty(), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn options_of_a_client_without_an_origin_still_reach_azure_devops() {
    let world = with_origins(&[PAGE]).await;
    let connection = world.connect("ada", "ada").await;
    let path = format!("/proxy/{connection}/dev.azure.com/mycompany/_apis");
    let discovered = world.ask(&Caller::Application, Method::OPTIONS, &path).await.expect(200);
    assert!(discovered.json()["value"].is_array());
    let refused = world.ask(&Caller::Nobody, Method::OPTIONS, &path).await;
    refused.expect_problem(401, "missing_credentials");
}

#[tokio::test(flavor = "multi_thread")]
async fn head_is_answered_where_get_is_and_reaches_azure_devops() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let health = world.ask(&Caller::Nobody, Method::HEAD, "/health").await.expect(200);
    assert!(health.body.is_empty());
    assert_eq!(health.header("content-type"), Some("application/json"));
    for (caller, status) in [(Caller::Application, 200), (Caller::Nobody, 401)] {
        let path = format!("/connections/{connection}");
        world.ask(&caller, Method::HEAD, &path).await.expect(status);
    }
    // A link stays unused when a scanner looks at it.
    let link = world.ask(&Caller::Nobody, Method::HEAD, "/authorize?session=x").await.expect(405);
    assert_eq!(link.header("allow"), Some("GET"));

    let path = format!("/proxy/{connection}/{PROJECTS}");
    world.ask(&Caller::Application, Method::HEAD, &path).await;
    assert_eq!(world.devops().requests().last().unwrap().method, "HEAD");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_changes_nothing() {
    let world = with_origins(&[PAGE]).await;
    let application = world.new_key("application", None).await;
    let operator = world.stack.operator_key();
    let changing = ROUTES.iter().filter(|route| {
        !route.callers.is_empty() && !route.method.as_ref().is_some_and(Method::is_safe)
    });
    // `Sec-Fetch-Site` and `Origin`, and whether the request is refused because of them.
    let pages = [
        (None, None, false),
        (Some("none"), None, false),
        (Some("same-origin"), Some(world.stack.public_url()), false),
        (Some("same-site"), Some("https://evil.example"), true),
        (Some("cross-site"), Some("https://evil.example"), true),
        (Some("cross-site"), Some("null"), true),
        (Some("cross-site"), None, true),
        (Some("cross-site"), Some(PAGE), false),
    ];
    let mut cells = 0;
    for route in changing {
        let (_, path) = example(route, NO_CONNECTION);
        let method = route.method.clone().unwrap_or(Method::POST);
        let key = if route.callers.contains(&Role::Operator) { operator } else { &application };
        let request = |site: Option<&str>, origin: Option<&str>| {
            let request = world.request(&Caller::Nobody, method.clone(), &path);
            [("sec-fetch-site", site), ("origin", origin)]
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?)))
                .fold(request.json(&example_body(route)), |request, (name, value)| {
                    request.header(name, value)
                })
        };
        for (site, origin, is_refused) in pages {
            let bearer = world.send(request(site, origin).bearer_auth(key)).await;
            let basic = world.send(request(site, origin).basic_auth("any", Some(key))).await;
            for answer in [&bearer, &basic] {
                let what = format!("{} {site:?} {origin:?}: {}", route.key(), answer.text());
                assert_eq!(answer.code() == "cross_site_request", is_refused, "{what}");
                cells += 1;
            }
            if !is_refused {
                let what = format!("{} {site:?} {origin:?}", route.key());
                assert_ne!(bearer.status, 401, "{what}");
                assert_eq!(basic.status == 401, route.operation != Operation::Proxy, "{what}");
            }
        }
    }
    println!("cross-site matrix: {cells} cells");
    assert_eq!(world.get(&Caller::Operator, "/service").await.json()["status"], "running");
}
