//! Projects, Git, work items, attachments, builds, pipelines, people.

use serde_json::json;

use super::*;

#[tokio::test]
async fn projects_come_in_pages_by_continuation_token() {
    let world = world(&["user_impersonation"]).await;
    world.devops.add_projects("mycompany", "Extra", 7).unwrap();
    let mut names = Vec::new();
    let mut path = "_apis/projects?$top=4".to_owned();
    loop {
        let got = world.get(&path).await;
        assert!(got.count() <= 4);
        let page = got.json();
        names.extend(
            page["value"].as_array().unwrap().iter().map(|project| project["name"].clone()),
        );
        let token = got.header("x-ms-continuationtoken");
        if token.is_empty() {
            break;
        }
        let token: String = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
        path = format!("_apis/projects?$top=4&continuationToken={token}");
    }
    assert_eq!(names.len(), 10);
    assert_eq!(world.get("_apis/projects?continuationToken=nonsense").await.status, 400);
    assert_eq!(world.get("_apis/projects?$top=2&$skip=9").await.count(), 1);
}

#[tokio::test]
async fn a_project_is_made_by_an_operation() {
    let world = world(&["user_impersonation"]).await;
    let queued = world.send_json("POST", "_apis/projects", &json!({"name": "New One"})).await;
    assert_eq!((queued.status, queued.json()["status"].as_str()), (202, Some("notSet")));
    let operation = format!("_apis/operations/{}", queued.json()["id"].as_str().unwrap());
    assert_eq!(world.get(&operation).await.json()["status"], "inProgress");
    assert_eq!(world.get(&operation).await.json()["status"], "succeeded");
    let project = world.get("_apis/projects/New%20One?includeCapabilities=true").await.json();
    assert_eq!(project["capabilities"]["versioncontrol"]["sourceControlType"], "Git");
    let id = project["id"].as_str().unwrap();
    assert_eq!(world.get(&format!("_apis/projects/{id}")).await.json()["name"], "New One");
    assert_eq!(world.get(&format!("_apis/projects/{id}/teams")).await.count(), 1);
    assert_eq!(world.get("_apis/teams").await.count(), 4);
    assert_eq!(
        world
            .call("DELETE", &format!("https://dev.azure.com/mycompany/_apis/projects/{id}"))
            .await
            .status,
        202
    );
    assert_eq!(
        world.get("_apis/projects/nothing").await.type_key(),
        "ProjectDoesNotExistWithNameException"
    );
    assert_eq!(world.get("Nothing/_apis/git/repositories").await.status, 404);
}

#[tokio::test]
async fn files_are_read_as_bytes_json_and_listings() {
    let world = world(&["user_impersonation"]).await;
    let items = "Website/_apis/git/repositories/website/items";
    let raw = world.get(&format!("{items}?path=/README.md")).await;
    assert!(raw.text().starts_with("# Website"));
    let binary = world.get(&format!("{items}?path=/assets/logo.bin&download=true")).await;
    assert_eq!(binary.bytes[..4], [0x89, b'P', b'N', b'G']);
    assert!(binary.header("content-disposition").contains("logo.bin"));
    let json = world
        .get(&format!("{items}?path=/README.md&includeContent=true&$format=json"))
        .await
        .json();
    assert_eq!(json["gitObjectType"], "blob");
    assert!(json["content"].as_str().unwrap().starts_with("# Website"));
    assert_eq!(world.get(&format!("{items}?scopePath=/&recursionLevel=Full")).await.count(), 5);
    let on_branch = format!("{items}?path=/src/login.html&versionDescriptor.version=feature/login");
    assert_eq!(world.get(&on_branch).await.status, 200);
    assert_eq!(
        world.get(&format!("{items}?path=/none")).await.type_key(),
        "GitItemNotFoundException"
    );
    assert_eq!(
        world.get("_apis/git/repositories/none/items").await.type_key(),
        "GitRepositoryNotFoundException"
    );
}

