//! `cargo run -p local`

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    local::run().await
}
