//! Replays the corpora of the fuzz targets on every test run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use oracles::{ORACLES, SEPARATOR, address};

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// Judges every input of a corpus, and asserts that so many at least are accepted: others do not reach far.
fn replay(target: &str, least_accepted: usize) {
    let (_, judge) = ORACLES.iter().find(|(name, _)| *name == target).unwrap();
    let (mut inputs, mut accepted) = (0, 0);
    for file in std::fs::read_dir(fuzz().join("corpus").join(target)).unwrap() {
        let input = std::fs::read(file.unwrap().path()).unwrap();
        inputs += 1;
        accepted += usize::from(judge(&input));
    }
    assert!(accepted >= least_accepted && accepted < inputs, "{accepted} of {inputs} are accepted");
}

#[test]
fn every_oracle_has_a_fuzz_target_and_a_corpus() {
    let oracles: BTreeSet<_> = ORACLES.iter().map(|(name, _)| (*name).to_owned()).collect();
    let names = |folder: &str| -> BTreeSet<String> {
        let entries = std::fs::read_dir(fuzz().join(folder)).unwrap();
        let path = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().path();
        entries.map(|entry| path(entry).file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("corpus"), oracles);
    assert_eq!(names("fuzz_targets"), oracles);
}

#[test]
fn an_address_that_is_authorized_is_the_one_that_is_sent() {
    replay("address", 20);
}

#[test]
fn a_call_of_a_batch_is_judged_as_the_call_that_servers_read() {
    replay("batch", 5);
}

#[test]
fn a_certificate_signs_with_the_key_that_was_given() {
    replay("certificate", 5);
}

#[test]
fn a_claims_challenge_comes_back_as_it_was_sent() {
    replay("claims", 5);
}

#[test]
fn an_event_becomes_the_request_that_was_sent() {
    replay("event", 5);
}

#[test]
fn a_key_set_verifies_no_token_of_another_key() {
    replay("jwks", 5);
}

#[test]
fn a_token_that_its_issuer_did_not_sign_names_nobody() {
    replay("jwt", 5);
}

#[test]
fn a_query_and_a_cookie_have_one_meaning() {
    replay("query", 5);
}

#[test]
fn a_code_goes_nowhere_but_to_the_address_that_its_client_has_registered() {
    replay("redirect_uri", 5);
}

#[test]
fn a_browser_is_sent_back_to_an_allowed_origin_only() {
    replay("return_address", 5);
}

#[test]
fn a_value_opens_as_it_was_sealed_and_no_other_opens() {
    replay("sealed", 3);
}

#[test]
fn a_token_answer_shows_no_token() {
    replay("token_answer", 5);
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
        assert!(address::judge(&input(host, path)), "{host}{path}");
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
        assert!(!address::judge(&input(host, path)), "{host}{path}");
    }
}
