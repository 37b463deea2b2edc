//! Pauses before another attempt at a write that met a transaction of others.
//!
//! DynamoDB refuses a write while a transaction holds its item, and the SDK does not repeat it:
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-conflict-handling>.

use std::time::Duration;

use aws_sdk_dynamodb::error::ProvideErrorMetadata;

/// The longest first pause. It doubles with each conflict.
const FIRST: Duration = Duration::from_millis(25);
/// Further attempts: less than a second of pauses in all.
const MOST: u32 = 5;

/// The conflicts that a write has met.
#[derive(Default)]
pub(crate) struct Conflicts {
    met: u32,
}

impl Conflicts {
    /// Pauses for a random time, so that writes that met do not meet again. Returns whether the write may be repeated.
    pub(crate) async fn pause(&mut self) -> bool {
        if self.met >= MOST {
            return false;
        }
        let longest = FIRST * 2_u32.pow(self.met);
        self.met += 1;
        tokio::time::sleep(longest.mul_f64(fastrand::f64())).await;
        true
    }
}

/// Whether a single write was refused because a transaction holds its item.
pub(super) fn is_conflict(error: &impl ProvideErrorMetadata) -> bool {
    error.code() == Some("TransactionConflictException")
}
