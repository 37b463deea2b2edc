//! The authorization server, as far as it matters to a refresh.

use crate::state::{Grant, RefreshToken};

/// How the server treats a refresh token that has been used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Server {
    /// Every refresh returns a new refresh token and the old one stays valid.
    EntraLike,
    /// A refresh token works once. A used one is refused and revokes the whole grant, as the reuse
    /// detection of RFC 9700 asks.
    StrictlyRotating,
}

/// The server's record of one grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct GrantRecord {
    latest: u8,
    revoked: bool,
}

/// The authorization server with its record of each grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AuthorizationServer {
    first: GrantRecord,
    second: GrantRecord,
}

impl AuthorizationServer {
    /// A server before the first exchange. It has the second grant from the start, which does no
    /// harm: its first token is handed out by the reconnect.
    #[must_use]
    pub fn new() -> Self {
        let fresh = GrantRecord { latest: 1, revoked: false };
        Self { first: fresh, second: fresh }
    }

    /// Whether an exchange of this token would succeed now.
    #[must_use]
    pub fn accepts(&self, server: Server, token: RefreshToken) -> bool {
        let record = match token.grant {
            Grant::First => self.first,
            Grant::Second => self.second,
        };
        !record.revoked
            && match server {
                Server::EntraLike => token.serial <= record.latest,
                Server::StrictlyRotating => token.serial == record.latest,
            }
    }

    /// Exchanges a token. Returns the next one of its grant, or `None` if it is refused.
    pub fn exchange(&mut self, server: Server, token: RefreshToken) -> Option<RefreshToken> {
        let accepted = self.accepts(server, token);
        let record = match token.grant {
            Grant::First => &mut self.first,
            Grant::Second => &mut self.second,
        };
        if accepted {
            record.latest += 1;
            Some(RefreshToken { grant: token.grant, serial: record.latest })
        } else {
            record.revoked = true;
            None
        }
    }
}

impl Default for AuthorizationServer {
    fn default() -> Self {
        Self::new()
    }
}
