//! The Lambda function `proxy`.

use proxy::Proxy;

fn main() -> Result<(), lambda_runtime::Error> {
    edge::log::initialize(env!("CARGO_PKG_NAME"));
    edge::serve::run(Proxy::from_environment())
}
