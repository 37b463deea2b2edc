//! Operators in the portal: they present their key once, and have a session from then on.

use secrecy::{ExposeSecret as _, SecretString};
use vault::secret_token::SecretHash;
use vault::sessions::PortalKey;

use super::{API_KEY_PREFIX, Authenticator, Caller, Kind};
use crate::problem::Problem;

impl Authenticator {
    /// Returns the operator's key that was presented, and its owner; `None` if it is no key or not an operator's.
    ///
    /// # Errors
    /// [`crate::Code::ServiceUnavailable`] when the key cannot be checked at the moment.
    pub async fn operator(
        &self,
        presented: &SecretString,
    ) -> Result<Option<(PortalKey, Caller)>, Problem> {
        if presented.expose_secret().starts_with(API_KEY_PREFIX) {
            let key = self.api_keys.authenticate(presented, self.clock.now()).await?;
            if let Some(key) = key {
                let caller = Caller::of_key(&key);
                let is_operator = caller.kind == Kind::Operator;
                return Ok(is_operator.then_some((PortalKey::ApiKey(key.id), caller)));
            }
        }
        let hash = SecretHash::of(presented);
        let matches = self.operator_key.matches(&hash).await?;
        Ok(matches.then(|| (PortalKey::OperatorKey(hash), Caller::operator())))
    }

    /// Returns the operator who signed in with `key`, or `None` if that key has been deleted or changed.
    ///
    /// # Errors
    /// As [`Self::operator`].
    pub async fn operator_behind(&self, key: &PortalKey) -> Result<Option<Caller>, Problem> {
        Ok(match key {
            PortalKey::ApiKey(id) => {
                let key = self.api_keys.working(id, self.clock.now()).await?;
                key.map(|key| Caller::of_key(&key)).filter(|caller| caller.kind == Kind::Operator)
            }
            PortalKey::OperatorKey(hash) => {
                self.operator_key.matches(hash).await?.then(Caller::operator)
            }
        })
    }
}
