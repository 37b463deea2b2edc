//! The Lambda function `authorize`.

use authorize::Authorize;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    edge::log::initialize();
    Authorize::from_environment().await?.run().await
}
