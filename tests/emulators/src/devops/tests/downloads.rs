//! Parts of attachments, and folders as archives.

use super::*;

#[tokio::test]
async fn a_part_of_an_attachment_is_read_by_range() {
    let world = world(&["user_impersonation"]).await;
    let content: Vec<u8> = (0..=255).cycle().take(1000).collect();
    let base = "https://dev.azure.com/mycompany/_apis/wit/attachments?fileName=a.bin";
    let made = send(world.request("POST", base).body(content.clone())).await.json();
    let uploaded = made["url"].as_str().unwrap().to_owned();
    let part = |url: &str, range: &str| send(world.request("GET", url).header("range", range));
    let got = part(&uploaded, "bytes=10-19").await;
    assert_eq!((got.status, got.header("content-range")), (206, "bytes 10-19/1000"));
    assert_eq!((got.header("content-length"), &got.bytes[..]), ("10", &content[10..20]));
    assert_eq!(part(&uploaded, "bytes=-1").await.bytes, content[999..]);
    let beyond = part(&uploaded, "bytes=1000-").await;
    assert_eq!((beyond.status, beyond.header("content-range")), (416, "bytes */1000"));
    let whole = world.call("GET", &uploaded).await;
    assert_eq!((whole.status, whole.header("accept-ranges")), (200, "bytes"));

    let made = world.devops.add_large_attachment("mycompany", "Website", "b", 300_000, None);
    let got = part(&made.unwrap().url, "bytes=65530-200000").await;
    assert_eq!((got.status, got.header("content-range")), (206, "bytes 65530-200000/300000"));
    assert_eq!(got.bytes, LargeContent::part(65_530, 200_001).collect::<Vec<_>>().concat());
}

#[tokio::test]
async fn a_folder_comes_as_an_archive() {
    let world = world(&["vso.code"]).await;
    let items = "Website/_apis/git/repositories/Website/items";
    for query in ["path=/&$format=zip", "path=/&download=true&resolveLfs=true"] {
        let got = world.get(&format!("{items}?{query}")).await;
        assert_eq!((got.status, got.header("content-type")), (200, "application/zip"), "{query}");
        assert!(got.header("content-disposition").contains("Website.zip"));
        assert!(got.bytes.starts_with(b"PK\x03\x04"));
        assert!(got.bytes.windows(15).any(|part| part == b"assets/logo.bin"));
    }
    let folder = world.get(&format!("{items}?path=/src&$format=zip")).await;
    assert!(folder.bytes.windows(10).any(|part| part == b"src/app.js"));
    assert!(!folder.bytes.windows(8).any(|part| part == b"logo.bin"));
    let none = world.get(&format!("{items}?path=/none&$format=zip")).await;
    assert_eq!(none.type_key(), "GitItemNotFoundException");
}
