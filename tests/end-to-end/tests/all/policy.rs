//! The calls that an integration allows.

use end_to_end::{Answer, Caller, INTEGRATION, World};
use reqwest::Method;
use serde_json::{Value, json};

async fn call(world: &World, connection: &str, method: Method, rest: &str) -> Answer {
    let path = format!("/proxy/{connection}/{rest}");
    world.send(world.request(&Caller::Application, method, &path).body("[]")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_integration_reads_and_nothing_else() {
    let world = World::start().await;
    let rules = json!([{"methods": ["GET", "OPTIONS"]}, {"methods": ["POST"], "paths": ["/*/_apis/wit/wiql"]}]);
    let shown = world.put_integration(INTEGRATION, json!({"allowed_calls": rules})).await;
    assert_eq!(
        shown.expect(200).json()["allowed_calls"],
        json!([{"methods": ["GET", "OPTIONS"], "paths": []}, {"methods": ["POST"], "paths": ["/*/_apis/wit/wiql"]}])
    );
    let connection = world.connect("ada", "ada").await;
    world.devops().reset_counts();
    for method in [Method::GET, Method::HEAD] {
        call(&world, &connection, method, "dev.azure.com/mycompany/_apis/projects")
            .await
            .expect(200);
    }
    let sent = world.devops().requests().len();
    for (method, rest) in [
        (Method::POST, "dev.azure.com/mycompany/Website/_apis/wit/workitems/$Task"),
        (Method::PATCH, "dev.azure.com/mycompany/_apis/wit/workitems/1"),
        (Method::DELETE, "dev.azure.com/mycompany/_apis/wit/workitems/1"),
        (Method::PUT, "mycompany.visualstudio.com/DefaultCollection/Website/_apis/wiki/wikis/w"),
        (Method::POST, "dev.azure.com/mycompany/Website/_apis/wit/wiqlx"),
    ] {
        call(&world, &connection, method, rest).await.expect_problem(403, "call_not_allowed");
    }
    assert_eq!(world.devops().requests().len(), sent);
    let query = json!({"query": "SELECT [System.Id] FROM WorkItems"});
    let path = format!(
        "/proxy/{connection}/dev.azure.com/mycompany/Website/_apis/wit/wiql?api-version=7.1"
    );
    world.post(&Caller::Application, &path, query).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_integration_for_one_kind_of_things_refuses_others_and_dry_requests_show_it() {
    let world = World::start().await;
    let rules = json!([{"paths": ["/_apis/projects", "/*/_apis/git"]}]);
    world.put_integration(INTEGRATION, json!({"allowed_calls": rules})).await.expect(200);
    let connection = world.connect("ada", "ada").await;
    for (rest, allowed) in [
        ("dev.azure.com/mycompany/_apis/projects", true),
        ("dev.azure.com/mycompany/_APIS/Projects", true),
        ("dev.azure.com/mycompany/Website/_apis/git/repositories", true),
        ("dev.azure.com/mycompany/_apis/wit/fields", false),
        ("dev.azure.com/mycompany/Website/_apis/wit/fields", false),
        ("app.vssps.visualstudio.com/_apis/profile/profiles/me", false),
    ] {
        let path = format!("/proxy/{connection}/{rest}");
        let request = world.request(&Caller::Application, Method::GET, &path);
        let described = world.send(request.header("x-ado-connect-dry", "1")).await.expect(200);
        assert_eq!(described.json()["allowed"], allowed, "{rest}");
        let answer = world.proxied(&connection, rest).await;
        assert_eq!(answer.status == 403, !allowed, "{rest}: {answer:?}");
    }
}

/// Returns the rules for Git in `docs/call.md`.
fn rules_for_git() -> Value {
    let page = include_str!("../../../../docs/call.md");
    let rules =
        page.split("\"allowed_calls\": ").find(|text| text.contains("\"/*/_git\"")).unwrap();
    serde_json::from_str(rules.split("```").next().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rules_for_git_in_the_documents_cover_both_addresses_of_a_repository_and_nothing_else()
{
    let world = World::start().await;
    let rules = rules_for_git();
    world.put_integration(INTEGRATION, json!({"allowed_calls": rules})).await.expect(200);
    let connection = world.connect("ada", "ada").await;
    for repository in ["Website/_git/Website", "_git/Website", "DefaultCollection/_git/Website"] {
        let refs =
            format!("dev.azure.com/mycompany/{repository}/info/refs?service=git-upload-pack");
        world.proxied(&connection, &refs).await.expect(200);
    }
    for rest in [
        "dev.azure.com/mycompany/_apis/projects",
        "dev.azure.com/mycompany/Website/_apis/git/repositories",
        "dev.azure.com/mycompany/Website%2F_apis/_git/Website",
        "dev.azure.com/mycompany/%2F_git/Website",
    ] {
        let answer = call(&world, &connection, Method::GET, rest).await;
        answer.expect_problem(403, "call_not_allowed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encoded_slash_is_a_slash_to_the_rules() {
    let world = World::start().await;
    let rules = json!([{"paths": ["/*/_apis/wit/queries"]}]);
    world.put_integration(INTEGRATION, json!({"allowed_calls": rules})).await.expect(200);
    let connection = world.connect("ada", "ada").await;
    for (rest, allowed) in [
        ("Website/_apis/wit/queries/Shared%20Queries%2FOpen%20bugs", true),
        ("Website%2F_apis%2Fwit%2Fqueries%2FShared%20Queries", true),
        ("Website%2F_apis%2Fwit%2Ftags/_apis/wit/queries/x", false),
        ("Website%5C_apis%5Cwit%5Ctags/_apis/wit/queries/x", false),
        ("Website/_apis/wit%2Fworkitems/1", false),
        ("%2FWebsite/_apis/wit/queries/x", false),
    ] {
        let rest = format!("dev.azure.com/mycompany/{rest}");
        let answer = world.raw_get(&format!("/proxy/{connection}/{rest}")).await;
        assert_eq!(answer.status == 403, !allowed, "{rest}: {answer:?}");
    }
}

/// ASP.NET would leave the segment out, and find work items of the whole organization.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_without_cookies_is_no_project_to_the_rules() {
    let world = World::start().await;
    let rules = json!([{"paths": ["/*/_apis/wit"]}]);
    world.put_integration(INTEGRATION, json!({"allowed_calls": rules})).await.expect(200);
    let connection = world.connect("ada", "ada").await;
    world.devops().reset_counts();
    for segment in ["(S(x))", "(A(x)F(y))", "%28S%28x%29%29"] {
        let rest = format!("dev.azure.com/mycompany/{segment}/_apis/wit/workitems/1");
        let answer = world.raw_get(&format!("/proxy/{connection}/{rest}")).await;
        answer.expect_problem(400, "ambiguous_path");
    }
    assert_eq!(world.devops().requests().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_rules_and_limits_are_refused_by_field() {
    let world = World::start().await;
    for (changes, field) in [
        (json!({"allowed_calls": [{"methods": ["get"]}]}), "allowed_calls[0].methods"),
        (json!({"allowed_calls": [{}, {"paths": ["_apis"]}]}), "allowed_calls[1].paths"),
        (json!({"allowed_calls": [{"paths": ["/a/../b"]}]}), "allowed_calls[0].paths"),
        (json!({"proxy_limits": {"connection": {"requests": 3}}}), "proxy_limits.connection"),
        (json!({"proxy_limits": {"integration": {}}}), "proxy_limits.integration"),
        (
            json!({"proxy_limits": {"connection": {"requests": 0, "per_seconds": 1}}}),
            "proxy_limits.connection.requests",
        ),
        (
            json!({"proxy_limits": {"connection": {"concurrent": 201}}}),
            "proxy_limits.connection.concurrent",
        ),
        (json!({"reconnect_url": "https://evil.example/"}), "reconnect_url"),
        (json!({"reconnect_url": "/settings"}), "reconnect_url"),
    ] {
        let refused = world.put_integration(INTEGRATION, changes.clone()).await;
        let document = refused.expect_problem(400, "invalid_request").json();
        let fields: Vec<&Value> =
            document["errors"].as_array().unwrap().iter().map(|error| &error["field"]).collect();
        assert_eq!(fields, [field], "{changes}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_the_page_for_signing_in_again() {
    let world = World::start().await;
    let page = "https://app.mycompany.example/settings?tab=azure";
    world.put_integration(INTEGRATION, json!({"reconnect_url": page})).await.expect(200);
    let connection = world.connect("ada", "ada").await;
    let there = format!("{page}&connection_id={connection}");
    let claims = r#"{"access_token":{"polids":{"essential":true,"values":["p1"]}}}"#;
    world.entra().require_interaction("ada", claims).unwrap();
    world.expire_tokens().await;
    // Both the call that finds out and the next one.
    for _ in 0..2 {
        let refused = world.proxied(&connection, "dev.azure.com/mycompany/_apis/projects").await;
        let refused = refused.expect_problem(401, "connection_reauthorization_required");
        assert_eq!(refused.json()["reconnect_url"], there.as_str());
    }
    let path = format!("/connections/{connection}/refresh");
    let refused = world.ask(&Caller::Application, Method::POST, &path).await;
    let refused = refused.expect_problem(401, "connection_reauthorization_required");
    assert_eq!(refused.json()["reconnect_url"], there.as_str());
}

async fn batch(world: &World, connection: &str, calls: &Value) -> Answer {
    let path =
        format!("/proxy/{connection}/dev.azure.com/mycompany/_apis/wit/$batch?api-version=7.1");
    world.post(&Caller::Application, &path, calls.clone()).await
}

fn change(method: &str, uri: &str) -> Value {
    json!({
        "method": method, "uri": uri, "headers": {"Content-Type": "application/json-patch+json"},
        "body": [{"op": "add", "path": "/fields/System.Title", "value": "Changed by a batch"}],
    })
}

async fn title(world: &World, connection: &str) -> Value {
    let item = "dev.azure.com/mycompany/_apis/wit/workitems/1?api-version=7.1";
    world.proxied(connection, item).await.expect(200).json()["fields"]["System.Title"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_judge_each_call_of_a_batch() {
    let world = World::start().await;
    let rules = |writable: &[&str]| {
        let wiql = json!({"methods": ["POST"], "paths": ["/_apis/wit"]});
        json!([{"methods": ["GET"]}, wiql, {"methods": ["PATCH"], "paths": writable}])
    };
    let settings = json!({"allowed_calls": rules(&["/Website/_apis/wit/workitems"])});
    world.put_integration(INTEGRATION, settings).await.expect(200);
    let connection = world.connect("ada", "ada").await;
    let before = title(&world, &connection).await;
    let item = "/_apis/wit/workItems/1?api-version=7.1";
    for call in [
        change("PATCH", item),
        change("patch", "/%5Fapis/wit/workItems/1?api-version=7.1"),
        change("PATCH", "https://dev.azure.com/mycompany/_apis/wit/workItems/1?api-version=7.1"),
        change("DELETE", "/_apis/wit/workItems/1?api-version=7.1"),
        change("PATCH", "/Fabrikam/_apis/wit/workItems/1?api-version=7.1"),
    ] {
        // An allowed call beside it does not help.
        let calls = json!([{"method": "GET", "uri": "/_apis/projects"}, call]);
        batch(&world, &connection, &calls).await.expect_problem(403, "call_not_allowed");
    }
    for calls in [json!({}), json!([{"method": "GET"}]), json!([[]]), json!("x")] {
        batch(&world, &connection, &calls).await.expect_problem(403, "call_not_allowed");
    }
    let elsewhere = json!([change("GET", "https://dev.azure.com/fabrikam/_apis/projects")]);
    batch(&world, &connection, &elsewhere).await.expect_problem(403, "organization_not_allowed");
    assert_eq!(world.devops().count("wit.batch"), 0);
    assert_eq!(title(&world, &connection).await, before);

    let settings = json!({"allowed_calls": rules(&["/_apis/wit/workitems"])});
    world.put_integration(INTEGRATION, settings).await.expect(200);
    batch(&world, &connection, &json!([change("PATCH", item)])).await.expect(200);
    assert_eq!(title(&world, &connection).await, "Changed by a batch");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_integration_without_rules_lets_no_batch_into_a_closed_area() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    for uri in [
        "/_apis/tokens/pats",
        "/Website/_APIS/Token/SessionTokens",
        "https://vssps.dev.azure.com/mycompany/_apis/tokens/pats",
        "https://mycompany.vstoken.visualstudio.com/x",
        "/_apis/hooks/subscriptions",
        "/_apis/Contribution/HierarchyQuery",
    ] {
        let calls = json!([change("POST", uri)]);
        let refused = batch(&world, &connection, &calls).await;
        refused.expect_problem(403, "call_not_allowed");
    }
    assert_eq!(world.devops().count("wit.batch"), 0);
    let calls = json!([change("PATCH", "/_apis/wit/workItems/1?api-version=7.1")]);
    batch(&world, &connection, &calls).await.expect(200);
    assert_eq!(title(&world, &connection).await, "Changed by a batch");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_names_another_method_is_refused_and_not_sent_without_it() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let item = format!("/proxy/{connection}/dev.azure.com/mycompany/_apis/wit/workitems/1");
    world.devops().reset_counts();
    for front in world.fronts() {
        for name in ["x-http-method-override", "X-HTTP-Method", "x-method-override"] {
            let post = |query: &str| {
                let url = format!("{front}{item}?api-version=7.1{query}");
                world.request_at(&Caller::Application, Method::POST, &url).body("[]")
            };
            for request in [
                post("").header(name, "DELETE"),
                post("").header(name, "DELETE").header("x-ado-connect-dry", "1"),
                post(&format!("&{name}=DELETE")),
                post("")
                    .header("content-type", "application/x-www-form-urlencoded")
                    .body(format!("{name}=DELETE")),
            ] {
                let refused = world.send(request).await;
                let refused = refused.expect_problem(400, "invalid_request").json();
                assert_eq!(refused["errors"][0]["field"], name.to_lowercase().as_str());
            }
        }
        let mut call = change("POST", "/_apis/wit/workItems/1?api-version=7.1");
        call["headers"]["X-HTTP-Method-Override"] = "DELETE".into();
        batch(&world, &connection, &json!([call])).await.expect_problem(400, "invalid_request");
    }
    assert_eq!(world.devops().requests().len(), 0);
}
