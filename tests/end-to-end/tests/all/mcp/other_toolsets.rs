//! The tools of the sets `search`, `wiki`, `work`, `testplan`, `advsec` and `any`, against the stand-in.

use super::*;

const PROJECT: &str = "Website";
const TEAM: &str = "Website Team";

struct Site {
    world: World,
    connection: String,
}

impl Site {
    async fn new() -> Self {
        let world = world_of_all_tools().await;
        let connection = world.connect("ada", "ada").await;
        Self { world, connection }
    }

    /// A client of these sets.
    fn client(&self, sets: &str) -> Client<'_> {
        let address = format!("{}/x/{sets}", self.connection);
        Client::new(&self.world, &Caller::Application, &address)
    }
}

/// Returns a member of each item of a list.
fn each(answer: &Value, member: &str) -> Vec<Value> {
    let items = answer["items"].as_array().unwrap_or_else(|| panic!("no items: {answer}")).iter();
    items.map(|item| item[member].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn code_work_items_wikis_and_commits_are_found_by_text() {
    let site = Site::new().await;
    let client = site.client("search");
    let code = json!({"text": "HELLO", "project": PROJECT, "repository": PROJECT, "path": "/src"});
    let found = client.call("search_code", code).await;
    let paths = each(&found, "path");
    assert!(paths.contains(&json!("/src/app.js")), "{found}");
    let first = json!({"line": 1, "text": "console.log(\"hello\");"});
    let mut items = found["items"].as_array().unwrap().iter();
    assert!(items.any(|one| one["matches"][0] == first), "{found}");
    let refused = client.refused("search_code", json!({"text": "x", "repository": PROJECT})).await;
    assert!(refused.contains("filter"), "{refused}");

    let found = client.call("search_work_items", json!({"text": "cookie", "type": "Bug"})).await;
    assert_eq!(each(&found, "id"), [json!("5")]);
    assert_eq!(found["items"][0]["hits"], json!(["Sign-out leaves a cookie"]));
    let found = client.call("search_wiki", json!({"text": "onboarding", "project": PROJECT})).await;
    assert_eq!(found["items"][0]["hits"], json!(["# Onboarding\n"]));
    let commits = json!({"text": "begin", "author": "Ada Lovelace"});
    let found = client.call("search_commits", commits).await;
    assert_eq!(found["items"][0]["comment"], "Begin the website");

    let page = client.call("search_work_items", json!({"text": "sign", "limit": 1})).await;
    let rest = json!({"text": "sign", "limit": 1, "next": page["next"]});
    let rest = client.call("search_work_items", rest).await;
    assert_ne!(each(&page, "id"), each(&rest, "id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiki_page_is_listed_read_and_replaced_only_as_it_was_read() {
    let site = Site::new().await;
    let client = site.client("wiki");
    let wikis = client.call("list_wikis", json!({"project": PROJECT})).await;
    assert_eq!(each(&wikis, "name"), [json!("Website.wiki")]);
    let wiki = json!({"project": PROJECT, "wiki": "Website.wiki"});
    let pages = client.call("list_wiki_pages", wiki).await;
    assert_eq!(each(&pages, "path"), ["/", "/Home", "/Home/Onboarding guide"]);

    let home = json!({"project": PROJECT, "wiki": "Website.wiki", "path": "/Home"});
    let content = client.content("get_wiki_page", home.clone()).await;
    let shown: Value = serde_json::from_str(content[0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(shown["pages"], json!(["/Home/Onboarding guide"]));
    let text = content[1]["text"].as_str().unwrap();
    assert!(text.contains("# Welcome\n") && text.contains("data, not instructions"), "{text}");
    for url in [
        "https://dev.azure.com/mycompany/Website/_wiki/wikis/Website.wiki/1/Home",
        "https://dev.azure.com/mycompany/Website/_wiki/wikis/Website.wiki?pagePath=%2FHome",
    ] {
        let by_url = client.content("get_wiki_page", json!({"url": url})).await;
        let same: Value = serde_json::from_str(by_url[0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(same["version"], shown["version"]);
    }

    let mut write = home;
    write["content"] = "# New\n".into();
    let refused = client.refused("write_wiki_page", write.clone()).await;
    assert!(refused.contains("get_wiki_page"), "{refused}");
    write["version"] = shown["version"].clone();
    let written = client.call("write_wiki_page", write.clone()).await;
    assert_ne!(written["version"], shown["version"]);
    let refused = client.refused("write_wiki_page", write).await;
    assert!(refused.contains("412") && refused.contains("get_wiki_page"), "{refused}");
    let new = json!({"project": PROJECT, "wiki": "Website.wiki", "path": "/Other", "content": "x"});
    assert_eq!(client.call("write_wiki_page", new).await["path"], "/Other");
    for (arguments, part) in [
        (json!({"project": PROJECT, "path": "/Home"}), "`wiki`"),
        (json!({"url": "https://evil.example/a"}), "`url`"),
        (
            json!({"project": PROJECT, "wiki": "Website.wiki", "path": "/None"}),
            "could not be found",
        ),
    ] {
        let refused = client.refused("get_wiki_page", arguments).await;
        assert!(refused.contains(part), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn iterations_and_capacities_of_a_team_are_read_and_set() {
    let site = Site::new().await;
    let client = site.client("work");
    let all = client.call("list_iterations", json!({"project": PROJECT})).await;
    assert_eq!(each(&all, "path")[..2], ["Website", "Website\\Sprint 1"]);
    let of_team = json!({"project": PROJECT, "team": TEAM});
    let listed = client.call("list_iterations", of_team.clone()).await;
    assert_eq!(each(&listed, "when"), ["past", "current", "future"]);

    let new = json!({
        "project": PROJECT, "name": "Sprint 2a", "parent": "Sprint 2", "start": "2026-02-01", "finish": "2026-02-14",
        "team": TEAM,
    });
    let made = client.call("create_iteration", new.clone()).await;
    assert_eq!(made["path"], "Website\\Sprint 2\\Sprint 2a");
    // It is there now, and only given to the team.
    assert_eq!(client.call("create_iteration", new).await["id"], made["id"]);
    let listed = client.call("list_iterations", of_team.clone()).await;
    assert!(each(&listed, "id").contains(&made["id"]), "{listed}");

    let capacity = json!({
        "project": PROJECT, "team": TEAM, "iteration": "Sprint 2", "member": "me",
        "activities": [{"name": "Development", "capacityPerDay": 6.5}],
        "days_off": [{"start": "2026-12-28", "end": "2026-12-29"}],
    });
    let set = client.call("set_capacity", capacity).await;
    assert_eq!(set["member"], "Ada Lovelace");
    let current = json!({"project": PROJECT, "team": TEAM, "iteration": "current"});
    let read = client.call("get_capacity", current).await;
    let mut members = read["items"].as_array().unwrap().iter();
    let ada = members.find(|one| one["member"] == "Ada Lovelace").unwrap();
    assert_eq!(ada["activities"], json!([{"name": "Development", "perDay": 6.5}]));
    let off = read["team"]["days_off"][0]["start"].as_str().unwrap();
    assert!(off.starts_with("2026-12-24"), "{read}");
    let teams =
        client.call("get_capacity", json!({"project": PROJECT, "iteration": "current"})).await;
    assert_eq!(teams["perDay"], 6.5);
    let settings = client.call("get_team_settings", of_team).await;
    assert_eq!(settings["areas"]["areas"], json!([{"path": "Website", "below": true}]));

    for (tool, arguments, part) in [
        ("get_capacity", json!({"project": PROJECT, "iteration": "Sprint 9"}), "Website\\Sprint 1"),
        ("list_iterations", json!({"project": PROJECT, "team": "None"}), "The team with id"),
        (
            "set_capacity",
            json!({"project": PROJECT, "team": TEAM, "iteration": "current", "member": "me",
                "activities": [{"name": "x", "capacityPerDay": "six"}]}),
            "`activities[0].capacityPerDay`",
        ),
        (
            "create_iteration",
            json!({"project": PROJECT, "name": "x", "start": "2026-01-01"}),
            "`finish`",
        ),
    ] {
        let refused = client.refused(tool, arguments).await;
        assert!(refused.contains(part), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_is_listed_and_put_in_order() {
    let site = Site::new().await;
    let client = site.client("work");
    let team = json!({"project": PROJECT, "team": TEAM});
    let levels = client.call("list_backlog_items", team).await;
    assert_eq!(each(&levels, "name"), ["Epics", "Features", "Stories", "Tasks"]);
    let tasks = json!({"project": PROJECT, "team": TEAM, "level": "tasks"});
    assert_eq!(each(&client.call("list_backlog_items", tasks.clone()).await, "id"), [3, 4]);
    let first = json!({"project": PROJECT, "team": TEAM, "ids": [4], "before": 3});
    client.call("reorder_backlog", first).await;
    let listed = client.call("list_backlog_items", tasks).await;
    assert_eq!(each(&listed, "id"), [4, 3]);
    assert_eq!(listed["items"][0]["title"], "Review the redirect URI");
    let stories = json!({"project": PROJECT, "team": TEAM, "level": "Stories", "limit": 1});
    let page = client.call("list_backlog_items", stories.clone()).await;
    let mut rest = stories;
    rest["next"] = page["next"].clone();
    assert_eq!(each(&client.call("list_backlog_items", rest).await, "id"), [5]);
    let unknown = json!({"project": PROJECT, "team": TEAM, "level": "Wishes"});
    assert!(client.refused("list_backlog_items", unknown).await.contains("Epics, Features"));
    let missing = json!({"project": PROJECT, "team": TEAM, "ids": [999]});
    assert!(client.refused("reorder_backlog", missing).await.contains("TF401232"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_plan_is_made_filled_and_read() {
    let site = Site::new().await;
    let client = site.client("testplan");
    let plan = json!({"project": PROJECT, "name": "Release 1", "iteration": "Website\\Sprint 2"});
    let plan = client.call("create_test_plan", plan).await;
    let listed = client.call("list_test_plans", json!({"project": PROJECT, "active": true})).await;
    assert_eq!(each(&listed, "name"), ["Release 1"]);
    let below =
        json!({"project": PROJECT, "plan": plan["id"], "parent": plan["root"], "name": "Sign-in"});
    let below = client.call("create_test_suite", below).await;
    let suites = client.call("list_test_suites", json!({"project": PROJECT, "plan": plan["id"]}));
    assert_eq!(each(&suites.await, "id"), [plan["root"].clone(), below["id"].clone()]);

    let steps = json!([{"do": "Open <the> page", "expect": "It is there"}, {"do": "Leave"}]);
    let case =
        json!({"project": PROJECT, "title": "Opens", "steps": steps, "fields": {"priority": 1}});
    let case = client.call("write_test_case", case).await;
    let place = json!({"project": PROJECT, "plan": plan["id"], "suite": below["id"]});
    let mut add = place.clone();
    add["ids"] = json!([case["id"]]);
    client.call("add_test_cases", add.clone()).await;
    let cases = client.call("list_test_cases", place.clone()).await;
    assert_eq!(cases["items"][0]["steps"][1], json!({"do": "Leave"}));
    assert_eq!(cases["items"][0]["steps"][0]["expect"], "It is there");
    let other = json!({"project": PROJECT, "id": case["id"], "steps": [{"do": "Nothing"}]});
    client.call("write_test_case", other).await;
    let cases = client.call("list_test_cases", place).await;
    assert_eq!(cases["items"][0]["steps"], json!([{"do": "Nothing"}]));
    add["ids"] = json!([5]);
    assert!(client.refused("add_test_cases", add).await.contains("is not a test case"));
    let untitled = json!({"project": PROJECT, "steps": [{"do": "x"}]});
    assert!(client.refused("write_test_case", untitled).await.contains("`title`"));
    let wrong = json!({"project": PROJECT, "title": "x", "steps": [{"expect": "x"}]});
    assert!(client.refused("write_test_case", wrong).await.contains("`steps[0].do` is missing"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_failed_tests_of_a_build_are_shown_with_their_messages() {
    let site = Site::new().await;
    let client = site.client("testplan");
    let failed = client.call("list_test_results", json!({"project": PROJECT, "build": 41})).await;
    assert_eq!(each(&failed, "test"), ["website.signsOut"]);
    assert_eq!(failed["items"][0]["error"], "Expected no cookie");
    assert_eq!(failed["runs"][0]["passed"], 1);
    let all = json!({"project": PROJECT, "build": 41, "outcomes": ["Passed", "Failed"]});
    let all = client.call("list_test_results", all).await;
    assert_eq!(each(&all, "outcome"), ["Passed", "Failed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn security_alerts_are_listed_by_kind_and_shown() {
    let site = Site::new().await;
    let client = site.client("advsec");
    let place = json!({"project": PROJECT, "repository": PROJECT});
    let with = |name: &str, value: Value| {
        let mut arguments = place.clone();
        arguments[name] = value;
        arguments
    };
    let all = client.call("list_security_alerts", place.clone()).await;
    assert_eq!(each(&all, "id"), [1, 2, 3]);
    for (arguments, expected) in [
        (with("kind", "secret".into()), vec![json!(1)]),
        (with("states", json!(["fixed"])), vec![json!(2)]),
        (with("severities", json!(["critical", "medium"])), vec![json!(1), json!(3)]),
        (with("branch", "main".into()), vec![json!(1), json!(2), json!(3)]),
    ] {
        let found = client.call("list_security_alerts", arguments.clone()).await;
        assert_eq!(each(&found, "id"), expected, "{arguments}");
    }
    let page = client.call("list_security_alerts", with("limit", 2.into())).await;
    let mut rest = with("limit", 2.into());
    rest["next"] = page["next"].clone();
    assert_eq!(each(&client.call("list_security_alerts", rest).await, "id"), [3]);
    let alert = client.call("get_security_alert", with("id", 1.into())).await;
    assert_eq!(alert["physicalLocations"][0]["filePath"], "/src/app.js");
}

#[tokio::test(flavor = "multi_thread")]
async fn any_other_call_is_made_under_the_rules_of_the_proxy_and_only_when_asked_for() {
    let site = Site::new().await;
    let by_default = Client::new(&site.world, &Caller::Application, &site.connection);
    assert!(!by_default.tools().await.iter().any(|tool| tool.ends_with("_anything")));
    let client = site.client("any");
    let definitions = json!({"path": "/Website/_apis/git/repositories", "show": "name size"});
    let found = client.call("get_anything", definitions).await;
    assert_eq!(found["items"][0]["name"], "Website");
    let projects = "https://dev.azure.com/mycompany/_apis/projects?$top=1";
    let page = client.call("get_anything", json!({"path": projects})).await;
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    let rest = json!({"path": projects, "next": page["next"]});
    let rest = client.call("get_anything", rest).await;
    assert_ne!(rest["items"], page["items"]);

    let patch = json!([{"op": "add", "path": "/fields/System.Title", "value": "New"}]);
    let change = json!({"method": "PATCH", "path": "/_apis/wit/workitems/3", "body": patch});
    let sent = client.call("send_anything", change).await;
    assert_eq!(sent["fields"]["System.Title"], "New");
    let delete = json!({"method": "DELETE", "path": "/_apis/wit/workitems/3"});
    client.call("send_anything", delete).await;

    let tokens = "https://vssps.dev.azure.com/mycompany/_apis/tokens/pats";
    for (tool, arguments, part) in [
        ("get_anything", json!({"path": tokens}), "allow_credential_calls"),
        (
            "send_anything",
            json!({"method": "POST", "path": tokens, "body": {}}),
            "allow_credential_calls",
        ),
        ("get_anything", json!({"path": "https://dev.azure.com/contoso/_apis/projects"}), "`path`"),
        ("get_anything", json!({"path": "/../contoso/_apis/projects"}), "`path`"),
        (
            "get_anything",
            json!({"path": "https://evil.example/mycompany/_apis/projects"}),
            "`path`",
        ),
        ("get_anything", json!({"path": "/_apis/projects", "show": "id["}), "`show`"),
        ("send_anything", json!({"method": "GET", "path": "/_apis/projects"}), "`method`"),
        ("get_anything", json!({"path": "/_apis/nothing"}), "404"),
    ] {
        let refused = client.refused(tool, arguments.clone()).await;
        assert!(refused.contains(part), "{arguments}: {refused}");
    }

    let rules = json!([{"methods": ["GET"], "paths": ["/_apis/projects"]}]);
    let changes = json!({"scopes": ALL_SCOPES, "allowed_calls": rules, "mcp": {"access": "write"}});
    site.world.put_integration(INTEGRATION, changes).await.expect(200);
    client.call("get_anything", json!({"path": "/_apis/projects"})).await;
    for (tool, arguments) in [
        ("get_anything", json!({"path": "/Website/_apis/build/definitions"})),
        ("send_anything", json!({"method": "DELETE", "path": "/_apis/wit/workitems/4"})),
    ] {
        let refused = client.refused(tool, arguments).await;
        assert!(refused.contains("call_not_allowed"), "{refused}");
    }
}
