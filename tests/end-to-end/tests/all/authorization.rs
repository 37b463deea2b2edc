//! Who may do what with whose connection: every route, as every caller, with every kind of object.

use std::collections::BTreeSet;

use edge::caller::Role;
use edge::routes::{Operation, ROUTES, Route};
use end_to_end::{Answer, Caller, INTEGRATION, IdentityProvider, PROJECTS, World};
use reqwest::Method;
use serde_json::json;

use crate::contract::{NO_CONNECTION, example, example_body};

/// Another integration whose application names its users.
const OTHER: &str = "other";
/// The integration whose users name themselves.
const PEOPLE: &str = "people";

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
    /// The number of answers that were compared with the rules.
    cells: usize,
    /// Those that differ.
    faults: Vec<String>,
}

impl Matrix {
    async fn start() -> Self {
        let (provider, other) = (IdentityProvider::start().await, IdentityProvider::start().await);
        let world = World::with_variables(&provider.variables()).await;
        world.put_integration(OTHER, json!({})).await.expect(201);
        world.put_integration_of_users(PEOPLE).await;
        let objects = objects(&world, &provider).await;
        let subjects = subjects(&world, &provider, &other).await;
        Self { world, subjects, objects, cells: 0, faults: Vec::new() }
    }

    fn record(&mut self, fault: Option<String>) {
        self.cells += 1;
        self.faults.extend(fault);
    }

    /// Compares the list of each application and user with the connections that it sees.
    async fn list(&mut self) {
        for subject in 0..self.subjects.len() {
            let subject = &self.subjects[subject];
            if !matches!(subject.role, Some(Role::Application | Role::User)) {
                continue;
            }
            let listed = self.world.get(&subject.caller, "/connections").await.expect(200).json();
            let ids = listed["items"].as_array().unwrap().iter();
            let ids: BTreeSet<&str> = ids.map(|item| item["id"].as_str().unwrap()).collect();
            let of = |object: &Object| {
                let is_wrong = ids.contains(object.id.as_str()) != subject.sees(object);
                is_wrong.then(|| format!("list × {} × {}", subject.name, object.name))
            };
            let faults: Vec<_> = self.objects.iter().map(of).collect();
            for fault in faults {
                self.record(fault);
            }
        }
    }

    /// Calls `me` as everybody.
    async fn call_me(&mut self) {
        for subject in 0..self.subjects.len() {
            let subject = &self.subjects[subject];
            let me = self.world.get(&subject.caller, &format!("/proxy/me/{PROJECTS}")).await;
            let has_one =
                subject.user.is_some() && self.objects.iter().any(|object| subject.sees(object));
            let is_wrong = (me.status == 200) != has_one;
            self.record(is_wrong.then(|| format!("me × {}: {}", subject.name, me.status)));
        }
    }

    /// Asks a route for each connection as everybody.
    async fn ask_of_objects(&mut self, route: &Route) {
        for (object, subject) in pairs(self.objects.len(), self.subjects.len()) {
            let (object, subject) = (&mut self.objects[object], &self.subjects[subject]);
            let answer = ask(&self.world, route, subject, &object.id).await;
            let fault = fault(subject, route, Some(object), &answer).map(|fault| {
                format!("{} × {} × {}: {fault}", route.key(), subject.name, object.name)
            });
            // Its owner's deletion is everybody's.
            object.is_deleted |=
                route.operation == Operation::DeleteConnection && answer.status == 204;
            self.record(fault);
        }
    }

    /// Asks a route that is about no connection as everybody.
    async fn ask_of_nothing(&mut self, route: &Route) {
        for subject in 0..self.subjects.len() {
            let subject = &self.subjects[subject];
            let answer = ask(&self.world, route, subject, NO_CONNECTION).await;
            let fault = fault(subject, route, None, &answer);
            self.record(fault.map(|fault| format!("{} × {}: {fault}", route.key(), subject.name)));
        }
    }
}

fn pairs(outer: usize, inner: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..outer).flat_map(move |one| (0..inner).map(move |other| (one, other)))
}

