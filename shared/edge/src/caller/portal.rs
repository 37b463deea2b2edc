//! Operators in the portal: they present their key once, and have a session from then on.

use secrecy::SecretString;
use vault::api_keys;
use vault::sessions::PortalKey;

use super::{Authenticator, Caller, Kind, source};
use crate::gateway::Request;
use crate::problem::Problem;

impl Authenticator {
    /// Returns the operator's key that was presented in a form, and its owner; `None` if it is no key or not an operator's.
    ///
    /// # Errors
    /// [`crate::Code::WrongKeysLimited`]; [`crate::Code::InvalidCredentials`] if the stored operator key is unusable;
    /// [`crate::Code::ServiceUnavailable`] when the key cannot be checked at the moment.
    pub async fn operator(
        &self,
        presented: &SecretString,
        request: &Request,
    ) -> Result<Option<(PortalKey, Caller)>, Problem> {
        if let Some(presented) = api_keys::Presented::parse(presented) {
            let key = self.api_keys.authenticate(&presented, self.clock.now()).await?;
            let operator = key.map(|key| (Caller::of_key(&key), PortalKey::ApiKey(key.id)));
            let operator = operator.filter(|(caller, _)| caller.kind == Kind::Operator);
            return Ok(operator.map(|(caller, key)| (key, caller)));
        }
        let version = self.operator_key.version_of(presented, source(request)).await?;
        Ok(version.map(|version| (PortalKey::OperatorKey(version), Caller::operator())))
    }

    /// Returns the operator who signed in with `key`, or `None` if that key has been deleted or changed.
    ///
    /// # Errors
    /// [`crate::Code::ServiceUnavailable`] when the key cannot be checked at the moment.
    pub async fn operator_behind(&self, key: &PortalKey) -> Result<Option<Caller>, Problem> {
        Ok(match key {
            PortalKey::ApiKey(id) => {
                let key = self.api_keys.working(id, self.clock.now()).await?;
                key.map(|key| Caller::of_key(&key)).filter(|caller| caller.kind == Kind::Operator)
            }
            PortalKey::OperatorKey(version) => {
                self.operator_key.is_current(version).await?.then(Caller::operator)
            }
        })
    }
}
