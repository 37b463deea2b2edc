//! Actions of an administrator on an account.

use super::State;
use super::handle::UnknownName;

/// An action of an administrator on an account.
#[derive(Clone, Debug)]
pub(crate) enum AccountAction {
    RevokeGrants,
    RevokeAccessTokens,
    ExpireRefreshTokens,
    KillRefreshTokens(u32),
    RequireInteraction(String),
    Challenge(String),
    RemoveConsent,
    SetDisabled(bool),
}

impl State {
    pub(crate) fn act(&self, account: &str, action: AccountAction) -> Result<(), UnknownName> {
        let mut directory = self.directory();
        let Some(key) = directory.account(account).map(|account| account.key.clone()) else {
            return Err(UnknownName(format!("the account {account}")));
        };
        match action {
            AccountAction::RevokeGrants => directory.grants.kill_refresh_tokens(&key, 50173),
            AccountAction::ExpireRefreshTokens => {
                directory.grants.kill_refresh_tokens(&key, 700_082);
            }
            AccountAction::KillRefreshTokens(code) => {
                directory.grants.kill_refresh_tokens(&key, code);
            }
            AccountAction::RevokeAccessTokens => {
                for token in directory.grants.access_tokens_of(&key) {
                    token.revoked = true;
                }
            }
            AccountAction::RequireInteraction(claims) => {
                directory.restrictions.entry(key).or_default().interaction = Some(claims);
            }
            AccountAction::Challenge(claims) => {
                let restrictions = directory.restrictions.entry(key).or_default();
                restrictions.challenge = Some(claims);
                restrictions.challenges += 1;
            }
            AccountAction::RemoveConsent => {
                directory.grants.consents.retain(|(_, holder), _| *holder != key);
            }
            AccountAction::SetDisabled(disabled) => {
                directory.restrictions.entry(key).or_default().disabled = disabled;
            }
        }
        Ok(())
    }
}
