//! The Lambda function `authorize`.

use authorize::Authorize;
use edge::routes::Function;

fn main() -> Result<(), lambda_runtime::Error> {
    edge::log::initialize(env!("CARGO_PKG_NAME"));
    edge::serve::run(Function::Authorize, async |deployment| Authorize::new(deployment))
}
