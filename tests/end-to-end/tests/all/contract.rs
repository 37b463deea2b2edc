//! The contract: the code, the template and the API description have the same routes, each with its callers.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use edge::caller::Role;
use edge::problem::Code;
use edge::routes::{Function, Operation, ROUTES, Route};
use end_to_end::documents::{self, Document};
use end_to_end::{Caller, INTEGRATION, PROJECTS, World};
use local::Routes;
use reqwest::Method;
use serde_json::{Value, json};

/// The id of a connection that does not exist.
pub(crate) const NO_CONNECTION: &str = "conn_00000000000000000000000000000000";

/// Returns an address of a route with this connection; its other ids do not exist.
pub(crate) fn example(route: &Route, connection: &str) -> (Method, String) {
    let path = route
        .path
        .replace("{integration}", "nobody")
        .replace("{connection}", connection)
        .replace("{host}/{path+}", PROJECTS)
        .replace("{narrowing+}", "readonly")
        .replace("{page+}", "integrations")
        .replace("{key}", "0000");
    (route.method.clone().unwrap_or(Method::GET), path)
}

/// Returns a body for a route that changes nothing.
pub(crate) fn example_body(route: &Route) -> Value {
    match route.operation {
        Operation::ConfirmConnection => json!({"confirmation": "made up"}),
        Operation::PutClientCredential => json!({"kind": "federated"}),
        _ => json!({}),
    }
}

#[test]
fn the_template_binds_each_route_to_its_function_and_leaves_the_rest_to_manage() {
    let template: BTreeSet<(String, String)> = Routes::of_template()
        .unwrap()
        .iter()
        .map(|route| (route.key.clone(), route.function.clone()))
        .collect();
    let mut contract: BTreeSet<(String, String)> = ROUTES
        .iter()
        .filter(|route| route.function != Function::Manage)
        .map(|route| (route.key(), route.function.as_str().to_owned()))
        .collect();
    contract.insert(("$default".to_owned(), "manage".to_owned()));
    assert_eq!(template, contract);
}

#[test]
fn every_route_of_the_contract_reaches_its_function() {
    let template = Routes::of_template().unwrap();
    for route in ROUTES {
        let (method, path) = example(route, NO_CONNECTION);
        let bound = template.find(method.as_str(), &path).unwrap().route;
        assert_eq!(bound.function, route.function.as_str(), "{method} {path}");
    }
}

#[test]
fn cargo_lambda_watch_has_exactly_the_routes_of_the_template() {
    let manifest = include_str!("../../../../Cargo.toml");
    let (_, router) = manifest.split_once("[workspace.metadata.lambda.watch.router]").unwrap();
    let router: BTreeSet<(String, String)> = router
        .lines()
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once(" = "))
        .map(|(path, function)| (path.replace('"', ""), function.replace('"', "")))
        .collect();
    let mut template: BTreeSet<(String, String)> = Routes::of_template()
        .unwrap()
        .iter()
        .map(|route| {
            let path = route.key.split_once(' ').map_or("/{*default}", |(_, path)| path);
            // A capture of the rest is `{name+}` there, and `{*name}` here.
            let path = match path.strip_suffix("+}").and_then(|path| path.rsplit_once('{')) {
                Some((before, name)) => format!("{before}{{*{name}}}"),
                None => path.to_owned(),
            };
            (path, route.function.clone())
        })
        .collect();
    // A catch-all of the router does not match the empty path.
    template.insert(("/".to_owned(), "manage".to_owned()));
    assert_eq!(router, template);
}

