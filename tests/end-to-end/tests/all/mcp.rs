//! The MCP endpoint, as its clients see it.

use end_to_end::documents::{self, Document};
use end_to_end::{Answer, Caller, INTEGRATION, IdentityProvider, World};
use reqwest::Method;
use serde_json::{Value, json};

mod diffs;
mod effects;
mod microsoft;
mod other_toolsets;
mod pipelines;
mod repos;
mod rules;
mod sizes;
mod transport;
mod work_items;

/// The integration whose users name themselves.
const PEOPLE: &str = "people";
const MODERN: &str = "2026-07-28";
const TOOLS: [&str; 4] = ["who_am_i", "list_projects", "list_teams", "find_people"];

/// A client of an endpoint.
struct Client<'a> {
    world: &'a World,
    caller: Caller,
    /// What follows `/mcp/`.
    address: String,
    headers: Vec<(&'static str, String)>,
}

impl<'a> Client<'a> {
    fn new(world: &'a World, caller: &Caller, address: &str) -> Self {
        Self { world, caller: caller.clone(), address: address.to_owned(), headers: Vec::new() }
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn request(&self, method: Method) -> reqwest::RequestBuilder {
        let path = format!("/mcp/{}", self.address);
        let request = self.world.request(&self.caller, method, &path);
        self.headers.iter().fold(request, |request, (name, value)| request.header(*name, value))
    }

    /// Sends a body as it is.
    async fn post(&self, body: &str) -> Answer {
        let request = self.request(Method::POST).header("content-type", "application/json");
        self.world.send(request.body(body.to_owned())).await
    }

    /// Sends a request of the versions before 2026-07-28.
    async fn legacy(&self, method: &str, params: Value) -> Answer {
        let body = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
        self.post(&body.to_string()).await
    }

    /// Sends a request of 2026-07-28.
    async fn modern(&self, method: &str, mut params: Value) -> Answer {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "an agent", "version": "1"},
        });
        let mut request = self
            .request(Method::POST)
            .header("mcp-protocol-version", MODERN)
            .header("mcp-method", method);
        if let Some(name) = params["name"].as_str() {
            request = request.header("mcp-name", name);
        }
        let body = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
        self.world.send(request.json(&body)).await
    }

    /// The names of the tools.
    async fn tools(&self) -> Vec<String> {
        let listed = self.modern("tools/list", json!({})).await.expect(200).json();
        let tools = listed["result"]["tools"].as_array().unwrap().iter();
        tools.map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Calls a tool, which succeeds. Returns its answer.
    async fn call(&self, tool: &str, arguments: Value) -> Value {
        let (text, is_error) = self.called(tool, arguments).await;
        assert!(!is_error, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Calls a tool, which fails. Returns its sentences.
    async fn refused(&self, tool: &str, arguments: Value) -> String {
        let (text, is_error) = self.called(tool, arguments).await;
        assert!(is_error, "{text}");
        text
    }

    /// Calls a tool, which succeeds. Returns the blocks of its answer.
    async fn content(&self, tool: &str, arguments: Value) -> Vec<Value> {
        let result = self.result(tool, arguments).await;
        assert!(result.get("isError").is_none(), "{result}");
        result["content"].as_array().unwrap().clone()
    }

    async fn result(&self, tool: &str, arguments: Value) -> Value {
        let params = json!({"name": tool, "arguments": arguments});
        let mut answer = self.modern("tools/call", params).await.expect(200).json();
        assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
        answer["result"].take()
    }

    async fn called(&self, tool: &str, arguments: Value) -> (String, bool) {
        let result = self.result(tool, arguments).await;
        assert_eq!(result["content"].as_array().unwrap().len(), 1, "{result}");
        let text = result["content"][0]["text"].as_str().unwrap().to_owned();
        (text, result["isError"] == true)
    }
}

/// A world whose integration has an endpoint.
async fn world() -> World {
    let world = World::start().await;
    offer(&world, json!({})).await;
    world
}

/// The scopes that all tools together need.
const ALL_SCOPES: [&str; 8] = [
    "vso.project",
    "vso.identity",
    "vso.work_write",
    "vso.code_write",
    "vso.build_execute",
    "vso.wiki_write",
    "vso.test_write",
    "vso.advsec",
];

/// A world whose integration offers all tools.
async fn world_of_all_tools() -> World {
    let world = World::start().await;
    let changes = json!({"scopes": ALL_SCOPES, "mcp": {"access": "write"}});
    world.put_integration(INTEGRATION, changes).await.expect(200);
    world
}

/// Gives the integration an endpoint, and these changes.
async fn offer(world: &World, mut changes: Value) {
    changes["scopes"] = json!(["vso.project", "vso.identity"]);
    if changes.get("mcp").is_none() {
        changes["mcp"] = json!({"access": "write", "toolsets": ["core"]});
    }
    world.put_integration(INTEGRATION, changes).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_s_agent_uses_every_core_tool_with_the_user_s_rights() {
    let world = world().await;
    let connection = world.connect("ada", "ada").await;
    let client = Client::new(&world, &Caller::Application, &connection);
    assert_eq!(client.tools().await, TOOLS);

    let me = client.call("who_am_i", json!({})).await;
    assert_eq!(me["user"]["name"], "Ada Lovelace");
    assert_eq!(me["organizations"], json!(["mycompany"]));
    assert_eq!((&me["access"], &me["toolsets"]), (&json!("read and write"), &json!(["core"])));

    let projects = client.call("list_projects", json!({})).await;
    let direct = world.proxied(&connection, end_to_end::PROJECTS).await.expect(200).json();
    let names = |list: &Value| -> Vec<Value> {
        list.as_array().unwrap().iter().map(|project| project["name"].clone()).collect()
    };
    assert_eq!(names(&projects["items"]), names(&direct["value"]));
    let project = &projects["items"][0];
    assert!(project.get("url").is_none() && project.get("revision").is_none(), "{project}");

    let teams = client.call("list_teams", json!({"project": "Website"})).await;
    assert_eq!(teams["items"][0]["name"], "Website Team");
    let people = client.call("find_people", json!({"text": "Ada Lovelace"})).await;
    assert_eq!(people["items"][0]["id"], me["user"]["id"]);
    assert!(people["items"][0]["mail"].as_str().unwrap().contains('@'), "{people}");

    let line = world.logged(|line| line.contains(r#""tool":"find_people""#)).await;
    assert!(line.contains(r#""client":"an agent""#) && line.contains(&connection), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_a_token_has_its_own_connection_at_either_address() {
    let provider = IdentityProvider::start().await;
    let world = World::with_variables(&provider.variables()).await;
    let people = json!({"users": "jwt", "mcp": {"access": "read", "toolsets": ["core"]}});
    world.put_integration(PEOPLE, people).await.expect(201);
    let (ada, grace) = (provider.user("ada"), provider.user("grace"));
    let connection = world.connect_as(&ada, PEOPLE, "ada").await;
    for address in [PEOPLE, &connection] {
        let client = Client::new(&world, &ada, address);
        assert_eq!(client.tools().await, TOOLS);
        let me = client.call("who_am_i", json!({})).await;
        assert_eq!((&me["user"]["name"], &me["access"]), (&json!("Ada Lovelace"), &json!("read")));
        let other = Client::new(&world, &grace, address);
        other.modern("tools/list", json!({})).await.expect_problem(404, "connection_not_found");
    }
    // An application's keys name nobody there, and a user none of an application.
    let application = Client::new(&world, &Caller::Application, PEOPLE);
    application.modern("tools/list", json!({})).await.expect_problem(403, "role_not_allowed");
    for unknown in ["nobody", INTEGRATION, "_", "conn_x"] {
        let client = Client::new(&world, &ada, unknown);
        client.modern("tools/list", json!({})).await.expect_problem(404, "connection_not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_go_on_by_next_until_their_end() {
    let world = world().await;
    let connection = world.connect("ada", "ada").await;
    let client = Client::new(&world, &Caller::Application, &connection);
    let whole = client.call("list_projects", json!({})).await;
    assert!(whole.get("next").is_none(), "{whole}");
    let (mut items, mut arguments) = (Vec::new(), json!({"limit": 1}));
    loop {
        let page = client.call("list_projects", arguments.clone()).await;
        items.extend(page["items"].as_array().unwrap().clone());
        match page.get("next") {
            Some(next) => arguments["next"] = next.clone(),
            None => break,
        }
    }
    assert!(items.len() > 1);
    assert_eq!(Value::Array(items), whole["items"]);
    let first = client.call("list_projects", json!({"limit": 1})).await;
    let next = &first["next"];
    for arguments in [json!({"limit": 2, "next": next}), json!({"limit": 1, "next": "x"})] {
        let refused = client.refused("list_projects", arguments).await;
        assert!(refused.contains("`next`"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_is_missing_or_wrong_is_answered_with_those_of_the_user() {
    let world = world().await;
    let connection = world.connect("ada", "ada").await;
    let client = Client::new(&world, &Caller::Application, &connection);
    for (arguments, sentence) in [
        (json!({}), "`project` is missing"),
        (json!({"project": "Webiste"}), "There is no project Webiste."),
    ] {
        let refused = client.refused("list_teams", arguments).await;
        assert!(refused.contains(sentence) && refused.contains("Website"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_of_several_organizations_has_each_tool_ask_for_one() {
    let world = World::start().await;
    offer(&world, json!({"organizations": ["mycompany", "fabrikam"]})).await;
    let connection = world.connect("ada", "ada").await;
    let client = Client::new(&world, &Caller::Application, &connection);
    let listed = client.modern("tools/list", json!({})).await.expect(200).json();
    for tool in listed["result"]["tools"].as_array().unwrap() {
        let schema = &tool["inputSchema"];
        let asks = schema["required"].to_string().contains("organization");
        assert_eq!(asks, tool["name"] != "who_am_i", "{tool}");
    }
    let me = client.call("who_am_i", json!({})).await;
    assert_eq!(me["organizations"], json!(["mycompany", "fabrikam"]));
    let projects = client.call("list_projects", json!({"organization": "MyCompany"})).await;
    assert!(!projects["items"].as_array().unwrap().is_empty());
    for arguments in [json!({}), json!({"organization": "contoso"})] {
        let refused = client.refused("list_projects", arguments).await;
        assert!(refused.contains("`organization`"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documentation_lists_every_tool_with_its_parameters() {
    let world = world_of_all_tools().await;
    let connection = world.connect("ada", "ada").await;
    let client = Client::new(&world, &Caller::Application, &format!("{connection}/x/all"));
    let listed = client.modern("tools/list", json!({})).await.expect(200).json();
    let rows = listed["result"]["tools"].as_array().unwrap().iter().map(|tool| {
        let schema = &tool["inputSchema"];
        let is_required = |name: &str| {
            schema["required"].as_array().is_some_and(|names| names.contains(&name.into()))
        };
        let parameters = schema["properties"].as_object().unwrap().keys().map(|name| {
            if is_required(name) { format!("**`{name}`**") } else { format!("`{name}`") }
        });
        let effect = match tool["annotations"]["readOnlyHint"].as_bool() {
            Some(true) => "reads",
            _ => "writes",
        };
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        [
            format!("`{}`", text(&tool["name"])),
            text(&tool["description"]),
            parameters.collect::<Vec<_>>().join(", "),
            effect.to_owned(),
        ]
    });
    let expected =
        documents::table(["tool", "what it does", "parameters; bold: required", "effect"], rows);
    Document("docs/mcp.md").assert_part("tools", &expected);
}
