//! Fuzzes hosts, paths and queries; `shared/devops/tests/oracle` judges each.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../shared/devops/tests/oracle/mod.rs"]
mod oracle;

fuzz_target!(|input: &[u8]| {
    oracle::judge(input);
});
