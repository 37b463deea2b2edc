//! The effects of tools: those that only read change nothing, and those that write are kept away where only reading is
//! allowed.

use std::collections::BTreeSet;

use super::*;

/// All sets.
const SETS: &str = "all";

/// The arguments of a call about the repository `Website`.
fn website(mut more: Value) -> Value {
    more["project"] = "Website".into();
    more["repository"] = "Website".into();
    more
}

/// The arguments of a call about a pull request of it.
fn pull_request(more: Value) -> Value {
    let mut more = website(more);
    more["pull_request"] = 1.into();
    more
}

/// A call of each tool of `repos` and `pipelines`.
fn samples_of_code() -> Vec<(&'static str, Value)> {
    vec![
        ("list_repositories", json!({"project": "Website"})),
        ("get_repository", website(json!({}))),
        ("list_branches", website(json!({}))),
        ("create_branch", website(json!({"branch": "x", "from": "main"}))),
        ("list_files", website(json!({}))),
        ("get_file", website(json!({"path": "/README.md"}))),
        (
            "push_files",
            website(
                json!({"branch": "docs", "message": "x", "changes": [{"path": "/x", "content": "x"}]}),
            ),
        ),
        ("list_commits", website(json!({}))),
        ("get_diff", website(json!({"head": "docs", "base": "main"}))),
        ("list_pull_requests", website(json!({}))),
        ("find_pull_requests_by_commit", website(json!({"commit": "x"}))),
        ("get_pull_request", json!({"project": "Website", "pull_request": 1})),
        ("get_pull_request_diff", json!({"project": "Website", "pull_request": 1})),
        ("list_pull_request_threads", pull_request(json!({}))),
        ("create_pull_request", website(json!({"source": "docs", "target": "main", "title": "x"}))),
        ("update_pull_request", pull_request(json!({"title": "x"}))),
        ("complete_pull_request", pull_request(json!({"commit": "x"}))),
        ("change_pull_request_reviewers", pull_request(json!({"add": ["me"]}))),
        ("vote_on_pull_request", pull_request(json!({"vote": "wait"}))),
        ("comment_on_pull_request", pull_request(json!({"content": "x"}))),
        ("update_pull_request_thread", pull_request(json!({"thread": 1, "status": "fixed"}))),
        ("list_pipelines", json!({"project": "Website"})),
        ("list_builds", json!({"project": "Website"})),
        ("get_build", json!({"project": "Website", "build": 44})),
        ("get_build_log", json!({"project": "Website", "build": 44, "log": 3})),
        ("list_build_changes", json!({"project": "Website", "build": 44})),
        ("list_artifacts", json!({"project": "Website", "build": 44})),
        ("run_pipeline", json!({"project": "Website", "pipeline": 12})),
        ("change_build", json!({"project": "Website", "build": 44, "do": "retry"})),
        ("create_pipeline", website(json!({"name": "x", "path": "/x.yml"}))),
        ("rename_pipeline", json!({"project": "Website", "pipeline": 13, "name": "x"})),
    ]
}

/// A call of each tool.
fn samples() -> Vec<(&'static str, Value)> {
    let team = "Website Team";
    let wiki = "Website.wiki";
    let mut samples = vec![
        ("who_am_i", json!({})),
        ("list_projects", json!({})),
        ("list_teams", json!({"project": "Website"})),
        ("find_people", json!({"text": "Ada Lovelace"})),
        (
            "query_work_items",
            json!({"project": "Website", "iteration": "current", "show_fields": ["Title"]}),
        ),
        ("get_work_item", json!({"id": 2, "comments": true})),
        ("get_work_items", json!({"ids": [1, 2]})),
        ("list_work_item_comments", json!({"project": "Website", "id": 2})),
        ("list_work_item_changes", json!({"project": "Website", "id": 2})),
        ("get_work_item_type", json!({"project": "Website", "type": "Bug"})),
        ("list_queries", json!({"project": "Website"})),
        ("create_work_item", json!({"project": "Website", "type": "Bug", "title": "x"})),
        ("update_work_item", json!({"id": 2, "fields": {"title": "x"}})),
        ("update_work_items", json!({"updates": [{"id": 2, "fields": {"title": "x"}}]})),
        ("comment_on_work_item", json!({"project": "Website", "id": 2, "content": "x"})),
        ("link_work_item", json!({"id": 2, "to": ["3"], "kind": "related"})),
        (
            "get_attachment",
            json!({"project": "Website", "url": "https://dev.azure.com/mycompany/_apis/wit/attachments/0"}),
        ),
        ("add_attachment", json!({"project": "Website", "id": 2, "name": "a", "content": "x"})),
        ("search_code", json!({"text": "hello"})),
        ("search_work_items", json!({"text": "sign"})),
        ("search_wiki", json!({"text": "welcome"})),
        ("search_commits", json!({"text": "begin"})),
        ("list_wikis", json!({})),
        ("list_wiki_pages", json!({"project": "Website", "wiki": wiki})),
        ("get_wiki_page", json!({"project": "Website", "wiki": wiki, "path": "/Home"})),
        (
            "write_wiki_page",
            json!({"project": "Website", "wiki": wiki, "path": "/x", "content": "x"}),
        ),
        ("list_iterations", json!({"project": "Website"})),
        ("list_backlog_items", json!({"project": "Website", "team": team, "level": "Tasks"})),
        ("get_team_settings", json!({"project": "Website", "team": team})),
        ("get_capacity", json!({"project": "Website", "team": team, "iteration": "current"})),
        (
            "set_capacity",
            json!({"project": "Website", "team": team, "iteration": "current", "member": "me",
                "activities": [{"name": "x", "capacityPerDay": 1}]}),
        ),
        ("create_iteration", json!({"project": "Website", "name": "x"})),
        ("reorder_backlog", json!({"project": "Website", "team": team, "ids": [3]})),
        ("list_test_plans", json!({"project": "Website"})),
        ("list_test_suites", json!({"project": "Website", "plan": 1})),
        ("list_test_cases", json!({"project": "Website", "plan": 1, "suite": 1})),
        ("list_test_results", json!({"project": "Website", "build": 41})),
        (
            "create_test_plan",
            json!({"project": "Website", "name": "x", "iteration": "Website\\Sprint 2"}),
        ),
        ("create_test_suite", json!({"project": "Website", "plan": 1, "parent": 1, "name": "x"})),
        ("add_test_cases", json!({"project": "Website", "plan": 1, "suite": 1, "ids": [2]})),
        ("write_test_case", json!({"project": "Website", "title": "x", "steps": [{"do": "x"}]})),
        ("list_security_alerts", json!({"project": "Website", "repository": "Website"})),
        ("get_security_alert", json!({"project": "Website", "repository": "Website", "id": 1})),
        ("get_anything", json!({"path": "/_apis/projects"})),
        ("send_anything", json!({"method": "DELETE", "path": "/_apis/wit/workitems/2"})),
    ];
    samples.extend(samples_of_code());
    samples
}

