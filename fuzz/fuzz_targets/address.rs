//! Hosts, paths and queries that nobody thought of, judged by `shared/devops/tests/oracle`.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../shared/devops/tests/oracle/mod.rs"]
mod oracle;

fuzz_target!(|input: &[u8]| {
    oracle::judge(input);
});
