//! The sizes of answers: a tool shows what matters, and never more than its budget.

use super::*;

/// The largest answer, and room for the frame of one entry or text.
const LARGEST: usize = 41_000;

/// Tools, each with the call whose answer Microsoft's own server passes on, indented.
fn samples() -> Vec<(&'static str, Value, &'static str)> {
    let comments = "Website/_apis/wit/workItems/2/comments?api-version=7.2-preview.4";
    let search =
        "almsearch.dev.azure.com/mycompany/_apis/search/workitemsearchresults?api-version=7.1";
    vec![
        ("get_work_item", json!({"id": 2}), "_apis/wit/workitems/2?$expand=all"),
        ("get_work_items", json!({"ids": [1, 2, 3, 4, 5]}), "_apis/wit/workitems?ids=1,2,3,4,5"),
        ("list_work_item_comments", json!({"project": "Website", "id": 2}), comments),
        (
            "list_work_item_changes",
            json!({"project": "Website", "id": 2}),
            "Website/_apis/wit/workItems/2/updates",
        ),
        (
            "get_work_item_type",
            json!({"project": "Website", "type": "Bug"}),
            "Website/_apis/wit/workitemtypes/Bug",
        ),
        ("list_queries", json!({"project": "Website"}), "Website/_apis/wit/queries?$depth=2"),
        ("search_work_items", json!({"text": "sign"}), search),
        (
            "list_iterations",
            json!({"project": "Website", "team": "Website Team"}),
            "Website/Website%20Team/_apis/work/teamsettings/iterations",
        ),
        (
            "list_backlog_items",
            json!({"project": "Website", "team": "Website Team"}),
            "Website/Website%20Team/_apis/work/backlogs",
        ),
        ("list_wikis", json!({"project": "Website"}), "Website/_apis/wiki/wikis"),
        (
            "list_test_results",
            json!({"project": "Website", "build": 41, "outcomes": ["Failed", "Passed"]}),
            "Website/_apis/test/runs/1041/results",
        ),
        (
            "list_security_alerts",
            json!({"project": "Website", "repository": "Website"}),
            "advsec.dev.azure.com/mycompany/Website/_apis/alert/repositories/Website/alerts?api-version=7.2-preview.1",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_a_fraction_of_what_azure_devops_says() {
    let world = world_of_all_tools().await;
    let connection = world.connect("ada", "ada").await;
    let client = Client::new(&world, &Caller::Application, &format!("{connection}/x/all"));
    for index in 0..5 {
        let comment = json!({"project": "Website", "id": 2, "content": format!("Comment {index}")});
        client.call("comment_on_work_item", comment).await;
        let title = format!("Sign in {index}");
        client.call("update_work_item", json!({"id": 2, "fields": {"title": title}})).await;
    }
    let mut ratios = Vec::new();
    for (tool, arguments, path) in samples() {
        let path = if path.contains(".dev.azure.com") {
            format!("/proxy/{connection}/{path}")
        } else {
            format!("/proxy/{connection}/dev.azure.com/mycompany/{path}")
        };
        let request = if tool.starts_with("search") {
            let body = json!({"searchText": "sign", "$top": 50, "$skip": 0});
            world.request(&Caller::Application, Method::POST, &path).json(&body)
        } else {
            world.request(&Caller::Application, Method::GET, &path)
        };
        let raw = world.send(request).await.expect(200).json();
        let theirs = serde_json::to_string_pretty(&raw).unwrap().len();
        let ours = client.call(tool, arguments).await.to_string().len();
        #[expect(clippy::cast_precision_loss, reason = "sizes are small")]
        ratios.push((ours as f64 / theirs as f64, tool));
    }
    ratios.sort_by(|left, right| left.0.total_cmp(&right.0));
    println!("{ratios:?}");
    assert!(ratios.iter().all(|(ratio, _)| *ratio <= 0.6), "{ratios:?}");
    assert!(ratios[ratios.len() / 2].0 <= 0.35, "{ratios:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_ends_at_its_budget_and_is_whole() {
    let world = world_of_all_tools().await;
    let connection = world.connect("ada", "ada").await;
    let client = Client::new(&world, &Caller::Application, &format!("{connection}/x/all"));
    let long = "A long line of text, with \"quotes\" and \u{fc}.\n".repeat(6_000);
    for id in 1..=5 {
        client.call("update_work_item", json!({"id": id, "fields": {"description": long}})).await;
    }
    let page =
        json!({"project": "Website", "wiki": "Website.wiki", "path": "/Long", "content": long});
    client.call("write_wiki_page", page).await;
    for (tool, arguments) in [
        ("get_work_item", json!({"id": 1})),
        ("get_work_items", json!({"ids": [1, 2, 3, 4, 5], "show_fields": ["Description"]})),
        ("query_work_items", json!({"project": "Website", "show_fields": ["Description"]})),
        ("list_work_item_changes", json!({"project": "Website", "id": 1})),
        ("get_wiki_page", json!({"project": "Website", "wiki": "Website.wiki", "path": "/Long"})),
        ("get_anything", json!({"path": "/_apis/wit/workitems?ids=1,2,3,4,5"})),
    ] {
        let content = client.content(tool, arguments).await;
        let texts = content.iter().map(|block| block["text"].as_str().unwrap());
        let size: usize = texts.clone().map(str::len).sum();
        assert!(size <= LARGEST, "{tool}: {size}");
        assert!(texts.clone().any(|text| text.contains("left out")), "{tool}");
        let first: Value = serde_json::from_str(content[0]["text"].as_str().unwrap()).unwrap();
        assert!(first.is_object(), "{tool}");
    }
    // What does not fit is on the next pages.
    let mut arguments = json!({"project": "Website", "show_fields": ["Description"]});
    let mut ids = std::collections::BTreeSet::new();
    loop {
        let page = client.call("query_work_items", arguments.clone()).await;
        let text = page["items"][0]["description"].as_str().unwrap();
        assert!(text.len() > 10_000, "an entry has its room on the page: {}", text.len());
        ids.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].as_u64()));
        match page.get("next") {
            Some(next) => arguments["next"] = next.clone(),
            None => break,
        }
    }
    assert_eq!(ids.len(), 5);
}
