//! The Lambda function `rotate`.

use rotate::Rotate;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    edge::log::initialize(env!("CARGO_PKG_NAME"));
    Rotate::from_environment().await?.run().await
}