#[tokio::test]
async fn a_push_and_a_pull_request_go_all_the_way() {
    let world = world(&["user_impersonation"]).await;
    let repository = "Website/_apis/git/repositories/Website";
    let refs = world.get(&format!("{repository}/refs?filter=heads/main")).await.json();
    let main = refs["value"][0]["objectId"].as_str().unwrap().to_owned();
    let push = |old: &str, change: Value| {
        json!({
            "refUpdates": [{"name": "refs/heads/work", "oldObjectId": old}],
            "commits": [{"comment": "Change", "changes": [change]}],
        })
    };
    let branch =
        json!([{"name": "refs/heads/work", "oldObjectId": git::NO_OBJECT, "newObjectId": main}]);
    let updated = world.send_json("POST", &format!("{repository}/refs"), &branch).await.json();
    assert_eq!(updated["value"][0]["success"], true);
    let again = world.send_json("POST", &format!("{repository}/refs"), &branch).await.json();
    assert_eq!(again["value"][0]["updateStatus"], "staleOldObjectId");

    let add = json!({
        "changeType": "add",
        "item": {"path": "/new.txt"},
        "newContent": {"content": "aGVsbG8K", "contentType": "base64encoded"},
    });
    let pushed =
        world.send_json("POST", &format!("{repository}/pushes"), &push(&main, add.clone())).await;
    assert_eq!(pushed.status, 201);
    let head = pushed.json()["refUpdates"][0]["newObjectId"].as_str().unwrap().to_owned();
    let stale = world.send_json("POST", &format!("{repository}/pushes"), &push(&main, add)).await;
    assert_eq!((stale.status, stale.type_key().as_str()), (409, "GitReferenceStaleException"));
    assert_eq!(world.get(&format!("{repository}/commits/{head}")).await.json()["parents"][0], main);
    let history = format!("{repository}/commits?searchCriteria.itemVersion.version=work");
    assert_eq!(world.get(&history).await.count(), 2);
    assert_eq!(world.get(&format!("{repository}/pushes")).await.count(), 1);
    let huge = json!({"padding": "x".repeat(26_214_401)});
    assert!(
        world
            .send_json("POST", &format!("{repository}/pushes"), &huge)
            .await
            .text()
            .contains("26214400")
    );

    let new = json!({"sourceRefName": "refs/heads/work", "targetRefName": "refs/heads/main", "title": "Work"});
    let made = world.send_json("POST", &format!("{repository}/pullrequests"), &new).await;
    assert_eq!(made.status, 201);
    let id = made.json()["pullRequestId"].as_u64().unwrap();
    let twice = world.send_json("POST", &format!("{repository}/pullrequests"), &new).await;
    assert_eq!((twice.status, twice.type_key().as_str()), (409, "GitPullRequestExistsException"));
    let listed = world.get(&format!("{repository}/pullRequests")).await;
    assert_eq!(listed.count(), 2);
    assert_eq!(listed.json()["value"][0]["repository"]["project"]["state"], "unchanged");
    let thread = json!({"comments": [{"content": "Nice"}], "status": "active"});
    let path = format!("{repository}/pullRequests/{id}/threads");
    assert_eq!(world.send_json("POST", &path, &thread).await.json()["comments"][0]["id"], 1);
    assert_eq!(world.get(&path).await.count(), 1);
    let path = format!("{repository}/pullrequests/{id}");
    let done = world.send_json("PATCH", &path, &json!({"status": "completed"})).await.json();
    assert_eq!(done["status"], "completed");
    assert_eq!(
        world.get(&format!("_apis/git/pullrequests/{id}")).await.json()["status"],
        "completed"
    );
    assert_eq!(world.get(&format!("{repository}/items?path=/new.txt")).await.text(), "hello\n");
    assert_eq!(
        world.get("_apis/git/pullrequests/999").await.type_key(),
        "GitPullRequestNotFoundException"
    );
}

