//! The Lambda function `authorize`.

use authorize::{Authorize, AuthorizeConfig};
use edge::config::FromVariables as _;
use edge::routes::Function;

fn main() -> Result<(), lambda_runtime::Error> {
    edge::log::initialize(env!("CARGO_PKG_NAME"));
    let config = AuthorizeConfig::from_environment()?;
    edge::serve::run(Function::Authorize, async |deployment| Authorize::new(deployment, config))
}