/// Returns the names of the tools with this hint, of those at an address.
async fn hinted(client: &Client<'_>, is_read_only: bool) -> BTreeSet<String> {
    let listed = client.modern("tools/list", json!({})).await.expect(200).json();
    let tools = listed["result"]["tools"].as_array().unwrap().iter();
    let tools = tools.filter(|tool| tool["annotations"]["readOnlyHint"] == is_read_only);
    tools.map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_only_reads_changes_nothing_and_the_others_do() {
    let world = world_of_all_tools().await;
    let connection = world.connect("ada", "ada").await;
    let client = Client::new(&world, &Caller::Application, &format!("{connection}/x/{SETS}"));
    let (reads, writes) = (hinted(&client, true).await, hinted(&client, false).await);
    let sampled: BTreeSet<String> = samples().iter().map(|(tool, _)| (*tool).to_owned()).collect();
    assert_eq!(reads.union(&writes).cloned().collect::<BTreeSet<_>>(), sampled);
    // These have a body, and read.
    let searches = ["wit.wiql", "wit.workitems.batch", "search.", "git.pullrequestquery"];
    for (tool, arguments) in samples() {
        world.devops().reset_counts();
        client.result(tool, arguments).await;
        let requests = world.devops().requests();
        let mut changing = requests.iter().filter(|request| {
            request.method != "GET"
                && !searches.iter().any(|route| request.route.starts_with(route))
        });
        assert_eq!(changing.next().is_some(), writes.contains(tool), "{tool}: {requests:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_writes_is_neither_listed_nor_called_where_only_reading_is_allowed() {
    let world = world_of_all_tools().await;
    let connection = world.connect("ada", "ada").await;
    let address = format!("{connection}/x/{SETS}");
    let at = |address: &str| Client::new(&world, &Caller::Application, address);
    let writes = hinted(&at(&address), false).await;
    assert!(writes.len() >= 15, "{writes:?}");
    let check = async |client: Client<'_>| {
        assert!(hinted(&client, false).await.is_empty());
        world.devops().reset_counts();
        for (tool, arguments) in samples().into_iter().filter(|(tool, _)| writes.contains(*tool)) {
            let call = json!({"name": tool, "arguments": arguments});
            let answer = client.modern("tools/call", call).await.expect(200).json();
            assert_eq!(answer["error"]["code"], -32602, "{tool}: {answer}");
        }
        assert!(world.devops().requests().is_empty());
    };
    check(at(&format!("{address}/readonly"))).await;
    check(at(&address).with("x-mcp-readonly", "true")).await;
    let changes = json!({"scopes": ALL_SCOPES, "mcp": {"access": "read"}});
    world.put_integration(INTEGRATION, changes).await.expect(200);
    check(at(&address)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_of_wrong_types_and_sizes_are_answered_by_their_names_and_nothing_is_called() {
    let world = world_of_all_tools().await;
    let connection = world.connect("ada", "ada").await;
    let client = Client::new(&world, &Caller::Application, &format!("{connection}/x/{SETS}"));
    let listed = client.modern("tools/list", json!({})).await.expect(200).json();
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    for (tool, arguments) in samples() {
        let tools = listed["result"]["tools"].as_array().unwrap();
        let described = tools.iter().find(|one| one["name"] == tool).unwrap();
        for (name, schema) in described["inputSchema"]["properties"].as_object().unwrap() {
            let takes_all = schema.as_object().unwrap().is_empty();
            let wrong = match schema["type"].as_str() {
                Some("object") => json!([1]),
                Some("string") => json!({"a": 1}),
                _ => json!({"a": "x".repeat(100)}),
            };
            for bad in [wrong, deep.clone()].into_iter().filter(|_| !takes_all) {
                world.devops().reset_counts();
                let mut arguments = arguments.clone();
                arguments[name] = bad;
                let refused = client.refused(tool, arguments).await;
                assert!(refused.contains(&format!("`{name}")), "{tool}: {refused}");
                let mut requests = world.devops().requests().into_iter();
                // The projects are asked for where none is named.
                assert!(requests.all(|request| request.route == "projects.list"), "{tool} {name}");
            }
        }
    }
}
