//! The promises of every crate: its lints, and how its release is compiled.

use end_to_end::documents::{self, Document};

/// Returns the manifests of the workspace's crates, by file. The fuzzer is a workspace of its own.
fn manifests() -> Vec<(String, String)> {
    let read = |file: String| {
        let text = std::fs::read_to_string(documents::root().join(&file)).unwrap();
        (file, text)
    };
    let of_a_crate = |file: &String| file.ends_with("/Cargo.toml") && !file.starts_with("fuzz/");
    documents::files("toml").into_iter().filter(of_a_crate).map(read).collect()
}

/// Returns the lines of a section of the workspace's manifest.
fn section(name: &str) -> Vec<String> {
    let text = Document("Cargo.toml").text();
    let (_, section) = text.split_once(&format!("\n[{name}]\n")).unwrap();
    section.lines().take_while(|line| !line.starts_with('[')).map(str::to_owned).collect()
}

#[test]
fn no_crate_can_contain_unsafe_code() {
    assert!(section("workspace.lints.rust").contains(&r#"unsafe_code = "forbid""#.to_owned()));
    let manifests = manifests();
    assert!(manifests.len() > 15, "{}", manifests.len());
    let inherits = |text: &str| text.contains("\n[lints]\nworkspace = true\n");
    let others: Vec<_> =
        manifests.iter().filter(|(_, text)| !inherits(text)).map(|(file, _)| file).collect();
    assert!(others.is_empty(), "without the lints of the workspace: {others:?}");
}

#[test]
fn a_release_panics_on_overflow_and_outlives_a_panic() {
    let release = section("profile.release");
    for setting in ["overflow-checks = true", r#"panic = "unwind""#] {
        assert!(release.contains(&setting.to_owned()), "{setting}");
    }
}
