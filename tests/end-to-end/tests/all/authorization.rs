//! Who may do what with whose connection: every route, as every caller, with every kind of object.

use std::collections::BTreeSet;

use edge::caller::Role;
use edge::routes::{Operation, ROUTES, Route};
use end_to_end::portal::Operator;
use end_to_end::{Answer, Caller, INTEGRATION, IdentityProvider, PROJECTS, World};
use local::names;
use reqwest::Method;
use serde_json::{Value, json};
use tap::Tap;

/// Another integration whose application names its users.
const OTHER: &str = "other";
/// The integration whose users name themselves.
const PEOPLE: &str = "people";
const NO_CONNECTION: &str = "conn_00000000000000000000000000000000";

/// A caller of the matrix, and what it may see.
struct Subject {
    name: &'static str,
    caller: Caller,
    /// `None` if it is nobody.
    role: Option<Role>,
    /// The only integration that its key is bound to.
    bound_to: Option<&'static str>,
    /// The user that it is.
    user: Option<&'static str>,
}

/// A connection of the matrix.
struct Object {
    name: &'static str,
    id: String,
    integration: &'static str,
    /// The user who named itself.
    user: Option<&'static str>,
    is_deleted: bool,
}

impl Subject {
    fn sees(&self, object: &Object) -> bool {
        let in_its_integration = self.bound_to.is_none_or(|only| only == object.integration);
        let is_own = self.user.is_none() || self.user == object.user;
        !object.is_deleted && in_its_integration && is_own
    }
}

struct Matrix {
    world: World,
    subjects: Vec<Subject>,
    objects: Vec<Object>,
}

impl Matrix {
    async fn start() -> Self {
        let (provider, other) = (IdentityProvider::start().await, IdentityProvider::start().await);
        let world = World::with_variables(&provider.variables()).await;
        world.put_integration(OTHER, json!({})).await.expect(201);
        world.put_integration_of_users(PEOPLE).await;
        // The same names everywhere, so that only the issuer and the integration tell users apart.
        let under_other =
            json!({"integration": OTHER, "user": "ada", "return_to": world.return_to()});
        let link = world.connect_url_for(under_other).await;
        let returned = world.browser().finish(&link, "grace").await.expect(303);
        world.confirm(&returned, "ada").await.expect(200);
        let erased = world.connect("gone", "ada").await;
        let path = format!("/connections/{erased}");
        world.ask(&Caller::Application, Method::DELETE, &path).await.expect(204);
        let (ada, grace) = (provider.user("ada"), provider.user("grace"));
        let object =
            |name, id, integration, user| Object { name, id, integration, user, is_deleted: false };
        let objects = vec![
            object("an application's", world.connect("ada", "ada").await, INTEGRATION, None),
            object(
                "another integration's",
                returned.location_parameter("connection_id").unwrap(),
                OTHER,
                None,
            ),
            object("ada's own", world.connect_as(&ada, PEOPLE, "ada").await, PEOPLE, Some("ada")),
            object(
                "grace's own",
                world.connect_as(&grace, PEOPLE, "grace").await,
                PEOPLE,
                Some("grace"),
            ),
            Object { is_deleted: true, ..object("deleted", erased, INTEGRATION, None) },
            Object {
                is_deleted: true,
                ..object("unknown", NO_CONNECTION.to_owned(), INTEGRATION, None)
            },
            Object {
                is_deleted: true,
                ..object("unreadable", "conn_x".to_owned(), INTEGRATION, None)
            },
        ];
        let key = async |bound_to| Caller::Bearer(world.new_key("application", bound_to).await);
        let deleted = world.new_key("application", None).await;
        let path = format!("/api-keys/{}", deleted.split('_').nth(1).unwrap());
        world.ask(&Caller::Operator, Method::DELETE, &path).await.expect(204);
        let subject =
            |name, caller, role| Subject { name, caller, role, bound_to: None, user: None };
        let application = |name, caller, bound_to| Subject {
            bound_to,
            ..subject(name, caller, Some(Role::Application))
        };
        let user =
            |name, caller| Subject { user: Some(name), ..subject(name, caller, Some(Role::User)) };
        let raw = |value: &str| Caller::Raw(value.to_owned());
        let subjects = vec![
            subject("nobody", Caller::Nobody, None),
            subject("a malformed header", raw("Bearer"), None),
            subject("a malformed key", raw("Bearer adoc_0000_x"), None),
            subject("a malformed token", raw("Bearer eyJ.e30.x"), None),
            subject("a deleted key", Caller::Bearer(deleted), None),
            subject("a user of another issuer", other.user("ada"), None),
            subject("a forged issuer", other.token(&json!({"iss": provider.issuer})), None),
            subject("the operator", Caller::Operator, Some(Role::Operator)),
            application("an application", Caller::Application, None),
            application("a bound key", key(Some(INTEGRATION)).await, Some(INTEGRATION)),
            application("a key of another integration", key(Some(OTHER)).await, Some(OTHER)),
            user("ada", ada),
            user("grace", grace),
            user("a stranger", provider.user("a stranger")),
        ];
        Self { world, subjects, objects }
    }

