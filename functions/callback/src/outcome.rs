//! The way back to the application, or a page if the connect session has no `return_to`.

use edge::gateway::Body;
use edge::log::RequestLog;
use edge::page::{Connected, Page};
use edge::problem::{Code, Problem};
use edge::respond;
use http::{Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use url::Url;
use vault::ids::ConnectionId;

pub(crate) enum Outcome {
    /// Stored; the application must confirm it.
    Pending {
        connection: ConnectionId,
        confirmation: SecretString,
    },
    /// Stored and usable.
    Active {
        connection: ConnectionId,
        connected: Connected,
    },
    Refused(Problem),
}

impl Outcome {
    /// Returns 303 to `return_to` with the result in its query, or a page if there is no `return_to`.
    ///
    /// # Errors
    /// The refusal itself if there is no `return_to`. [`Code::IntegrationNotReady`] if the integration came to require
    /// confirmation after a link without `return_to` was made: the confirmation code has nowhere to go.
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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use ground::clock::{Clock as _, SystemClock};
    use ground::random::Random;
    use http::header::LOCATION;
    use vault::integrations::Branding;

    use super::*;

    const RETURN_TO: &str = "https://app.mycompany.example/connected?tab=azure";

    fn id() -> ConnectionId {
        ConnectionId::mint(SystemClock.now(), &mut Random::System)
    }

    fn pending(connection: &ConnectionId) -> Outcome {
        let confirmation = SecretString::from("the-code");
        Outcome::Pending { connection: connection.clone(), confirmation }
    }

    fn active(connection: &ConnectionId) -> Outcome {
        let connected = Connected {
            name: Some("Ada".to_owned()),
            username: None,
            organization: Some("mycompany".to_owned()),
            branding: Branding::default(),
        };
        Outcome::Active { connection: connection.clone(), connected }
    }

    /// The query of the address that the browser is sent to, after the status and the rest of the address are checked.
    fn sent_back(outcome: Outcome) -> HashMap<String, String> {
        let return_to = RETURN_TO.parse().unwrap();
        let response = outcome.response(Some(&return_to), &RequestLog::new("request")).unwrap();
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        let location = response.headers()[LOCATION].to_str().unwrap();
        assert!(location.starts_with("https://app.mycompany.example/connected?"), "{location}");
        Url::parse(location).unwrap().query_pairs().into_owned().collect()
    }

    fn query(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        let pairs = [("tab", "azure")].iter().chain(pairs);
        pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_pending_connection_goes_back_with_its_id_and_confirmation() {
        let id = id();
        let expected = query(&[("connection_id", id.as_str()), ("confirmation", "the-code")]);
        assert_eq!(sent_back(pending(&id)), expected);
    }

    #[test]
    fn an_active_connection_goes_back_with_its_id_alone() {
        let id = id();
        assert_eq!(sent_back(active(&id)), query(&[("connection_id", id.as_str())]));
    }

    #[test]
    fn a_refusal_goes_back_with_its_code_and_nothing_of_its_cause() {
        let problem = Problem::new(Code::WrongTenant).detail("detail").cause("cause");
        assert_eq!(sent_back(Outcome::Refused(problem)), query(&[("error", "wrong_tenant")]));
    }

    #[test]
    fn a_connection_without_return_to_ends_on_a_page_that_names_the_user() {
        let response = active(&id()).response(None, &RequestLog::new("request")).unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let page = String::from_utf8(response.body().to_vec()).unwrap();
        assert!(page.contains("Ada") && page.contains("mycompany"), "{page}");
    }

    #[test]
    fn a_refusal_without_return_to_stays_the_problem_that_it_is() {
        let refused = Outcome::Refused(Problem::new(Code::PersonalAccount));
        let problem = refused.response(None, &RequestLog::new("request")).unwrap_err();
        assert_eq!(problem.code(), Code::PersonalAccount);
    }

    #[test]
    fn a_confirmation_code_is_shown_to_nobody_where_there_is_no_return_to() {
        let problem = pending(&id()).response(None, &RequestLog::new("request")).unwrap_err();
        assert_eq!(problem.code(), Code::IntegrationNotReady);
        assert!(!format!("{problem:?}").contains("the-code"));
    }
}
