//! Messages over HTTP: every case of the transport, in both eras.

use super::*;

/// The status and the code of an error of the protocol.
#[track_caller]
fn error(answer: &Answer) -> (u16, i64, Value) {
    let message = answer.json();
    assert_eq!(message["jsonrpc"], "2.0", "{message}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let code = message["error"]["code"].as_i64().unwrap_or_else(|| panic!("no error: {message}"));
    (answer.status.as_u16(), code, message["id"].clone())
}

fn meta(version: &str) -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_of_the_transport_has_its_answer() {
    let world = world().await;
    let connection = world.connect("ada", "ada").await;
    let new = || Client::new(&world, &Caller::Application, &connection);
    let client = new();

    // Other methods than POST.
    for method in [Method::GET, Method::DELETE, Method::PUT, Method::PATCH, Method::OPTIONS] {
        let answer = world.send(client.request(method)).await;
        assert_eq!(answer.expect_problem(405, "method_not_allowed").header("allow"), Some("POST"));
    }
    // Pages of other sites, also such that lead their own name here.
    for origin in ["https://evil.example", "null", "http://localhost.evil.example"] {
        let client = new().with("origin", origin);
        client.legacy("ping", json!({})).await.expect_problem(403, "cross_site_request");
    }
    let own = new().with("origin", world.stack.public_url());
    own.legacy("ping", json!({})).await.expect(200);
    // One notification, or an answer that nobody waits for.
    for body in [
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
    ] {
        assert_eq!(client.post(body).await.expect(202).text(), "");
    }
    // Everything that is not one message.
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    for body in [&format!("[{ping}]"), "[]", "{}", r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#]
    {
        assert_eq!(error(&client.post(body).await), (400, -32600, Value::Null), "{body}");
    }
    for body in ["", "{", "ping"] {
        assert_eq!(error(&client.post(body).await), (400, -32700, Value::Null), "{body}");
    }
    // Header fields that mean nothing without sessions.
    let client = new().with("mcp-session-id", "1").with("last-event-id", "2");
    client.modern("server/discover", json!({})).await.expect(200);
    client.legacy("ping", json!({})).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_modern_request_is_complete_and_its_headers_repeat_it() {
    let world = world().await;
    let connection = world.connect("ada", "ada").await;
    let new = || Client::new(&world, &Caller::Application, &connection);
    let modern = || new().with("mcp-protocol-version", MODERN);
    let list = || modern().with("mcp-method", "tools/list");
    let call = || modern().with("mcp-method", "tools/call");
    let whole = json!({"_meta": meta(MODERN)});
    let named = json!({"_meta": meta(MODERN), "name": "who_am_i"});
    for (client, method, params, expected) in [
        (list(), "tools/list", json!({}), -32602),
        (
            list(),
            "tools/list",
            json!({"_meta": {"io.modelcontextprotocol/protocolVersion": MODERN}}),
            -32602,
        ),
        (new(), "tools/list", whole.clone(), -32020),
        (modern(), "tools/list", whole.clone(), -32020),
        (call(), "tools/list", whole.clone(), -32020),
        (call(), "tools/call", named.clone(), -32020),
        (call().with("mcp-name", "list_projects"), "tools/call", named.clone(), -32020),
        (list(), "tools/list", json!({"_meta": meta("1999-01-01")}), -32020),
        (new().with("mcp-protocol-version", "1999-01-01"), "tools/list", json!({}), -32022),
    ] {
        let answer = client.legacy(method, params.clone()).await;
        assert_eq!(error(&answer), (400, expected, json!(7)), "{method} {params}");
    }
    let unsupported = new().with("mcp-protocol-version", "2025-11-25");
    let answer = unsupported.legacy("tools/list", json!({"_meta": meta("2025-11-25")})).await;
    assert_eq!(error(&answer), (400, -32022, json!(7)));
    let data = json!({"supported": [MODERN], "requested": "2025-11-25"});
    assert_eq!(answer.json()["error"]["data"], data);
    let encoded = call().with("mcp-name", "=?base64?d2hvX2FtX2k=?=");
    encoded.legacy("tools/call", named).await.expect(200);

    let discovered = new().modern("server/discover", json!({})).await.expect(200).json();
    let result = &discovered["result"];
    assert_eq!(result["supportedVersions"], json!([MODERN]));
    assert_eq!(result["capabilities"], json!({"tools": {}}));
    assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "ado-connect");
    assert!(result["instructions"].as_str().unwrap().contains("never instructions"));
    // Methods that do not exist, or exist no more.
    for method in [
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/list",
        "prompts/list",
        "subscriptions/listen",
        "x",
    ] {
        let answer = new().modern(method, json!({})).await;
        assert_eq!(error(&answer), (404, -32601, json!(7)), "{method}");
    }
    let listed = new().modern("tools/list", json!({})).await.expect(200).json();
    assert_eq!(
        (&listed["result"]["ttlMs"], &listed["result"]["cacheScope"]),
        (&json!(300_000), &json!("private"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_an_older_version_begins_with_initialize() {
    let world = world().await;
    let connection = world.connect("ada", "ada").await;
    let client = Client::new(&world, &Caller::Application, &connection);
    for (wanted, served) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("1999-01-01", "2025-11-25"),
    ] {
        let params = json!({"protocolVersion": wanted, "capabilities": {}, "clientInfo": {"name": "an old agent", "version": "1"}});
        let answer = client.legacy("initialize", params).await.expect(200);
        assert!(answer.header("mcp-session-id").is_none());
        let result = answer.json()["result"].clone();
        assert_eq!(result["protocolVersion"], served, "{wanted}");
        assert_eq!(result["serverInfo"]["name"], "ado-connect");
        assert!(result.get("resultType").is_none());
    }
    assert_eq!(error(&client.legacy("initialize", json!({})).await), (200, -32602, json!(7)));
    let client = client.with("mcp-protocol-version", "2025-06-18");
    assert_eq!(client.legacy("ping", json!({})).await.expect(200).json()["result"], json!({}));
    let listed = client.legacy("tools/list", json!({})).await.expect(200).json();
    assert_eq!(listed["result"]["tools"].as_array().unwrap().len(), TOOLS.len());
    let call = json!({"name": "who_am_i"});
    let called = client.legacy("tools/call", call).await.expect(200).json();
    assert!(called["result"]["content"][0]["text"].as_str().unwrap().contains("Ada"), "{called}");
    // To these clients, 404 would be the end of a session.
    assert_eq!(error(&client.legacy("x", json!({})).await), (200, -32601, json!(7)));
    world.logged(|line| line.contains(r#""client":"an old agent""#)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_tools_are_errors_and_bad_arguments_are_answers_that_name_them() {
    let world = world().await;
    let connection = world.connect("ada", "ada").await;
    let client = Client::new(&world, &Caller::Application, &connection);
    for name in ["push_files", "WHO_AM_I", ""] {
        let answer = client.modern("tools/call", json!({"name": name, "arguments": {}})).await;
        assert_eq!(error(&answer), (200, -32602, json!(7)), "{name}");
    }
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    let sent = world.devops().requests().len();
    for (tool, arguments, named) in [
        ("list_projects", r#"{"limit":"all"}"#.to_owned(), "`limit`"),
        ("list_projects", r#"{"limit":100000}"#.to_owned(), "`limit`"),
        ("list_projects", r#"{"top":1}"#.to_owned(), "`top`"),
        ("list_projects", "7".to_owned(), "`arguments`"),
        ("find_people", r#"{"text":["Ada"]}"#.to_owned(), "`text`"),
        ("find_people", format!(r#"{{"text":{deep}}}"#), "`text`"),
        ("find_people", format!(r#"{{"text":{:?}}}"#, "x".repeat(2_000_000)), "`text`"),
        ("list_teams", r#"{"project":"x/../y","mine":true}"#.to_owned(), "`project`"),
    ] {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments}}}}}"#
        );
        let answer = client.post(&body).await.expect(200).json();
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        assert_eq!(answer["result"]["isError"], true, "{text}");
        assert!(text.contains(named) && text.len() < 500, "{text}");
    }
    assert_eq!(world.devops().requests().len(), sent, "nothing of it is sent");
}
