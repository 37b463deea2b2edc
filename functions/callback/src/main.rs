//! The Lambda function `callback`.

use callback::Callback;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    edge::log::initialize();
    Callback::from_environment().await?.run().await
}
