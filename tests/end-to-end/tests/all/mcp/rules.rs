//! The rules that an endpoint and its tools are held to.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_off_unless_the_integration_offers_it() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let client = Client::new(&world, &Caller::Application, &connection);
    for method in [Method::POST, Method::GET] {
        let answer = world.send(client.request(method)).await;
        answer.expect_problem(403, "mcp_disabled");
    }
    for access in ["read", "write"] {
        let mcp = json!({"access": access, "toolsets": ["core"]});
        offer(&world, json!({"mcp": mcp})).await;
        assert_eq!(client.tools().await, TOOLS);
    }
    offer(&world, json!({"mcp": {"access": "off", "toolsets": ["core"]}})).await;
    client.modern("tools/list", json!({})).await.expect_problem(403, "mcp_disabled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_without_credentials_is_asked_for_a_bearer_and_nothing_else() {
    let world = world().await;
    let connection = world.connect("ada", "ada").await;
    for (caller, code) in [
        (Caller::Nobody, "missing_credentials"),
        (Caller::Bearer("adoc_0000_x".to_owned()), "invalid_credentials"),
    ] {
        for address in [connection.as_str(), INTEGRATION] {
            let client = Client::new(&world, &caller, address);
            for method in [Method::POST, Method::GET] {
                let answer = world.send(client.request(method)).await.expect_problem(401, code);
                let challenge = answer.header("www-authenticate").unwrap();
                if address == INTEGRATION {
                    // There its users can sign in.
                    assert!(
                        challenge.starts_with("Bearer ")
                            && challenge.contains("resource_metadata=")
                    );
                    assert!(!challenge.contains("Basic"), "{challenge}");
                } else {
                    assert_eq!(challenge, r#"Bearer realm="ado-connect""#);
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_and_headers_narrow_the_tools_and_nothing_widens_them() {
    let world = world().await;
    let connection = world.connect("ada", "ada").await;
    let at =
        |suffix: &str| Client::new(&world, &Caller::Application, &format!("{connection}{suffix}"));
    let all = TOOLS.to_vec();
    for (client, expected) in [
        (at("/readonly"), all.clone()),
        (at("/x/core"), all.clone()),
        (at("/x/core/readonly"), all.clone()),
        (at("/x/repos"), vec![]),
        (at("").with("x-mcp-toolsets", "repos"), vec![]),
        (at("").with("x-mcp-toolsets", "core,repos"), all.clone()),
        (at("").with("x-mcp-tools", "who_am_i, push_files"), vec!["who_am_i"]),
        (at("").with("x-mcp-exclude-tools", "who_am_i"), all[1..].to_vec()),
        (at("/x/repos").with("x-mcp-toolsets", "core"), vec![]),
        (at("").with("x-mcp-readonly", "true"), all.clone()),
    ] {
        let tools = client.tools().await;
        assert_eq!(tools, expected, "{} {:?}", client.address, client.headers);
        for hidden in all.iter().filter(|tool| !expected.contains(tool)) {
            let call = json!({"name": hidden, "arguments": {"project": "Website", "text": "Ada"}});
            let answer = client.modern("tools/call", call).await.expect(200).json();
            assert_eq!(answer["error"]["code"], -32602, "{hidden}: {answer}");
        }
    }
    let me = at("/readonly").call("who_am_i", json!({})).await;
    assert_eq!(me["access"], "read");
    for suffix in ["/write", "/x", "/readonly/x"] {
        at(suffix).modern("tools/list", json!({})).await.expect_problem(404, "not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_is_withdrawn_ends_the_next_request() {
    let world = world().await;
    let connection = world.connect("ada", "ada").await;
    let key = world.new_key("application", Some(INTEGRATION)).await;
    let client = Client::new(&world, &Caller::Bearer(key.clone()), &connection);
    client.call("list_projects", json!({})).await;
    let act = async |path: &str| {
        world.ask(&Caller::Operator, Method::POST, path).await.expect(200);
    };
    for (path, code) in [
        (format!("/connections/{connection}"), "connection_paused"),
        (format!("/integrations/{INTEGRATION}"), "integration_not_ready"),
    ] {
        act(&format!("{path}/pause")).await;
        for tool in ["list_projects", "who_am_i"] {
            let refused = client.refused(tool, json!({})).await;
            assert!(refused.contains(code), "{refused}");
        }
        act(&format!("{path}/resume")).await;
        client.call("list_projects", json!({})).await;
    }
    act("/service/pause").await;
    client.modern("tools/list", json!({})).await.expect_problem(503, "service_paused");
    act("/service/resume").await;

    world.put_integration("other", json!({"mcp": {"access": "write"}})).await.expect(201);
    let other = Caller::Bearer(world.new_key("application", Some("other")).await);
    let other = Client::new(&world, &other, &connection);
    other.modern("tools/list", json!({})).await.expect_problem(404, "connection_not_found");

    let path = format!("/api-keys/{}", key.split('_').nth(1).unwrap());
    world.ask(&Caller::Operator, Method::DELETE, &path).await.expect(204);
    client.modern("tools/list", json!({})).await.expect_problem(401, "invalid_credentials");

    let client = Client::new(&world, &Caller::Application, &connection);
    client.call("list_projects", json!({})).await;
    let path = format!("/connections/{connection}");
    world.ask(&Caller::Application, Method::DELETE, &path).await.expect(204);
    client.modern("tools/list", json!({})).await.expect_problem(404, "connection_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_may_do_what_the_proxy_may_do_and_says_what_it_may_not() {
    let world = world().await;
    let connection = world.connect("ada", "ada").await;
    let client = Client::new(&world, &Caller::Application, &connection);
    client.call("find_people", json!({"text": "Ada Lovelace"})).await;

    let rules = json!([{"methods": ["GET"], "paths": ["/_apis/projects"]}]);
    offer(&world, json!({"allowed_calls": rules})).await;
    client.call("list_projects", json!({})).await;
    world.devops().reset_counts();
    let refused = client.refused("find_people", json!({"text": "Ada Lovelace"})).await;
    for part in ["call_not_allowed", "allowed_calls", "Request id"] {
        assert!(refused.contains(part), "{refused}");
    }
    assert!(world.devops().requests().is_empty());
    world.logged(|line| line.contains("call_not_allowed") && line.contains("find_people")).await;

    let limit = json!({"connection": {"requests": 1, "per_seconds": 3600}});
    offer(&world, json!({"proxy_limits": limit})).await;
    client.call("list_projects", json!({})).await;
    let refused = client.refused("list_projects", json!({})).await;
    assert!(refused.contains("rate_limited") && refused.contains("Retry-After: "), "{refused}");
    // The list of tools costs no call.
    assert_eq!(client.tools().await, TOOLS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_call_of_a_tool_costs_what_a_call_of_the_proxy_costs() {
    let world = world().await;
    let connection = world.connect("ada", "ada").await;
    let client = Client::new(&world, &Caller::Application, &connection);
    for _ in 0..2 {
        client.call("list_projects", json!({})).await;
    }
    world.check_for_leaks();
    world.devops().reset_counts();
    for _ in 0..5 {
        client.call("list_projects", json!({})).await;
    }
    let requests = world.requests_to_aws();
    let reads =
        requests.iter().filter(|request| request.starts_with("DynamoDB_20120810.BatchGetItem"));
    assert_eq!(reads.count(), 5);
    // The hourly counts are written every ten seconds.
    assert!(requests.len() <= 6, "{requests:#?}");
    assert_eq!(world.devops().requests().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_whose_scope_is_lacking_names_it() {
    let world = World::start().await;
    let changes = json!({"scopes": ["vso.project"], "mcp": {"access": "read"}});
    world.put_integration(INTEGRATION, changes).await.expect(200);
    let connection = world.connect("ada", "ada").await;
    let client = Client::new(&world, &Caller::Application, &connection);
    let refused = client.refused("find_people", json!({"text": "Ada Lovelace"})).await;
    assert!(
        refused.contains("insufficient_scope") && refused.contains("vso.identity"),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_must_sign_in_again_is_told_where() {
    let world = world().await;
    let page = "https://app.mycompany.example/settings";
    offer(&world, json!({"reconnect_url": page})).await;
    let connection = world.connect("ada", "ada").await;
    let status = aws_sdk_dynamodb::types::AttributeValue::S("reauthorization_required".to_owned());
    world.set(local::names::CONNECTIONS, &connection, "status", status).await;
    let client = Client::new(&world, &Caller::Application, &connection);
    let refused = client.refused("list_projects", json!({})).await;
    assert!(refused.contains("connection_reauthorization_required"), "{refused}");
    assert!(refused.contains(page), "{refused}");
}
