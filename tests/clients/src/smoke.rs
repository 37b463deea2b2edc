//! `infra/smoke` against the local fronts.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;

use emulators::Fault;
use end_to_end::World;
use local::{AbsentSources, Challenges, GatewayOptions, InvalidTexts};
use tokio::process::Command;

/// Questions that the local fronts leave open, or that are open without options.
const HTTP_2: &str = "streaming: a call over HTTP/2";
const BROKEN_STREAM: &str = "streaming: a stream that is broken off";
/// Questions to which the other answer does no harm either.
const ABSENT_SOURCE: &str = "gateway: a mapped header without a source";
const INVALID_TEXT: &str = "gateway: a text that is not UTF-8";

/// Runs every question of `infra/smoke`, with and without its options.
///
/// # Panics
/// When a finding is another one than AWS is expected to give, or a question stays open that need not.
pub async fn run() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let key = world.new_key("application", None).await;
    let large = vec![b' '; 4_000_000];
    let broken_off = Fault::on("projects.list").status(200).body_bytes(&large);
    world.devops().inject(broken_off.truncate(2_000_000));

    let options = ["--connection", &connection, "--large", "_apis/projects"];
    assert_found(&smoke(&world, &key, &options).await, &[], &[HTTP_2]);
    assert_found(&smoke(&world, &key, &[]).await, &[], &[HTTP_2, BROKEN_STREAM]);

    let refused = smoke(&world, "adoc_not_a_key", &[]).await;
    assert_eq!(refused.status.code(), Some(2), "plain calls fail, so nothing can be asked");

    let otherwise = World::behind(GatewayOptions {
        challenges: Challenges::Kept,
        absent_sources: AbsentSources::Empty,
        invalid_texts: InvalidTexts::Replaced,
        ..GatewayOptions::default()
    });
    let world = otherwise.await;
    world.connect("ada", "ada").await;
    let key = world.new_key("application", None).await;
    let copes = [ABSENT_SOURCE, INVALID_TEXT];
    assert_found(&smoke(&world, &key, &[]).await, &copes, &[HTTP_2, BROKEN_STREAM]);
}

/// Runs `infra/smoke` with the key where other users of the machine cannot see it.
async fn smoke(world: &World, key: &str, options: &[&str]) -> Output {
    let smoke = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/smoke");
    Command::new(smoke)
        .args([world.stack.public_url(), world.stack.streaming_url()])
        .args(options)
        .env("APPLICATION_KEY", key)
        .output()
        .await
        .unwrap()
}

/// Asserts that each finding is as expected, but for the questions with another answer and those that stay open.
fn assert_found(output: &Output, otherwise: &[&str], open: &[&str]) {
    let printed = String::from_utf8_lossy(&output.stdout);
    println!("{printed}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}", output.status);
    let lines: Vec<&str> = printed.lines().filter(|line| line.contains(": ")).collect();
    assert!(lines.len() > 35, "some questions were not asked");
    let found = lines.into_iter().filter_map(|line| {
        let (verdict, rest) = line.split_once("  ").unwrap();
        let question = rest.trim().split("  ").next().unwrap();
        (verdict != "as expected").then_some((question, verdict))
    });
    let otherwise = otherwise.iter().map(|&question| (question, "otherwise, and we cope"));
    let open = open.iter().map(|&question| (question, "not asked"));
    let expected: BTreeMap<&str, &str> = otherwise.chain(open).collect();
    assert_eq!(found.collect::<BTreeMap<_, _>>(), expected);
}
