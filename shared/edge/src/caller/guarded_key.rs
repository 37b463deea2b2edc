//! The operator key behind a limit on guesses: after too many wrong keys from one source, its keys are not compared.

use std::sync::Arc;

use ground::clock::Clock;
use ground::random::Random;
use secrecy::SecretString;
use vault::limits::{LimitLedger, Source, Subject, WRONG_KEYS};
use vault::operator_key::{Comparison, KeyVersion, OperatorKey};

use crate::problem::{Code, Problem};

#[derive(Clone)]
pub(super) struct GuardedKey {
    operator_key: OperatorKey,
    limits: LimitLedger,
    clock: Arc<dyn Clock>,
}

impl GuardedKey {
    pub(super) fn new(
        operator_key: OperatorKey,
        limits: LimitLedger,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { operator_key, limits, clock }
    }

    /// Returns the version of the operator key that was presented, or `None` if it is another key.
    ///
    /// # Errors
    /// [`Code::WrongKeysLimited`]; [`Code::InvalidCredentials`] if the stored key is unusable;
    /// [`Code::ServiceUnavailable`] if the key cannot be compared at the moment.
    pub(super) async fn version_of(
        &self,
        presented: &SecretString,
        source: Source,
    ) -> Result<Option<KeyVersion>, Problem> {
        let (subject, now) = (Subject::WrongKeys(source), self.clock.now());
        let standing = self.limits.standing(&subject, WRONG_KEYS, now).await?;
        // Before the comparison: otherwise a right guess would get through.
        if standing.remaining == Some(0) {
            return Err(Problem::new(Code::WrongKeysLimited));
        }
        match self.operator_key.compare(presented).await? {
            Comparison::Same(version) => Ok(Some(version)),
            Comparison::Different => {
                self.limits.take(&subject, WRONG_KEYS, now, now, &mut Random::System).await?;
                Ok(None)
            }
            Comparison::Unusable(why) => Err(Problem::new(Code::InvalidCredentials)
                .cause("the stored operator key is not accepted")
                .detail(format!(
                    "The operator key {why}, so nobody is accepted by it. Store a random one of 32 characters or more in its \
                     secret in Secrets Manager."
                ))),
        }
    }

    /// Whether this is the version of the operator key now.
    ///
    /// # Errors
    /// [`Code::ServiceUnavailable`] if that cannot be read at the moment.
    pub(super) async fn is_current(&self, version: &KeyVersion) -> Result<bool, Problem> {
        Ok(self.operator_key.is_current(version).await?)
    }
}
