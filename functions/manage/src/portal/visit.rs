//! A request of an operator who is signed in.

use edge::caller::Caller;
use edge::csrf;
use edge::gateway::Request;
use edge::log::RequestLog;
use edge::problem::{Code, Problem};
use ground::clock::Clock;
use jiff::Timestamp;
use secrecy::SecretString;
use vault::connections::Connection;
use vault::integrations::Integration;
use vault::sessions::{Draft, Sessions};

use super::form::Form;
use crate::operations::Operations;

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
        if csrf::is_token_of(form.text("csrf"), &self.session) {
            return Ok(());
        }
        Err(Problem::new(Code::FormRefused).cause("another token, or none"))
    }
}

/// A request of an operator, and the operations that answer it.
pub(super) struct Visit<'a> {
    pub(super) operator: &'a Operator,
    pub(super) operations: &'a Operations,
    /// For the operator's draft.
    pub(super) sessions: &'a Sessions,
    pub(super) request: &'a Request,
    pub(super) log: &'a RequestLog,
    pub(super) clock: &'a dyn Clock,
}

impl Visit<'_> {
    /// Returns the time, to which pages relate others.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns the integration with this id.
    ///
    /// # Errors
    /// [`Code::IntegrationNotFound`].
    pub(super) async fn integration(&self, id: &str) -> Result<Integration, Problem> {
        self.operations.integrations.get(id, self.log).await
    }

    /// Returns the connection with this id.
    ///
    /// # Errors
    /// [`Code::ConnectionNotFound`].
    pub(super) async fn connection(&self, id: &str) -> Result<Connection, Problem> {
        self.operations.connections.get(&self.operator.caller, id, self.log).await
    }
}
