//! The Lambda function `manage`.

use manage::Manage;

fn main() -> Result<(), lambda_runtime::Error> {
    edge::log::initialize(env!("CARGO_PKG_NAME"));
    edge::serve::run(Manage::from_environment())
}
