//! The requests that functions send to AWS, by operation.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use local::Aws;

/// Numbers of requests by operation, such as `GetItem`.
pub(crate) type Counts = BTreeMap<String, u64>;

/// Counts requests to the embedded services.
#[derive(Clone, Default)]
pub(crate) struct AwsRequests(Arc<Mutex<Counts>>);

impl AwsRequests {
    /// Counts from now on.
    pub(crate) fn to(aws: &Aws) -> Self {
        let requests = Self::default();
        let counted = requests.clone();
        aws.observe(Box::new(move |target, _| {
            *counted.counts().entry(operation(target).to_owned()).or_default() += 1;
        }));
        requests
    }

    /// Returns the requests since the last time, and forgets them.
    pub(crate) fn take(&self) -> Counts {
        std::mem::take(&mut *self.counts())
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The operation of an `X-Amz-Target` such as `DynamoDB_20120810.GetItem`. Requests to STS have none.
fn operation(target: &str) -> &str {
    match target.rsplit_once('.') {
        Some((_, operation)) => operation,
        None => "STS",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operation_is_the_last_part_of_the_target() {
        assert_eq!(operation("DynamoDB_20120810.BatchGetItem"), "BatchGetItem");
        assert_eq!(operation("TrentService.Decrypt"), "Decrypt");
        assert_eq!(operation(""), "STS");
    }
}
