//! Lists of a thousand entries, read completely.

use std::collections::HashSet;

use serde_json::json;

use super::*;

fn names(got: &Got) -> Vec<String> {
    let page = got.json();
    let names = page["value"].as_array().unwrap().iter();
    names.map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_thousand_projects_are_read_page_by_page() {
    let world = world(&["user_impersonation"]).await;
    world.devops.add_projects("mycompany", "Many", 1000).unwrap();
    world.devops.add_projects("mycompany", "Many", 1000).unwrap();
    let (mut by_token, mut path) = (Vec::new(), "_apis/projects?$top=90".to_owned());
    loop {
        let got = world.get(&path).await;
        by_token.extend(names(&got));
        let token = got.header("x-ms-continuationtoken");
        if token.is_empty() {
            break;
        }
        let token: String = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
        path = format!("_apis/projects?$top=90&continuationToken={token}");
    }
    let mut by_position = Vec::new();
    loop {
        let path = format!("_apis/projects?$top=100&$skip={}", by_position.len());
        let page = names(&world.get(&path).await);
        if page.is_empty() {
            break;
        }
        by_position.extend(page);
    }
    assert_eq!(by_token.len(), 1003);
    assert_eq!(by_token, by_position);
    assert_eq!(by_token.into_iter().collect::<HashSet<_>>().len(), 1003);
}

#[tokio::test]
async fn a_thousand_work_items_are_found_by_query_and_read_two_hundred_at_a_time() {
    let world = world(&["vso.work"]).await;
    let added = world.devops.add_work_items("mycompany", "Data Platform", 1000).unwrap();
    let query =
        json!({"query": "SELECT [System.Id] FROM WorkItems WHERE [System.WorkItemType] = 'Task'"});
    let found = world.send_json("POST", "Data%20Platform/_apis/wit/wiql", &query).await.json();
    let ids = found_ids(&found);
    assert_eq!(ids, added);
    let batch = async |ids: &[u64]| {
        let batch = json!({"ids": ids, "fields": ["System.Title"]});
        world.send_json("POST", "_apis/wit/workitemsbatch", &batch).await
    };
    let mut titles = HashSet::new();
    for ids in ids.chunks(200) {
        let got = batch(ids).await;
        assert_eq!(got.count(), 200);
        let page = got.json();
        titles.extend(
            page["value"].as_array().unwrap().iter().map(|item| item["fields"].to_string()),
        );
    }
    assert_eq!(titles.len(), 1000);
    assert_eq!(batch(&ids[..201]).await.status, 400);
    let missing = world.devops.add_work_items("nobody", "Website", 1).unwrap_err();
    assert_eq!(missing, Missing::Organization("nobody".into()));
}

#[tokio::test]
async fn the_admin_routes_fill_an_organization() {
    let world = world(&["user_impersonation"]).await;
    let admin = async |path: &str, body: Value| {
        let url = format!("{}/_emulator/organizations/{path}", world.devops.base_url());
        send(signing_in::http().post(url).json(&body)).await
    };
    let projects = json!({"prefix": "Extra", "count": 20});
    assert_eq!(admin("mycompany/projects", projects.clone()).await.status, 204);
    assert_eq!(world.get("_apis/projects").await.count(), 23);
    let added = admin("mycompany/work-items", json!({"project": "Extra 20", "count": 3})).await;
    let ids = added.json()["ids"].as_array().unwrap().clone();
    assert_eq!((added.status, ids.len()), (201, 3));
    let one = world.get(&format!("Extra%2020/_apis/wit/workItems/{}", ids[2])).await;
    assert_eq!(one.json()["fields"]["System.Title"], "Task 3");
    assert_eq!(admin("nobody/projects", projects).await.status, 404);
    let nowhere = json!({"project": "Nothing", "count": 3});
    assert_eq!(admin("mycompany/work-items", nowhere).await.status, 404);
}

#[tokio::test]
async fn pull_requests_are_listed_by_status_and_pipelines_run() {
    let world = world(&["user_impersonation"]).await;
    for path in ["Website/_apis/git/repositories/Website/pullrequests", "_apis/git/pullrequests"] {
        assert_eq!(world.get(path).await.count(), 1, "{path}");
        let completed = format!("{path}?searchCriteria.status=completed");
        assert_eq!(world.get(&completed).await.count(), 0, "{path}");
    }
    let run = world.send_json("POST", "Website/_apis/pipelines/12/runs", &json!({})).await;
    assert_eq!((run.status, run.json()["state"].as_str()), (200, Some("inProgress")));
    let runs = world.get("Website/_apis/pipelines/12/runs").await.json();
    assert_eq!(runs["value"][0]["id"], run.json()["id"]);
}
