//! The end of a sign-in, as an answer to the browser.

use edge::gateway::Body;
use edge::log::RequestLog;
use edge::page::{Connected, Page};
use edge::problem::{Code, Problem};
use edge::respond;
use edge::sign_in::Begun;
use http::header::SET_COOKIE;
use http::{Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use url::Url;
use vault::ids::ConnectionId;

use crate::way_back::{self, WayBack};

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
    /// Stored and usable, with a code for the MCP client.
    Admitted {
        connection: ConnectionId,
        code: SecretString,
    },
    /// Not stored: the browser has to sign in at Entra once more.
    Again(Begun),
    Refused(Problem),
}

impl Outcome {
    /// Returns the connection that was stored.
    pub(crate) fn connection(&self) -> Option<&ConnectionId> {
        match self {
            Self::Pending { connection, .. }
            | Self::Active { connection, .. }
            | Self::Admitted { connection, .. } => Some(connection),
            Self::Again(_) | Self::Refused(_) => None,
        }
    }

    /// Returns 303 to the application or the MCP client with the result in its query, or a page if an application's
    /// session has no `return_to`.
    ///
    /// # Errors
    /// As [`Self::for_application`].
    pub(crate) fn response(
        self,
        way_back: &WayBack<'_>,
        log: &RequestLog,
    ) -> Result<Response<Body>, Problem> {
        match way_back {
            WayBack::Application(return_to) => self.for_application(*return_to, log),
            WayBack::Client { request, issuer } => match self {
                Self::Admitted { code, .. } => {
                    respond::see_other(&way_back::with_code(request, issuer, &code)?)
                }
                Self::Again(begun) => {
                    let mut response = respond::see_other(&begun.location)?;
                    response.headers_mut().append(SET_COOKIE, begun.cookie);
                    Ok(response)
                }
                Self::Refused(problem) => {
                    log.problem(&problem);
                    respond::see_other(&way_back::with_error(request, issuer, &problem)?)
                }
                Self::Pending { .. } | Self::Active { .. } => Err(not_for_this_flow()),
            },
        }
    }

    /// Returns 303 to `return_to` with the result in its query, or a page if there is no `return_to`.
    ///
    /// # Errors
    /// The refusal itself if there is no `return_to`. [`Code::IntegrationNotReady`] if the integration came to require
    /// confirmation after a link without `return_to` was made: the confirmation code has nowhere to go.
    fn for_application(
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
                Self::Admitted { .. } | Self::Again(_) => Err(not_for_this_flow()),
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
            Self::Admitted { .. } | Self::Again(_) => return Err(not_for_this_flow()),
        }
        respond::see_other(&url)
    }
}

fn not_for_this_flow() -> Problem {
    Problem::new(Code::InternalError).cause("the outcome of another kind of flow")
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
        let response =
            outcome.for_application(Some(&return_to), &RequestLog::new("request")).unwrap();
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
        let response = active(&id()).for_application(None, &RequestLog::new("request")).unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let page = String::from_utf8(response.body().to_vec()).unwrap();
        assert!(page.contains("Ada") && page.contains("mycompany"), "{page}");
    }

    #[test]
    fn a_refusal_without_return_to_stays_the_problem_that_it_is() {
        let refused = Outcome::Refused(Problem::new(Code::PersonalAccount));
        let problem = refused.for_application(None, &RequestLog::new("request")).unwrap_err();
        assert_eq!(problem.code(), Code::PersonalAccount);
    }

    #[test]
    fn a_confirmation_code_is_shown_to_nobody_where_there_is_no_return_to() {
        let problem =
            pending(&id()).for_application(None, &RequestLog::new("request")).unwrap_err();
        assert_eq!(problem.code(), Code::IntegrationNotReady);
        assert!(!format!("{problem:?}").contains("the-code"));
    }
}
