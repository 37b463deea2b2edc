//! Wiki pages and their versions.

use serde_json::json;

use super::*;

const PAGES: &str = "https://dev.azure.com/mycompany/Website/_apis/wiki/wikis/Website.wiki/pages";

async fn write(world: &World, method: &str, path: &str, if_match: Option<&str>) -> Got {
    let mut request = world
        .request(method, &format!("{PAGES}{path}"))
        .json(&json!({"content": format!("written by {method}")}));
    if let Some(tag) = if_match {
        request = request.header("if-match", tag);
    }
    send(request).await
}

#[tokio::test]
async fn a_page_is_changed_only_with_its_current_etag() {
    let world = world(&["vso.wiki_write"]).await;
    let made = write(&world, "PUT", "?path=/New%20page", None).await;
    assert_eq!((made.status, made.json()["content"].as_str()), (201, Some("written by PUT")));
    assert_eq!(made.json()["gitItemPath"], "/New-page.md");
    let first = made.header("etag").to_owned();
    assert!(first.starts_with('"') && first.len() == 42);

    let read = world.call("GET", &format!("{PAGES}?path=/New%20page&includeContent=true")).await;
    assert_eq!(
        (read.header("etag"), read.json()["id"].as_u64()),
        (&first[..], made.json()["id"].as_u64())
    );
    let blind = write(&world, "PUT", "?path=/New%20page", None).await;
    assert_eq!((blind.status, &blind.type_key()[..]), (500, "WikiPageAlreadyExistsException"));
    let changed = write(&world, "PUT", "?path=/New%20page", Some(&first)).await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.header("etag"), first);
    for method in ["PUT", "PATCH"] {
        let stale = write(&world, method, "?path=/New%20page", Some(&first)).await;
        assert_eq!((stale.status, &stale.type_key()[..]), (412, "WikiPageHasConflictsException"));
    }
    let patched = write(&world, "PATCH", "?path=/New%20page", Some(changed.header("etag"))).await;
    assert_eq!(patched.json()["content"], "written by PATCH");
    let by_id = format!("/{}", made.json()["id"]);
    let again = write(&world, "PATCH", &by_id, Some(patched.header("etag"))).await;
    assert_eq!(again.status, 200, "the same content is a new version too");
    assert_ne!(again.header("etag"), patched.header("etag"));
    assert_eq!(write(&world, "PATCH", &by_id, None).await.status, 400);
    assert_eq!(write(&world, "PUT", "?path=/none", Some(&first)).await.status, 404);
}

#[tokio::test]
async fn wikis_are_listed_and_their_pages_read_and_deleted() {
    let world = world(&["user_impersonation"]).await;
    assert_eq!(world.get("_apis/wiki/wikis").await.count(), 3);
    assert_eq!(world.get("Payments%20Service/_apis/wiki/wikis").await.count(), 1);
    let wiki = world.get("_apis/wiki/wikis/payments-service.wiki").await.json();
    assert_eq!(wiki["type"], "projectWiki");
    let root = world.call("GET", &format!("{PAGES}?path=/&recursionLevel=OneLevel")).await.json();
    assert_eq!(root["subPages"][0]["path"], "/Home");
    let text = world.request("GET", &format!("{PAGES}?path=/Home")).header("accept", "text/plain");
    assert_eq!(send(text).await.text(), "# Welcome\n");
    let home = root["subPages"][0]["url"].as_str().unwrap();
    assert_eq!(world.call("GET", home).await.json()["path"], "/Home");
    assert_eq!(world.call("DELETE", &format!("{PAGES}?path=/Home")).await.status, 200);
    let gone = world.call("GET", &format!("{PAGES}?path=/Home")).await;
    assert_eq!((gone.status, &gone.type_key()[..]), (404, "WikiPageNotFoundException"));
    assert_eq!(world.get("_apis/wiki/wikis/none/pages").await.type_key(), "WikiNotFoundException");
}
