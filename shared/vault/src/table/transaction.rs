//! Several writes that are made together or not at all.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::TransactWriteItem;

use crate::Error;

pub(crate) enum Transaction {
    /// All of it was written.
    Done,
    /// None of it was: a condition failed, or another transaction was faster.
    Refused {
        /// Whether the first write's condition was among those that failed.
        first: bool,
    },
}

/// Runs a transaction. A refused condition is a result, not an error.
pub(crate) async fn transact(
    client: &Client,
    writes: Vec<TransactWriteItem>,
) -> Result<Transaction, Error> {
    let outcome = client.transact_write_items().set_transact_items(Some(writes)).send().await;
    let Err(error) = outcome else { return Ok(Transaction::Done) };
    let first = match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
            let reasons = canceled.cancellation_reasons().iter();
            let codes: Vec<_> = reasons.map(|reason| reason.code()).collect();
            let refused = [Some("ConditionalCheckFailed"), Some("TransactionConflict")];
            let is_refused = codes.iter().any(|code| refused.contains(code));
            is_refused.then(|| codes.first() == Some(&Some("ConditionalCheckFailed")))
        }
        Some(TransactWriteItemsError::TransactionInProgressException(_)) => Some(false),
        _ => None,
    };
    first
        .map(|first| Transaction::Refused { first })
        .ok_or_else(|| Error::sdk("dynamodb", "TransactWriteItems", &error))
}
