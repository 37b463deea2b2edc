//! Each operation of Microsoft's own server, with the call of ours that answers it.
//!
//! The operations are those of `@azure-devops/mcp` 2.10.0: a tool, and the value of its parameter `action`.

use super::*;

/// The answer to one of Microsoft's operations.
enum Ours {
    /// A tool and its arguments, in which `{…}` stands for a thing that the test has made.
    Call(&'static str, &'static str),
    /// The reason why there is none.
    Reason(&'static str),
}

use Ours::{Call, Reason};

/// Microsoft's operations, by tool. A call may change what a later one finds.
const OPERATIONS: &[(&str, Ours)] = &[
    ("core_list_projects", Call("list_projects", "{}")),
    ("core_list_project_teams", Call("list_teams", r#"{"project": "Website"}"#)),
    ("core_get_identity_ids", Call("find_people", r#"{"text": "Ada Lovelace"}"#)),
    ("repo_repository get", Call("get_repository", WEBSITE)),
    ("repo_repository list", Call("list_repositories", r#"{"project": "Website"}"#)),
    (
        "repo_branch get",
        Call("list_branches", r#"{"project": "Website", "repository": "Website", "text": "main"}"#),
    ),
    ("repo_branch list", Call("list_branches", WEBSITE)),
    (
        "repo_branch list_mine",
        Call("list_branches", r#"{"project": "Website", "repository": "Website", "mine": true}"#),
    ),
    (
        "repo_file get_content",
        Call(
            "get_file",
            r#"{"project": "Website", "repository": "Website", "path": "/README.md"}"#,
        ),
    ),
    (
        "repo_file list_directory",
        Call("list_files", r#"{"project": "Website", "repository": "Website", "path": "/src"}"#),
    ),
    (
        "repo_create_branch",
        Call(
            "create_branch",
            r#"{"project": "Website", "repository": "Website", "branch": "topic", "from": "main"}"#,
        ),
    ),
    (
        "repo_pull_request get",
        Call("get_pull_request", r#"{"project": "Website", "pull_request": 1}"#),
    ),
    ("repo_pull_request list", Call("list_pull_requests", WEBSITE)),
    (
        "repo_pull_request list_by_commits",
        Call(
            "find_pull_requests_by_commit",
            r#"{"project": "Website", "repository": "Website", "commit": "{commit}"}"#,
        ),
    ),
    (
        "repo_pull_request_write create",
        Call(
            "create_pull_request",
            r#"{"project": "Website", "repository": "Website", "source": "docs", "target": "main", "title": "A guide"}"#,
        ),
    ),
    (
        "repo_pull_request_write update",
        Call(
            "update_pull_request",
            r#"{"project": "Website", "repository": "Website", "pull_request": 1, "title": "Sign in"}"#,
        ),
    ),
    (
        "repo_pull_request_write update_reviewers",
        Call(
            "change_pull_request_reviewers",
            r#"{"project": "Website", "repository": "Website", "pull_request": 1, "add": ["me"]}"#,
        ),
    ),
    (
        "repo_pull_request_write vote",
        Call(
            "vote_on_pull_request",
            r#"{"project": "Website", "repository": "Website", "pull_request": 1, "vote": "approve"}"#,
        ),
    ),
    (
        "repo_pull_request_thread_write create",
        Call(
            "comment_on_pull_request",
            r#"{"project": "Website", "repository": "Website", "pull_request": 1, "content": "A question"}"#,
        ),
    ),
    (
        "repo_pull_request_thread_write reply",
        Call(
            "comment_on_pull_request",
            r#"{"project": "Website", "repository": "Website", "pull_request": 1, "thread": {thread}, "content": "An answer"}"#,
        ),
    ),
    (
        "repo_pull_request_thread_write update",
        Call(
            "update_pull_request_thread",
            r#"{"project": "Website", "repository": "Website", "pull_request": 1, "thread": {thread}, "comment": 1, "content": "Edited"}"#,
        ),
    ),
    (
        "repo_pull_request_thread_write update_status",
        Call(
            "update_pull_request_thread",
            r#"{"project": "Website", "repository": "Website", "pull_request": 1, "thread": {thread}, "status": "closed"}"#,
        ),
    ),
    (
        "repo_pull_request_thread list",
        Call(
            "list_pull_request_threads",
            r#"{"project": "Website", "repository": "Website", "pull_request": 1}"#,
        ),
    ),
    (
        "repo_pull_request_thread list_comments",
        Call(
            "list_pull_request_threads",
            r#"{"project": "Website", "repository": "Website", "pull_request": 1, "all": true}"#,
        ),
    ),
    ("pipelines_build list", Call("list_builds", r#"{"project": "Website"}"#)),
    ("pipelines_build get_status", Call("get_build", r#"{"project": "Website", "build": 44}"#)),
    (
        "pipelines_build get_changes",
        Call("list_build_changes", r#"{"project": "Website", "build": 44}"#),
    ),
    ("pipelines_build_log list", Call("get_build", r#"{"project": "Website", "build": 44}"#)),
    (
        "pipelines_build_log get_content",
        Call("get_build_log", r#"{"project": "Website", "build": 44, "log": 1}"#),
    ),
    ("pipelines_definition list", Call("list_pipelines", r#"{"project": "Website"}"#)),
    (
        "pipelines_definition list_revisions",
        Call("get_anything", r#"{"path": "/Website/_apis/build/definitions/12/revisions"}"#),
    ),
    ("pipelines_run get", Call("get_build", r#"{"project": "Website", "build": 44}"#)),
    ("pipelines_run list", Call("list_builds", r#"{"project": "Website", "pipeline": 12}"#)),
    ("pipelines_artifact list", Call("list_artifacts", r#"{"project": "Website", "build": 44}"#)),
    (
        "pipelines_artifact download",
        Reason("it writes into a folder of the computer; list_artifacts names the address"),
    ),
    (
        "pipelines_write run_pipeline",
        Call("run_pipeline", r#"{"project": "Website", "pipeline": 12}"#),
    ),
    (
        "pipelines_write create_pipeline",
        Call(
            "create_pipeline",
            r#"{"project": "Website", "name": "nightly", "repository": "Website", "path": "/nightly.yml"}"#,
        ),
    ),
    (
        "pipelines_write rename_pipeline",
        Call(
            "rename_pipeline",
            r#"{"project": "Website", "pipeline": 13, "name": "website-deploy"}"#,
        ),
    ),
    (
        "pipelines_write update_build_stage",
        Call(
            "change_build",
            r#"{"project": "Website", "build": 44, "do": "retry", "stage": "Build"}"#,
        ),
    ),
    ("work list_iterations", Call("list_iterations", r#"{"project": "Website"}"#)),
    (
        "work list_team_iterations",
        Call("list_iterations", r#"{"project": "Website", "team": "Website Team"}"#),
    ),
    (
        "work get_team_settings",
        Call("get_team_settings", r#"{"project": "Website", "team": "Website Team"}"#),
    ),
    (
        "work get_team_capacity",
        Call(
            "get_capacity",
            r#"{"project": "Website", "team": "Website Team", "iteration": "current"}"#,
        ),
    ),
    (
        "work get_iteration_capacities",
        Call("get_capacity", r#"{"project": "Website", "iteration": "current"}"#),
    ),
    (
        "work_iteration_write create",
        Call("create_iteration", r#"{"project": "Website", "name": "Sprint 4"}"#),
    ),
    (
        "work_iteration_write assign",
        Call(
            "create_iteration",
            r#"{"project": "Website", "team": "Website Team", "name": "Sprint 4"}"#,
        ),
    ),
    (
        "work_capacity_write",
        Call(
            "set_capacity",
            r#"{"project": "Website", "team": "Website Team", "iteration": "current", "member": "me", "activities": [{"name": "Development", "capacityPerDay": 6}]}"#,
        ),
    ),
    ("wit_work_item get", Call("get_work_item", r#"{"id": 2}"#)),
    ("wit_work_item get_batch", Call("get_work_items", r#"{"ids": [1, 2]}"#)),
    (
        "wit_work_item list_comments",
        Call("list_work_item_comments", r#"{"project": "Website", "id": 2}"#),
    ),
    ("wit_work_item my", Call("query_work_items", r#"{"assigned_to": "me"}"#)),
    (
        "wit_work_item list_revisions",
        Call("list_work_item_changes", r#"{"project": "Website", "id": 2}"#),
    ),
    (
        "wit_work_item list_for_iteration",
        Call("query_work_items", r#"{"project": "Website", "iteration": "current"}"#),
    ),
    (
        "wit_work_item get_type",
        Call("get_work_item_type", r#"{"project": "Website", "type": "Bug"}"#),
    ),
    ("wit_query get", Call("list_queries", r#"{"project": "Website", "path": "Shared Queries"}"#)),
    (
        "wit_query get_results",
        Call("query_work_items", r#"{"project": "Website", "query": "Shared Queries/Open bugs"}"#),
    ),
    (
        "wit_query wiql",
        Call("query_work_items", r#"{"wiql": "SELECT [System.Id] FROM WorkItems"}"#),
    ),
    (
        "wit_backlog list",
        Call("list_backlog_items", r#"{"project": "Website", "team": "Website Team"}"#),
    ),
    (
        "wit_backlog list_work_items",
        Call(
            "list_backlog_items",
            r#"{"project": "Website", "team": "Website Team", "level": "Tasks"}"#,
        ),
    ),
    (
        "wit_backlog reorder",
        Call(
            "reorder_backlog",
            r#"{"project": "Website", "team": "Website Team", "ids": [4], "before": 3}"#,
        ),
    ),
    (
        "wit_work_item_attachment",
        Call("get_attachment", r#"{"project": "Website", "url": "{attachment}"}"#),
    ),
    (
        "wit_work_item_write create",
        Call("create_work_item", r#"{"project": "Website", "type": "Bug", "title": "It breaks"}"#),
    ),
    (
        "wit_work_item_write update",
        Call("update_work_item", r#"{"id": 3, "fields": {"state": "Active"}}"#),
    ),
    (
        "wit_work_item_write update_batch",
        Call("update_work_items", r#"{"updates": [{"id": 3, "fields": {"state": "Closed"}}]}"#),
    ),
    (
        "wit_work_item_write add_child",
        Call(
            "create_work_item",
            r#"{"project": "Website", "type": "Task", "title": "Mend it", "parent": 2}"#,
        ),
    ),
    (
        "wit_work_item_comment_write add",
        Call("comment_on_work_item", r#"{"project": "Website", "id": 3, "content": "A question"}"#),
    ),
    (
        "wit_work_item_comment_write update",
        Call(
            "comment_on_work_item",
            r#"{"project": "Website", "id": 3, "content": "Edited", "comment": 1}"#,
        ),
    ),
    (
        "wit_work_item_link_write link",
        Call("link_work_item", r#"{"id": 3, "to": ["4"], "kind": "related"}"#),
    ),
    (
        "wit_work_item_link_write unlink",
        Call("link_work_item", r#"{"id": 3, "to": ["4"], "kind": "related", "remove": true}"#),
    ),
    (
        "wit_work_item_link_write link_to_pull_request",
        Call(
            "link_work_item",
            r#"{"id": 3, "to": ["https://dev.azure.com/mycompany/Website/_git/Website/pullrequest/1"], "kind": "artifact"}"#,
        ),
    ),
    (
        "wit_work_item_link_write add_artifact_link",
        Call(
            "link_work_item",
            r#"{"id": 3, "to": ["vstfs:///Build/Build/41"], "kind": "artifact"}"#,
        ),
    ),
    ("wiki list_wikis", Call("list_wikis", r#"{"project": "Website"}"#)),
    ("wiki get_wiki", Call("list_wikis", r#"{"project": "Website"}"#)),
    (
        "wiki list_pages",
        Call("list_wiki_pages", r#"{"project": "Website", "wiki": "Website.wiki"}"#),
    ),
    (
        "wiki get_page",
        Call("get_wiki_page", r#"{"project": "Website", "wiki": "Website.wiki", "path": "/Home"}"#),
    ),
    (
        "wiki get_page_content",
        Call(
            "get_wiki_page",
            r#"{"url": "https://dev.azure.com/mycompany/Website/_wiki/wikis/Website.wiki/1/Home"}"#,
        ),
    ),
    (
        "wiki_upsert_page",
        Call(
            "write_wiki_page",
            r#"{"project": "Website", "wiki": "Website.wiki", "path": "/New", "content": "Text"}"#,
        ),
    ),
    (
        "testplan_test_plan_write create",
        Call(
            "create_test_plan",
            r#"{"project": "Website", "name": "Release 2", "iteration": "Website"}"#,
        ),
    ),
    ("testplan list_plans", Call("list_test_plans", r#"{"project": "Website"}"#)),
    (
        "testplan_test_suite_write create",
        Call(
            "create_test_suite",
            r#"{"project": "Website", "plan": {plan}, "parent": {root}, "name": "Sign-in"}"#,
        ),
    ),
    ("testplan list_suites", Call("list_test_suites", r#"{"project": "Website", "plan": {plan}}"#)),
    (
        "testplan_test_case_write create",
        Call(
            "write_test_case",
            r#"{"project": "Website", "title": "Opens", "steps": [{"do": "Open it"}]}"#,
        ),
    ),
    (
        "testplan_test_case_write update_steps",
        Call(
            "write_test_case",
            r#"{"project": "Website", "id": {case}, "steps": [{"do": "Leave"}]}"#,
        ),
    ),
    (
        "testplan_test_suite_write add_test_cases",
        Call(
            "add_test_cases",
            r#"{"project": "Website", "plan": {plan}, "suite": {root}, "ids": [{case}]}"#,
        ),
    ),
    (
        "testplan list_cases",
        Call("list_test_cases", r#"{"project": "Website", "plan": {plan}, "suite": {root}}"#),
    ),
    (
        "testplan_show_test_results_from_build_id",
        Call("list_test_results", r#"{"project": "Website", "build": 41}"#),
    ),
    ("search_code", Call("search_code", r#"{"text": "hello"}"#)),
    ("search_wiki", Call("search_wiki", r#"{"text": "welcome"}"#)),
    ("search_workitem", Call("search_work_items", r#"{"text": "sign"}"#)),
    ("repo_search_commits", Call("search_commits", r#"{"text": "begin"}"#)),
    (
        "advsec_get_alerts",
        Call("list_security_alerts", r#"{"project": "Website", "repository": "Website"}"#),
    ),
    (
        "advsec_get_alert_details",
        Call("get_security_alert", r#"{"project": "Website", "repository": "Website", "id": 1}"#),
    ),
];

const WEBSITE: &str = r#"{"project": "Website", "repository": "Website"}"#;
/// The routes of Azure DevOps that read by a `POST`.
const READ_BY_POST: [&str; 7] = [
    "git.pullrequestquery",
    "wit.wiql",
    "wit.workitems.batch",
    "search.code",
    "search.workitems",
    "search.wiki",
    "search.commits",
];

#[tokio::test(flavor = "multi_thread")]
async fn each_operation_of_microsoft_s_server_is_answered() {
    let world = world_of_all_tools().await;
    let connection = world.connect("ada", "ada").await;
    let client = Client::new(&world, &Caller::Application, &format!("{connection}/x/all"));
    let branches = client.call(
        "list_branches",
        json!({"project": "Website", "repository": "Website", "text": "login"}),
    );
    let commit = branches.await["items"][0]["commit"].as_str().unwrap().to_owned();
    let thread = client.call("comment_on_pull_request", json!({
        "project": "Website", "repository": "Website", "pull_request": 1, "content": "A question",
    }));
    let thread = thread.await["thread"].to_string();
    let attachment = client.call(
        "add_attachment",
        json!({"project": "Website", "id": 2, "name": "a.txt", "content": "Hello"}),
    );
    let attachment = attachment.await["url"].as_str().unwrap().to_owned();
    let plan = json!({"project": "Website", "name": "Release 1", "iteration": "Website"});
    let plan = client.call("create_test_plan", plan).await;
    let case = json!({"project": "Website", "title": "Opens", "steps": [{"do": "Open it"}]});
    let case = client.call("write_test_case", case).await["id"].to_string();
    let (plan, root) = (plan["id"].to_string(), plan["root"].to_string());
    let listed = client.modern("tools/list", json!({})).await.expect(200).json();
    let only_reads = |tool: &str| {
        let tools = listed["result"]["tools"].as_array().unwrap();
        let tool =
            tools.iter().find(|known| known["name"] == tool).unwrap_or_else(|| panic!("{tool}"));
        tool["annotations"]["readOnlyHint"] == true
    };
    assert_eq!(OPERATIONS.len(), 92);
    for (operation, ours) in OPERATIONS {
        let (tool, arguments) = match ours {
            Call(tool, arguments) => (tool, arguments),
            Reason(reason) => {
                assert!(reason.contains("folder of the computer"), "{operation}: {reason}");
                continue;
            }
        };
        let arguments = arguments
            .replace("{commit}", &commit)
            .replace("{thread}", &thread)
            .replace("{attachment}", &attachment)
            .replace("{plan}", &plan)
            .replace("{root}", &root)
            .replace("{case}", &case);
        world.devops().reset_counts();
        let content = client.content(tool, serde_json::from_str(&arguments).unwrap()).await;
        assert!(!content.is_empty(), "{operation}");
        let writes = world.devops().requests().into_iter().filter(|request| {
            request.method != "GET" && !READ_BY_POST.contains(&request.route.as_str())
        });
        let writes: Vec<_> = writes.map(|request| request.route).collect();
        assert_eq!(writes.is_empty(), only_reads(tool), "{operation}: {writes:?}");
    }
}
