//! What surrounds every page of the portal, and turning a page into an answer.

use askama::Template;
use edge::gateway::{Body, Request};
use edge::page::{self, Allowed, Forms};
use edge::problem::{Code, Problem};
use http::header::LOCATION;
use http::{HeaderValue, Response, StatusCode};

use super::Visit;

/// The portal's script: everything works without it, some of it faster with it.
pub(super) const SCRIPT: &str = include_str!("../../templates/portal.js");

/// The parts of the portal, as its navigation names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Overview,
    Integrations,
    Connections,
    ApiKeys,
    Health,
}

impl Section {
    const ALL: [(Self, &'static str, &'static str); 5] = [
        (Self::Overview, "/", "Overview"),
        (Self::Integrations, "/portal/integrations", "Integrations"),
        (Self::Connections, "/portal/connections", "Connections"),
        (Self::ApiKeys, "/portal/api-keys", "API keys"),
        (Self::Health, "/portal/health", "Health"),
    ];
}

/// What surrounds a page.
pub(super) struct Frame {
    pub(super) title: String,
    section: Section,
    pub(super) csrf: String,
    pub(super) notice: Option<&'static str>,
}

impl Frame {
    /// The frame of a page, with the notice that its address asks for.
    pub(super) fn new(visit: &Visit<'_>, section: Section, title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            section,
            csrf: visit.operator.form_token(),
            notice: Notice::asked_for(visit.request).map(Notice::text),
        }
    }

    /// The stylesheet.
    #[expect(clippy::unused_self, reason = "templates reach functions through what they are given")]
    pub(super) fn style(&self) -> &'static str {
        page::STYLE
    }

    /// The script.
    #[expect(clippy::unused_self, reason = "templates reach functions through what they are given")]
    pub(super) fn script(&self) -> &'static str {
        SCRIPT
    }

    /// Address and text of each part, and whether this page belongs to it.
    pub(super) fn sections(&self) -> [(&'static str, &'static str, bool); 5] {
        Section::ALL.map(|(section, href, text)| (href, text, section == self.section))
    }
}

/// What a page says about the form that led to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notice {
    Created,
    Saved,
    Paused,
    Resumed,
    Deleted,
    Connected,
    Refused,
    Renewed,
    Disconnected,
    Revoked,
    Stopped,
    Started,
}

impl Notice {
    const ALL: [(Self, &'static str, &'static str); 12] = [
        (Self::Created, "created", "The integration is created. Verify it next."),
        (Self::Saved, "saved", "The integration is saved."),
        (
            Self::Paused,
            "paused",
            "The integration is paused: nothing is connected, called or renewed under it.",
        ),
        (Self::Resumed, "resumed", "The integration goes on."),
        (
            Self::Deleted,
            "deleted",
            "The integration is deleted, with its connections and its credential.",
        ),
        (Self::Connected, "connected", "The connection is confirmed and can be used."),
        (
            Self::Refused,
            "refused",
            "The sign-in is refused, and its tokens are erased. What was connected before goes on.",
        ),
        (Self::Renewed, "renewed", "The access token is renewed."),
        (Self::Disconnected, "disconnected", "The connection is deleted; its tokens are erased."),
        (Self::Revoked, "revoked", "The API key is revoked."),
        (
            Self::Stopped,
            "stopped",
            "The service is stopped: no token is used or renewed, and nobody is sent to Entra.",
        ),
        (Self::Started, "started", "The service goes on."),
    ];

    fn text(self) -> &'static str {
        Self::ALL.iter().find(|(notice, ..)| *notice == self).map_or("", |(_, _, text)| text)
    }

    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(notice, ..)| *notice == self).map_or("", |(_, word, _)| word)
    }

    fn asked_for(request: &Request) -> Option<Self> {
        let asked =
            request.uri().query()?.split('&').find_map(|pair| pair.strip_prefix("notice="))?;
        Self::ALL.iter().find(|(_, word, _)| *word == asked).map(|(notice, ..)| *notice)
    }
}

/// A page as an answer.
///
/// # Errors
/// [`Code::InternalError`] when the template fails.
pub(super) fn shown(status: StatusCode, page: &impl Template) -> Result<Response<Body>, Problem> {
    let html = page.render().map_err(|error| Problem::new(Code::InternalError).cause(error))?;
    let allowed = Allowed { script: Some(SCRIPT), forms: Forms::Own, ..Allowed::default() };
    Ok(page::response(status, html, &allowed))
}

/// On to a page of the portal, which says what was done.
///
/// # Errors
/// As [`to`].
pub(super) fn go_on(path: &str, notice: Notice) -> Result<Response<Body>, Problem> {
    to(&format!("{path}?notice={}", notice.word()))
}

/// To another page of the portal: relative, so that it stays at the address where the operator's cookie is.
///
/// # Errors
/// [`Code::InternalError`] when the path cannot stand in a header.
pub(super) fn to(path: &str) -> Result<Response<Body>, Problem> {
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

/// A refusal as a page of the portal, from which one can go on.
///
/// # Errors
/// [`Code::InternalError`] when the template fails.
pub(super) fn refused(visit: &Visit<'_>, problem: &Problem) -> Result<Response<Body>, Problem> {
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

/// What is asked before something is done that cannot be undone.
pub(super) struct Question<'a> {
    /// What would be done: the heading.
    pub(super) title: String,
    /// What that means, in a sentence.
    pub(super) consequence: &'a str,
    /// Where the answer is sent to.
    pub(super) action: String,
    /// What the button says.
    pub(super) button: &'a str,
    /// Where it is not done.
    pub(super) back: String,
    /// Whether it was begun and has to be done again to finish.
    pub(super) is_unfinished: bool,
}

/// A page that asks whether an operator is certain.
///
/// # Errors
/// [`Code::InternalError`] when the template fails.
pub(super) fn ask(
    visit: &Visit<'_>,
    section: Section,
    question: &Question<'_>,
) -> Result<Response<Body>, Problem> {
    let status =
        if question.is_unfinished { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let frame = Frame::new(visit, section, question.title.clone());
    shown(status, &CertainPage { frame, question })
}