#[tokio::test]
async fn work_items_are_patched_with_a_tested_revision() {
    let world = world(&["user_impersonation"]).await;
    let title = json!([{"op": "add", "path": "/fields/System.Title", "value": "Try it"}]);
    let made = world.send_json("POST", "Website/_apis/wit/workItems/$Task", &title).await.json();
    assert_eq!(
        (made["rev"].as_u64(), made["fields"]["System.Title"].as_str()),
        (Some(1), Some("Try it"))
    );
    assert_eq!(made["fields"]["System.CreatedBy"]["uniqueName"], "ada@mycompany.example");
    let path = format!("_apis/wit/workItems/{}", made["id"]);
    let change = json!([
        {"op": "test", "path": "/rev", "value": 1},
        {"op": "add", "path": "/fields/System.State", "value": "Active"},
        {"op": "add", "path": "/relations/-", "value": {"rel": "Hyperlink", "url": "https://mycompany.example"}},
    ]);
    let changed = world.send_json("PATCH", &path, &change).await;
    assert_eq!((changed.status, changed.json()["rev"].as_u64()), (200, Some(2)));
    let stale = world.send_json("PATCH", &path, &change).await;
    assert_eq!(
        (stale.status, stale.type_key().as_str()),
        (412, "TestPatchOperationFailedException")
    );
    let overridden = world
        .request("POST", &format!("https://dev.azure.com/mycompany/{path}"))
        .header("x-http-method-override", "PATCH")
        .header("content-type", "application/json-patch+json")
        .body(
            json!([{"op": "replace", "path": "/fields/System.State", "value": "Closed"}])
                .to_string(),
        );
    assert_eq!(send(overridden).await.json()["rev"], 3);

    assert_eq!(world.get(&path).await.json()["relations"][0]["rel"], "Hyperlink");
    assert_eq!(world.get("_apis/wit/workitems?ids=1,2,3&fields=System.Title").await.count(), 3);
    let batch = json!({"ids": [1, 999], "fields": ["System.Id"], "errorPolicy": "omit"});
    let batch = world.send_json("POST", "_apis/wit/workitemsbatch", &batch).await;
    assert_eq!(batch.json()["value"][0]["fields"], json!({"System.Id": 1}));
    let too_many: Vec<u64> = (1..=201).collect();
    assert_eq!(
        world.send_json("POST", "_apis/wit/workitemsbatch", &json!({"ids": too_many})).await.status,
        400
    );
    assert_eq!(
        world.call("DELETE", &format!("https://dev.azure.com/mycompany/{path}")).await.json()["code"],
        200
    );
    assert_eq!(world.get(&path).await.type_key(), "WorkItemUnauthorizedAccessException");
    assert_eq!(world.get("Payments%20Service/_apis/wit/workItems/1").await.status, 404);

    let untitled = world.send_json("POST", "Website/_apis/wit/workItems/$Bug", &json!([])).await;
    assert_eq!(untitled.type_key(), "RuleValidationException");
    let unknown = world.send_json("POST", "Website/_apis/wit/workItems/$Wish", &title).await;
    assert_eq!(unknown.type_key(), "WorkItemTypeNotFoundException");
    let plain = world
        .request("POST", "https://dev.azure.com/mycompany/Website/_apis/wit/workItems/%24Task")
        .header("content-type", "application/json")
        .body("[]");
    assert_eq!(send(plain).await.status, 415);
}

#[tokio::test]
async fn queries_find_work_items() {
    let world = world(&["user_impersonation"]).await;
    let query = json!({"query": "SELECT [System.Id], [System.Title] FROM WorkItems WHERE [System.TeamProject] = @project \
                                 AND [System.State] <> 'Closed' ORDER BY [System.Id] DESC"});
    let found = world.send_json("POST", "Website/_apis/wit/wiql?$top=3", &query).await.json();
    let ids = found_ids(&found);
    assert_eq!(ids, [5, 3, 2]);
    assert_eq!(found["queryType"], "flat");
    assert_eq!(found["columns"][0]["name"], "ID");
    let team = world.send_json("POST", "Website/Website%20Team/_apis/wit/wiql", &query).await;
    assert_eq!(team.json()["workItems"].as_array().unwrap().len(), 4);
    let broken =
        world.send_json("POST", "_apis/wit/wiql", &json!({"query": "SELECT nothing"})).await;
    assert_eq!(broken.status, 400);
}

