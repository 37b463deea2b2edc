//! Users who call with a token of the application's own identity provider.

use aws_sdk_dynamodb::types::AttributeValue;
use edge::caller::Role;
use edge::routes::ROUTES;
use end_to_end::portal::Operator;
use end_to_end::{Caller, INTEGRATION, IdentityProvider, LATER, PROJECTS, World};
use local::names;
use reqwest::Method;
use serde_json::json;

use crate::contract::{NO_CONNECTION, example, example_body};

/// An integration whose users name themselves, beside the application's.
const PEOPLE: &str = "people";

#[tokio::test(flavor = "multi_thread")]
async fn a_user_s_token_reaches_the_user_s_own_connections_only() {
    let provider = IdentityProvider::start().await;
    let world = World::with_variables(&provider.variables()).await;
    world.put_integration_of_users(INTEGRATION).await;
    let caller = provider.user("ada");
    let ada = world.connect_as(&caller, INTEGRATION, "ada").await;
    let grace = world.connect_as(&provider.user("grace"), INTEGRATION, "grace").await;

    let listed = world.get(&caller, "/connections").await.expect(200).json();
    let ids: Vec<_> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, [ada.as_str()]);
    assert_eq!(listed["items"][0]["user"], format!("{}|ada", provider.issuer));
    world.get(&caller, &format!("/proxy/{ada}/{PROJECTS}")).await.expect(200);
    world
        .get(&caller, &format!("/proxy/{grace}/{PROJECTS}"))
        .await
        .expect_problem(404, "connection_not_found");
    let path = format!("/connections/{grace}");
    for method in [Method::GET, Method::DELETE] {
        world.ask(&caller, method, &path).await.expect_problem(404, "connection_not_found");
    }
    world
        .ask(&caller, Method::POST, &format!("/connections/{ada}/token"))
        .await
        .expect_problem(403, "role_not_allowed");
    world.get(&caller, "/integrations").await.expect_problem(403, "role_not_allowed");

    // With a user's token a session is always for that user, whether named or not.
    let session = |user: Option<&str>| json!({"integration": INTEGRATION, "user": user, "return_to": world.return_to()});
    world.post(&caller, "/connect-sessions", session(None)).await.expect(201);
    world.post(&caller, "/connect-sessions", session(Some("ada"))).await.expect(201);
    world
        .post(&caller, "/connect-sessions", session(Some("grace")))
        .await
        .expect_problem(403, "user_mismatch");
    world.get(&caller, "/connections?user=grace").await.expect_problem(403, "user_mismatch");
    world.ask(&caller, Method::DELETE, &format!("/connections/{ada}")).await.expect(204);
    assert_eq!(world.connection(&grace).await["status"], "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_others_or_for_others_are_refused() {
    let (provider, other) = (IdentityProvider::start().await, IdentityProvider::start().await);
    let world = World::with_variables(&provider.variables()).await;
    for changes in [
        json!({"aud": "somebody else"}),
        json!({"iss": other.issuer}),
        json!({"exp": 1_000_000_000}),
        json!({"nbf": LATER}),
        json!({"sub": ""}),
        json!({"sub": 7}),
    ] {
        world
            .get(&provider.token(&changes), "/connections")
            .await
            .expect_problem(401, "invalid_credentials");
    }
    let forged = other.token(&json!({"iss": provider.issuer}));
    world.get(&forged, "/connections").await.expect_problem(401, "invalid_credentials");
    world.get(&provider.token(&json!({})), "/connections").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_of_cognito_and_one_without_a_key_id_are_accepted() {
    let provider = IdentityProvider::start().await;
    let world = World::with_variables(&provider.variables()).await;
    let access = json!({"aud": null, "client_id": "ado-connect", "token_use": "access"});
    for accepted in [provider.token(&access), provider.token_under(None, &json!({}))] {
        world.get(&accepted, "/connections").await.expect(200);
    }
    for refused in [
        json!({"aud": null, "client_id": "ado-connect", "token_use": "id"}),
        json!({"aud": null, "client_id": "ado-connect"}),
        json!({"aud": null, "client_id": "another", "token_use": "access"}),
        json!({"aud": "another", "client_id": "ado-connect", "token_use": "access"}),
    ] {
        let answer = world.get(&provider.token(&refused), "/connections").await;
        answer.expect_problem(401, "invalid_credentials");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_s_program_needs_no_connection_id() {
    let provider = IdentityProvider::start().await;
    let world = World::with_variables(&provider.variables()).await;
    world.put_integration_of_users(INTEGRATION).await;
    let caller = provider.user("ada");
    let me = format!("/proxy/me/{PROJECTS}");
    world.get(&caller, &me).await.expect_problem(404, "connection_not_found");
    world.connect_as(&provider.user("grace"), INTEGRATION, "grace").await;
    world.get(&caller, &me).await.expect_problem(404, "connection_not_found");
    world.connect_as(&caller, INTEGRATION, "ada").await;
    world.get(&caller, &me).await.expect(200);
    // Addresses in answers keep the name `me`.
    let areas = world.get(&caller, "/proxy/me/dev.azure.com/mycompany/_apis/resourceAreas").await;
    let location = areas.expect(200).json()["value"][0]["locationUrl"].clone();
    assert!(location.as_str().unwrap().starts_with(&world.url("/proxy/me/")), "{location}");
    world
        .get(&caller, "/proxy/me/dev.azure.com/contoso/_apis/projects")
        .await
        .expect_problem(403, "organization_not_allowed");
    world.get(&Caller::Application, &me).await.expect_problem(404, "connection_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connection_that_reaches_the_address_is_chosen_among_several() {
    let provider = IdentityProvider::start().await;
    let world = World::with_variables(&provider.variables()).await;
    let caller = provider.user("ada");
    world.put_integration_of_users(INTEGRATION).await;
    let fabrikam = json!({"organizations": ["fabrikam"], "users": "jwt"});
    world.put_integration("fabrikam", fabrikam).await.expect(201);
    world.put_integration_of_users("another").await;
    let first = world.connect_as(&caller, INTEGRATION, "ada").await;
    for integration in ["fabrikam", "another"] {
        world.connect_as(&caller, integration, "ada").await;
    }
    world.get(&caller, "/proxy/me/dev.azure.com/fabrikam/_apis/projects").await.expect(200);
    let me = format!("/proxy/me/{PROJECTS}");
    let ambiguous = world.get(&caller, &me).await.expect_problem(409, "connection_ambiguous");
    assert!(ambiguous.text().contains("another"), "{}", ambiguous.text());
    let request = world.request(&caller, Method::GET, &me);
    let request = request.header("x-ado-connect-integration", "another");
    world.send(request).await.expect(200);
    let request = world.request(&caller, Method::GET, &me);
    let request = request.header("x-ado-connect-integration", "nosuch");
    world.send(request).await.expect_problem(404, "connection_not_found");
    world.ask(&caller, Method::DELETE, &format!("/connections/{first}")).await.expect(204);
    world.get(&caller, &me).await.expect(200);
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
            let (method, path) = example(route, &theirs);
            let answer = world.ask_json(&caller, method, &path, &example_body(route)).await;
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
    let jwt = AttributeValue::S("jwt".to_owned());
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
