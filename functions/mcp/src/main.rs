//! The Lambda function `mcp`.

use edge::routes::Function;
use mcp::Mcp;

fn main() -> Result<(), lambda_runtime::Error> {
    edge::log::initialize(env!("CARGO_PKG_NAME"));
    edge::serve::run(Function::Mcp, Mcp::new)
}