#[tokio::test]
async fn attachments_come_back_byte_for_byte_also_in_chunks() {
    let world = world(&["user_impersonation"]).await;
    let content: Vec<u8> = (0..=255).cycle().take(5000).collect();
    let base = "https://dev.azure.com/mycompany/_apis/wit/attachments";
    let upload = world.request("POST", &format!("{base}?fileName=a%20b.bin")).body(content.clone());
    let made = send(upload).await;
    assert_eq!(made.status, 201);
    let url = made.json()["url"].as_str().unwrap().to_owned();
    assert_eq!(world.call("GET", &url).await.bytes, content);

    let registered =
        send(world.request("POST", &format!("{base}?uploadType=chunked&fileName=c.bin")))
            .await
            .json();
    let url = registered["url"].as_str().unwrap().to_owned();
    for (start, end) in [(0, 3000), (3000, 5000)] {
        let chunk = world
            .request("PUT", &url)
            .header("content-range", format!("bytes {start}-{}/5000", end - 1))
            .body(content[start..end].to_vec());
        assert_eq!(send(chunk).await.status, 201);
    }
    assert_eq!(world.call("GET", &url).await.bytes, content);
}

#[tokio::test]
async fn builds_and_pipelines_are_two_views_of_the_same_runs() {
    let world = world(&["user_impersonation"]).await;
    assert_eq!(
        world.get("Website/_apis/build/Builds?definitions=12&resultFilter=failed").await.count(),
        2
    );
    assert_eq!(world.get("Website/_apis/build/Definitions?name=website-ci").await.count(), 1);
    let queued = world
        .send_json("POST", "Website/_apis/build/builds", &json!({"definition": {"id": 12}}))
        .await
        .json();
    assert_eq!(queued["status"], "notStarted");
    let path = format!("Website/_apis/build/builds/{}", queued["id"]);
    let canceled = world.send_json("PATCH", &path, &json!({"status": "cancelling"})).await.json();
    assert_eq!(canceled["result"], "canceled");
    assert!(world.get(&format!("{path}/logs/1")).await.text().contains("Starting"));
    assert_eq!(
        world
            .send_json("POST", "Website/_apis/build/builds", &json!({"definition": {"id": 99}}))
            .await
            .type_key(),
        "DefinitionNotFoundException"
    );
    let first = world.get("Website/_apis/pipelines?$top=1").await;
    assert_eq!(first.count(), 1);
    assert_ne!(first.header("x-ms-continuationtoken"), "");
    let run = json!({"resources": {"repositories": {"self": {"refName": "refs/heads/docs"}}}});
    let run = world.send_json("POST", "Website/_apis/pipelines/12/runs", &run).await.json();
    assert_eq!(run["state"], "inProgress");
    assert_eq!(run["resources"]["repositories"]["self"]["refName"], "refs/heads/docs");
    let path = format!("Website/_apis/pipelines/12/runs/{}", run["id"]);
    assert_eq!(world.get(&path).await.json()["pipeline"]["name"], "website-ci");
    assert_eq!(world.get("Website/_apis/pipelines/12/runs").await.count(), 7);
}

#[tokio::test]
async fn people_are_found_on_their_own_hosts() {
    let world = world(&["user_impersonation"]).await;
    let users = world.call("GET", "https://vssps.dev.azure.com/mycompany/_apis/graph/users").await;
    assert_eq!(users.count(), 2);
    let search = "https://vssps.dev.azure.com/mycompany/_apis/identities?searchFilter=General&filterValue=ada%40mycompany.example";
    let found = world.call("GET", search).await.json();
    let property = "http://schemas.microsoft.com/identity/claims/objectidentifier";
    assert_eq!(
        found["value"][0]["properties"][property]["$value"],
        "ada00000-0000-4000-8000-0000000000a1"
    );
    let members = world
        .call("GET", "https://vsaex.dev.azure.com/mycompany/_apis/userentitlements")
        .await
        .json();
    assert_eq!(members["totalCount"], 2);
    assert_eq!(world.get("_apis/graph/users").await.status, 404, "not on dev.azure.com");
    let method = world.call("PUT", "https://dev.azure.com/mycompany/_apis/projects").await;
    assert_eq!(method.status, 405);
}
