//! The Lambda function `callback`.

use callback::Callback;

fn main() -> Result<(), lambda_runtime::Error> {
    edge::log::initialize(env!("CARGO_PKG_NAME"));
    edge::serve::run(Callback::from_environment())
}