#[test]
fn the_documentation_lists_every_problem_code() {
    let rows = Code::ALL.iter().map(|code| {
        let (name, status) = (format!("`{}`", code.as_str()), code.status().as_u16().to_string());
        [name, status, code.title().to_owned(), code.advice().to_owned()]
    });
    let expected = documents::table(["code", "status", "meaning", "what to do"], rows);
    Document("docs/reference/problems.md").assert_part("problems", &expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_accept_their_callers_and_refuse_all_others() {
    let world = World::start().await;
    let bound = world.new_key("application", Some(INTEGRATION)).await;
    for route in ROUTES.iter().filter(|route| !route.callers.is_empty()) {
        let (method, path) = example(route, NO_CONNECTION);
        let nobody = world.ask(&Caller::Nobody, method.clone(), &path).await;
        let nobody = nobody.expect_problem(401, "missing_credentials");
        // The HTTP API renames it and maps ours back.
        let offered = nobody.header("www-authenticate").unwrap();
        assert!(offered.contains("Bearer"), "{offered}");
        assert_eq!(offered.contains("Basic"), route.operation == Operation::Proxy, "{offered}");
        assert_eq!(nobody.header("x-amzn-remapped-www-authenticate"), Some(offered));
        // Guesses of the operator key would be limited soon.
        for wrong in ["adoc_0000_nonsense", "adoc_0000_0000000000000000000000000000000000000000000"]
        {
            let caller = Caller::Bearer(wrong.to_owned());
            world
                .ask(&caller, method.clone(), &path)
                .await
                .expect_problem(401, "invalid_credentials");
        }
        for (role, caller) in [
            (Role::Operator, Caller::Operator),
            (Role::Application, Caller::Application),
            (Role::Application, Caller::Bearer(bound.clone())),
        ] {
            let answer = world.ask(&caller, method.clone(), &path).await;
            if route.callers.contains(&role) {
                assert!(
                    !matches!(answer.status.as_u16(), 401 | 403),
                    "{method} {path}: {}",
                    answer.text()
                );
            } else {
                answer.expect_problem(403, "role_not_allowed");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_come_in_one_header_in_one_of_two_forms() {
    let world = World::start().await;
    let key = world.new_key("operator", None).await;
    let application = world.new_key("application", None).await;
    let connection = world.connect("ada", "ada").await;
    let proxied = format!("/proxy/{connection}/{PROJECTS}");
    for user in ["", "anybody"] {
        let basic =
            |path: &str, key: &str| world.plain_get(&world.url(path)).basic_auth(user, Some(key));
        world.send(basic(&proxied, &application)).await.expect(200);
        for (path, key) in [
            ("/connections", application.as_str()),
            ("/integrations", &key),
            ("/integrations", world.stack.operator_key()),
            (proxied.as_str(), &key),
            (proxied.as_str(), world.stack.operator_key()),
        ] {
            let refused = world.send(basic(path, key)).await;
            refused.expect_problem(401, "invalid_credentials");
        }
    }
    for wrong in ["nonsense", "adoc_operator_nonsense", "a.b.c"] {
        let caller = Caller::Bearer(wrong.to_owned());
        world.get(&caller, "/integrations").await.expect_problem(401, "invalid_credentials");
    }
    for value in [format!("bearer {key}"), format!("BEARER {key}")] {
        world.get(&Caller::Raw(value), "/integrations").await.expect(200);
    }
    for value in [
        key.clone(),
        format!("Token {key}"),
        "Bearer".to_owned(),
        "Basic !!!".to_owned(),
        format!("Bearer {key}, Bearer {key}"),
    ] {
        let answer = world.get(&Caller::Raw(value), "/integrations").await;
        assert_eq!(answer.status, 401, "{}", answer.text());
    }
    let request = world.plain_get(&world.url("/integrations"));
    let request = request
        .header("authorization", format!("Bearer {key}"))
        .header("authorization", "Bearer x");
    // Git with `http.extraHeader` and a password.
    let refused = world.send(request).await.expect_problem(401, "invalid_credentials").json();
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("several Authorization headers") && detail.contains("Git"), "{detail}");
    let long = Caller::Bearer("x".repeat(9000));
    world.get(&long, "/integrations").await.expect_problem(431, "header_too_large");
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_addresses_and_methods_are_clear_refusals() {
    let world = World::start().await;
    for path in ["/nowhere", "/integrations/", "/Integrations", "/connections/a/b/c", "/proxy"] {
        world.get(&Caller::Operator, path).await.expect_problem(404, "not_found");
    }
    for (method, path) in [
        (Method::POST, "/integrations"),
        (Method::PATCH, "/integrations/x"),
        (Method::DELETE, "/connect-sessions"),
        (Method::POST, "/authorize"),
        (Method::PUT, "/health"),
    ] {
        let answer = world.ask(&Caller::Operator, method, path).await;
        let answer = answer.expect_problem(405, "method_not_allowed");
        assert!(!answer.header("allow").unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_describes_itself() {
    let world = World::start().await;
    let health = world.get(&Caller::Nobody, "/health").await.expect(200).json();
    assert_eq!(
        health.as_object().unwrap().len(),
        2,
        "version and liveness, nothing else: {health}"
    );
    let document = world.get(&Caller::Nobody, "/openapi.json").await.expect(200).json();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(described(&document), contract());
    let page = world.browser().open_page(&world.url("/")).await.expect(200);
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    assert!(page.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"));
    assert!(ROUTES.iter().any(|route| route.operation == Operation::Portal));
}

/// Method, path, and whether credentials are required.
type Row = (String, String, bool);

fn described(document: &Value) -> BTreeSet<Row> {
    let mut rows = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            if method != "parameters" {
                let is_closed = operation["security"].as_array().is_some_and(|all| !all.is_empty());
                rows.insert((method.to_uppercase(), path.clone(), is_closed));
            }
        }
    }
    rows
}

fn contract() -> BTreeSet<Row> {
    let any = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].map(str::to_owned);
    let mut rows = BTreeSet::new();
    for route in ROUTES {
        let methods = match (&route.method, route.operation) {
            (Some(one), _) => vec![one.to_string()],
            // The function answers the others with 405, after it has authenticated their callers.
            (None, Operation::Mcp) => vec!["POST".to_owned()],
            (None, _) => any.to_vec(),
        };
        for method in methods {
            rows.insert((method, route.path.replace("+}", "}"), !route.callers.is_empty()));
        }
    }
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn dynamodb_holds_no_secret_in_clear_text() {
    let world = World::start().await;
    let key = world.new_key("application", None).await;
    let link = world.connect_url("ada").await;
    let browser = world.browser();
    let authorize_url = browser.start(&link).await;
    let state =
        authorize_url.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let nonce =
        authorize_url.query_pairs().find(|(name, _)| name == "nonce").unwrap().1.into_owned();
    let cookie = browser.cookies().split('=').nth(1).unwrap().to_owned();
    let mut secrets = vec![
        key[key.len() - 43..].to_owned(),
        link.split("session=").nth(1).unwrap().to_owned(),
        state,
        nonce,
        cookie,
    ];
    let dump = dump(&world).await;
    let callback =
        browser.decide(&authorize_url, &[("account", "ada"), ("action", "approve")]).await;
    let returned = browser.open(callback.as_str()).await.expect(303);
    secrets.push(returned.location_parameter("confirmation").unwrap());
    secrets.push(emulators::MARKER.to_owned());
    let dump = format!("{dump}{}", self::dump(&world).await);
    for secret in secrets {
        assert!(!dump.contains(&secret), "{secret} is in a table");
    }
}

async fn dump(world: &World) -> String {
    let mut dump = String::new();
    for table in [
        local::names::INTEGRATIONS,
        local::names::SESSIONS,
        local::names::CONNECTIONS,
        local::names::TOKENS,
    ] {
        for item in world.items(table).await {
            for value in item.values() {
                let bytes =
                    value.as_b().map(|blob| String::from_utf8_lossy(blob.as_ref()).into_owned());
                write!(dump, "{value:?}{}", bytes.unwrap_or_default()).unwrap();
            }
        }
    }
    dump
}
