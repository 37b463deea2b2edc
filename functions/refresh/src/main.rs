//! The Lambda function `refresh`.

use refresh::Refresh;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    edge::log::initialize(env!("CARGO_PKG_NAME"));
    Refresh::from_environment().await?.run().await
}
