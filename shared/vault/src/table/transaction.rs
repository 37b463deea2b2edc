//! Several writes that are made together or not at all.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::TransactWriteItem;
use aws_sdk_dynamodb::types::error::TransactionCanceledException;

use super::Conflicts;
use crate::Error;

pub(crate) enum Transaction {
    /// All of it was written.
    Done,
    /// None of it was: a condition failed, or other writes were faster.
    Refused {
        /// The positions of the writes whose conditions failed; none if other writes were faster.
        failed: Vec<usize>,
    },
}

/// Runs a transaction, again if it meets other writes. A refused condition is a result, not an error.
pub(crate) async fn transact(
    client: &Client,
    writes: Vec<TransactWriteItem>,
) -> Result<Transaction, Error> {
    let mut conflicts = Conflicts::default();
    let request = client.transact_write_items().set_transact_items(Some(writes));
    loop {
        let Err(error) = Box::pin(request.clone().send()).await else {
            return Ok(Transaction::Done);
        };
        let failed = match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
                if has(canceled, CONDITION) {
                    let codes = codes(canceled).enumerate();
                    let failed = codes.filter(|(_, code)| *code == Some(CONDITION));
                    failed.map(|(position, _)| position).collect()
                } else if !has(canceled, CONFLICT) {
                    return Err(Error::sdk("dynamodb", "TransactWriteItems", &error));
                } else if conflicts.pause().await {
                    continue;
                } else {
                    Vec::new()
                }
            }
            Some(TransactWriteItemsError::TransactionInProgressException(_)) => Vec::new(),
            _ => return Err(Error::sdk("dynamodb", "TransactWriteItems", &error)),
        };
        return Ok(Transaction::Refused { failed });
    }
}

/// The code of a write whose condition failed.
const CONDITION: &str = "ConditionalCheckFailed";
/// The code of a write whose item another write held.
const CONFLICT: &str = "TransactionConflict";

fn has(canceled: &TransactionCanceledException, code: &str) -> bool {
    codes(canceled).any(|one| one == Some(code))
}

/// The reasons, one for each write.
fn codes(canceled: &TransactionCanceledException) -> impl Iterator<Item = Option<&str>> {
    canceled.cancellation_reasons().iter().map(|reason| reason.code())
}
