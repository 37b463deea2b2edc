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
