//! A refusal beside the form that was refused.

use edge::problem::{FieldError, Problem};
use http::StatusCode;

/// A refusal as a page shows it.
pub(super) struct Refusal {
    pub(super) title: String,
    pub(super) advice: String,
    pub(super) errors: Vec<FieldError>,
}

impl Refusal {
    /// What is to be told of a problem; `None` if it is the service's own trouble and no one's entry.
    pub(super) fn of(problem: &Problem) -> Option<Self> {
        problem.code().status().is_client_error().then(|| Self {
            title: problem.code().title().to_owned(),
            advice: problem.detail_text().unwrap_or(problem.code().advice()).to_owned(),
            errors: problem.errors().to_vec(),
        })
    }

    /// What is wrong with a field.
    pub(super) fn error(&self, name: &str) -> Option<&str> {
        let error = self.errors.iter().find(|error| error.field == name)?;
        Some(error.message.as_str())
    }
}

/// The status of a page that shows a form again, or not.
pub(super) fn status_with(refusal: Option<&Refusal>) -> StatusCode {
    match refusal {
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
        None => StatusCode::OK,
    }
}
