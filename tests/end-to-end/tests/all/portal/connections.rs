//! Connections in the portal: finding, reconnecting, refusing, calling, their history, and the health page.

use aws_sdk_dynamodb::types::AttributeValue;
use emulators::Fault;
use end_to_end::portal::{Operator, field, unescaped};
use end_to_end::{Caller, INTEGRATION, World};
use local::names;
use reqwest::Method;
use serde_json::json;

use super::operator;

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_can_refuse_the_sign_in_of_another_person() {
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
    // A form with another code erases no sign-in.
    refuse("another").await.expect(400);
    let fields = [("connection_id", id.as_str()), ("confirmation", confirmation.as_str())];
    let refused = operator.submit_and_follow("/portal/connected/refuse", &fields).await;
    assert!(refused.expect(200).text().contains("The sign-in is refused"));
    // The earlier sign-in stays active, and there is nothing left to confirm.
    assert_eq!(world.connection(&id).await["status"], "active");
    let late = operator.browser().open_page(returned.as_str()).await.expect(200).text();
    assert!(late.contains("There is nothing to confirm"), "{late}");
    // A second refusal is an error, because it erases nothing.
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
    // If the application has no page for it, the operator enters the return address.
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
async fn an_empty_table_shows_the_reason_and_the_next_step() {
    let world = World::start().await;
    let operator = operator(&world).await;
    let shown = async |query: &str| {
        operator.open(&format!("/portal/connections?{query}")).await.expect(200).text()
    };
    assert!(shown("").await.contains("Nobody has connected yet"));
    assert!(shown("user=ada").await.contains("No connection matches the filter"));
    // As many as a page has: that there are no more shows on the next one.
    for number in 0..25 {
        world.connect(&format!("user {number}"), "ada").await;
    }
    let page = shown(&format!("integration={INTEGRATION}")).await;
    let next = page.split("/portal/connections?").find(|rest| rest.contains("cursor=")).unwrap();
    let after = unescaped(next.split('"').next().unwrap());
    assert!(shown(&after).await.contains("There are no more"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_page_counts_calls_renewals_and_what_is_due() {
    let world = World::start().await;
    let id = world.connect("ada", "ada").await;
    let operator = operator(&world).await;
    let call = async || world.proxied(&id, "dev.azure.com/mycompany/_apis/projects").await;
    let before = shown_after(
        &world,
        &operator,
        |n| format!("{n} calls, 0 failed"),
        async || {
            call().await.expect(200);
            world.make_due(&id).await;
        },
    )
    .await;
    assert!(before.contains(">1 <span class=\"tag bad\">late</span>"), "{before}");
    let after = shown_after(
        &world,
        &operator,
        |n| format!("{n} renewals, 0 failed"),
        async || {
            world.make_due(&id).await;
            world.work_on(&id).await.unwrap();
        },
    )
    .await;
    assert!(after.contains(">0 <span class=\"tag good\">in time</span>"), "{after}");
    // The first failure is written at once, because in an outage there may be no further call.
    shown_after(
        &world,
        &operator,
        |n| format!("calls, {n} failed"),
        async || {
            // This call is written, and the next write comes ten seconds later at the earliest.
            call().await.expect(200);
            world.devops().inject(Fault::on("projects.list").status(500));
            call().await.expect(500);
        },
    )
    .await;
}

/// Runs `act` in fresh processes and returns the health page that counts it. Counts may be lost if writing them takes
/// long, so it is repeated.
async fn shown_after(
    world: &World,
    operator: &Operator<'_>,
    counted: impl Fn(u32) -> String,
    act: impl AsyncFn(),
) -> String {
    for times in 1..=5 {
        world.stack.restart_functions().await;
        act().await;
        let shown = operator.open("/portal/health").await.expect(200).text();
        if (1..=times).any(|number| shown.contains(&counted(number))) {
            return shown;
        }
    }
    panic!("the health page never shows {:?}", counted(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_of_a_connection_lists_its_changes_and_is_deleted_with_it() {
    let world = World::start().await;
    let id = world.connect("ada", "ada").await;
    let page = format!("/portal/connections/{id}");
    let operator = operator(&world).await;
    let history = async || {
        let page = operator.open(&page).await.expect(200).text();
        let so_far = page.split("<h2 id=\"history\">").nth(1).unwrap().to_owned();
        let so_far = so_far.split("Past").last().unwrap().split("</section>").next().unwrap();
        let changes = so_far.split("<dd>").skip(1).map(|rest| rest.split('<').next().unwrap());
        changes.map(str::to_owned).collect::<Vec<_>>()
    };
    let signed_in = "The user signed in; waiting for the confirmation.";
    assert_eq!(history().await, ["Connected.", signed_in]);
    world.renew(&id).await.expect(200);
    world.connect("ada", "ada").await;
    let requested = "Renewed because somebody asked for it.";
    assert_eq!(history().await, ["Connected.", signed_in, requested, "Connected.", signed_in]);

    // More changes than the history keeps.
    for _ in 0..50 {
        world.renew(&id).await.expect(200);
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
