//! `infra/smoke` against the local fronts.

use std::path::Path;

use emulators::Fault;
use end_to_end::World;
use tokio::process::Command;

/// Runs every question of `infra/smoke`, the broken stream included.
///
/// # Panics
/// When a question stays open, or the service does not cope with a finding.
pub async fn run() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let key = world.new_key("application", None).await;
    let large = vec![b' '; 4_000_000];
    let broken_off = Fault::on("projects.list").status(200).body_bytes(&large);
    world.devops().inject(broken_off.truncate(2_000_000));

    let smoke = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/smoke");
    let output = Command::new(smoke)
        .args([world.stack.public_url(), world.stack.streaming_url(), &key])
        .args(["--connection", &connection, "--large", "_apis/projects"])
        .output()
        .await
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    println!("{printed}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}", output.status);
    assert!(printed.lines().count() > 30, "some questions were not asked");
    assert!(!printed.contains("not asked  "), "a question stayed open");
}
