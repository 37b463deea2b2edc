//! Whole sign-ins.

use super::*;

/// Goes from the first refused request to the last, as a client does that knows nothing but the address.
async fn whole_walk(client: &Client<'_>) {
    let world = client.world;
    let refused = client.list_tools("").await.expect(401);
    let challenge = refused.header("www-authenticate").unwrap();
    let metadata = world.url(&format!("/.well-known/oauth-protected-resource/mcp/{INTEGRATION}"));
    assert_eq!(challenge, format!("Bearer resource_metadata=\"{metadata}\", scope=\"read write\""));
    let resource = world.send(world.plain_get(&metadata)).await.expect(200).json();
    let issuer = world.url(&format!("/mcp/{INTEGRATION}"));
    assert_eq!(
        (&resource["resource"], &resource["authorization_servers"][0]),
        (&json!(issuer), &json!(issuer))
    );
    let path = format!("/.well-known/oauth-authorization-server/mcp/{INTEGRATION}");
    let server = world.get(&Caller::Nobody, &path).await.expect(200).json();
    assert_eq!(server["issuer"], issuer);
    assert_eq!(server["authorization_endpoint"], client.endpoint("authorize"));
    assert_eq!(server["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(server["client_id_metadata_document_supported"], true);

    let browser = world.browser();
    let back = client.signed_in(&browser, "ada").await;
    let location = back.location();
    assert!(location.as_str().starts_with(&client.redirect_uri), "{location}");
    assert_eq!(back.location_parameter("state").as_deref(), Some("client-state"));
    assert_eq!(back.location_parameter("iss"), Some(issuer));
    let code = back.location_parameter("code").unwrap();
    world.secret(&code);
    let redeemed = client.redeem(&code, &[]).await;
    assert_eq!(redeemed.header("cache-control"), Some("no-store"));
    assert_eq!(
        (&redeemed.json()["scope"], &redeemed.json()["expires_in"]),
        (&json!("read write"), &json!(3600))
    );
    let tokens = client.redeemed(&redeemed);

    let listed = client.list_tools(&tokens.access).await.expect(200).json();
    assert!(listed["result"]["tools"].as_array().unwrap().len() >= 4, "{listed}");
    let me = client.call(&tokens.access, "who_am_i").await.expect(200).json();
    assert!(me["result"]["content"][0]["text"].as_str().unwrap().contains("Ada Lovelace"), "{me}");

    let next = client.redeemed(&client.refresh(&tokens.refresh).await);
    assert_ne!(next, tokens);
    client.list_tools(&next.access).await.expect(200);
    client.revoke(&next.refresh).await.expect(200);
    let ended = client.list_tools(&next.access).await.expect(401);
    assert!(ended.header("www-authenticate").unwrap().contains("error=\"invalid_token\""));
    assert_eq!(error_of(&client.refresh(&next.refresh).await.expect(400)), "invalid_grant");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_registers_itself_signs_its_user_in_and_works() {
    let world = world().await;
    whole_walk(&Client::registered(&world).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_a_metadata_document_signs_its_user_in_and_works() {
    let document = json!({
        "client_id": DOCUMENT, "client_name": "An agent", "token_endpoint_auth_method": "none",
        "redirect_uris": ["http://127.0.0.1/callback", "https://client.example/callback"],
    });
    let clients = client_documents(&[(DOCUMENT, document)]).await;
    let world = World::with_variables(&[("CLIENTS_URL", &clients)]).await;
    offer(&world, json!({"access": "write", "clients": ["client.example"]})).await;
    for redirect_uri in ["http://127.0.0.1:4321/callback", "https://client.example/callback"] {
        whole_walk(&Client::new(&world, INTEGRATION, DOCUMENT, redirect_uri)).await;
    }
    // Their user is one person, and so is the connection.
    let mine =
        world.get(&Caller::Application, &format!("/connections?integration={INTEGRATION}")).await;
    assert_eq!(mine.json()["items"].as_array().map_or(0, Vec::len), 1, "{mine:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_consent_page_names_the_client_and_lets_the_user_leave_writing_out() {
    let world = world().await;
    let client = Client::registered(&world).await;
    let url = client.authorize_url(&[]);
    let browser = world.browser();
    let page = browser.open_page(&url).await.expect(200);
    let text = page.text();
    for shown in ["An agent", "calls itself", "mycompany", "on this computer"] {
        assert!(text.contains(shown), "{shown}");
    }
    assert!(page.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"));
    let form = csrf(&page);
    let entra = browser.submit(&url, &[("csrf", &form)]).await.expect(303).location();
    let decision = [("account", "ada"), ("action", "approve")];
    let callback = browser.decide(&entra, &decision).await;
    let code = browser.open(callback.as_str()).await.location_parameter("code").unwrap();
    let redeemed = client.redeem(&code, &[]).await;
    assert_eq!(redeemed.json()["scope"], "read");
    let tokens = client.redeemed(&redeemed);
    let me = client.call(&tokens.access, "who_am_i").await.expect(200).json();
    assert!(
        me["result"]["content"][0]["text"].as_str().unwrap().contains("\"access\":\"read\""),
        "{me}"
    );
    // A tool that writes is not there, and the client learns what it could ask for.
    let refused = client.call(&tokens.access, "create_work_item").await;
    let refused = refused.expect_problem(403, "write_not_granted");
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(
        challenge.contains("error=\"insufficient_scope\"")
            && challenge.contains("scope=\"read write\"")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_sign_in_leads_back_to_the_client_with_an_error() {
    let world = world().await;
    let client = Client::registered(&world).await;
    let browser = world.browser();
    let page = browser.open_page(&client.authorize_url(&[])).await.expect(200).text();
    assert!(page.contains("error=access_denied") && page.contains("state=client-state"), "{page}");
    let entra = client.approve(&browser).await;
    let callback = browser.decide(&entra, &[("account", "ada"), ("action", "cancel")]).await;
    let back = browser.open(callback.as_str()).await.expect(303);
    assert_eq!(back.location_parameter("error").as_deref(), Some("access_denied"));
    assert_eq!(back.location_parameter("state").as_deref(), Some("client-state"));
    assert!(back.location_parameter("iss").is_some() && back.location_parameter("code").is_none());
    assert_eq!(passes(&world).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_faulty_request_leads_back_by_a_link_with_the_code_of_its_rfc_and_never_by_itself() {
    let world = world().await;
    let client = Client::registered(&world).await;
    for (name, value, error) in [
        ("response_type", "token", "unsupported_response_type"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge", "", "invalid_request"),
        ("resource", "https://other.example/mcp", "invalid_target"),
    ] {
        let url = client.authorize_url(&[(name, value)]);
        assert_refused_by_a_page(&world, &url, error).await;
    }
    offer(&world, json!({"access": "write", "clients": ["client.example"]})).await;
    assert_refused_by_a_page(&world, &client.authorize_url(&[]), "unauthorized_client").await;
}

async fn assert_refused_by_a_page(world: &World, url: &str, error: &str) {
    let page = world.browser().open_page(url).await.expect(400);
    assert_eq!(page.header("location"), None, "anybody could lead users anywhere by our address");
    let page = page.text();
    assert!(page.contains(&format!("href=\"{CALLBACK}?error={error}")), "{error}: {page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_integration_without_an_endpoint_has_no_authorization_server() {
    let world = World::start().await;
    for path in [
        format!("/.well-known/oauth-protected-resource/mcp/{INTEGRATION}"),
        format!("/.well-known/oauth-authorization-server/mcp/{INTEGRATION}"),
        format!("/oauth/{INTEGRATION}/authorize"),
        "/.well-known/oauth-protected-resource/mcp/none".to_owned(),
        "/.well-known/oauth-protected-resource".to_owned(),
    ] {
        world.get(&Caller::Nobody, &path).await.expect_problem(404, "not_found");
    }
    let register = format!("/oauth/{INTEGRATION}/register");
    let metadata = json!({"redirect_uris": ["http://localhost/callback"]});
    world.post(&Caller::Nobody, &register, metadata).await.expect_problem(404, "not_found");
}
