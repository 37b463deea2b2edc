//! The result of the refresh protocol.

use ground::bearer_token::BearerToken;
use jiff::Timestamp;

/// An access token that can be used now.
#[derive(Debug)]
pub struct AccessToken {
    /// The token.
    pub bearer: BearerToken,
    /// Its version, for [`super::Cause::Rejected`] if Azure DevOps rejects it.
    pub version: u64,
    /// When it expires.
    pub expires_at: Timestamp,
    /// Whether it was refreshed for this call, by us or by another caller.
    pub renewed: bool,
}
