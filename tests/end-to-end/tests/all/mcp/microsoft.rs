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
];

const WEBSITE: &str = r#"{"project": "Website", "repository": "Website"}"#;
/// The routes of Azure DevOps that read by a `POST`.
const READ_BY_POST: [&str; 3] = ["git.pullrequestquery", "wit.wiql", "wit.workitems.batch"];

#[tokio::test(flavor = "multi_thread")]
async fn each_operation_of_microsoft_s_server_is_answered() {
    let world = world_of_all_tools().await;
    let connection = world.connect("ada", "ada").await;
    let client = Client::new(&world, &Caller::Application, &connection);
    let branches = client.call(
        "list_branches",
        json!({"project": "Website", "repository": "Website", "text": "login"}),
    );
    let commit = branches.await["items"][0]["commit"].as_str().unwrap().to_owned();
    let thread = client.call("comment_on_pull_request", json!({
        "project": "Website", "repository": "Website", "pull_request": 1, "content": "A question",
    }));
    let thread = thread.await["thread"].to_string();
    let listed = client.modern("tools/list", json!({})).await.expect(200).json();
    let only_reads = |tool: &str| {
        let tools = listed["result"]["tools"].as_array().unwrap();
        let tool =
            tools.iter().find(|known| known["name"] == tool).unwrap_or_else(|| panic!("{tool}"));
        tool["annotations"]["readOnlyHint"] == true
    };
    for (operation, ours) in OPERATIONS {
        let (tool, arguments) = match ours {
            Call(tool, arguments) => (tool, arguments),
            Reason(reason) => {
                assert!(reason.contains("folder of the computer"), "{operation}: {reason}");
                continue;
            }
        };
        let arguments = arguments.replace("{commit}", &commit).replace("{thread}", &thread);
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
