//! The failures of a tool: sentences for the model, with the next step.

use edge::problem::{Code, Problem};
use ground::fields::Fault;
use http::StatusCode;

/// The reason why a tool gives no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Arguments that the tool does not take.
    #[error("{}", sentence(.0))]
    Arguments(Vec<Fault>),
    /// A refusal of ours, the same as that of the proxy.
    #[error("{0}")]
    Problem(Problem),
    /// A refusal of Azure DevOps, with its words.
    #[error("Azure DevOps answered {status}: {message}")]
    Refused {
        /// Its status.
        status: StatusCode,
        /// Its message, or a sentence in its place.
        message: String,
    },
    /// Something else that the model can mend.
    #[error("{0}")]
    Other(String),
}

impl Failure {
    /// A fault of one argument.
    pub fn argument(name: &str, fault: impl std::fmt::Display) -> Self {
        Self::Arguments(vec![Fault::new(name, fault)])
    }

    /// Returns whether the operator's limits had no place for the call, which was then not sent.
    pub(crate) fn is_lack_of_places(&self) -> bool {
        matches!(self, Self::Problem(problem) if problem.code() == Code::ConcurrencyLimited)
    }

    /// Returns whether the operator's limits refused the call, which was then not sent.
    pub(crate) fn is_of_limits(&self) -> bool {
        self.is_lack_of_places()
            || matches!(self, Self::Problem(problem) if problem.code() == Code::RateLimited)
    }

    /// Returns whether the answer was larger than what is read.
    pub(crate) fn is_too_large(&self) -> bool {
        matches!(self, Self::Problem(problem) if problem.code() == Code::ResponseTooLarge)
    }

    /// Returns whether Azure DevOps knows no such thing.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: StatusCode::NOT_FOUND, .. })
    }

    /// A row of the table that cannot be read, which a test rules out.
    pub(crate) fn broken_row(fault: impl std::fmt::Display) -> Self {
        Self::Problem(Problem::new(Code::InternalError).cause(fault))
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

fn sentence(faults: &[Fault]) -> String {
    let faults = faults.iter().map(|fault| {
        if fault.field.is_empty() {
            return fault.message.clone();
        }
        // The path of a fault begins with the argument's name, which is quoted.
        let name: String = fault.field.chars().take(100).collect();
        let joint = if fault.message.starts_with("is ") { "" } else { ":" };
        format!("`{name}`{joint} {}", fault.message)
    });
    format!("Arguments: {}.", faults.collect::<Vec<_>>().join("; "))
}
