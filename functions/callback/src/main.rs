//! The Lambda function `callback`.

use callback::Callback;
use edge::routes::Function;

fn main() -> Result<(), lambda_runtime::Error> {
    edge::log::initialize(env!("CARGO_PKG_NAME"));
    edge::serve::run(Function::Callback, Callback::new)
}
