//! Back to the application, or a page where there is none to go back to.

use edge::gateway::Body;
use edge::log::RequestLog;
use edge::page::{Connected, Page};
use edge::problem::{Code, Problem};
use edge::respond;
use http::{Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use url::Url;
use vault::ids::ConnectionId;

/// How a flow ended whose state was good.
pub(crate) enum Outcome {
    /// Stored; the application must confirm.
    Pending { connection: ConnectionId, confirmation: SecretString },
    /// Stored and usable.
    Active { connection: ConnectionId, connected: Connected },
    /// Not stored.
    Refused(Problem),
}

impl Outcome {
    /// The answer: 303 to `return_to` with the result in its query, else a page.
    pub(crate) fn response(
        self,
        return_to: Option<&Url>,
        log: &RequestLog,
    ) -> Result<Response<Body>, Problem> {
        let Some(return_to) = return_to else {
            return match self {
                Self::Refused(problem) => Err(problem),
                Self::Active { connected, .. } => {
                    Ok(Page::connected(&connected).response(StatusCode::OK))
                }
                // Confirmation became required after the link was made: nobody gets the code, so nothing comes of it.
                Self::Pending { .. } => Err(Problem::new(Code::IntegrationNotReady)
                    .cause("confirmation is required and there is no return_to")),
            };
        };
        let mut url = return_to.clone();
        match &self {
            Self::Pending { connection, confirmation } => {
                url.query_pairs_mut()
                    .append_pair("connection_id", connection.as_str())
                    .append_pair("confirmation", confirmation.expose_secret());
            }
            Self::Active { connection, .. } => {
                url.query_pairs_mut().append_pair("connection_id", connection.as_str());
            }
            Self::Refused(problem) => {
                log.problem(problem);
                url.query_pairs_mut().append_pair("error", problem.code().as_str());
            }
        }
        respond::see_other(&url)
    }
}