async fn objects(world: &World, provider: &IdentityProvider) -> Vec<Object> {
    // The same names everywhere, so that only the issuer and the integration tell users apart.
    let under_other = json!({"integration": OTHER, "user": "ada", "return_to": world.return_to()});
    let link = world.connect_url_for(under_other).await;
    let returned = world.browser().finish(&link, "grace").await.expect(303);
    world.confirm(&returned, "ada").await.expect(200);
    let erased = world.connect("gone", "ada").await;
    let path = format!("/connections/{erased}");
    world.ask(&Caller::Application, Method::DELETE, &path).await.expect(204);
    let object =
        |name, id, integration, user| Object { name, id, integration, user, is_deleted: false };
    vec![
        object("an application's", world.connect("ada", "ada").await, INTEGRATION, None),
        object(
            "another integration's",
            returned.location_parameter("connection_id").unwrap(),
            OTHER,
            None,
        ),
        object(
            "ada's own",
            world.connect_as(&provider.user("ada"), PEOPLE, "ada").await,
            PEOPLE,
            Some("ada"),
        ),
        object(
            "grace's own",
            world.connect_as(&provider.user("grace"), PEOPLE, "grace").await,
            PEOPLE,
            Some("grace"),
        ),
        Object { is_deleted: true, ..object("deleted", erased, INTEGRATION, None) },
        Object {
            is_deleted: true,
            ..object("unknown", NO_CONNECTION.to_owned(), INTEGRATION, None)
        },
        Object { is_deleted: true, ..object("unreadable", "conn_x".to_owned(), INTEGRATION, None) },
    ]
}

async fn subjects(
    world: &World,
    provider: &IdentityProvider,
    other: &IdentityProvider,
) -> Vec<Subject> {
    let key = async |bound_to| Caller::Bearer(world.new_key("application", bound_to).await);
    let deleted = world.new_key("application", None).await;
    let path = format!("/api-keys/{}", deleted.split('_').nth(1).unwrap());
    world.ask(&Caller::Operator, Method::DELETE, &path).await.expect(204);
    let subject = |name, caller, role| Subject { name, caller, role, bound_to: None, user: None };
    let application = |name, caller, bound_to| Subject {
        bound_to,
        ..subject(name, caller, Some(Role::Application))
    };
    let user =
        |name, caller| Subject { user: Some(name), ..subject(name, caller, Some(Role::User)) };
    let raw = |value: &str| Caller::Raw(value.to_owned());
    vec![
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
        user("ada", provider.user("ada")),
        user("grace", provider.user("grace")),
        user("a stranger", provider.user("a stranger")),
    ]
}

/// Asks a route of a connection as a caller. Only a deletion changes anything.
async fn ask(world: &World, route: &Route, subject: &Subject, connection: &str) -> Answer {
    let (method, path) = example(route, connection);
    if method == Method::GET {
        return world.get(&subject.caller, &path).await;
    }
    let mut body = example_body(route);
    if route.operation == Operation::ConfirmConnection && subject.role == Some(Role::Application) {
        body["user"] = "ada".into();
    }
    world.ask_json(&subject.caller, method, &path, &body).await
}

/// The difference between an answer and the rules, if there is one.
fn fault(
    subject: &Subject,
    route: &Route,
    object: Option<&Object>,
    answer: &Answer,
) -> Option<String> {
    let found = (answer.status.as_u16(), answer.code());
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
    matrix.list().await;
    matrix.call_me().await;
    let (of_objects, of_nothing): (Vec<&Route>, Vec<&Route>) =
        ROUTES.iter().partition(|route| route.path.contains("{connection}"));
    let deletes = |route: &&Route| route.operation == Operation::DeleteConnection;
    let (last, first): (Vec<&Route>, Vec<&Route>) = of_objects.into_iter().partition(deletes);
    for route in first.into_iter().chain(last) {
        matrix.ask_of_objects(route).await;
    }
    for route in of_nothing.into_iter().filter(|route| !route.callers.is_empty()) {
        matrix.ask_of_nothing(route).await;
    }
    let Matrix { cells, faults, .. } = matrix;
    println!("authorization matrix: {cells} cells, {} leaks", faults.len());
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(cells > 700, "{cells}");
}
