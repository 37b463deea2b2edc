//! The page on which a user lets an MCP client in, before the sign-in at Microsoft.

use askama::Template;
use devops::organization::OrganizationName;
use http::{Response, StatusCode};
use oauth::redirect_uri::Destination;
use url::Url;
use vault::integrations::{BrandName, Branding};

use super::person::{accent_style, is_of_the_web, titled};
use super::texts;
use super::{Allowed, Forms, STYLE, response};
use crate::gateway::Body;

/// A client, by what is known of it.
#[derive(Debug, Clone, Copy)]
pub enum ClientOf<'a> {
    /// A host vouches for it.
    Host {
        /// Its name.
        name: &'a str,
        /// The host.
        host: &'a str,
    },
    /// Nobody does: it has registered itself.
    Nobody {
        /// The name that it gives itself; empty if it gives none.
        name: &'a str,
    },
}

/// The page on which a user lets a client in, or not.
#[derive(Debug)]
pub struct ConsentPage<'a> {
    /// The client.
    pub client: ClientOf<'a>,
    /// Where the browser goes afterwards, with a code.
    pub destination: Destination,
    /// The organizations that are in reach.
    pub organizations: Vec<OrganizationName>,
    /// Whether the integration has tools that change something.
    pub may_write: bool,
    /// Whether the client asks for them.
    pub asks_to_write: bool,
    /// The token of the form.
    pub csrf: String,
    /// The address for a user who refuses.
    pub deny: Url,
    /// The application.
    pub branding: &'a Branding,
}

impl ConsentPage<'_> {
    /// The page as an answer, see [`response`]. The browser applies `form-action` along redirects, and the sign-in leads
    /// through hosts of the user's organization that nobody can list: the form may go anywhere.
    #[must_use]
    pub fn response(&self, status: StatusCode) -> Response<Body> {
        let accent = self.branding.accent_color.map(accent_style);
        let logo = self.branding.logo_url.as_ref().filter(|url| is_of_the_web(url));
        let name = self.branding.name.as_ref().map(BrandName::as_str);
        let application = texts::about(name, "{application}");
        let introduction = match self.client {
            ClientOf::Host { name, host } => texts::asked_by(name, host, &application),
            ClientOf::Nobody { name: "" } => texts::asked_by_nobody(&application),
            ClientOf::Nobody { name } => texts::asked_by_itself(name, &application),
        };
        let heading = texts::let_in(self.client.name());
        let template = Rendered {
            page: self,
            style: STYLE,
            accent: accent.as_deref(),
            logo,
            name: name.unwrap_or_default(),
            title: titled(&heading, name.unwrap_or_default()),
            heading,
            introduction,
            organizations: self
                .organizations
                .iter()
                .map(OrganizationName::as_str)
                .collect::<Vec<_>>()
                .join(", "),
            afterwards: shown(&self.destination),
            warning: match self.destination {
                Destination::Host(_) => "",
                Destination::Loopback | Destination::Scheme(_) => texts::JUST_NOW,
            },
        };
        // Writing texts to a String cannot fail.
        let html = template.render().unwrap_or_default();
        let (style, image) = (accent.as_deref(), logo);
        let allowed = Allowed { style, image, forms: Forms::Anywhere, ..Allowed::default() };
        response(status, html, &allowed)
    }
}

/// The page of a request that a client has made wrongly, or may not make here. A link leads back to the client, and the
/// browser does not go there by itself: anybody can register an address, and our own would lead to it (RFC 9700 section
/// 4.11.2).
#[derive(Debug)]
pub struct RefusedClientPage<'a> {
    /// The client.
    pub client: ClientOf<'a>,
    /// Where the link leads.
    pub destination: Destination,
    /// The fault, for the client's developers.
    pub fault: &'a str,
    /// The client's address, with the error.
    pub back: Url,
    /// The application.
    pub branding: &'a Branding,
}

impl RefusedClientPage<'_> {
    /// The page as an answer, see [`response`].
    #[must_use]
    pub fn response(&self) -> Response<Body> {
        let accent = self.branding.accent_color.map(accent_style);
        let logo = self.branding.logo_url.as_ref().filter(|url| is_of_the_web(url));
        let name = self.branding.name.as_ref().map(BrandName::as_str).unwrap_or_default();
        let heading = texts::not_let_in(self.client.name());
        let template = RenderedRefusal {
            page: self,
            style: STYLE,
            accent: accent.as_deref(),
            logo,
            name,
            title: titled(&heading, name),
            heading,
            destination: shown(&self.destination),
        };
        // Writing texts to a String cannot fail.
        let html = template.render().unwrap_or_default();
        let (style, image) = (accent.as_deref(), logo);
        response(StatusCode::BAD_REQUEST, html, &Allowed { style, image, ..Allowed::default() })
    }
}

