//! The Lambda function `authorize`.

use authorize::Authorize;

fn main() -> Result<(), lambda_runtime::Error> {
    edge::log::initialize(env!("CARGO_PKG_NAME"));
    edge::serve::run(Authorize::from_environment())
}
