//! The Lambda function `manage`.

use manage::Manage;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    edge::log::initialize();
    Manage::from_environment().await?.run().await
}
