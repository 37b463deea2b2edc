//! The tools for pipelines and builds, against the stand-in.

use super::*;

fn website(mut more: Value) -> Value {
    more["project"] = "Website".into();
    more
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_finds_the_reason_of_a_failed_build_in_one_call() {
    let world = world_of_all_tools().await;
    let connection = world.connect("ada", "ada").await;
    let client = Client::new(&world, &Caller::Application, &connection);
    let builds =
        client.call("list_builds", website(json!({"result": "failed", "branch": "main"}))).await;
    let items = builds["items"].as_array().unwrap();
    assert_eq!((items.len(), &items[0]["id"]), (2, &json!(44)));
    assert_eq!(items[0]["commit"].as_str().unwrap().len(), 40);

    let content = client.content("get_build", website(json!({"build": 44}))).await;
    let build: Value = serde_json::from_str(content[0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(build["result"], "failed");
    assert_eq!(
        build["stages"],
        json!([
            {"stage": "Build", "result": "failed", "jobs": ["Build and test: failed"]},
            {"stage": "Deploy", "result": "skipped", "jobs": []},
        ])
    );
    assert_eq!(
        build["failed"],
        json!([
            {"name": "Run tests", "result": "failed", "log": 3, "errors": ["test sign_in: expected 200, found 500"]},
        ])
    );
    let log = content[1]["text"].as_str().unwrap();
    assert!(log.starts_with("Log 3 (Run tests), lines 861 to 900. "), "{log}");
    assert!(
        log.contains("\n##[error]test sign_in ... FAILED") && !log.contains("2026-01-05T"),
        "{log}"
    );
    let green = client.content("get_build", website(json!({"build": 43}))).await;
    assert_eq!(green.len(), 1);
    let green: Value = serde_json::from_str(green[0]["text"].as_str().unwrap()).unwrap();
    assert!(green.get("failed").is_none(), "{green}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_reads_the_end_some_lines_or_the_matching_lines_of_a_log() {
    let world = world_of_all_tools().await;
    let connection = world.connect("ada", "ada").await;
    let client = Client::new(&world, &Caller::Application, &connection);
    let log = async |more: Value| {
        let mut more = website(more);
        more["build"] = 42.into();
        more["log"] = 3.into();
        let content = client.content("get_build_log", more).await;
        content[0]["text"].as_str().unwrap().to_owned()
    };
    let end = log(json!({})).await;
    assert!(end.starts_with("Log 3, lines 701 to 900. ") && end.contains("FAILED"), "{end}");
    let some = log(json!({"from_line": 5, "to_line": 6})).await;
    assert!(some.contains(">\ntest 5 ... ok\ntest 6 ... ok\n</"), "{some}");
    let matching = log(json!({"text": "failed"})).await;
    assert!(matching.contains(">\n900: ##[error]test sign_in ... FAILED"), "{matching}");
    for (arguments, sentence) in [
        (json!({"build": 42, "log": 9}), "`log`"),
        (json!({"build": 42, "log": 3, "from_line": 3, "to_line": 2}), "`to_line`"),
        (json!({"build": 9999, "log": 3}), "9999"),
        (json!({"build": "42", "log": 3}), "`build`"),
    ] {
        let refused = client.refused("get_build_log", website(arguments)).await;
        assert!(refused.contains(sentence), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_makes_runs_and_changes_pipelines() {
    let world = world_of_all_tools().await;
    let connection = world.connect("ada", "ada").await;
    let client = Client::new(&world, &Caller::Application, &connection);
    let found = client.call("list_pipelines", website(json!({"text": "release"}))).await;
    assert_eq!(found["items"][0]["name"], "website-release");
    let made = client.call(
        "create_pipeline",
        website(json!({
            "name": "nightly", "repository": "Website", "path": "nightly.yml", "folder": "\\ops",
        })),
    );
    let pipeline = made.await["id"].clone();
    let renamed = website(json!({"pipeline": pipeline, "name": "every-night"}));
    let renamed = client.call("rename_pipeline", renamed).await;
    assert_eq!((&renamed["name"], &renamed["folder"]), (&json!("every-night"), &json!("\\ops")));
    let preview = client.call(
        "run_pipeline",
        website(json!({
            "pipeline": pipeline, "branch": "main", "parameters": {"depth": 3}, "preview": true,
        })),
    );
    assert!(preview.await["yaml"].as_str().unwrap().contains("depth"));
    let run = website(
        json!({"pipeline": pipeline, "branch": "docs", "variables": {"a": "b"}, "skip_stages": ["Deploy"]}),
    );
    let build = client.call("run_pipeline", run).await["id"].clone();
    let sent = world.devops().requests();
    let sent = sent.iter().rfind(|request| request.route == "pipelines.runs.create").unwrap();
    let sent: Value = serde_json::from_slice(&sent.body).unwrap();
    assert_eq!(sent["variables"], json!({"a": {"value": "b"}}));
    assert_eq!(sent["resources"]["repositories"]["self"]["refName"], "refs/heads/docs");
    let mine = client.call("list_builds", website(json!({"requested_for": "Ada Lovelace"}))).await;
    assert_eq!(mine["items"][0]["id"], build);
    let changes = client.call("list_build_changes", website(json!({"build": build}))).await;
    assert_eq!(changes["items"][0]["message"], "Add a guide");
    let change = |more: Value| {
        let mut more = website(more);
        more["build"] = build.clone();
        more
    };
    let stage =
        client.call("change_build", change(json!({"do": "cancel", "stage": "Build"}))).await;
    assert_eq!(stage["result"], "canceled");
    let again = client.call("change_build", change(json!({"do": "retry"}))).await;
    assert_eq!(again["status"], "inProgress");
    let ended = client.call("change_build", change(json!({"do": "cancel"}))).await;
    assert_eq!((&ended["status"], &ended["result"]), (&json!("completed"), &json!("canceled")));
    let artifacts = client.call("list_artifacts", website(json!({"build": 44}))).await;
    assert!(artifacts["items"][0]["url"].as_str().unwrap().contains("artifactName=drop"));
    for (tool, arguments, sentence) in [
        ("change_build", change(json!({"do": "stop"})), "`do`"),
        ("change_build", change(json!({"do": "retry", "stage": "Nothing"})), "Nothing"),
        ("rename_pipeline", website(json!({"pipeline": pipeline})), "`name`"),
        ("run_pipeline", website(json!({"pipeline": 1, "parameters": "x"})), "`parameters`"),
        (
            "create_pipeline",
            website(json!({"name": "a", "repository": "x/y", "path": "a"})),
            "`repository`",
        ),
    ] {
        let refused = client.refused(tool, arguments).await;
        assert!(refused.contains(sentence), "{tool}: {refused}");
    }
}
