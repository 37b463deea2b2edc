//! The tools that show differences, against what Git shows.

use super::*;

/// `git diff -M` of [`Review`]'s branches, without the lines that name ids and modes, and without what Git writes behind
/// a hunk's `@@`.
const OF_GIT: &str = include_str!("git.diff");
const FILES: usize = 30;
/// The files that are changed in another way than one of [`FILES`].
const OTHERS: usize = 7;

/// A pull request of a branch with changes of every kind.
struct Review {
    world: World,
    connection: String,
    pull_request: u64,
}

fn numbered(file: usize, lines: usize) -> Vec<String> {
    (1..=lines).map(|line| format!("line {line} of file {file}\n")).collect()
}

fn changed(file: usize) -> String {
    let mut lines = numbered(file, 40);
    lines[file] = format!("changed line of file {file}\n");
    if file.is_multiple_of(3) {
        lines.insert(30, "}\n\nfn added() {\n    body();\n}\n\n".to_owned());
    }
    if file.is_multiple_of(4) {
        lines.drain(35..38);
    }
    if file.is_multiple_of(5) {
        lines.push(format!("end of file {file}\n"));
    }
    lines.concat()
}

fn named(file: usize) -> String {
    format!("/src/file{file:02}.txt")
}

impl Review {
    async fn new() -> Self {
        let world = world_of_all_tools().await;
        let connection = world.connect("ada", "ada").await;
        let mut review = Self { world, connection, pull_request: 0 };
        let client = review.client();
        for (branch, from) in [("base", "main"), ("topic", "base")] {
            let branch = json!({"project": "Website", "repository": "Website", "branch": branch, "from": from});
            client.call("create_branch", branch).await;
            if from == "main" {
                review.push_old().await;
            }
        }
        review.push_new().await;
        let opened = client.call("create_pull_request", json!({
            "project": "Website", "repository": "Website", "source": "topic", "target": "base", "title": "Everything",
        }));
        review.pull_request = opened.await["id"].as_u64().unwrap();
        review
    }

    fn client(&self) -> Client<'_> {
        Client::new(&self.world, &Caller::Application, &self.connection)
    }

    async fn push(&self, branch: &str, changes: Value) {
        let push = json!({
            "project": "Website", "repository": "Website", "branch": branch, "message": "Change files", "changes": changes,
        });
        self.client().call("push_files", push).await;
    }

    async fn push_old(&self) {
        let file = |path: &str, content: &str| json!({"path": path, "content": content});
        let mut files: Vec<Value> =
            (0..FILES).map(|number| file(&named(number), &numbered(number, 40).concat())).collect();
        files.extend([
            file("/crlf.txt", "a\r\nb\r\nc\r\n"),
            file("/end.txt", "one\ntwo"),
            file("/gone.txt", "was here\n"),
            file("/old/name.txt", &numbered(90, 20).concat()),
            file("/moved.txt", &numbered(91, 40).concat()),
        ]);
        self.push("base", files.into()).await;
        self.push_bytes("base", "/image.bin", "add", &[0x89, 0x50, 0x4e, 0x47, 0, 1, 2]).await;
    }

    async fn push_new(&self) {
        let file = |path: &str, content: &str| json!({"path": path, "content": content});
        let mut files: Vec<Value> =
            (0..FILES).map(|number| file(&named(number), &changed(number))).collect();
        let mut moved = numbered(90, 20);
        "changed while it moved\n".clone_into(&mut moved[4]);
        files.extend([
            file("/crlf.txt", "a\r\nB\r\nc\r\n"),
            file("/end.txt", "one\ntwo\nthree"),
            file("/new.txt", "a new file\n"),
            json!({"path": "/gone.txt", "delete": true}),
            json!({"path": "/new/name.txt", "rename_from": "/old/name.txt", "content": moved.concat()}),
            json!({"path": "/moved/exact.txt", "rename_from": "/moved.txt"}),
        ]);
        self.push("topic", files.into()).await;
        self.push_bytes("topic", "/image.bin", "edit", &[0x89, 0x50, 0x4e, 0x47, 0, 9, 9]).await;
    }

    /// Pushes a file through the proxy, because it is no text or too large for a tool.
    async fn push_bytes(&self, branch: &str, path: &str, change: &str, bytes: &[u8]) {
        use base64::Engine as _;
        let repository = "dev.azure.com/mycompany/Website/_apis/git/repositories/Website";
        let refs = format!("{repository}/refs?filter=heads/{branch}&api-version=7.1");
        let refs = self.world.proxied(&self.connection, &refs).await.expect(200).json();
        let content = base64::engine::general_purpose::STANDARD.encode(bytes);
        let push = json!({
            "refUpdates": [{"name": format!("refs/heads/{branch}"), "oldObjectId": refs["value"][0]["objectId"]}],
            "commits": [{"comment": "Change bytes", "changes": [{
                "changeType": change, "item": {"path": path},
                "newContent": {"content": content, "contentType": "base64encoded"},
            }]}],
        });
        let path = format!("/proxy/{}/{repository}/pushes?api-version=7.1", self.connection);
        self.world.post(&Caller::Application, &path, push).await.expect(201);
    }

    /// Reads the pull request's difference to its end, as one agent. Returns the text, and the number of answers.
    async fn read(&self, arguments: Value) -> (String, usize) {
        let client = self.client();
        let mut arguments = arguments;
        arguments["project"] = "Website".into();
        arguments["pull_request"] = self.pull_request.into();
        let (mut text, mut answers) = (String::new(), 0);
        loop {
            let content = client.content("get_pull_request_diff", arguments.clone()).await;
            answers += 1;
            let size: usize =
                content.iter().map(|block| block["text"].as_str().unwrap().len()).sum();
            assert!(size <= 41_000, "{size}");
            let about: Value = serde_json::from_str(content[0]["text"].as_str().unwrap()).unwrap();
            text.extend(content.get(1).map(|block| between(block["text"].as_str().unwrap())));
            match about.get("next") {
                Some(next) => arguments["next"] = next.clone(),
                None => return (text, answers),
            }
            assert!(answers < 50, "it ends");
        }
    }
}

