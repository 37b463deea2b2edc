//! The Lambda function `proxy`.

use proxy::Proxy;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    edge::log::initialize();
    Proxy::from_environment().await?.run().await
}
