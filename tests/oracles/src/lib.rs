//! Second opinions on the readers of untrusted input.
//!
//! ```text
//!   fuzz/fuzz_targets/{name}.rs ── random inputs ──┐
//!                                                  ├──> {name}::judge ──> the reader, and a second opinion on its outcome
//!   tests/replay.rs ── fuzz/corpus/{name} ─────────┘
//! ```
//!
//! Each module has one function `judge`. It returns whether the reader accepts the input, and panics if a property of the
//! outcome does not hold. An oracle shares no code with the reader that it judges: it uses other libraries, other steps, or
//! values of which it knows the outcome beforehand.
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "an oracle panics where a property is broken"
)]

pub mod address;
pub mod batch;
pub mod certificate;
pub mod claims;
mod edit;
pub mod event;
pub mod jwks;
pub mod jwt;
mod provider;
pub mod query;
pub mod redirect_uri;
pub mod return_address;
pub mod sealed;
pub mod token_answer;

use std::cell::LazyCell;

use tokio::runtime::{Builder, Runtime};

/// Separates the parts of an input.
pub const SEPARATOR: char = '\u{1e}';

/// A judge of one input: returns whether the reader accepts it.
pub type Judge = fn(&[u8]) -> bool;

/// Every oracle by the name of its fuzz target.
pub const ORACLES: [(&str, Judge); 12] = [
    ("address", address::judge),
    ("batch", batch::judge),
    ("certificate", certificate::judge),
    ("claims", claims::judge),
    ("event", event::judge),
    ("jwks", jwks::judge),
    ("jwt", jwt::judge),
    ("query", query::judge),
    ("redirect_uri", redirect_uri::judge),
    ("return_address", return_address::judge),
    ("sealed", sealed::judge),
    ("token_answer", token_answer::judge),
];

/// Returns the parts of an input, the absent ones empty, or `None` if it is not UTF-8.
fn parts<const COUNT: usize>(input: &[u8]) -> Option<[&str; COUNT]> {
    let mut parts = std::str::from_utf8(input).ok()?.splitn(COUNT, SEPARATOR);
    Some(std::array::from_fn(|_| parts.next().unwrap_or_default()))
}

/// Runs a future whose network is in this process.
fn run<T>(future: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: LazyCell<Runtime> =
            LazyCell::new(|| Builder::new_current_thread().enable_time().build().unwrap());
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}
