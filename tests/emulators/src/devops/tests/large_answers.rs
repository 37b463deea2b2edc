//! Attachments that are generated while they are sent.

use aws_lc_rs::digest::{Context, SHA256};
use serde_json::json;

use super::*;
use crate::Fault;

const MEBIBYTE: u64 = 1024 * 1024;

async fn hash_of(mut answer: reqwest::Response) -> (u64, String) {
    use std::fmt::Write as _;
    let (mut length, mut hash) = (0, Context::new(&SHA256));
    while let Some(piece) = answer.chunk().await.unwrap() {
        length += piece.len() as u64;
        hash.update(&piece);
    }
    let hex = hash.finish().as_ref().iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    });
    (length, hex)
}

#[tokio::test]
async fn a_large_attachment_arrives_whole_with_its_length() {
    let world = world(&["user_impersonation"]).await;
    let bytes = 20 * MEBIBYTE + 17;
    let added =
        world.devops.add_large_attachment("mycompany", "Website", "big.bin", bytes, None).unwrap();
    let answer = world.request("GET", &added.url).send().await.unwrap();
    assert_eq!(answer.content_length(), Some(bytes));
    assert_eq!(hash_of(answer).await, (bytes, LargeContent::new(bytes).sha256()));
    let missing = world.devops.add_large_attachment("mycompany", "Nothing", "x", 1, None);
    assert_eq!(missing.unwrap_err(), Missing::Project("Nothing".into()));
}

#[tokio::test]
async fn the_first_byte_leaves_before_the_gate_opens_and_the_last_after_it() {
    let world = world(&["user_impersonation"]).await;
    let (bytes, gate) = (2 * MEBIBYTE, Gate::closed());
    let added = world
        .devops
        .add_large_attachment("mycompany", "Website", "big.bin", bytes, Some(&gate))
        .unwrap();
    let mut answer = world.request("GET", &added.url).send().await.unwrap();
    let mut length = 0;
    while length < 64 * 1024 {
        length += answer.chunk().await.unwrap().unwrap().len();
    }
    gate.arrived(1).await;
    assert_eq!((length, gate.is_open()), (64 * 1024, false));
    gate.open();
    let (rest, _) = hash_of(answer).await;
    assert_eq!(rest, bytes - 64 * 1024);
}

#[tokio::test]
async fn faults_cut_large_answers_and_replace_them() {
    let world = world(&["user_impersonation"]).await;
    let added =
        world.devops.add_large_attachment("mycompany", "Website", "x", MEBIBYTE, None).unwrap();
    world.devops.inject(Fault::on("wit.attachments.get").truncate(100_000));
    let mut answer = world.request("GET", &added.url).send().await.unwrap();
    assert_eq!(answer.content_length(), Some(MEBIBYTE));
    let mut length = 0;
    while let Ok(Some(piece)) = answer.chunk().await {
        length += piece.len();
    }
    assert_eq!(length, 100_000);
    world.devops.inject(Fault::on("wit.attachments.get").after_handling().reset());
    assert!(world.request("GET", &added.url).send().await.is_err());
    world.devops.inject(Fault::on("wit.attachments.get").body("short"));
    assert_eq!(world.call("GET", &added.url).await.text(), "short");
    let held = world.devops.inject(Fault::on("wit.attachments.get").after_handling().hold());
    held.release();
    assert_eq!(world.call("GET", &added.url).await.bytes.len() as u64, MEBIBYTE);
}

#[tokio::test]
async fn the_admin_routes_add_a_gated_attachment_and_release_it() {
    let world = world(&["user_impersonation"]).await;
    let admin = |path: &str| {
        signing_in::http().post(format!("{}/_emulator/{path}", world.devops.base_url()))
    };
    let new =
        json!({"project": "Website", "file_name": "a b.bin", "bytes": MEBIBYTE, "gated": true});
    let added = send(admin("organizations/mycompany/attachments").json(&new)).await;
    assert_eq!(added.status, 201);
    let added = added.json();
    let answer = world.request("GET", added["url"].as_str().unwrap()).send().await.unwrap();
    let release = format!("attachments/{}/release", added["id"].as_str().unwrap());
    assert_eq!(send(admin(&release)).await.status, 204);
    let (length, hash) = hash_of(answer).await;
    assert_eq!((length, hash.as_str()), (MEBIBYTE, added["sha256"].as_str().unwrap()));
    assert_eq!(send(admin("attachments/none/release")).await.status, 404);
    assert_eq!(send(admin("organizations/none/attachments").json(&new)).await.status, 404);
}

#[tokio::test]
async fn a_held_answer_does_not_keep_the_server_from_stopping() {
    let world = world(&["user_impersonation"]).await;
    let gate = Gate::closed();
    let added = world
        .devops
        .add_large_attachment("mycompany", "Website", "x", MEBIBYTE, Some(&gate))
        .unwrap();
    let answer = world.request("GET", &added.url).send().await.unwrap();
    gate.arrived(1).await;
    let (read, ()) = tokio::join!(hash_of(answer), world.devops.shutdown());
    assert_eq!(read.0, MEBIBYTE);
}
