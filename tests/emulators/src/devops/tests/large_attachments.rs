//! Attachments that are made while they are sent, and parts of those that are kept.

use super::{send, world};

const ATTACHMENTS: &str = "https://dev.azure.com/mycompany/Website/_apis/wit/attachments";

#[tokio::test]
async fn the_first_piece_of_a_large_attachment_leaves_before_the_gate_opens() {
    let world = world(&["vso.work"]).await;
    let large = world.devops.add_large_attachment("mycompany", 1_000_001, true).unwrap();
    let request = world.request("GET", &format!("{ATTACHMENTS}/{}", large.id()));
    let mut answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["content-length"], "1000001");
    let mut received = answer.chunk().await.unwrap().unwrap().to_vec();
    assert!(received.len() <= 65_536);
    large.release();
    while let Some(chunk) = answer.chunk().await.unwrap() {
        received.extend_from_slice(&chunk);
    }
    assert_eq!(received, large.content().collect::<Vec<_>>().concat());
    assert_eq!(received.len(), 1_000_001);
}

#[tokio::test]
async fn a_range_of_an_attachment_is_a_206_and_one_outside_of_it_a_416() {
    let world = world(&["vso.work_write"]).await;
    let url = format!("{ATTACHMENTS}?fileName=a.txt");
    let uploaded = send(world.request("POST", &url).body("0123456789")).await.json();
    let url = format!("{ATTACHMENTS}/{}", uploaded["id"].as_str().unwrap());
    for (range, status, text, content_range) in [
        ("bytes=2-4", 206, "234", "bytes 2-4/10"),
        ("bytes=7-", 206, "789", "bytes 7-9/10"),
        ("bytes=-3", 206, "789", "bytes 7-9/10"),
        ("bytes=8-99", 206, "89", "bytes 8-9/10"),
        ("bytes=10-", 416, "", "bytes */10"),
        ("lines=1", 416, "", "bytes */10"),
    ] {
        let got = send(world.request("GET", &url).header("range", range)).await;
        assert_eq!((got.status, got.text().as_str()), (status, text), "{range}");
        assert_eq!(got.header("content-range"), content_range, "{range}");
    }
}
