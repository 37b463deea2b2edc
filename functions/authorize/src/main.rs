//! The Lambda function `authorize`.

use authorize::Authorize;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    edge::log::initialize(env!("CARGO_PKG_NAME"));
    edge::serve::run(Authorize::from_environment().await?).await
}
