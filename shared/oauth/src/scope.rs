//! The scopes of a pass.

use serde::{Deserialize, Serialize};

/// What a client may do. To change things includes to read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// `read`.
    Read,
    /// `read write`.
    Write,
}

impl Scope {
    /// Returns the scope as it is sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "read write",
        }
    }

    /// Returns the single scopes.
    pub const fn list(self) -> &'static [&'static str] {
        match self {
            Self::Read => &["read"],
            Self::Write => &["read", "write"],
        }
    }

    /// Reads the `scope` of a request. Scopes of others, such as `offline_access`, are ignored (RFC 6749 section 3.3), so
    /// a request that names none of ours asks to read.
    pub fn requested(scope: Option<&str>) -> Self {
        let has_write = scope.is_some_and(|scope| scope.split(' ').any(|one| one == "write"));
        if has_write { Self::Write } else { Self::Read }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_request_for_write_asks_to_change_things() {
        for (text, expected) in [
            (None, Scope::Read),
            (Some(""), Scope::Read),
            (Some("read"), Scope::Read),
            (Some("openid offline_access"), Scope::Read),
            (Some("writes"), Scope::Read),
            (Some("write"), Scope::Write),
            (Some("offline_access read write"), Scope::Write),
        ] {
            assert_eq!(Scope::requested(text), expected, "{text:?}");
        }
        assert_eq!(Scope::requested(Some(Scope::Write.as_str())), Scope::Write);
    }
}
