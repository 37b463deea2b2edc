//! The frame of every page of the portal, and the responses that pages become.

use askama::Template;
use edge::csrf;
use edge::gateway::{Body, Request};
use edge::page::{self, Allowed, Forms};
use edge::problem::{Code, Problem};
use http::header::LOCATION;
use http::{HeaderValue, Response, StatusCode};
use serde::{Deserialize, Serialize};

use super::visit::Visit;
use crate::HttpResult;
use crate::operations::{from_word, to_word};

/// The portal's script. Everything works without it, some of it more slowly.
pub(super) const SCRIPT: &str = include_str!("../../templates/portal.js");

/// The parts of the portal in its navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Overview,
    Integrations,
    Connections,
    ApiKeys,
    Audit,
    Health,
}

impl Section {
    const ALL: [(Self, &'static str, &'static str); 6] = [
        (Self::Overview, "/", "Overview"),
        (Self::Integrations, "/portal/integrations", "Integrations"),
        (Self::Connections, "/portal/connections", "Connections"),
        (Self::ApiKeys, "/portal/api-keys", "API keys"),
        (Self::Audit, "/portal/audit", "Audit"),
        (Self::Health, "/portal/health", "Health"),
    ];
}

/// Title, navigation and notice of a page.
pub(super) struct Frame {
    pub(super) title: String,
    section: Section,
    pub(super) csrf: String,
    pub(super) notice: Option<&'static str>,
}

impl Frame {
    /// Makes the frame of a page, with the notice that its address names.
    pub(super) fn new(visit: &Visit<'_>, section: Section, title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            section,
            csrf: csrf::token(&visit.operator.session),
            notice: Notice::asked_for(visit.request).map(Notice::text),
        }
    }

    /// Returns address and text of each part, and whether this page belongs to it.
    pub(super) fn sections(&self) -> [(&'static str, &'static str, bool); 6] {
        Section::ALL.map(|(section, href, text)| (href, text, section == self.section))
    }
}

/// The result of the form that led to a page. Its word is in the page's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Notice {
    Created,
    Saved,
    Paused,
    Resumed,
    Deleted,
    Connected,
    Refused,
    Renewed,
    ConnectionPaused,
    ConnectionResumed,
    Disconnected,
    Revoked,
    Stopped,
    Started,
}

impl Notice {
    const fn text(self) -> &'static str {
        match self {
            Self::Created => "The integration is created. Verify it next.",
            Self::Saved => "The integration is saved.",
            Self::Paused => {
                "The integration is paused: nothing is connected, called or renewed under it."
            }
            Self::Resumed => "The integration goes on.",
            Self::Deleted => "The integration is deleted, with its connections and its credential.",
            Self::Connected => "The connection is confirmed and can be used.",
            Self::Refused => {
                "The sign-in is refused, and its tokens are erased. What was connected before goes on."
            }
            Self::Renewed => "The access token is renewed.",
            Self::ConnectionPaused => {
                "The connection is paused: nothing is called with it and no token is handed out. Its tokens are still renewed."
            }
            Self::ConnectionResumed => "The connection goes on.",
            Self::Disconnected => "The connection is deleted; its tokens are erased.",
            Self::Revoked => "The API key is revoked.",
            Self::Stopped => {
                "The service is stopped: no token is used or renewed, and nobody is sent to Entra."
            }
            Self::Started => "The service goes on.",
        }
    }

    fn asked_for(request: &Request) -> Option<Self> {
        let mut pairs = request.uri().query()?.split('&');
        from_word(pairs.find_map(|pair| pair.strip_prefix("notice="))?)
    }
}

/// Renders a page.
///
/// # Errors
/// [`Code::InternalError`] when the template fails.
pub(super) fn shown(status: StatusCode, page: &impl Template) -> HttpResult {
    let html = page.render().map_err(|error| Problem::new(Code::InternalError).cause(error))?;
    let allowed = Allowed { script: Some(SCRIPT), forms: Forms::Own, ..Allowed::default() };
    Ok(page::response(status, html, &allowed))
}

/// Redirects to a page of the portal that shows a notice.
///
/// # Errors
/// As [`to`].
pub(super) fn go_on(path: &str, notice: Notice) -> HttpResult {
    to(&format!("{path}?notice={}", to_word(&notice)))
}

/// Redirects to another page of the portal. The location is relative: the browser stays at the address of its cookie.
///
/// # Errors
/// [`Code::InternalError`] if the path is no header value.
pub(super) fn to(path: &str) -> HttpResult {
    let location = HeaderValue::from_str(path)
        .map_err(|_| Problem::new(Code::InternalError).cause("unusable redirect address"))?;
    let mut response = Response::new(Body::new());
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    frame: Frame,
    problem: &'a Problem,
    request_id: &'a str,
}

/// Shows a problem as a page of the portal, with its navigation.
///
/// # Errors
/// [`Code::InternalError`] when the template fails.
pub(super) fn refused(visit: &Visit<'_>, problem: &Problem) -> HttpResult {
    visit.log.problem(problem);
    let frame = Frame::new(visit, Section::Overview, problem.code().title());
    let page = ProblemPage { frame, problem, request_id: visit.log.request_id() };
    shown(problem.code().status(), &page)
}

#[derive(Template)]
#[template(path = "certain.html")]
struct CertainPage<'a> {
    frame: Frame,
    question: &'a Question<'a>,
}

/// The question before an action that cannot be undone.
pub(super) struct Question<'a> {
    /// The heading: the action.
    pub(super) title: String,
    /// Its consequence, in a sentence.
    pub(super) consequence: &'a str,
    /// Where the form is sent to.
    pub(super) action: String,
    /// The button's text.
    pub(super) button: &'a str,
    /// Where an operator goes who decides against it.
    pub(super) back: String,
    /// Whether the action was begun and has to be repeated to finish.
    pub(super) is_unfinished: bool,
}

/// Asks whether an operator is certain.
///
/// # Errors
/// [`Code::InternalError`] when the template fails.
pub(super) fn ask(visit: &Visit<'_>, section: Section, question: &Question<'_>) -> HttpResult {
    let status =
        if question.is_unfinished { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let frame = Frame::new(visit, section, question.title.clone());
    shown(status, &CertainPage { frame, question })
}
