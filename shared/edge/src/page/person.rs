//! The page for an application's user: one message, in the application's name and colours.

use crate::gateway::Body;
use askama::Template;
use http::{Response, StatusCode};
use url::Url;
use vault::integrations::{AccentColor, BrandName, Branding, TextColor};

use super::texts::{self, Text};
use super::{Allowed, STYLE, response};
use crate::problem::{Code, Document, FieldError};

/// A page with one message and at most one way on.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The document's title.
    pub title: String,
    /// The heading: the message in a few words.
    pub heading: String,
    /// The message in sentences.
    pub paragraphs: Vec<String>,
    /// An address for another person.
    pub pass_on: Option<PassOn>,
    /// The next address.
    pub link: Option<Link>,
    /// Small print: names and values, such as the request id.
    pub facts: Vec<(&'static str, String)>,
    /// The application whose name and colours it has.
    pub branding: Branding,
}

/// A link with its text.
#[derive(Debug, Clone)]
pub struct Link {
    /// Its target. Anything but `http` and `https` is shown as text only.
    pub to: Url,
    /// Its text.
    pub text: String,
}

/// An address to copy and send to another person.
#[derive(Debug, Clone)]
pub struct PassOn {
    /// The person.
    pub label: String,
    /// The instruction.
    pub hint: String,
    /// The address.
    pub address: String,
}

/// A new connection.
#[derive(Debug, Clone, Default)]
pub struct Connected {
    /// The display name from Entra.
    pub name: Option<String>,
    /// The sign-in name from Entra.
    pub username: Option<String>,
    /// The Azure DevOps organization, if the connection is pinned to one.
    pub organization: Option<String>,
    /// The application.
    pub branding: Branding,
}

impl Page {
    /// The page with the facts of a problem document, in words for the user of an application.
    pub(crate) fn of_problem(code: Code, problem: &Document<'_>, branding: &Branding) -> Self {
        let text = texts::of(code);
        let mut page = Self::saying(text.heading, branding);
        page.say(text.happened);
        page.paragraphs.extend(problem.detail.map(str::to_owned));
        page.paragraphs.extend(
            problem
                .errors
                .iter()
                .map(|FieldError { field, message }| format!("{field}: {message}")),
        );
        page.say(text.advice);
        page.pass_on = problem.admin_consent_url.map(|address| PassOn {
            label: texts::ADMIN_LABEL.to_owned(),
            hint: texts::ADMIN_HINT.to_owned(),
            address: address.to_owned(),
        });
        let reconnect = problem.reconnect_url.and_then(|url| Url::parse(url).ok());
        page.link = reconnect.map(|to| Link { to, text: texts::RECONNECT.to_owned() });
        page.facts = vec![
            ("Code", problem.code.to_owned()),
            ("Status", problem.status.to_string()),
            ("Request id", problem.request_id.to_owned()),
        ];
        page
    }

    /// The page after a successful sign-in that does not go back to the application.
    #[must_use]
    pub fn connected(connected: &Connected) -> Self {
        let mut page = Self::saying(texts::CONNECTED.heading, &connected.branding);
        let account = match (&connected.name, &connected.username) {
            (Some(name), Some(username)) => Some(format!("{name} ({username})")),
            (one, other) => one.clone().or_else(|| other.clone()),
        };
        page.paragraphs.extend(account.map(|account| texts::signed_in(&account)));
        page.paragraphs.push(texts::connected_to(connected.organization.as_deref()));
        page.say(texts::CONNECTED.advice);
        page
    }

    /// The page for an administrator who, by Microsoft's answer, has consented for a whole tenant.
    #[must_use]
    pub fn consented() -> Self {
        Self::of_text(&texts::CONSENTED)
    }

    /// The body of a redirect to the sign-in, for clients that do not follow redirects.
    pub(crate) fn connecting(to: &Url) -> Self {
        Self::leading_on(&texts::CONNECTING, texts::GO_ON, to)
    }

    /// The body of a redirect back, for clients that do not follow redirects.
    pub(crate) fn returning(to: &Url) -> Self {
        Self::leading_on(&texts::RETURNING, texts::GO_BACK, to)
    }

    fn leading_on(text: &Text, link: &str, to: &Url) -> Self {
        let link = Some(Link { to: to.clone(), text: link.to_owned() });
        Self { link, ..Self::of_text(text) }
    }

    fn of_text(text: &Text) -> Self {
        let mut page = Self::saying(text.heading, &Branding::default());
        page.say(text.happened);
        page.say(text.advice);
        page
    }

    fn saying(heading: &str, branding: &Branding) -> Self {
        let (title, heading) = (heading.to_owned(), heading.to_owned());
        Self { title, heading, branding: branding.clone(), ..Self::default() }
    }

    /// Adds a text about the application, unless it is empty.
    fn say(&mut self, text: &str) {
        if !text.is_empty() {
            self.paragraphs.push(texts::about(self.name(), text));
        }
    }

    /// The page as HTML.
    pub fn html(&self) -> String {
        self.render(self.accent().as_deref())
    }

    /// The page as an answer, see [`response`].
    #[must_use]
    pub fn response(&self, status: StatusCode) -> Response<Body> {
        let accent = self.accent();
        let html = self.render(accent.as_deref());
        let (style, image) = (accent.as_deref(), self.logo());
        response(status, html, &Allowed { style, image, ..Allowed::default() })
    }

    fn render(&self, accent: Option<&str>) -> String {
        let name = self.name().unwrap_or_default();
        let title = titled(&self.title, name);
        let template =
            Rendered { page: self, title, style: STYLE, accent, logo: self.logo(), name };
        // Writing texts to a String cannot fail.
        template.render().unwrap_or_default()
    }

    fn name(&self) -> Option<&str> {
        self.branding.name.as_ref().map(BrandName::as_str)
    }

    fn logo(&self) -> Option<&Url> {
        self.branding.logo_url.as_ref().filter(|url| is_of_the_web(url))
    }

    fn accent(&self) -> Option<String> {
        self.branding.accent_color.map(accent_style)
    }
}

impl Link {
    fn is_of_the_web(&self) -> bool {
        is_of_the_web(&self.to)
    }
}

pub(crate) fn is_of_the_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

/// The accent colour where it does not harm legibility: a stripe, and buttons with a text of enough contrast. Links and
/// outlines keep their own colours, which fit light and dark.
pub(super) fn accent_style(accent: AccentColor) -> String {
    let text = match accent.text_color() {
        TextColor::Black => "#000",
        TextColor::White => "#fff",
    };
    format!(
        ".person{{border-top:.5rem solid {accent}}}\
         .person .button{{background:{accent};border-color:var(--field);color:{text}}}\
         .person .button:hover{{filter:none;text-decoration:underline}}"
    )
}

/// Returns the title of a document of this application; its name may be empty.
pub(super) fn titled(title: &str, name: &str) -> String {
    if name.is_empty() { title.to_owned() } else { format!("{title} \u{b7} {name}") }
}

#[derive(Template)]
#[template(path = "person.html")]
struct Rendered<'a> {
    page: &'a Page,
    title: String,
    style: &'static str,
    accent: Option<&'a str>,
    logo: Option<&'a Url>,
    /// Empty where there is none.
    name: &'a str,
}

#[cfg(test)]
mod tests;
