//! A request of an operator who is signed in.

use edge::caller::Caller;
use edge::gateway::Request;
use edge::log::RequestLog;
use edge::problem::{Code, Problem};
use ground::clock::Clock;
use jiff::Timestamp;
use secrecy::SecretString;
use vault::sessions::Draft;

use super::csrf;
use super::form::Form;

/// An operator who is signed in.
pub(super) struct Operator {
    pub(super) caller: Caller,
    /// The entries of a form that an expired session could not save.
    pub(super) draft: Option<Draft>,
    /// The session's token.
    pub(super) session: SecretString,
}

impl Operator {
    /// Accepts a form that was sent from one of the operator's own pages.
    ///
    /// # Errors
    /// [`Code::FormRefused`].
    pub(super) fn require_own_form(&self, form: &Form) -> Result<(), Problem> {
        if csrf::is_of_session(form, &self.session) {
            return Ok(());
        }
        Err(Problem::new(Code::FormRefused).cause("another token, or none"))
    }
}

/// A request of an operator.
pub(super) struct Visit<'a> {
    pub(super) operator: &'a Operator,
    pub(super) request: &'a Request,
    pub(super) log: &'a RequestLog,
    pub(super) clock: &'a dyn Clock,
}

impl Visit<'_> {
    /// Returns the time, to which pages relate others.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
