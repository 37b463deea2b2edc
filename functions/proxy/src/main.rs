//! The Lambda function `proxy`.

use edge::routes::Function;
use proxy::Proxy;

fn main() -> Result<(), lambda_runtime::Error> {
    edge::log::initialize(env!("CARGO_PKG_NAME"));
    edge::serve::run(Function::Proxy, Proxy::new)
}
