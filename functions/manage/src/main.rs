//! The Lambda function `manage`.

use edge::routes::Function;
use manage::Manage;

fn main() -> Result<(), lambda_runtime::Error> {
    edge::log::initialize(env!("CARGO_PKG_NAME"));
    edge::serve::run(Function::Manage, Manage::new)
}
