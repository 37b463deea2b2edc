//! The first page: the next steps of the setup, and the state of the service.

use askama::Template;
use http::StatusCode;
use vault::api_keys::Role;
use vault::integrations::Integration;
use vault::service::Status;

use super::frame::{Frame, Notice, Question, Section, ask, go_on, shown};
use super::visit::Visit;
use crate::HttpResult;
use crate::operations::Operations;

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    steps: [Step; 4],
    is_paused: bool,
    version: &'static str,
}

/// One step of setting the service up.
struct Step {
    text: &'static str,
    hint: &'static str,
    href: String,
    is_done: bool,
}

pub(super) async fn page(visit: &Visit<'_>) -> HttpResult {
    let Operations { integrations, connections, api_keys, service, .. } = visit.operations;
    let now = visit.now();
    let integrations = integrations.list().await?;
    let is_connected = connections.exist_for(&integrations).await?;
    let keys = api_keys.list().await?;
    let has_key = keys.iter().any(|key| key.role == Role::Application && key.works(now));
    let settings = service.settings().await?;
    shown(
        StatusCode::OK,
        &OverviewPage {
            frame: Frame::new(visit, Section::Overview, "Overview"),
            steps: steps(integrations.first(), is_connected, has_key),
            is_paused: settings.status == Status::Paused,
            version: env!("CARGO_PKG_VERSION"),
        },
    )
}

fn steps(first: Option<&Integration>, is_connected: bool, has_key: bool) -> [Step; 4] {
    let page_of_first = first.map_or_else(
        || "/portal/integrations".to_owned(),
        |integration| format!("/portal/integrations/{}", integration.id),
    );
    [
        Step {
            text: "Register the app in Entra and create an integration",
            hint: "The form shows each step in the Azure portal, with the values to enter there.",
            href: "/portal/integrations/new".to_owned(),
            is_done: first.is_some(),
        },
        Step {
            text: "Verify it",
            hint: "Asks Entra and Azure DevOps whether they accept what you entered.",
            href: page_of_first.clone(),
            // Verifications are not stored; a connection proves as much.
            is_done: is_connected,
        },
        Step {
            text: "Connect a first user, perhaps yourself, and try a call",
            hint: "On the integration's page: Connect a user.",
            href: page_of_first,
            is_done: is_connected,
        },
        Step {
            text: "Create an API key for your application",
            hint: "With it, your back end makes connect links and calls Azure DevOps.",
            href: "/portal/api-keys".to_owned(),
            is_done: has_key,
        },
    ]
}

/// Asks whether an operator is certain that the whole service is to stop.
pub(super) fn stop_page(visit: &Visit<'_>) -> HttpResult {
    let question = Question {
        title: "Stop the service".to_owned(),
        consequence: "Within five seconds no token is used or renewed, nobody is sent to Entra, and calls are refused. Nothing is lost: connections wait until the service goes on.",
        action: "/portal/service/pause".to_owned(),
        button: "Stop the service",
        back: "/".to_owned(),
        is_unfinished: false,
    };
    ask(visit, Section::Overview, &question)
}

/// Stops the service or lets it continue.
pub(super) async fn turn(visit: &Visit<'_>, status: Status) -> HttpResult {
    visit.operations.turn_service(status, visit.log).await?;
    match status {
        Status::Paused => go_on("/", Notice::Stopped),
        Status::Running => go_on("/", Notice::Started),
    }
}
