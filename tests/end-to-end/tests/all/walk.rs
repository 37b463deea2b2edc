//! The main job: a user connects, and the application calls Azure DevOps for her.

use end_to_end::{Caller, World};
use local::names;
use reqwest::Method;

#[tokio::test(flavor = "multi_thread")]
async fn a_user_connects_and_the_application_lists_projects() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let shown = world.connection(&connection).await;
    assert_eq!(
        (&shown["status"], &shown["user"], &shown["organization"]),
        (&"active".into(), &"ada".into(), &"mycompany".into())
    );
    assert_eq!(shown["account"]["username"], "ada@mycompany.example");
    let projects = world
        .proxied(&connection, "dev.azure.com/mycompany/_apis/projects?api-version=7.1")
        .await
        .expect(200);
    let names: Vec<_> = projects.json()["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["name"].as_str().unwrap().to_owned())
        .collect();
    assert!(names.contains(&"Website".to_owned()), "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_a_connection_forgets_its_tokens_at_once() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    world.proxied(&connection, "dev.azure.com/mycompany/_apis/projects").await.expect(200);
    world
        .ask(&Caller::Application, Method::DELETE, &format!("/connections/{connection}"))
        .await
        .expect(204);
    world
        .proxied(&connection, "dev.azure.com/mycompany/_apis/projects")
        .await
        .expect_problem(404, "connection_not_found");
    assert!(world.items(names::TOKENS).await.is_empty());
    assert!(world.items(names::CONNECTIONS).await.is_empty());
    // The user can connect again.
    assert_ne!(world.connect("ada", "ada").await, connection);
}
