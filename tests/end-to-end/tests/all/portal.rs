//! The portal without scripts: who gets in, what a form may do, and the way of an operator from an empty service to a
//! call of Azure DevOps. (What needs a real browser is in `tests/browser`.)

use aws_sdk_dynamodb::types::AttributeValue;
use emulators::Fault;
use emulators::entra::{DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET};
use end_to_end::portal::{Operator, field, unescaped};
use end_to_end::{Answer, Caller, INTEGRATION, World};
use local::names;
use reqwest::Method;
use serde_json::{Value, json};

/// Every page, with things that do not exist.
const PAGES: [&str; 12] = [
    "integrations",
    "integrations/new",
    "integrations/nobody",
    "integrations/nobody/edit",
    "integrations/nobody/delete",
    "connected",
    "connections",
    "connections/conn_00000000000000000000000000000000",
    "connections/conn_00000000000000000000000000000000/try",
    "api-keys",
    "health",
    "nowhere",
];

/// Every form.
const ACTIONS: [&str; 17] = [
    "integrations/new",
    "integrations/azure-devops/edit",
    "integrations/azure-devops/verify",
    "integrations/azure-devops/pause",
    "integrations/azure-devops/resume",
    "integrations/azure-devops/delete",
    "integrations/azure-devops/connect",
    "connected",
    "connected/refuse",
    "connections/conn_00000000000000000000000000000000/connect",
    "connections/conn_00000000000000000000000000000000/refresh",
    "connections/conn_00000000000000000000000000000000/try",
    "connections/conn_00000000000000000000000000000000/disconnect",
    "api-keys",
    "api-keys/0000/revoke",
    "service/pause",
    "service/resume",
];