impl<'a> ClientOf<'a> {
    fn name(self) -> &'a str {
        match self {
            Self::Nobody { name: "" } => texts::SOME_PROGRAM,
            Self::Host { name, .. } | Self::Nobody { name } => name,
        }
    }
}

fn shown(destination: &Destination) -> String {
    match destination {
        Destination::Host(host) => host.clone(),
        Destination::Loopback => texts::ON_THIS_COMPUTER.to_owned(),
        Destination::Scheme(scheme) => texts::by_scheme(scheme),
    }
}

#[derive(Template)]
#[template(path = "refused_client.html")]
struct RenderedRefusal<'a> {
    page: &'a RefusedClientPage<'a>,
    style: &'static str,
    accent: Option<&'a str>,
    logo: Option<&'a Url>,
    /// Empty where there is none.
    name: &'a str,
    title: String,
    heading: String,
    destination: String,
}

#[derive(Template)]
#[template(path = "consent.html")]
struct Rendered<'a> {
    page: &'a ConsentPage<'a>,
    style: &'static str,
    accent: Option<&'a str>,
    logo: Option<&'a Url>,
    /// Empty where there is none.
    name: &'a str,
    title: String,
    heading: String,
    introduction: String,
    organizations: String,
    afterwards: String,
    /// Empty where there is none.
    warning: &'static str,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use http::header::CONTENT_SECURITY_POLICY;

    use super::*;

    fn page(client: ClientOf<'_>, destination: Destination, asks_to_write: bool) -> String {
        let branding = Branding::default();
        let response = ConsentPage {
            client,
            destination,
            organizations: vec!["mycompany".parse().unwrap()],
            may_write: true,
            asks_to_write,
            csrf: "token".to_owned(),
            deny: "https://app.example/cb?error=access_denied".parse().unwrap(),
            branding: &branding,
        }
        .response(StatusCode::OK);
        let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("form-action"));
        assert!(!policy.contains("script-src"));
        String::from_utf8(response.body().to_vec()).unwrap()
    }

    #[test]
    fn the_page_names_client_host_destination_and_organization() {
        let client = ClientOf::Host { name: "Agent <b>", host: "client.example" };
        let page = page(client, Destination::Host("app.example".to_owned()), true);
        for text in ["Agent &#60;b&#62;", "client.example", "app.example", "mycompany"] {
            assert!(page.contains(text), "{text}: {page}");
        }
        assert!(!page.contains("<b>") && !page.contains(texts::JUST_NOW));
    }

    #[test]
    fn a_program_on_the_own_computer_that_nobody_vouches_for_is_said_to_be_one() {
        let page = page(ClientOf::Nobody { name: "Agent" }, Destination::Loopback, false);
        assert!(page.contains("calls itself") && page.contains(texts::JUST_NOW));
    }

    #[test]
    fn changing_things_is_ticked_only_if_the_client_asks_for_it() {
        let ticked = |asks| {
            let page = page(ClientOf::Nobody { name: "" }, Destination::Loopback, asks);
            let (_, input) = page.split_once("name=\"write\"").unwrap();
            input.split_once('>').unwrap().0.contains("checked")
        };
        assert!(ticked(true) && !ticked(false));
    }

    #[test]
    fn a_refused_client_gets_a_link_and_no_form() {
        let response = RefusedClientPage {
            client: ClientOf::Nobody { name: "Agent <b>" },
            destination: Destination::Host("app.example".to_owned()),
            fault: "response_type must be code.",
            back: "https://app.example/cb?error=invalid_request&state=s".parse().unwrap(),
            branding: &Branding::default(),
        }
        .response();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert!(response.headers().get(http::header::LOCATION).is_none());
        let page = std::str::from_utf8(response.body()).unwrap();
        for text in ["Agent &#60;b&#62;", "response_type must be code.", "error=invalid_request"] {
            assert!(page.contains(text), "{text}: {page}");
        }
        assert!(!page.contains("<form") && !page.contains("http-equiv"));
    }
}
