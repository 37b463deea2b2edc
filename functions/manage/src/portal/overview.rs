//! The first page: what to do next, and whether the service runs.

use askama::Template;
use edge::gateway::Body;
use edge::problem::Problem;
use http::{Response, StatusCode};
use vault::api_keys::Role;
use vault::connections::UserFilter;
use vault::service;

use super::frame::{Frame, Notice, Question, Section, ask, go_on, shown};
use super::{Turn, Visit};
use crate::Manage;

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

impl Manage {
    pub(super) async fn overview_page(&self, visit: &Visit<'_>) -> Result<Response<Body>, Problem> {
        let integrations = self.integrations.list().await?;
        let first = integrations.first();
        let mut is_connected = false;
        for integration in &integrations {
            if is_connected {
                break;
            }
            let page = self.connections.list(&integration.id, UserFilter::Any, None, 1).await?;
            is_connected = !page.connections.is_empty();
        }
        let keys = self.api_keys.list().await?;
        let now = self.clock.now();
        let of_first = |otherwise: &str| match first {
            Some(integration) => format!("/portal/integrations/{}", integration.id),
            None => otherwise.to_owned(),
        };
        let steps = [
            Step {
                text: "Register the app in Entra and create an integration",
                hint: "The form shows each step in the Azure portal, with the values to enter there.",
                href: "/portal/integrations/new".to_owned(),
                is_done: first.is_some(),
            },
            Step {
                text: "Verify it",
                hint: "Asks Entra and Azure DevOps whether they accept what you entered.",
                href: of_first("/portal/integrations"),
                // Whether somebody verified is not kept; whoever is connected is proof enough.
                is_done: is_connected,
            },
            Step {
                text: "Connect a first user, perhaps yourself, and try a call",
                hint: "On the integration's page: Connect a user.",
                href: of_first("/portal/integrations"),
                is_done: is_connected,
            },
            Step {
                text: "Create an API key for your application",
                hint: "With it, your back end makes connect links and calls Azure DevOps.",
                href: "/portal/api-keys".to_owned(),
                is_done: keys.iter().any(|key| key.role == Role::Application && key.works(now)),
            },
        ];
        let settings = self.service.settings().await?;
        shown(
            StatusCode::OK,
            &OverviewPage {
                frame: Frame::new(visit, Section::Overview, "Overview"),
                steps,
                is_paused: settings.status == service::Status::Paused,
                version: env!("CARGO_PKG_VERSION"),
            },
        )
    }

    pub(super) async fn turn_service_from_portal(
        &self,
        turn: Turn,
    ) -> Result<Response<Body>, Problem> {
        let (status, notice) = match turn {
            Turn::Pause => (service::Status::Paused, Notice::Stopped),
            Turn::Resume => (service::Status::Running, Notice::Started),
        };
        self.turn_service(status).await?;
        go_on("/", notice)
    }
}

/// Whether an operator is certain that the whole service is to stop.
pub(super) fn stop_page(visit: &Visit<'_>) -> Result<Response<Body>, Problem> {
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
