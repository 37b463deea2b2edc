//! The actions that need a user's token: renewing it, and trying a call.

use askama::Template;
use http::StatusCode;
use serde_json::Value;
use vault::audit::{AuditEvent, What};
use vault::connections::Connection;

use super::connections;
use super::form::{Form, Refusal};
use super::frame::{Frame, Notice, Section, go_on, shown};
use super::visit::Visit;
use crate::HttpResult;
use crate::operations::gateway_client::Received;

/// Bytes of a body that a page shows.
const SHOWN: usize = 24 * 1024;

#[derive(Template)]
#[template(path = "try.html")]
struct TryPage {
    frame: Frame,
    id: String,
    address: String,
    trouble: Option<Trouble>,
    answer: Option<ShownAnswer>,
}

/// Why a page shows no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// The entered text is no address of Azure DevOps.
    Address,
    /// The service's own gateway did not answer.
    NoAnswer,
}

impl TryPage {
    fn has_no_answer(&self) -> bool {
        self.trouble == Some(Trouble::NoAnswer)
    }

    fn address_error(&self) -> Option<&'static str> {
        (self.trouble == Some(Trouble::Address)).then_some(
            "An address of Azure DevOps, such as https://dev.azure.com/mycompany/_apis/projects",
        )
    }
}

/// An answer of Azure DevOps, or of the service in its place, as the page shows it.
struct ShownAnswer {
    status: String,
    headers: Vec<(String, String)>,
    body: String,
    is_cut: bool,
}

impl From<Received> for ShownAnswer {
    fn from(Received { status, headers, body }: Received) -> Self {
        let (text, is_shortened) = readable(&body.bytes);
        let is_cut = !body.is_whole || is_shortened;
        Self { status: status.to_string(), headers, body: text, is_cut }
    }
}

/// Renews a connection's tokens.
pub(super) async fn refresh(visit: &Visit<'_>, id: &str) -> HttpResult {
    let connection = visit.connection(id).await?;
    let received = visit.operations.gateway.refresh(&connection).await?;
    if received.as_ref().is_some_and(|received| received.status.is_success()) {
        return go_on(&format!("/portal/connections/{}", connection.id), Notice::Renewed);
    }
    // The attempt may have changed the connection.
    let connection = visit.connection(id).await?;
    connections::show(visit, connection, Some(refusal_in(received))).await
}

/// Shows the form for a call, with an address that finds something in any organization.
pub(super) async fn try_page(visit: &Visit<'_>, id: &str) -> HttpResult {
    let connection = visit.connection(id).await?;
    let organization = visit.operations.integrations.first_organization(&connection).await?;
    let name = organization.map_or_else(|| "{organization}".to_owned(), |name| name.to_string());
    let address = format!("https://dev.azure.com/{name}/_apis/projects?api-version=7.1");
    show_try(visit, &connection, address, None, None)
}

/// Sends a GET with the user's token, and shows the answer.
pub(super) async fn try_call(visit: &Visit<'_>, id: &str, form: &Form) -> HttpResult {
    let gateway = &visit.operations.gateway;
    let connection = visit.connection(id).await?;
    let entered = form.text("address").to_owned();
    let Some(url) = gateway.proxied(&connection, &entered) else {
        return show_try(visit, &connection, entered, Some(Trouble::Address), None);
    };
    let event = AuditEvent::about(What::PortalCall, &connection);
    visit.operations.audit.record(&visit.log.actor(), &event).await;
    match gateway.get(&connection, url).await? {
        None => show_try(visit, &connection, entered, Some(Trouble::NoAnswer), None),
        Some(received) => show_try(visit, &connection, entered, None, Some(received.into())),
    }
}

/// Lays out JSON, and leaves other text unchanged. Returns at most [`SHOWN`] bytes, and whether it cut the text.
fn readable(body: &[u8]) -> (String, bool) {
    let mut text = match serde_json::from_slice::<Value>(body) {
        Ok(value) => serde_json::to_string_pretty(&value).unwrap_or_default(),
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    let end = text.floor_char_boundary(SHOWN.min(text.len()));
    let is_shortened = end < text.len();
    text.truncate(end);
    (text, is_shortened)
}

/// Reads the problem document of an answer.
fn refusal_in(received: Option<Received>) -> Refusal {
    let Some(Received { status, body, .. }) = received else {
        let title = "The service's own address did not answer in time".to_owned();
        return Refusal { title, advice: String::new(), errors: Vec::new() };
    };
    let document: Value = serde_json::from_slice(&body.bytes).unwrap_or_default();
    let text = |name: &str| document[name].as_str().map(str::to_owned);
    Refusal {
        title: text("title").unwrap_or_else(|| format!("The gateway answered {status}")),
        advice: text("detail").or_else(|| text("advice")).unwrap_or_default(),
        errors: Vec::new(),
    }
}

fn show_try(
    visit: &Visit<'_>,
    connection: &Connection,
    address: String,
    trouble: Option<Trouble>,
    answer: Option<ShownAnswer>,
) -> HttpResult {
    let status = match trouble {
        Some(Trouble::Address) => StatusCode::UNPROCESSABLE_ENTITY,
        Some(Trouble::NoAnswer) => StatusCode::GATEWAY_TIMEOUT,
        None => StatusCode::OK,
    };
    let frame = Frame::new(visit, Section::Connections, "Try it");
    let id = connection.id.to_string();
    shown(status, &TryPage { frame, id, address, trouble, answer })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_body_is_cut_between_characters() {
        assert_eq!(readable(b"{\"a\":1}"), ("{\n  \"a\": 1\n}".to_owned(), false));
        let (text, is_shortened) = readable("€".repeat(SHOWN).as_bytes());
        assert!(is_shortened && text.len() <= SHOWN && text.ends_with('€'));
    }
}