/// Returns a raw text without the lines around it.
fn between(block: &str) -> &str {
    let (_, rest) = block.split_once(">\n").unwrap();
    &rest[..rest.rfind("</").unwrap()]
}

/// Returns a difference without the lines that Git writes in another way.
fn bare(text: &str) -> String {
    let lines = text.split_inclusive('\n');
    let is_kept = |line: &&str| !["new file\n", "deleted file\n"].contains(line);
    lines.filter(is_kept).collect()
}

fn files_of(text: &str) -> usize {
    text.lines().filter(|line| line.starts_with("diff --git ")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_s_difference_is_that_of_git() {
    let review = Review::new().await;
    let (text, _) = review.read(json!({})).await;
    assert_eq!(bare(&text), OF_GIT);
    assert_eq!(files_of(&text), FILES + OTHERS);
    // The versions that a pull request compares are those of its branches.
    let arguments =
        json!({"project": "Website", "repository": "Website", "base": "base", "head": "topic"});
    let content = review.client().content("get_diff", arguments).await;
    assert_eq!(bare(between(content[1]["text"].as_str().unwrap())), OF_GIT);

    for (path, files) in
        [("/src", FILES), ("src/file07.txt", 1), ("/src/file0", 0), ("/", FILES + OTHERS)]
    {
        let (text, _) = review.read(json!({"path": path})).await;
        assert_eq!(files_of(&text), files, "{path}");
    }
    review.push("topic", json!([{"path": "/later.txt", "content": "later\n"}])).await;
    let (text, _) = review.read(json!({"since_iteration": 1})).await;
    assert_eq!(files_of(&text), 1, "{text}");
    assert!(text.contains("+later\n"));
    let tip = json!({"project": "Website", "repository": "Website", "head": "topic"});
    let commit = review.client().content("get_diff", tip).await;
    assert_eq!(files_of(commit[1]["text"].as_str().unwrap()), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_difference_that_is_too_long_goes_on_by_next_and_a_large_file_is_named_only() {
    let review = Review::new().await;
    let line = "a line of a rather long file, and no two of them are alike\n";
    let long: Vec<_> = (0..2_000).map(|number| format!("{number} {line}")).collect();
    review.push("topic", json!([{"path": "/long.txt", "content": long.concat()}])).await;
    review.push_bytes("topic", "/large.txt", "add", &b"large\n".repeat(500_000)).await;
    let (text, answers) = review.read(json!({})).await;
    assert!(answers >= 4, "{answers}");
    assert_eq!(files_of(&text), FILES + OTHERS + 2);
    assert!(text.contains("Large files /dev/null and b/large.txt differ\n"));
    let added = text.lines().filter(|added| added.ends_with("no two of them are alike")).count();
    assert_eq!(added, 2_000);
    let without = text.split("diff --git ").filter(|file| !file.starts_with("a/l"));
    assert_eq!(bare(&without.collect::<Vec<_>>().join("diff --git ")), OF_GIT);
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_read_a_difference_of_many_files_under_a_limit_of_two_calls_at_a_time() {
    let review = Review::new().await;
    let limits = json!({"connection": {"concurrent": 2}});
    let changes = json!({"scopes": ALL_SCOPES, "mcp": {"access": "write"}, "proxy_limits": limits});
    review.world.put_integration(INTEGRATION, changes).await.expect(200);
    review.world.devops().reset_counts();
    let (text, _) = review.read(json!({"path": "/src"})).await;
    assert_eq!(files_of(&text), FILES);
    assert!(review.world.devops().peak("git.blobs.get") <= 2);
    // Two at once do not get in each other's way.
    let (one, other) = tokio::join!(review.read(json!({})), review.read(json!({})));
    assert_eq!((bare(&one.0).as_str(), bare(&other.0).as_str()), (OF_GIT, OF_GIT));
    assert!(review.world.devops().peak("git.blobs.get") <= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_between_two_answers_moves_nothing() {
    let review = Review::new().await;
    let long = "x y z\n".repeat(10_000);
    review.push("topic", json!([{"path": "/a.txt", "content": long}])).await;
    let arguments = json!({"project": "Website", "pull_request": review.pull_request});
    let client = review.client();
    let about = |content: &[Value]| -> Value {
        serde_json::from_str(content[0]["text"].as_str().unwrap()).unwrap()
    };
    let first = about(&client.content("get_pull_request_diff", arguments.clone()).await);
    review.push("topic", json!([{"path": "/0.txt", "content": "0\n"}])).await;
    let mut more = arguments;
    more["next"] = first["next"].clone();
    let second = about(&client.content("get_pull_request_diff", more).await);
    assert_eq!(first["head"], second["head"]);
    assert_eq!(first["files"], second["files"]);
}
