//! The smallest useful function: a JSON document of 2 kB, whatever the event. `tests/load` measures what the runtime
//! costs without our code.

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::{Value, json};

/// Bytes of the body.
const BYTES: usize = 2048;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    let body = "x".repeat(BYTES);
    lambda_runtime::run(service_fn(|_: LambdaEvent<Value>| async {
        let headers = json!({"content-type": "application/json"});
        let answer = json!({"statusCode": 200, "headers": headers, "body": body});
        Ok::<Value, lambda_runtime::Error>(answer)
    }))
    .await
}
