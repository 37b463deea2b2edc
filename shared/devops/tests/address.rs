//! Replays the corpus of the fuzz target `address` on every test run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod oracle;

use std::path::Path;

use oracle::{SEPARATOR, judge};

#[test]
fn the_fuzzer_s_inputs_authorize_only_the_address_that_is_sent() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/address");
    let (mut inputs, mut authorized) = (0, 0);
    for file in std::fs::read_dir(corpus).unwrap() {
        let input = std::fs::read(file.unwrap().path()).unwrap();
        inputs += 1;
        authorized += usize::from(judge(&input));
    }
    assert!(inputs >= 100 && authorized >= 20, "{authorized} of {inputs} were authorized");
}

#[test]
fn every_form_of_an_address_is_authorized_and_its_disguises_are_not() {
    let input = |host: &str, path: &str| format!("{host}{SEPARATOR}{path}").into_bytes();
    for (host, path) in [
        ("dev.azure.com", "/mycompany/_apis/projects"),
        ("vssps.dev.azure.com", "/my-other/_apis/graph/users"),
        ("mycompany.visualstudio.com", "/DefaultCollection/My Project/_apis/git"),
        ("mycompany.vsrm.visualstudio.com", "/p/_apis/release"),
        ("app.vssps.visualstudio.com", "/_apis/profile/profiles/me"),
        ("dev.azure.com", "/_apis"),
        ("dev.azure.com", "/mycompany/%2ffabrikam"),
        ("dev.azure.com", "/mycompany/p/_apis/build/folders/%5CTeam%5CNightly"),
        ("dev.azure.com", "/mycompany/(S(x))y/_apis/git/repositories/r(1)"),
        ("mycompany.visualstudio.com", "/p/_apis/wit/queries/Shared%20Queries%2FOpen%20bugs"),
    ] {
        assert!(judge(&input(host, path)), "{host}{path}");
    }
    for (host, path) in [
        ("dev.azure.com", "/mycompany/../fabrikam/_apis/projects"),
        ("dev.azure.com", "/mycompany/%2e%2e/fabrikam"),
        ("dev.azure.com", "/mycompany/a%2f..%2f..%2ffabrikam"),
        ("dev.azure.com", "/mycompany%2ffabrikam"),
        ("dev.azure.com", "/mycompany/%252e%252e/fabrikam"),
        ("dev.azure.com", "/mycompany/(S(x))/_apis/projects"),
        ("mycompany.visualstudio.com", "/p%2F(A(x)F(y))/_apis/git"),
        ("dev.azure.com@evil.example", "/mycompany"),
        ("evil.example", "/mycompany"),
        ("fabrikam.visualstudio.com", "/mycompany"),
    ] {
        assert!(!judge(&input(host, path)), "{host}{path}");
    }
}
