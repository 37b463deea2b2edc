//! What surrounds every page of the portal, and turning a page into an answer.

use askama::Template;
use edge::page::{self, Allowed, Forms};
use edge::problem::{Code, Problem};
use edge::respond;
use http::{Response, StatusCode};
use lambda_http::{Body, Request};

use super::Visit;
use crate::Manage;

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
    Renewed,
    Disconnected,
    Revoked,
    Stopped,
    Started,
}

impl Notice {
    const ALL: [(Self, &'static str, &'static str); 11] = [
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

impl Manage {
    /// To another page of the portal.
    pub(super) fn page_of(&self, path: &str) -> Result<Response<Body>, Problem> {
        let mut url = self.public_url.to_url();
        url.set_path(path);
        respond::see_other(&url)
    }

    /// On to a page of the portal, which says what was done.
    pub(super) fn go_on(&self, path: &str, notice: Notice) -> Result<Response<Body>, Problem> {
        let mut url = self.public_url.to_url();
        url.set_path(path);
        url.query_pairs_mut().append_pair("notice", notice.word());
        respond::see_other(&url)
    }
}
