//! The checklist of scopes: the rights that each grants, and the scopes that it includes.

use devops::scopes::{CATALOGUE, EVERYTHING, Scope};

/// One line of the checklist.
pub(super) struct Line {
    pub(super) scope: &'static Scope,
    pub(super) is_ticked: bool,
}

impl Line {
    /// The scopes that come along, as text.
    pub(super) fn includes(&self) -> String {
        self.scope.includes.join(", ")
    }
}

/// Every scope but the one that contains all others; that has a choice of its own.
pub(super) fn checklist(ticked: &[String]) -> Vec<Line> {
    CATALOGUE
        .iter()
        .filter(|scope| scope.name != EVERYTHING)
        .map(|scope| Line { scope, is_ticked: ticked.iter().any(|name| name == scope.name) })
        .collect()
}
