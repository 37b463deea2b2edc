//! Git's own protocol; what needs Git itself is tried by `tests/clients`.

use super::{access_token, world};

const REFS: &str = "https://dev.azure.com/mycompany/Website/_git/Website/info/refs";

#[tokio::test]
async fn git_needs_a_token_a_scope_and_a_repository() {
    let world = world(&["vso.work"]).await;
    let fetch = format!("{REFS}?service=git-upload-pack");
    assert_eq!(world.call("GET", &fetch).await.status, 401);
    let reading = access_token(&world.entra, "organizations", "ada", &["vso.code"]).await;
    let world = super::World { token: reading, ..world };
    assert_eq!(world.call("GET", &format!("{REFS}?service=git-receive-pack")).await.status, 401);
    let unknown = fetch.replace("_git/Website", "_git/Nothing");
    assert_eq!(world.call("GET", &unknown).await.status, 404);
    let world = super::World { token: "nonsense".to_owned(), ..world };
    assert_eq!(world.call("GET", &fetch).await.status, 401);
    assert_eq!(world.devops.count("git.http.refs"), 4);
}