/// A page that shows nothing but the way in.
fn assert_asks_to_sign_in(answer: &Answer) {
    let page = answer.clone().expect(401).text();
    assert!(page.contains("<h1>Sign in</h1>") && !page.contains("mycompany"), "{page}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

async fn operator(world: &World) -> Operator<'_> {
    Operator::sign_in(world, world.stack.operator_key()).await
}

async fn stored(world: &World, id: &str) -> Value {
    world.get(&Caller::Operator, &format!("/integrations/{id}")).await.expect(200).json()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_session_there_is_nothing_but_the_sign_in_page() {
    let world = World::start().await;
    let before = world.items(names::INTEGRATIONS).await;
    let browser = world.browser();
    for page in PAGES {
        let answer = browser.open_page(&world.url(&format!("/portal/{page}"))).await;
        assert_asks_to_sign_in(&answer);
    }
    for action in ACTIONS {
        let fields = [("csrf", "x"), ("name", "x"), ("role", "operator")];
        let answer = browser.submit(&world.url(&format!("/portal/{action}")), &fields).await;
        assert_asks_to_sign_in(&answer);
    }
    // Keys count in the portal only where they are entered.
    let with_key = world.get(&Caller::Operator, "/portal/integrations").await;
    assert_asks_to_sign_in(&with_key);
    assert_eq!(world.items(names::INTEGRATIONS).await.len(), before.len());
    let front = browser.open_page(&world.url("/")).await.expect(200).text();
    assert!(front.contains("<h1>Sign in</h1>") && !front.contains(INTEGRATION));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_without_a_portal_has_nothing_at_its_addresses() {
    let world = World::with_variables(&[("PORTAL", "off")]).await;
    for path in ["/", "/portal/sign-in", "/portal/integrations"] {
        world.get(&Caller::Operator, path).await.expect_problem(404, "not_found");
    }
    let sent = [("key", world.stack.operator_key())];
    world.browser().submit(&world.url("/portal/sign-in"), &sent).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_operator_key_signs_in() {
    let world = World::start().await;
    let application = world.new_key("application", None).await;
    for key in ["", "nonsense", "adoc_0000_nonsense", &application] {
        let browser = world.browser();
        let answer = browser.submit(&world.url("/portal/sign-in"), &[("key", key)]).await;
        assert!(answer.header("set-cookie").is_none());
        assert!(answer.expect(401).text().contains("This is no operator key"));
    }
    // Where the alarm for refused keys looks.
    world
        .logged(|line| {
            line.contains("\"POST /portal/{page+}\"") && line.contains("invalid_credentials")
        })
        .await;
    let operator_key = world.new_key("operator", None).await;
    for key in [operator_key.as_str(), world.stack.operator_key()] {
        let operator = Operator::sign_in(&world, key).await;
        let page = operator.open("/portal/integrations").await.expect(200).text();
        assert!(page.contains(INTEGRATION));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_cookie_has_every_protection() {
    let world = World::start().await;
    let sent = [("key", world.stack.operator_key())];
    let answer = world.browser().submit(&world.url("/portal/sign-in"), &sent).await.expect(303);
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-ado-connect-portal="), "{cookie}");
    for part in ["; Max-Age=43200", "; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_leads_on_to_pages_of_the_portal_only() {
    let world = World::start().await;
    for (next, expected) in [
        ("/portal/connections?status=active", "/portal/connections?status=active"),
        ("/portal/api-keys", "/portal/api-keys"),
        ("", "/"),
        ("/", "/"),
        ("//evil.example/portal/", "/"),
        ("https://evil.example/portal/", "/"),
        ("/\\evil.example/portal/", "/"),
        ("/portal/../authorize?session=x", "/"),
        ("javascript:alert(1)", "/"),
        ("/openapi.json", "/"),
    ] {
        let fields = [("key", world.stack.operator_key()), ("next", next)];
        let answer = world.browser().submit(&world.url("/portal/sign-in"), &fields).await;
        assert_eq!(answer.expect(303).header("location"), Some(expected), "{next}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_counts_only_from_the_operators_own_page() {
    let world = World::start().await;
    let (ours, other) = (operator(&world).await, operator(&world).await);
    let foreign_token = other.form_token().await;
    for action in ACTIONS {
        let url = world.url(&format!("/portal/{action}"));
        for fields in [&[][..], &[("csrf", "")], &[("csrf", "x")], &[("csrf", &foreign_token)]] {
            let refused = ours.browser().submit(&url, fields).await.expect(403).text();
            assert!(refused.contains("form_refused"), "{action}: {refused}");
        }
    }
    let token = ours.form_token().await;
    for site in ["cross-site", "same-site"] {
        let request = world.request(&Caller::Nobody, Method::POST, "/portal/service/pause");
        let request = request
            .header("content-type", "application/x-www-form-urlencoded")
            .header("sec-fetch-site", site)
            .body(format!("csrf={token}"));
        ours.browser().send(request).await.expect(403);
    }
    let json = world.request(&Caller::Nobody, Method::POST, "/portal/service/pause");
    ours.browser().send(json.json(&json!({"csrf": token}))).await.expect(415);
    let service = world.get(&Caller::Operator, "/service").await.expect(200).json();
    assert_eq!(service["status"], "running");
    assert_eq!(stored(&world, INTEGRATION).await["status"], "ready");
    let page = ours.submit_and_follow("/portal/service/pause", &[]).await.expect(200).text();
    assert!(page.contains("The service is stopped"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_its_time_its_key_and_signing_out() {
    let world = World::start().await;
    let past = |seconds: i64| {
        let now = jiff::Timestamp::now().as_second();
        AttributeValue::N((now - seconds).to_string())
    };
    for (name, value, lasts) in [
        ("used_at", past(29 * 60), true),
        ("used_at", past(31 * 60), false),
        ("expires_at", past(-60), true),
        ("expires_at", past(1), false),
    ] {
        let operator = operator(&world).await;
        let rows = world.items(names::SESSIONS).await;
        let rows = rows.iter().filter_map(|row| row["pk"].as_s().ok());
        for pk in rows.filter(|pk| pk.starts_with("portal#")) {
            world.set(names::SESSIONS, pk, name, value.clone()).await;
        }
        let answer = operator.open("/portal/integrations").await;
        assert_eq!(answer.status == 200, lasts, "{name} {value:?}");
    }

    let key = world.new_key("operator", None).await;
    let by_key = Operator::sign_in(&world, &key).await;
    by_key.open("/portal/integrations").await.expect(200);
    let id = key.split('_').nth(1).unwrap();
    world.ask(&Caller::Operator, Method::DELETE, &format!("/api-keys/{id}")).await.expect(204);
    assert_asks_to_sign_in(&by_key.open("/portal/integrations").await);

    // Signing in again ends the former session, whose cookie is overwritten.
    let again = operator(&world).await;
    let former = again.browser().cookies();
    let sent = [("key", world.stack.operator_key())];
    again.browser().submit(&world.url("/portal/sign-in"), &sent).await.expect(303);
    assert_ne!(again.browser().cookies(), former);
    let request = world.request(&Caller::Nobody, Method::GET, "/portal/integrations");
    assert_asks_to_sign_in(&world.send(request.header("cookie", former)).await);

    let leaving = operator(&world).await;
    let old_cookies = leaving.browser().cookies();
    let left = leaving.submit("/portal/sign-out", &[]).await.expect(200);
    assert!(left.text().contains("You are signed out."));
    assert!(leaving.browser().cookies().is_empty());
    let request = world.request(&Caller::Nobody, Method::GET, "/portal/integrations");
    let again = world.send(request.header("cookie", old_cookies)).await;
    assert_asks_to_sign_in(&again);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_configures_connects_calls_and_cleans_up() {
    let world = World::start().await;
    let operator = operator(&world).await;
    let form = operator.open("/portal/integrations/new").await.expect(200).text();
    assert_eq!(field(&form, "redirect_uri").unwrap(), world.url("/integration-callback"));

    let client_id = DEFAULT_CLIENT_ID.to_string();
    let fields = [
        ("integration", "first"),
        ("client_id", &client_id),
        ("client_credential", "client_secret"),
        ("client_credential.client_secret", DEFAULT_CLIENT_SECRET),
        ("client_credential.expires_at", "2035-01-01"),
        ("organizations", "mycompany"),
        ("access", "scopes"),
        ("scopes", "vso.project"),
        ("scopes", "vso.code"),
        ("tenant", "auto"),
        ("confirmation", "yes"),
    ];
    let created = operator.submit_and_follow("/portal/integrations/new", &fields).await;
    let created = created.expect(200).text();
    assert!(created.contains("<h1>first</h1>") && created.contains("The integration is created."));
    let view = stored(&world, "first").await;
    assert_eq!(view["scopes"], json!(["vso.project", "vso.code"]));
    assert_eq!(view["client_credential"]["expires_at"], "2035-01-01T00:00:00Z");

    let verified = operator.submit("/portal/integrations/first/verify", &[]).await.expect(200);
    assert!(verified.text().contains("Nothing stands in the way"), "{}", verified.text());

    let linked = operator.submit("/portal/integrations/first/connect", &[("user", "ada")]).await;
    let link = field(&linked.expect(200).text(), "link").unwrap();
    world.secret(link.split("session=").nth(1).unwrap());
    let returned = operator.browser().finish(&link, "ada").await.expect(303).location();
    assert_eq!(returned.path(), "/portal/connected");
    let finish = operator.browser().open_page(returned.as_str()).await.expect(200).text();
    assert!(finish.contains("Ada"), "{finish}");
    let (id, confirmation) =
        (field(&finish, "connection_id").unwrap(), field(&finish, "confirmation").unwrap());
    world.secret(&confirmation);
    assert_eq!(world.connection(&id).await["status"], "pending");
    let fields = [("connection_id", id.as_str()), ("confirmation", confirmation.as_str())];
    let connected = operator.submit_and_follow("/portal/connected", &fields).await.expect(200);
    assert!(connected.text().contains("The connection is confirmed"));
    assert_eq!(world.connection(&id).await["status"], "active");

    let renewed =
        operator.submit_and_follow(&format!("/portal/connections/{id}/refresh"), &[]).await;
    assert!(renewed.expect(200).text().contains("The access token is renewed."));
    let tried = operator.open(&format!("/portal/connections/{id}/try")).await.expect(200).text();
    let address = field(&tried, "address").unwrap();
    assert_eq!(address, "https://dev.azure.com/mycompany/_apis/projects?api-version=7.1");
    let path = format!("/portal/connections/{id}/try");
    let answer = operator.submit(&path, &[("address", &address)]).await.expect(200).text();
    assert!(answer.contains("200 OK") && answer.contains("Payments Service"), "{answer}");
    let keys = world.get(&Caller::Operator, "/api-keys").await.expect(200).text();
    assert!(!keys.contains("one call of the portal"), "a key was left behind: {keys}");

    let path = format!("/portal/connections/{id}/disconnect");
    let certain = operator.open(&path).await.expect(200).text();
    assert!(certain.contains("<h1>Disconnect ada</h1>"), "{certain}");
    let gone = operator.submit_and_follow(&path, &[]).await;
    assert!(gone.expect(200).text().contains("The connection is deleted"));
    world
        .get(&Caller::Application, &format!("/connections/{id}"))
        .await
        .expect_problem(404, "connection_not_found");
    let deleted = operator.submit_and_follow("/portal/integrations/first/delete", &[]).await;
    assert!(deleted.expect(200).text().contains("The integration is deleted"));
    world
        .get(&Caller::Operator, "/integrations/first")
        .await
        .expect_problem(404, "integration_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_form_names_every_field_and_never_shows_a_secret_again() {
    let world = World::start().await;
    let operator = operator(&world).await;
    let fields = [
        ("integration", "Not A Name"),
        ("client_id", "not-a-guid"),
        ("client_credential", "client_secret"),
        ("client_credential.client_secret", "s3cr3t-of-the-test"),
        ("client_credential.expires_at", "tomorrow"),
        ("organizations", "not/an/organization"),
        ("allowed_tenants", "nor-this"),
        ("proxy_limits.connection.requests", "many"),
    ];
    let refused = operator.submit("/portal/integrations/new", &fields).await.expect(422).text();
    assert!(!refused.contains("s3cr3t"), "{refused}");
    for name in [
        "integration",
        "client_id",
        "client_credential.expires_at",
        "organizations",
        "allowed_tenants",
        "proxy_limits.connection.requests",
    ] {
        assert!(refused.contains(&format!("id=\"{name}-error\"")), "{name}: {refused}");
    }
    let client_id = DEFAULT_CLIENT_ID.to_string();
    let fields = [
        ("integration", "second"),
        ("client_id", &client_id),
        ("client_credential", "client_secret"),
        ("client_credential.client_secret", "s3cr3t-of-the-test"),
        ("organizations", "not/an/organization"),
        ("tenant", "somewhere"),
        ("reconnect_url", "https://elsewhere.example/"),
    ];
    let refused = operator.submit("/portal/integrations/new", &fields).await.expect(422).text();
    for name in ["organizations", "scopes", "tenant", "reconnect_url"] {
        assert!(refused.contains(&format!("<li>{name}:")), "{name}: {refused}");
    }
    world
        .get(&Caller::Operator, "/integrations/second")
        .await
        .expect_problem(404, "integration_not_found");
    // The address of a form's answer, opened again.
    for (address, page) in [
        (
            format!("/portal/integrations/{INTEGRATION}/verify"),
            format!("/portal/integrations/{INTEGRATION}"),
        ),
        ("/portal/sign-out".to_owned(), "/".to_owned()),
    ] {
        assert_eq!(
            operator.open(&address).await.expect(303).header("location"),
            Some(page.as_str())
        );
    }
    let taken = [("integration", INTEGRATION), fields[1], fields[2], fields[3]];
    let refused = operator.submit("/portal/integrations/new", &taken).await.expect(422).text();
    assert!(refused.contains("integration-error"), "{refused}");
}

/// The fields of a form as a browser would send them untouched.
fn untouched(page: &str) -> Vec<(String, String)> {
    let form = page.split("<form method=\"post\" autocomplete").nth(1).unwrap();
    let form = form.split("</form>").next().unwrap();
    let attribute = |tag: &str, name: &str| {
        Some(unescaped(tag.split(&format!("{name}=\"")).nth(1)?.split('"').next()?))
    };
    let mut fields = Vec::new();
    for rest in form.split('<').skip(1) {
        let (tag, text) = rest.split_once('>').unwrap_or((rest, ""));
        let Some(name) = attribute(tag, "name") else { continue };
        let is_choice = tag.contains("type=\"radio\"") || tag.contains("type=\"checkbox\"");
        if tag.starts_with("input") && (!is_choice || tag.contains(" checked")) {
            fields.push((name, attribute(tag, "value").unwrap_or_default()));
        } else if tag.starts_with("textarea") {
            fields.push((name, unescaped(text.trim_start_matches('\n'))));
        }
    }
    fields
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_entered_is_dropped_without_a_word() {
    let world = World::start().await;
    let operator = operator(&world).await;
    let path = format!("/portal/integrations/{INTEGRATION}/edit");
    let page = operator.open(&path).await.expect(200).text();
    let fields = untouched(&page);
    let with = |more: &[(&'static str, &'static str)]| {
        let mut all: Vec<(String, String)> = fields.clone();
        all.retain(|(name, _)| name != "csrf");
        all.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        // A browser sends a field once.
        for (name, _) in more {
            let first = all.iter().position(|(known, _)| known == name).unwrap();
            if all.iter().filter(|(known, _)| known == name).count() > 1 {
                all.remove(first);
            }
        }
        all
    };
    let send = async |fields: Vec<(String, String)>| {
        let fields: Vec<(&str, &str)> =
            fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        operator.submit(&path, &fields).await
    };
    for (more, field) in [
        // A secret, and the choice to keep the stored one.
        (
            &[("client_credential.client_secret", "s3cr3t-of-the-test")][..],
            "client_credential.client_secret",
        ),
        (&[("any_organization", "yes")], "organizations"),
        // A file with the key in it, in the place of the certificate alone.
        (
            &[
                ("client_credential", "certificate"),
                (
                    "client_credential.certificate_pem",
                    "-----BEGIN PRIVATE KEY-----\nk3y-of-the-test\n-----END PRIVATE KEY-----",
                ),
            ],
            "client_credential",
        ),
    ] {
        let refused = send(with(more)).await.expect(422).text();
        assert!(refused.contains(&format!("<li>{field}")), "{field}: {refused}");
        assert!(!refused.contains("s3cr3t") && !refused.contains("k3y-of-the-test"), "{refused}");
    }
    // Somebody else saves meanwhile; saving again is a decision.
    world.put_integration(INTEGRATION, json!({"always_warm": true})).await.expect(200);
    // It is told beside whatever else is wrong, and not lost with it.
    let faulty = send(with(&[("tenant", "nowhere")])).await.expect(422).text();
    assert!(
        faulty.contains("somebody else has saved") && faulty.contains("<li>tenant:"),
        "{faulty}"
    );
    let refused = send(with(&[])).await.expect(422).text();
    assert!(refused.contains("somebody else has saved"), "{refused}");
    assert_eq!(stored(&world, INTEGRATION).await["always_warm"], true);
    let version = field(&refused, "updated_at").unwrap();
    let mut again = with(&[]);
    again.retain(|(name, _)| name != "updated_at");
    again.push(("updated_at".to_owned(), version));
    send(again).await.expect(303);
    assert_eq!(stored(&world, INTEGRATION).await["always_warm"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_can_say_that_it_is_somebody_else() {
    let world = World::start().await;
    let id = world.connect("ada", "ada").await;
    let operator = operator(&world).await;
    let path = format!("/portal/integrations/{INTEGRATION}/connect");
    let linked = operator.submit(&path, &[("user", "ada")]).await.expect(200).text();
    let link = field(&linked, "link").unwrap();
    world.secret(link.split("session=").nth(1).unwrap());
    let returned = operator.browser().finish(&link, "ada").await.expect(303).location();
    let finish = operator.browser().open_page(returned.as_str()).await.expect(200).text();
    assert!(finish.contains("Not this person"), "{finish}");
    let confirmation = field(&finish, "confirmation").unwrap();
    world.secret(&confirmation);
    let refuse = async |code: &str| {
        let fields = [("connection_id", id.as_str()), ("confirmation", code)];
        operator.submit("/portal/connected/refuse", &fields).await
    };
    // Another sign-in than the page was about is not erased.
    refuse("another").await.expect(400);
    let fields = [("connection_id", id.as_str()), ("confirmation", confirmation.as_str())];
    let refused = operator.submit_and_follow("/portal/connected/refuse", &fields).await;
    assert!(refused.expect(200).text().contains("The sign-in is refused"));
    // What was there before goes on, and nothing is left to confirm.
    assert_eq!(world.connection(&id).await["status"], "active");
    let late = operator.browser().open_page(returned.as_str()).await.expect(200).text();
    assert!(late.contains("Nothing waits for a confirmation"), "{late}");
    // Nothing is said to be erased that is not.
    refuse(&confirmation).await.expect(400);
    let tokens = world.items(names::TOKENS).await;
    assert_eq!(tokens.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_must_sign_in_again_is_sent_where_the_application_finishes() {
    let world = World::start().await;
    let id = world.connect("ada", "ada").await;
    let operator = operator(&world).await;
    let path = format!("/portal/connections/{id}/connect");
    // Without a page of the application, the operator says where the user comes back to.
    let form = operator.submit_and_follow(&path, &[]).await.expect(200).text();
    assert_eq!(field(&form, "user").as_deref(), Some("ada"));
    let reconnect = json!({"reconnect_url": "https://app.mycompany.example/settings"});
    world.put_integration(INTEGRATION, reconnect).await.expect(200);
    let page = operator.submit(&path, &[]).await.expect(200).text();
    let expected = format!("https://app.mycompany.example/settings?connection_id={id}");
    assert_eq!(field(&page, "link"), Some(expected));
    world.put_integration(INTEGRATION, json!({"confirmation": "none"})).await.expect(200);
    let page = operator.submit(&path, &[]).await.expect(200).text();
    let link = field(&page, "link").unwrap();
    assert!(link.starts_with(&world.url("/authorize?session=")), "{link}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_does_is_in_the_log() {
    let world = World::start().await;
    let key = world.new_key("operator", None).await;
    let id = key.split('_').nth(1).unwrap().to_owned();
    let operator = Operator::sign_in(&world, &key).await;
    let path = format!("/portal/integrations/{INTEGRATION}/pause");
    operator.submit(&path, &[]).await.expect(303);
    operator.submit(&format!("/portal/api-keys/{id}/revoke"), &[]).await.expect(303);
    for action in ["pause_integration", "delete_api_key"] {
        let line =
            world.logged(|line| line.contains("portal_action") && line.contains(action)).await;
        assert!(line.contains(&format!("key:{id}")), "{line}");
    }
    world.logged(|line| line.contains("api_key_deleted") && line.contains(&id)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn saving_a_form_untouched_changes_nothing() {
    let world = World::start().await;
    let operator = operator(&world).await;
    for wish in [
        json!({}),
        json!({"organizations": "any", "scopes": ["user_impersonation"], "confirmation": "none"}),
        json!({
            "organizations": ["mycompany", "fabrikam"],
            "tenant": "organizations",
            "allowed_tenants": ["11111111-1111-4111-8111-111111111111"],
            "allowed_return_origins": ["https://app.mycompany.example", "http://localhost:8083"],
            "reconnect_url": "https://app.mycompany.example/settings?a=1",
            "allow_token_handout": true,
            "always_warm": true,
            "branding": {"name": "Ada's tools", "logo_url": "https://app.mycompany.example/logo.svg", "accent_color": "#0b5cad"},
            "allowed_calls": [{"methods": ["GET", "POST"], "paths": ["/_apis/projects", "/*/_apis/git", "/My%20Project/_apis"]}, {"methods": [], "paths": ["/*/_git"]}],
            "proxy_limits": {"connection": {"requests": 10, "per_seconds": 60}, "integration": {"concurrent": 5}},
        }),
    ] {
        world.put_integration("second", wish).await;
        let mut before = stored(&world, "second").await;
        let page = operator.open("/portal/integrations/second/edit").await.expect(200).text();
        let fields = untouched(&page);
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .filter(|(name, _)| name != "csrf")
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let saved = operator.submit("/portal/integrations/second/edit", &fields).await;
        saved.expect(303);
        let mut after = stored(&world, "second").await;
        before["updated_at"] = after["updated_at"].clone();
        // The checklist has an order of its own.
        before["scopes"].as_array_mut().unwrap().sort_by_key(Value::to_string);
        after["scopes"].as_array_mut().unwrap().sort_by_key(Value::to_string);
        assert_eq!(after, before);
        let verified = world.ask(&Caller::Operator, Method::POST, "/integrations/second/verify");
        let verified = verified.await.expect(200).text();
        assert!(!verified.contains("no credential"), "{verified}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_found_by_integration_status_and_the_beginning_of_the_user() {
    let world = World::start().await;
    for user in ["ada", "adam", "bea"] {
        world.connect(user, "ada").await;
    }
    let operator = operator(&world).await;
    let found = async |query: &str| {
        let page = operator.open(&format!("/portal/connections?{query}")).await.expect(200).text();
        let rows = page.split("data-label=\"User\"").skip(1);
        let users: Vec<String> = rows
            .map(|row| {
                let link = row.split("/portal/connections/").nth(1).unwrap();
                link.split('>').nth(1).unwrap().split('<').next().unwrap().to_owned()
            })
            .collect();
        users
    };
    assert_eq!(found("").await, ["ada", "adam", "bea"]);
    assert_eq!(found("user=ada").await, ["ada", "adam"]);
    assert_eq!(found("user=adam&status=active&integration=azure-devops").await, ["adam"]);
    assert_eq!(found("status=pending").await, [""; 0]);
    assert_eq!(found("user=%25").await, [""; 0]);
    let other = operator.open("/portal/connections?integration=Not%20one").await;
    other.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_key_is_shown_once_works_until_its_time_and_is_revoked() {
    let world = World::start().await;
    let operator = operator(&world).await;
    let fields = [("name", "ci"), ("role", "application"), ("expires_at", "2035-01-01")];
    let made = operator.submit("/portal/api-keys", &fields).await.expect(200).text();
    let key = field(&made, "key").unwrap();
    world.secret(&key);
    let caller = Caller::Bearer(key.clone());
    world.get(&caller, "/connections").await.expect(200);
    let listed = operator.open("/portal/api-keys").await.expect(200).text();
    assert!(listed.contains("ci") && !listed.contains(&key));
    let id = key.split('_').nth(1).unwrap();
    let past = AttributeValue::S("2020-01-01T00:00:00Z".to_owned());
    world.set(names::INTEGRATIONS, &format!("api_key#{id}"), "expires_at", past).await;
    world.get(&caller, "/connections").await.expect_problem(401, "invalid_credentials");
    let listed = operator.open("/portal/api-keys").await.expect(200).text();
    assert!(listed.contains("expired"));
    let revoked = operator.submit_and_follow(&format!("/portal/api-keys/{id}/revoke"), &[]).await;
    assert!(!revoked.expect(200).text().contains(id));
    for (fields, field) in [
        (&[("name", ""), ("role", "application")][..], "name"),
        (&[("name", "x"), ("role", "owner")], "role"),
        (&[("name", "x"), ("role", "operator"), ("integration", INTEGRATION)], "integration"),
        (&[("name", "x"), ("role", "application"), ("expires_at", "2020-01-01")], "expires_at"),
    ] {
        let refused = operator.submit("/portal/api-keys", fields).await.expect(422).text();
        assert!(refused.contains(&format!("<li>{field}:")), "{field}: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_hides_behind_the_name_of_those_for_single_calls() {
    let world = World::start().await;
    let wish = json!({"name": "one call of the portal", "role": "operator"});
    let made = world.post(&Caller::Operator, "/api-keys", wish).await.expect(201).json();
    let id = made["id"].as_str().unwrap();
    let page = operator(&world).await.open("/portal/api-keys").await.expect(200).text();
    assert!(page.contains(id), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_from_the_portal_goes_to_azure_devops_and_nowhere_else() {
    let world = World::start().await;
    let id = world.connect("ada", "ada").await;
    let operator = operator(&world).await;
    let path = format!("/portal/connections/{id}/try");
    for address in [
        "",
        "dev.azure.com/mycompany",
        "http://dev.azure.com/mycompany",
        "https://ada@dev.azure.com/mycompany",
        "https://dev.azure.com:8443/mycompany",
        "javascript:alert(1)",
    ] {
        let refused = operator.submit(&path, &[("address", address)]).await.expect(422).text();
        assert!(refused.contains("An address of Azure DevOps"), "{address}");
    }
    for address in [
        "https://evil.example/mycompany/_apis/projects",
        "https://dev.azure.com/fabrikam/_apis/projects",
        "https://dev.azure.com/../../api-keys",
        "https://dev.azure.com/mycompany/%2e%2e/%2e%2e/%2e%2e/api-keys",
    ] {
        let shown = operator.submit(&path, &[("address", address)]).await;
        let shown = shown.expect(200).text();
        assert!(shown.contains("403 Forbidden") || shown.contains("400 Bad Request"), "{shown}");
        assert!(!shown.contains("api_key") && !shown.contains("adoc_"), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_page_counts_calls_renewals_and_what_is_due() {
    let world = World::start().await;
    let id = world.connect("ada", "ada").await;
    world.proxied(&id, "dev.azure.com/mycompany/_apis/projects").await.expect(200);
    world.make_due(&id).await;
    let operator = operator(&world).await;
    let before = operator.open("/portal/health").await.expect(200).text();
    assert!(before.contains("1 calls, 0 failed"), "{before}");
    assert!(before.contains(">1 <span class=\"tag bad\">late</span>"), "{before}");
    world.work_on(&id).await.unwrap();
    let after = operator.open("/portal/health").await.expect(200).text();
    assert!(after.contains("1 renewals, 0 failed"), "{after}");
    assert!(after.contains(">0 <span class=\"tag good\">in time</span>"), "{after}");
    // The first failure is written at once: in an outage there may be no further call.
    world.devops().inject(Fault::on("projects.list").status(500));
    world.proxied(&id, "dev.azure.com/mycompany/_apis/projects").await.expect(500);
    let failed = operator.open("/portal/health").await.expect(200).text();
    assert!(failed.contains("calls, 1 failed"), "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_of_a_connection_tells_its_changes_and_goes_with_it() {
    let world = World::start().await;
    let id = world.connect("ada", "ada").await;
    let page = format!("/portal/connections/{id}");
    let operator = operator(&world).await;
    let history = async || {
        let page = operator.open(&page).await.expect(200).text();
        let so_far = page.split("<h2 id=\"history\">").nth(1).unwrap().to_owned();
        let so_far = so_far.split("So far").last().unwrap().split("</section>").next().unwrap();
        let changes = so_far.split("<dd>").skip(1).map(|rest| rest.split('<').next().unwrap());
        changes.map(str::to_owned).collect::<Vec<_>>()
    };
    let signed_in = "The user signed in; waiting for the confirmation.";
    assert_eq!(history().await, ["Connected.", signed_in]);
    world.ask(&Caller::Application, Method::POST, &format!("/connections/{id}/refresh")).await;
    world.connect("ada", "ada").await;
    let requested = "Renewed because somebody asked for it.";
    assert_eq!(history().await, ["Connected.", signed_in, requested, "Connected.", signed_in]);

    // More changes than are kept.
    let refresh = format!("/connections/{id}/refresh");
    for _ in 0..50 {
        world.ask(&Caller::Application, Method::POST, &refresh).await.expect(200);
    }
    let long = history().await;
    assert!((30..=40).contains(&long.len()) && long.iter().all(|one| one == requested), "{long:?}");

    world
        .ask(&Caller::Application, Method::DELETE, &format!("/connections/{id}"))
        .await
        .expect(204);
    assert!(world.items(names::CONNECTIONS).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_cannot_be_renewed_says_why_in_words() {
    let world = World::start().await;
    let id = world.connect("ada", "ada").await;
    let reason = AttributeValue::S("invalid_grant (AADSTS50173)".to_owned());
    world.set(names::CONNECTIONS, &id, "reason", reason).await;
    let status = AttributeValue::S("reauthorization_required".to_owned());
    world.set(names::CONNECTIONS, &id, "status", status).await;
    let operator = operator(&world).await;
    for path in ["/portal/connections".to_owned(), format!("/portal/connections/{id}")] {
        let page = operator.open(&path).await.expect(200).text();
        assert!(page.contains("The user&#39;s password was changed"), "{page}");
        assert!(page.contains("AADSTS50173"), "{page}");
    }
    let refused = operator.submit(&format!("/portal/connections/{id}/refresh"), &[]).await;
    let refused = refused.expect(422).text();
    assert!(refused.contains("role=\"alert\""), "{refused}");
}
