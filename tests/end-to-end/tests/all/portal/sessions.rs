//! Signing in, the end of a session, and the protection of forms.

use aws_sdk_dynamodb::types::AttributeValue;
use end_to_end::portal::Operator;
use end_to_end::{Answer, Caller, INTEGRATION, World};
use local::names;
use reqwest::Method;
use serde_json::json;

use super::{operator, set_sessions, stored};

/// Every page, with ids that do not exist.
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

/// Asserts a page that shows only the sign-in form.
fn assert_asks_to_sign_in(answer: &Answer) {
    let page = answer.clone().expect(401).text();
    assert!(page.contains("<h1>Sign in</h1>") && !page.contains("mycompany"), "{page}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
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
    // A key in a header does not sign in to the portal.
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
        assert!(answer.expect(401).text().contains("This is not an operator key"));
    }
    // The alarm for refused keys counts this log line.
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
        set_sessions(&world, name, value.clone()).await;
        let answer = operator.open("/portal/integrations").await;
        assert_eq!(answer.status == 200, lasts, "{name} {value:?}");
    }

    let key = world.new_key("operator", None).await;
    let by_key = Operator::sign_in(&world, &key).await;
    by_key.open("/portal/integrations").await.expect(200);
    let id = key.split('_').nth(1).unwrap();
    world.ask(&Caller::Operator, Method::DELETE, &format!("/api-keys/{id}")).await.expect(204);
    assert_asks_to_sign_in(&by_key.open("/portal/integrations").await);

    // Signing in again ends the earlier session, because its cookie is overwritten.
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
async fn actions_of_an_operator_are_in_the_log() {
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
