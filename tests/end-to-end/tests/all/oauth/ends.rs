//! Where a pass is valid, how it ends, and how a connection is mended.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_is_valid_at_its_integration_s_endpoint_and_nowhere_else() {
    let world = world().await;
    let changes = json!({"scopes": ["vso.project", "vso.identity"], "mcp": {"access": "write"}});
    world.put_integration("other", changes).await.expect(201);
    let client = Client::registered(&world).await;
    let tokens = client.tokens("ada").await;
    let connection = connection_of(&world).await;
    let bearer = |token: &str| Caller::Bearer(token.to_owned());
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    client.list_tools(&tokens.access).await.expect(200);
    for token in [&tokens.access, &tokens.refresh] {
        for path in ["/mcp/other".to_owned(), format!("/mcp/{connection}")] {
            world
                .post(&bearer(token), &path, list.clone())
                .await
                .expect_problem(401, "invalid_credentials");
        }
        for path in [
            format!("/proxy/{connection}/{}", end_to_end::PROJECTS),
            "/connections".to_owned(),
            format!("/connections/{connection}"),
            "/integrations".to_owned(),
        ] {
            world.get(&bearer(token), &path).await.expect_problem(401, "invalid_credentials");
        }
    }
    client.list_tools(&tokens.refresh).await.expect_problem(401, "invalid_credentials");
    // At another integration's token endpoint.
    let elsewhere = Client {
        integration: "other".to_owned(),
        ..Client::new(&world, "other", &client.id, CALLBACK)
    };
    assert_eq!(error_of(&elsewhere.refresh(&tokens.refresh).await.expect(400)), "invalid_grant");
    // Keys and tokens of others at an integration's endpoint.
    let path = format!("/mcp/{INTEGRATION}");
    for caller in [Caller::Application, Caller::Operator] {
        world.post(&caller, &path, list.clone()).await.expect_problem(403, "role_not_allowed");
    }
    let entra = bearer("eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.c2ln");
    world.post(&entra, &path, list.clone()).await.expect_problem(401, "invalid_credentials");
}

/// Ends a client's access in one way. Returns the status of the next call.
async fn after(end: impl AsyncFnOnce(&World, &Client<'_>, &Tokens)) -> u16 {
    let world = world().await;
    let client = Client::registered(&world).await;
    let tokens = client.tokens("ada").await;
    client.call(&tokens.access, "list_projects").await.expect(200);
    end(&world, &client, &tokens).await;
    let answer = client.call(&tokens.access, "list_projects").await;
    if answer.status == 200 {
        // A refusal of the integration is a tool's error, as with any other caller.
        assert_eq!(answer.json()["result"]["isError"], true, "{answer:?}");
    }
    answer.status.as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_access_token_ends_the_access() {
    assert_eq!(
        after(async |_, client, tokens| drop(client.revoke(&tokens.access).await.expect(200)))
            .await,
        401
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_pass_ends_the_access() {
    let delete = async |world: &World, _: &Client<'_>, _: &Tokens| {
        let connection = connection_of(world).await;
        let path = format!("/connections/{connection}/passes");
        let listed = world.get(&Caller::Application, &path).await.expect(200).json();
        let pass = listed["items"][0]["id"].as_str().unwrap();
        assert_eq!(listed["items"][0]["client_name"], "An agent");
        world
            .ask(&Caller::Application, Method::DELETE, &format!("{path}/{pass}"))
            .await
            .expect(204);
    };
    assert_eq!(after(delete).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_connection_ends_the_access_and_leaves_no_pass() {
    let delete = async |world: &World, _: &Client<'_>, _: &Tokens| {
        let path = format!("/connections/{}", connection_of(world).await);
        world.ask(&Caller::Application, Method::DELETE, &path).await.expect(204);
        assert_eq!(passes(world).await, 0);
    };
    assert_eq!(after(delete).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_integration_lets_no_call_through() {
    let pause = async |world: &World, _: &Client<'_>, _: &Tokens| {
        let path = format!("/integrations/{INTEGRATION}/pause");
        world.ask(&Caller::Operator, Method::POST, &path).await.expect(200);
    };
    assert_eq!(after(pause).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_turned_off_ends_the_access() {
    let off = async |world: &World, _: &Client<'_>, _: &Tokens| {
        offer(world, json!({"access": "off"})).await;
    };
    assert_eq!(after(off).await, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_needs_its_user_is_mended_by_the_client_s_next_sign_in() {
    let world = world().await;
    let client = Client::registered(&world).await;
    let tokens = client.tokens("ada").await;
    let connection = connection_of(&world).await;
    // The user's administrator requires a second factor: Azure DevOps rejects the token, and Entra renews none.
    let claims = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
    world.entra().require_interaction("ada", claims).unwrap();
    world.expire_tokens().await;
    let refused = client.call(&tokens.access, "list_projects").await.expect(401);
    assert!(refused.header("www-authenticate").unwrap().contains("error=\"invalid_token\""));
    assert_eq!(error_of(&client.refresh(&tokens.refresh).await.expect(400)), "invalid_grant");
    let mended = client.tokens("ada").await;
    client.call(&mended.access, "list_projects").await.expect(200);
    assert_eq!(connection_of(&world).await, connection);
    assert_eq!(world.connection(&connection).await["status"], "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_application_names_the_user_of_a_client() {
    let world = world().await;
    let client = Client::registered(&world).await;
    client.tokens("ada").await;
    let user =
        world.connection(&connection_of(&world).await).await["user"].as_str().unwrap().to_owned();
    assert!(user.starts_with("entra:"), "{user}");
    let wish = json!({"integration": INTEGRATION, "user": user, "return_to": world.return_to()});
    world
        .post(&Caller::Application, "/connect-sessions", wish)
        .await
        .expect_problem(400, "invalid_request");
}
