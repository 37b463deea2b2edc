//! Clones, fetches and pushes by Git itself. They are skipped with a message if Git is not installed.

use std::path::{Path, PathBuf};

use super::*;
use crate::Fault;

/// A test's own folder.
struct Desk(PathBuf);

impl Desk {
    /// `None` without Git.
    fn new() -> Option<Self> {
        let backend = Folders::new("git").backend();
        if !backend.is_ok_and(|program| program.is_file()) {
            println!("skipped: git or its http-backend is not installed");
            return None;
        }
        let folder = std::env::temp_dir().join(format!("emulators-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&folder).unwrap();
        Some(Self(folder))
    }

    async fn git(&self, folder: &str, arguments: &[&str]) -> (bool, String) {
        let output = tokio::process::Command::new("git")
            .args(["-c", "user.name=Ada", "-c", "user.email=ada@mycompany.example"])
            .args(arguments)
            .current_dir(self.0.join(folder))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("NO_PROXY", "*")
            .output()
            .await
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }

    async fn must(&self, folder: &str, arguments: &[&str]) -> String {
        let (success, said) = self.git(folder, arguments).await;
        assert!(success, "git {arguments:?}: {said}");
        said
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

impl World {
    /// The clone URL with the token as password.
    fn remote(&self, path: &str) -> String {
        self.devops.base_url().replace("://", &format!("://ada:{}@", self.token)) + path
    }
}

fn folder_size(folder: &Path) -> u64 {
    std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum()
}

#[tokio::test]
async fn a_seeded_repository_is_cloned_pushed_to_and_fetched_from() {
    let Some(desk) = Desk::new() else { return };
    let world = world(&["user_impersonation"]).await;
    let remote = world.remote("/mycompany/Website/_git/Website");
    desk.must("", &["clone", "-q", &remote, "one"]).await;
    assert!(std::fs::read_to_string(desk.path("one/README.md")).unwrap().contains("# Website"));
    assert!(desk.must("one", &["branch", "-a"]).await.contains("feature/login"));
    assert!(desk.must("one", &["tag"]).await.contains("v1.0"));
    desk.must("", &["clone", "-q", &world.remote("/mycompany/_git/Website"), "two"]).await;

    std::fs::write(desk.path("one/new.txt"), "hello\n").unwrap();
    desk.must("one", &["add", "."]).await;
    desk.must("one", &["commit", "-qm", "Add a file"]).await;
    desk.must("one", &["push", "-q", "origin", "main"]).await;
    // With this many commits of its own the second clone's request is long enough for gzip.
    for number in 0..60 {
        let comment = format!("Commit {number}");
        desk.must("two", &["commit", "-q", "--allow-empty", "-m", &comment]).await;
    }
    desk.must("two", &["fetch", "-q", "origin"]).await;
    assert_eq!(desk.must("two", &["show", "origin/main:new.txt"]).await, "hello\n");

    let requests = world.devops.requests();
    let header = |name: &str, value: &str| {
        requests.iter().any(|request| {
            request.route.starts_with("git.http")
                && request.headers.iter().any(|(n, v)| n.as_str() == name && v.contains(value))
        })
    };
    assert!(header("git-protocol", "version=2"));
    assert!(header("content-encoding", "gzip"));
    assert!(world.devops.count("git.http.refs") >= 4);
    assert!(world.devops.count("git.http.upload_pack") >= 3);
    assert_eq!(world.devops.count("git.http.receive_pack"), 1);
}

#[tokio::test]
async fn a_history_put_into_the_folder_is_served() {
    let Some(desk) = Desk::new() else { return };
    let mut world = world(&["vso.code"]).await;
    let folder = world.devops.git_folder("mycompany", "Website", "Website").unwrap();
    let mut noise = vec![0; 8 * 1024 * 1024];
    aws_lc_rs::rand::fill(&mut noise).unwrap();
    desk.must("", &["clone", "-q", folder.to_str().unwrap(), "source"]).await;
    std::fs::write(desk.path("source/noise.bin"), &noise).unwrap();
    desk.must("source", &["add", "."]).await;
    desk.must("source", &["commit", "-qm", "Add noise"]).await;
    desk.must("source", &["push", "-q", "origin", "main"]).await;
    let remote = world.remote("/mycompany/Website/_git/Website");
    desk.must("", &["clone", "-q", "--depth=1", &remote, "copy"]).await;
    assert!(std::fs::read(desk.path("copy/noise.bin")).unwrap() == noise);
    assert!(folder_size(&desk.path("copy/.git/objects/pack")) > 8 * 1024 * 1024);
    let (pushed, _) = desk.git("copy", &["push", "-q", "origin", "main:refs/heads/x"]).await;
    assert!(!pushed, "vso.code does not allow pushing");

    world.token = access_token(&world.entra, "organizations", "ada", &["vso.code_write"]).await;
    std::fs::write(desk.path("copy/more.bin"), &noise[..3_000_000]).unwrap();
    desk.must("copy", &["add", "."]).await;
    desk.must("copy", &["commit", "-qm", "Add more"]).await;
    desk.must("copy", &["push", "-q", &world.remote("/mycompany/Website/_git/Website"), "main"])
        .await;
    world.devops.restore();
    assert!(!folder.exists());
    assert!(world.devops.git_folder("mycompany", "Website", "None").is_err());
}

#[tokio::test]
async fn faults_meet_git_requests_too() {
    let Some(desk) = Desk::new() else { return };
    let world = world(&["user_impersonation"]).await;
    let remote = world.remote("/mycompany/Website/_git/Website");
    let fault = world.devops.inject(Fault::on("git.http.upload_pack").truncate(10));
    assert!(!desk.git("", &["clone", "-q", &remote, "one"]).await.0);
    assert_eq!(fault.hits(), 1);
    desk.must("", &["clone", "-q", &remote, "one"]).await;
    desk.must("one", &["commit", "-q", "--allow-empty", "-m", "Pushed all the same"]).await;
    world.devops.inject(Fault::on("git.http.receive_pack").after_handling().reset());
    assert!(!desk.git("one", &["push", "-q", "origin", "main"]).await.0);
    desk.must("", &["clone", "-q", &remote, "two"]).await;
    assert!(desk.must("two", &["log", "-1"]).await.contains("Pushed all the same"));
    world.devops.inject(Fault::on("git.http").times(0).status(401));
    let (_, said) = desk.git("two", &["-c", "credential.helper=", "fetch"]).await;
    assert!(said.contains("Authentication failed"), "{said}");
}

#[tokio::test]
async fn git_is_refused_like_other_routes_and_gets_a_challenge() {
    let mut world = world(&["vso.work"]).await;
    let service = "info/refs?service=git-upload-pack";
    let url = format!("https://dev.azure.com/mycompany/Website/_git/Website/{service}");
    let refused = world.call("GET", &url).await;
    assert_eq!(refused.status, 401, "vso.work is not vso.code");

    let unknown = std::mem::replace(&mut world.token, "nonsense".into());
    let answer = world.call("GET", &url).await;
    assert_eq!(answer.status, 401);
    let challenges: Vec<_> = answer
        .headers
        .get_all("www-authenticate")
        .iter()
        .map(|value| value.to_str().unwrap())
        .collect();
    assert!(challenges[0].starts_with("Bearer authorization_uri="), "{challenges:?}");
    assert_eq!(challenges[1], "Basic realm=\"https://dev.azure.com/\"");
    let anonymous = send(
        signing_in::http()
            .get(format!("{}/mycompany/Website/_git/Website/{service}", world.devops.base_url())),
    );
    assert_eq!(anonymous.await.status, 401);
    drop(unknown);

    world.token =
        access_token(&world.entra, "organizations", "grace", &["user_impersonation"]).await;
    let pushing = url.replace("git-upload-pack", "git-receive-pack");
    assert_eq!(world.call("GET", &pushing).await.status, 403, "grace only reads");
    let none = url.replace("_git/Website", "_git/None");
    assert_eq!(world.call("GET", &none).await.type_key(), "GitRepositoryNotFoundException");
    assert_eq!(world.call("GET", &url.replace("mycompany", "nobody")).await.status, 404);
    let plain = "https://dev.azure.com/mycompany/Website/_git/Website/info/refs";
    assert_eq!(world.call("GET", plain).await.status, 404, "the dumb protocol is not spoken");
    world.token = access_token(&world.entra, "organizations", "alan", &["vso.code"]).await;
    assert_eq!(world.call("GET", &url).await.status, 401, "alan is no member");
    world.devops.set_stopped("mycompany", true).unwrap();
    assert_eq!(world.call("GET", &url).await.status, 503);
}

#[tokio::test]
async fn both_host_forms_advertise_refs() {
    let Some(_desk) = Desk::new() else { return };
    let world = world(&["vso.code"]).await;
    for base in [
        "https://dev.azure.com/mycompany/Website/_git/website",
        "https://mycompany.visualstudio.com/Website/_git/Website",
        "https://mycompany.visualstudio.com/DefaultCollection/_git/Website",
    ] {
        let got = world.call("GET", &format!("{base}/info/refs?service=git-upload-pack")).await;
        assert_eq!(got.status, 200, "{base}: {}", got.text());
        assert_eq!(got.header("content-type"), "application/x-git-upload-pack-advertisement");
        assert!(got.text().contains("refs/heads/docs"));
        assert!(!got.header("activityid").is_empty());
        assert_eq!(got.header("content-length"), "");
    }
}