    async fn ask(&self, caller: &Caller, method: Method, path: &str, body: &Value) -> Answer {
        if method == Method::GET {
            return self.world.get(caller, path).await;
        }
        // Tokens are not handed out here, so every answer is watched.
        self.world.ask_json(caller, method, path, body).await
    }
}

fn code(answer: &Answer) -> String {
    let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    problem["code"].as_str().unwrap_or_default().to_owned()
}

/// The method of a route, its path with this connection, and a body that changes nothing.
fn example(route: &Route, connection: &str) -> (Method, String, Value) {
    let path = route
        .path
        .replace("{connection}", connection)
        .replace("{host}/{path+}", PROJECTS)
        .replace("{integration}", "nobody")
        .replace("{key}", "0000");
    let body = match route.operation {
        Operation::ConfirmConnection => json!({"confirmation": "made up"}),
        Operation::PutClientCredential => json!({"kind": "federated"}),
        _ => json!({}),
    };
    (route.method.clone().unwrap_or(Method::GET), path, body)
}

/// The difference between an answer and the rules, if there is one.
fn fault(
    subject: &Subject,
    route: &Route,
    object: Option<&Object>,
    answer: &Answer,
) -> Option<String> {
    let found = (answer.status.as_u16(), code(answer));
    let expected = match (subject.role, object) {
        (None, _) => match found.1.as_str() {
            "missing_credentials" | "invalid_credentials" => {
                return (found.0 != 401).then(|| format!("{found:?}"));
            }
            _ => (401, "invalid_credentials"),
        },
        (Some(role), _) if !route.callers.contains(&role) => (403, "role_not_allowed"),
        (_, Some(object)) if !subject.sees(object) => (404, "connection_not_found"),
        _ => {
            let is_let_in = !matches!(found.0, 401 | 500..)
                && found.1 != "role_not_allowed"
                && found.1 != "connection_not_found";
            return (!is_let_in).then(|| format!("not let in: {found:?}"));
        }
    };
    ((found.0, found.1.as_str()) != expected).then(|| format!("{found:?} instead of {expected:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_lets_every_caller_reach_its_own_objects_and_nothing_else() {
    let mut matrix = Matrix::start().await;
    let (mut cells, mut faults) = (0, Vec::new());
    let of_a_connection = |route: &&Route| route.path.contains("{connection}");
    // What is deleted by its owner is deleted for everybody after that.
    let (last, first): (Vec<&Route>, Vec<&Route>) = ROUTES
        .iter()
        .filter(of_a_connection)
        .partition(|route| route.operation == Operation::DeleteConnection);

    for subject in &matrix.subjects {
        let listed = matrix.world.get(&subject.caller, "/connections").await;
        if matches!(subject.role, Some(Role::Application | Role::User)) {
            let items = listed.expect(200).json();
            let ids = items["items"].as_array().unwrap().iter();
            let ids: BTreeSet<&str> = ids.map(|item| item["id"].as_str().unwrap()).collect();
            for object in &matrix.objects {
                cells += 1;
                if ids.contains(object.id.as_str()) != subject.sees(object) {
                    faults.push(format!("list × {} × {}", subject.name, object.name));
                }
            }
        }
        cells += 1;
        let me = matrix.world.get(&subject.caller, &format!("/proxy/me/{PROJECTS}")).await;
        let has_one =
            subject.user.is_some() && matrix.objects.iter().any(|object| subject.sees(object));
        if (me.status == 200) != has_one {
            faults.push(format!("me × {}: {}", subject.name, me.status));
        }
    }
    for route in first.into_iter().chain(last) {
        for object in 0..matrix.objects.len() {
            for subject in &matrix.subjects {
                let object = &matrix.objects[object];
                let (method, path, mut body) = example(route, &object.id);
                let names_users = subject.role == Some(Role::Application);
                if route.operation == Operation::ConfirmConnection && names_users {
                    body["user"] = "ada".into();
                }
                let answer = matrix.ask(&subject.caller, method, &path, &body).await;
                cells += 1;
                if let Some(fault) = fault(subject, route, Some(object), &answer) {
                    faults.push(format!(
                        "{} × {} × {}: {fault}",
                        route.key(),
                        subject.name,
                        object.name
                    ));
                }
                if route.operation == Operation::DeleteConnection && answer.status == 204 {
                    // Only its first visible caller can have done that.
                    matrix
                        .objects
                        .iter_mut()
                        .find(|one| one.id == path["/connections/".len()..])
                        .unwrap()
                        .is_deleted = true;
                }
            }
        }
    }
    for route in ROUTES.iter().filter(|route| !route.callers.is_empty() && !of_a_connection(route))
    {
        for subject in &matrix.subjects {
            let (method, path, body) = example(route, NO_CONNECTION);
            let answer = matrix.ask(&subject.caller, method, &path, &body).await;
            cells += 1;
            if let Some(fault) = fault(subject, route, None, &answer) {
                faults.push(format!("{} × {}: {fault}", route.key(), subject.name));
            }
        }
    }
    println!("authorization matrix: {cells} cells, {} leaks", faults.len());
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(cells > 700, "{cells}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_of_an_issuer_is_nobody_elses_user() {
    let provider = IdentityProvider::start().await;
    let world = World::with_variables(&provider.variables()).await;
    let theirs = world.connect("ada", "grace").await;
    world.put_integration_of_users(PEOPLE).await;
    let caller = provider.user("ada");
    // With and without a connection of its own under another integration.
    for has_one in [false, true] {
        if has_one {
            world.connect_as(&caller, PEOPLE, "ada").await;
        }
        for route in ROUTES.iter().filter(|route| route.path.contains("{connection}")) {
            let (method, path, body) = example(route, &theirs);
            let answer = world.ask_json(&caller, method, &path, &body).await;
            let expected = if route.callers.contains(&Role::User) { 404 } else { 403 };
            assert_eq!(answer.status, expected, "{}: {}", route.key(), answer.text());
        }
        let listed = world.get(&caller, "/connections").await.expect(200).json();
        assert_eq!(listed["items"].as_array().unwrap().len(), usize::from(has_one));
        let named = format!("/connections?integration={INTEGRATION}");
        world.get(&caller, &named).await.expect_problem(404, "integration_not_found");
        let request = world.request(&caller, Method::GET, &format!("/proxy/me/{PROJECTS}"));
        let request = request.header("x-ado-connect-integration", INTEGRATION);
        world.send(request).await.expect_problem(404, "connection_not_found");
    }
    let session = json!({"integration": INTEGRATION, "return_to": world.return_to()});
    let refused = world.post(&caller, "/connect-sessions", session).await;
    refused.expect_problem(404, "integration_not_found");
    // Nor does an application, or the operator, name a user of the issuer.
    let user = format!("{}|ada", provider.issuer);
    for integration in [INTEGRATION, PEOPLE] {
        let wish =
            json!({"integration": integration, "user": user, "return_to": world.return_to()});
        let refused = world.post(&Caller::Application, "/connect-sessions", wish).await;
        assert!(matches!(refused.status.as_u16(), 400 | 403), "{}", refused.text());
    }
    let wish = json!({"integration": PEOPLE, "user": "ada", "return_to": world.return_to()});
    let refused = world.post(&Caller::Application, "/connect-sessions", wish).await;
    refused.expect_problem(403, "caller_not_allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn users_who_name_themselves_are_shut_out_when_the_operator_says_so() {
    let provider = IdentityProvider::start().await;
    let world = World::with_variables(&provider.variables()).await;
    world.put_integration_of_users(PEOPLE).await;
    let caller = provider.user("ada");
    let own = world.connect_as(&caller, PEOPLE, "ada").await;
    world.get(&caller, &format!("/proxy/{own}/{PROJECTS}")).await.expect(200);
    world.put_integration(PEOPLE, json!({"users": "application"})).await.expect(200);
    for path in [
        format!("/proxy/{own}/{PROJECTS}"),
        format!("/connections/{own}"),
        format!("/proxy/me/{PROJECTS}"),
    ] {
        world.get(&caller, &path).await.expect_problem(404, "connection_not_found");
    }
    world.connection(&own).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_changes_nothing() {
    const LISTED: &str = "https://page.mycompany.example";
    let cors_origins = vec![LISTED.to_owned()];
    let gateway = local::GatewayOptions { cors_origins, ..local::GatewayOptions::default() };
    let world = World::behind(gateway).await;
    let key = world.new_key("application", None).await;
    let operator = world.stack.operator_key();
    let changing = ROUTES.iter().filter(|route| {
        !route.callers.is_empty() && !route.method.as_ref().is_some_and(Method::is_safe)
    });
    let mut cells = 0;
    for route in changing {
        let (_, path, body) = example(route, NO_CONNECTION);
        let method = route.method.clone().unwrap_or(Method::POST);
        let key = if route.callers.contains(&Role::Operator) { operator } else { &key };
        for basic in [false, true] {
            for (site, origin, expected) in [
                (None, None, false),
                (Some("none"), None, false),
                (Some("same-origin"), Some(world.stack.public_url()), false),
                (Some("same-site"), Some("https://evil.example"), true),
                (Some("cross-site"), Some("https://evil.example"), true),
                (Some("cross-site"), Some("null"), true),
                (Some("cross-site"), None, true),
                (Some("cross-site"), Some(LISTED), false),
            ] {
                let mut request = world.request(&Caller::Nobody, method.clone(), &path).json(&body);
                request = if basic {
                    request.basic_auth("any", Some(key))
                } else {
                    request.bearer_auth(key)
                };
                for (name, value) in [("sec-fetch-site", site), ("origin", origin)] {
                    if let Some(value) = value {
                        request = request.header(name, value);
                    }
                }
                let answer = world.send(request).await;
                let what =
                    format!("{} {basic} {site:?} {origin:?}: {}", route.key(), answer.text());
                cells += 1;
                assert_eq!(code(&answer) == "cross_site_request", expected, "{what}");
                let is_refused_basic = basic && route.operation != Operation::Proxy;
                if !expected {
                    assert_eq!(answer.status == 401, is_refused_basic, "{what}");
                }
            }
        }
    }
    println!("cross-site matrix: {cells} cells");
    assert_eq!(world.get(&Caller::Operator, "/service").await.json()["status"], "running");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_dies_with_its_integration() {
    let world = World::start().await;
    world.put_integration("acme", json!({})).await.expect(201);
    let bound = Caller::Bearer(world.new_key("application", Some("acme")).await);
    let unbound = Caller::Bearer(world.new_key("application", None).await);
    world.get(&bound, "/connections").await.expect(200);
    world.ask(&Caller::Operator, Method::DELETE, "/integrations/acme").await.expect(204);
    world.get(&bound, "/connections").await.expect_problem(401, "invalid_credentials");
    world.put_integration("acme", json!({})).await.expect(201);
    world.get(&bound, "/connections").await.expect_problem(401, "invalid_credentials");
    world.get(&unbound, "/connections").await.expect(200);
    let keys = world.get(&Caller::Operator, "/api-keys").await.expect(200).text();
    assert!(!keys.contains("acme"), "{keys}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_outlived_its_integration_sees_nothing_of_a_later_one() {
    let world = World::start().await;
    world.put_integration("acme", json!({})).await.expect(201);
    let bound = Caller::Bearer(world.new_key("application", Some("acme")).await);
    // As if the key had been left behind.
    let key = aws_sdk_dynamodb::types::AttributeValue::S("2020-01-01T00:00:00Z".to_owned());
    world.set(names::INTEGRATIONS, "integration#acme", "created_at", key).await;
    let listed = world.get(&bound, "/connections").await;
    listed.expect_problem(404, "integration_not_found");
    let wish = json!({"integration": "acme", "user": "x", "return_to": world.return_to()});
    let refused = world.post(&bound, "/connect-sessions", wish).await;
    refused.expect_problem(404, "integration_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_over_an_account_by_a_link_without_confirmation() {
    let provider = IdentityProvider::start().await;
    let world = World::with_variables(&provider.variables()).await;
    let both = json!({"confirmation": "none", "users": "jwt"});
    let refused = world.put_integration("tools", both).await.expect_problem(400, "invalid_request");
    assert_eq!(refused.json()["errors"][0]["field"], "confirmation");
    world.put_integration("tools", json!({"confirmation": "none"})).await.expect(201);
    let wish = json!({"integration": "tools"});
    let mallory = provider.user("mallory");
    let refused = world.post(&mallory, "/connect-sessions", wish.clone()).await;
    refused.expect_problem(404, "integration_not_found");
    // Stored by a release that did not refuse the combination.
    let jwt = aws_sdk_dynamodb::types::AttributeValue::S("jwt".to_owned());
    world.set(names::INTEGRATIONS, "integration#tools", "users", jwt).await;
    let refused = world.post(&mallory, "/connect-sessions", wish).await;
    refused.expect_problem(403, "caller_not_allowed");
    let warning = world.finding("tools", "confirmation").await.unwrap();
    assert_eq!(warning["status"], "warning");
    let operator = Operator::sign_in(&world, world.stack.operator_key()).await;
    let page = operator.open("/portal/integrations/tools").await.expect(200).text();
    assert!(
        page.contains("gets that person&#39;s account")
            || page.contains("gets that person's account")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_counts_in_its_own_list_only() {
    let provider = IdentityProvider::start().await;
    let world = World::with_variables(&provider.variables()).await;
    world.put_integration_of_users(PEOPLE).await;
    let (ada, grace) = (provider.user("ada"), provider.user("grace"));
    for user in ["ada", "grace"] {
        world.connect(user, user).await;
        world.connect_as(&provider.user(user), PEOPLE, user).await;
    }
    let first = world.get(&Caller::Application, "/connections?limit=1").await.expect(200).json();
    let cursor = first["next_cursor"].as_str().unwrap().to_owned();
    let bound = Caller::Bearer(world.new_key("application", Some(INTEGRATION)).await);
    let another_key = Caller::Bearer(world.new_key("application", None).await);
    let mut refused = vec![
        (Caller::Application, format!("/connections?user=grace&cursor={cursor}")),
        (Caller::Application, format!("/connections?status=pending&cursor={cursor}")),
        (Caller::Application, format!("/connections?integration={INTEGRATION}&cursor={cursor}")),
        (Caller::Application, format!("/connections?cursor={}", &cursor[..cursor.len() - 2])),
        (bound, format!("/connections?cursor={cursor}")),
        (ada.clone(), format!("/connections?cursor={cursor}")),
        (grace, format!("/connections?cursor={cursor}")),
    ];
    // A position alone, as cursors once were.
    for made_up in [
        "eyJpbnRlZ3JhdGlvbiI6ImF6dXJlLWRldm9wcyIsInVzZXIiOiJhZGEiLCJwayI6ImNvbm5fMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAifQ",
        "e30",
        "x",
    ] {
        refused.push((Caller::Application, format!("/connections?cursor={made_up}")));
    }
    for (caller, path) in &refused {
        let answer = world.get(caller, path).await.expect_problem(400, "invalid_request");
        assert_eq!(answer.json()["errors"][0]["field"], "cursor", "{path}");
    }
    let operator = Operator::sign_in(&world, world.stack.operator_key()).await;
    let page = operator.open(&format!("/portal/connections?cursor={cursor}")).await;
    assert_eq!(page.status, 400);
    // Other sizes of its pages, and another key that sees the same, go on.
    for (caller, limit) in [(Caller::Application, 3), (another_key, 1)] {
        let path = format!("/connections?limit={limit}&cursor={cursor}");
        let next = world.get(&caller, &path).await.expect(200).json();
        assert_eq!(next["items"].as_array().unwrap().len(), limit);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_learns_nothing_of_connections_of_others() {
    let provider = IdentityProvider::start().await;
    let world = World::with_variables(&provider.variables()).await;
    world.put_integration_of_users(PEOPLE).await;
    let elsewhere = world.connect("grace", "grace").await;
    let theirs = world.connect_as(&provider.user("grace"), PEOPLE, "grace").await;
    let caller = provider.user("ada");
    let own = world.connect_as(&caller, PEOPLE, "ada").await;
    for named in [json!({"confirmation": "x"}), json!({"confirmation": "x", "user": "ada"})] {
        for id in [NO_CONNECTION, &theirs, &elsewhere] {
            let path = format!("/connections/{id}/confirm");
            let refused = world.post(&caller, &path, named.clone()).await;
            refused.expect_problem(404, "connection_not_found");
        }
    }
    let named = json!({"confirmation": "x", "user": "grace"});
    for id in [NO_CONNECTION, &theirs, &elsewhere, &own] {
        let path = format!("/connections/{id}/confirm");
        world.post(&caller, &path, named.clone()).await.expect_problem(403, "user_mismatch");
    }
    let path = format!("/connections/{own}/confirm");
    let answer = world.post(&caller, &path, json!({"confirmation": "x"})).await;
    answer.expect_problem(400, "confirmation_invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_key_is_neither_stored_nor_guessed() {
    let world = World::start().await;
    let key = world.stack.operator_key().to_owned();
    let operator = Operator::sign_in(&world, &key).await;
    operator.open("/portal/integrations").await.expect(200);
    let by_hash = vault::secret_token::SecretHash::of(&key.clone().into());
    let sessions = format!("{:?}", world.items(names::SESSIONS).await);
    assert!(sessions.contains("operator_key") && !sessions.contains(by_hash.as_str()));

    let mut answers = Vec::new();
    for guess in 0..110 {
        let guess = Caller::Bearer(format!("guess-{guess}"));
        answers.push(world.get(&guess, "/service").await.status.as_u16());
    }
    let compared = answers.iter().filter(|status| **status == 401).count();
    assert!((100..=101).contains(&compared), "{answers:?}");
    let refused = world.get(&Caller::Operator, "/service").await;
    let refused = refused.expect_problem(429, "wrong_keys_limited");
    assert!(refused.header("retry-after").is_some());
    let sent = [("key", key.as_str())];
    let page = world.browser().submit(&world.url("/portal/sign-in"), &sent).await.expect(429);
    assert!(page.header("retry-after").is_some() && page.text().contains("Too many wrong keys"));
    // The session goes on, and so do keys that cannot be guessed.
    operator.open("/portal/integrations").await.expect(200);
    world.get(&Caller::Application, "/connections").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_operator_key_is_accepted_from_nobody_and_a_page_says_so() {
    let world = World::start().await;
    let secrets = &world.stack.aws().secrets_manager;
    let change = secrets.put_secret_value().secret_id(names::OPERATOR_KEY).secret_string("hunter2");
    change.send().await.unwrap();
    world.stack.restart_functions().await;
    let caller = Caller::Bearer("hunter2".to_owned());
    let refused = world.get(&caller, "/service").await.expect_problem(401, "invalid_credentials");
    assert!(refused.text().contains("fewer than 32 characters"), "{}", refused.text());
    let page = world.browser().submit(&world.url("/portal/sign-in"), &[("key", "hunter2")]).await;
    assert!(page.expect(401).text().contains("fewer than 32 characters"));
    world.logged(|line| line.contains("fewer than 32 characters")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_is_forced_once_a_minute() {
    let world = World::start().await;
    let (ada, grace) = (world.connect("ada", "ada").await, world.connect("grace", "grace").await);
    let force = async |id: &str| {
        let path = format!("/connections/{id}/refresh");
        world.ask(&Caller::Application, Method::POST, &path).await
    };
    force(&ada).await.expect(200);
    let again = force(&ada).await.expect_problem(429, "renewed_recently");
    let after: u64 = again.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&after), "{after}");
    assert_eq!(world.entra().count("token.refresh_token"), 1);
    force(&grace).await.expect(200);
    world.proxied(&ada, PROJECTS).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_a_list_nor_me_reads_once_for_each_integration() {
    const INTEGRATIONS: u64 = 30;
    let provider = IdentityProvider::start().await;
    let (world, [dynamodb, _others]) = World::tapped_with(&provider.variables()).await;
    for number in 0..INTEGRATIONS {
        world.put_integration_of_users(&format!("people-{number}")).await;
    }
    let caller = provider.user("ada");
    world.connect_as(&caller, "people-7", "ada").await;
    let me = format!("/proxy/me/{PROJECTS}");
    world.get(&caller, &me).await.expect(200);
    dynamodb.reset();
    world.get(&caller, &me).await.expect(200);
    let reads = dynamodb.counts().total();
    assert!(reads < INTEGRATIONS, "{reads} requests for one call");

    let scans = |tap: &Tap| tap.counts().requests.get("Scan").copied().unwrap_or_default();
    let wanted = "/connections?integration=people-7";
    dynamodb.reset();
    world.get(&caller, wanted).await.expect(200);
    assert_eq!(scans(&dynamodb), 0);
    for _ in 0..40 {
        world.get(&Caller::Application, "/connections?limit=1").await.expect(200);
    }
    let scans = scans(&dynamodb);
    assert!(scans < 20, "{scans} scans for 40 lists");
}
