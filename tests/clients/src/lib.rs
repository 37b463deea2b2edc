//! Azure DevOps' own clients through the proxy: Microsoft's for Node and for Python, and Git.
//!
//! ```text
//!   client, unmodified ──our key──> gateway, proxy ──the user's token──> Azure DevOps (stand-in)
//!        │ guard: refuses, records                                         │ record: every request,
//!        └─ every other connection                                           └─ with its credentials
//! ```
//!
//! It also runs every file of `examples/`. `cargo test --workspace --test walks -- --ignored` installs the clients in
//! `target/clients`, pinned by their lock files; it needs Node, Python, Git, curl, jq and OpenSSL on the machine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure ends the run, with its place"
)]

mod examples;
mod guard;
mod install;
pub mod mcp;
mod record;
mod repository;
pub mod smoke;
mod walk;

use std::path::{Path, PathBuf};

use end_to_end::World;

use crate::examples::Examples;
use crate::walk::Walk;

/// Enough projects for ten pages.
const PROJECTS: usize = 1000;
/// Size of the repository cloned through the streaming proxy, in bytes.
const LARGE_REPOSITORY: usize = 60_000_000;
/// Size of a push to it, in bytes; a request of the gateway holds 4.5 MB.
const LARGE_PUSH: usize = 3_000_000;
/// Size of the repository cloned through the gateway, in bytes; an answer holds 4.5 MB.
const SMALL_REPOSITORY: usize = 300_000;

/// Runs every client and every example.
///
/// # Panics
/// When one fails, bypasses the proxy, or sends our key to Azure DevOps.
pub async fn run() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = sources.join("../../target/clients");
    std::fs::create_dir_all(&target).expect("a folder below target");
    let target = target.canonicalize().unwrap();
    let clients = install::all(sources, &target);
    let world = World::start().await;
    let scopes = [
        "vso.code_write",
        "vso.work_write",
        "vso.build_execute",
        "vso.project",
        "vso.profile",
        "vso.wiki",
    ];
    let scratch = Scratch::new();
    let examples = Examples::connect(sources, &scratch.0, &world, &scopes).await;
    let connection = examples.variable("CONNECTION_ID");
    let key = examples.variable("APPLICATION_KEY").to_owned();
    let walk = |front, paths, base: &str| Walk {
        front,
        paths,
        sources: sources.to_owned(),
        scratch: scratch.0.clone(),
        organization_url: format!("{base}/proxy/{connection}/dev.azure.com/mycompany"),
        key: key.clone(),
    };
    let gateway = walk("gateway", "decoded", world.stack.public_url());
    let streaming = walk("streaming front", "as sent", world.stack.streaming_url());
    guard::check(&gateway, &clients);
    world.devops().reset_counts();

    examples.call(&gateway, &clients);
    let seeded = 3;
    world.devops().add_projects("mycompany", "Project", PROJECTS - seeded).unwrap();
    for walk in [&gateway, &streaming] {
        walk.node(&clients);
        walk.python(&clients);
    }
    for (walk, project, bytes, push) in [
        (&gateway, "Payments Service", SMALL_REPOSITORY, 100_000),
        (&streaming, "Website", LARGE_REPOSITORY, LARGE_PUSH),
    ] {
        let folder = world.devops().git_folder("mycompany", project, project).unwrap();
        repository::fill(&folder, bytes);
        walk.git(project, push);
    }
    record::check(&world, &key);
    examples.certify();
    println!("the clients reached Azure DevOps through the proxy, and nothing else");
}

/// A folder that is removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("clients-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        Self(folder)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Removing is best effort: the folder is among the system's temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
