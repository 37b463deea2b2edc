//! One integration: its settings, what verifying finds, connecting a user, pausing and deleting it.

use askama::Template;
use edge::gateway::Body;
use edge::parameters::Query;
use edge::problem::{Code, Problem};
use http::Response;
use vault::ids::IntegrationId;
use vault::integrations::{Confirmation, Integration, Organizations, Status};

use super::frame::{Frame, Notice, Question, Section, ask, go_on, shown};
use super::integrations::Row;
use super::refusal::{Refusal, status_with};
use super::shown::Tag;
use super::{Turn, Visit};
use crate::Manage;
use crate::api::wire::{FindingStatus, Verification};

#[derive(Template)]
#[template(path = "integration.html")]
struct IntegrationPage {
    frame: Frame,
    integration: Integration,
    row: Row,
    redirect_uri: String,
    admin_consent_url: String,
    verification: Option<Verification>,
    connect: ConnectForm,
}

/// What was entered to connect a user, and what is wrong with it.
#[derive(Default)]
pub(super) struct ConnectForm {
    pub(super) user: String,
    pub(super) organization: String,
    pub(super) return_to: String,
    pub(super) refusal: Option<Refusal>,
}

impl ConnectForm {
    /// What is wrong with a field.
    fn error(&self, name: &str) -> Option<&str> {
        self.refusal.as_ref()?.error(name)
    }
}

impl IntegrationPage {
    fn organizations(&self) -> Vec<String> {
        match &self.integration.settings.organizations {
            Organizations::Any => Vec::new(),
            Organizations::Named(names) => names.iter().map(ToString::to_string).collect(),
        }
    }

    fn must_confirm(&self) -> bool {
        self.integration.settings.confirmation == Confirmation::Required
    }

    fn is_paused(&self) -> bool {
        self.integration.status == Status::Paused
    }

    fn look(status: FindingStatus) -> Tag {
        match status {
            FindingStatus::Ok => Tag { look: "good", text: "ok" },
            FindingStatus::Warning => Tag { look: "warn", text: "warning" },
            FindingStatus::Failed => Tag { look: "bad", text: "failed" },
        }
    }
}

impl Manage {
    pub(super) async fn integration_page(
        &self,
        visit: &Visit<'_>,
        id: &str,
    ) -> Result<Response<Body>, Problem> {
        let integration = self.named_integration(id, visit.log).await?;
        // Whoever comes from a connection need not enter it again.
        let query = Query::of(visit.request)?;
        let text = |name: &str| query.get(name).unwrap_or_default().to_owned();
        let (user, organization) = (text("user"), text("organization"));
        let connect = ConnectForm { user, organization, ..ConnectForm::default() };
        self.show_integration(visit, integration, None, connect)
    }

    pub(super) async fn verify_page(
        &self,
        visit: &Visit<'_>,
        id: &str,
    ) -> Result<Response<Body>, Problem> {
        let integration = self.named_integration(id, visit.log).await?;
        let verification = self.examine(&integration).await;
        // The verification may have changed its status.
        let integration = self.named_integration(id, visit.log).await?;
        self.show_integration(visit, integration, Some(verification), ConnectForm::default())
    }

    pub(super) fn show_integration(
        &self,
        visit: &Visit<'_>,
        integration: Integration,
        verification: Option<Verification>,
        connect: ConnectForm,
    ) -> Result<Response<Body>, Problem> {
        let status = status_with(connect.refusal.as_ref());
        shown(
            status,
            &IntegrationPage {
                frame: Frame::new(visit, Section::Integrations, integration.id.as_str()),
                row: self.row(&integration),
                redirect_uri: self.public_url.redirect_uri().to_string(),
                admin_consent_url: self.admin_consent_url(&integration),
                integration,
                verification,
                connect,
            },
        )
    }

    pub(super) async fn turn_integration(
        &self,
        visit: &Visit<'_>,
        id: &str,
        turn: Turn,
    ) -> Result<Response<Body>, Problem> {
        let id = self.named_integration(id, visit.log).await?.id;
        let notice = match turn {
            Turn::Pause => {
                self.integrations.pause(&id).await?;
                Notice::Paused
            }
            Turn::Resume => {
                self.integrations.resume(&id).await?;
                Notice::Resumed
            }
        };
        go_on(&format!("/portal/integrations/{id}"), notice)
    }

    pub(super) async fn delete_integration_page(
        &self,
        visit: &Visit<'_>,
        id: &str,
    ) -> Result<Response<Body>, Problem> {
        let id = self.named_integration(id, visit.log).await?.id;
        ask(visit, Section::Integrations, &deleting(&id, false))
    }

    pub(super) async fn remove_integration(
        &self,
        visit: &Visit<'_>,
        id: &str,
    ) -> Result<Response<Body>, Problem> {
        let id = self.named_integration(id, visit.log).await?.id;
        match self.forget_integration(&id).await {
            Ok(()) => go_on("/portal/integrations", Notice::Deleted),
            // Too many connections for one request; what is left is paused.
            Err(problem) if problem.code() == Code::ServiceUnavailable => {
                visit.log.problem(&problem);
                ask(visit, Section::Integrations, &deleting(&id, true))
            }
            Err(problem) => Err(problem),
        }
    }
}

fn deleting(id: &IntegrationId, is_unfinished: bool) -> Question<'static> {
    Question {
        title: format!("Delete {id}"),
        consequence: "Its connections, their tokens and its client credential are erased. Its users must connect again if you create it anew.",
        action: format!("/portal/integrations/{id}/delete"),
        button: "Delete the integration",
        back: format!("/portal/integrations/{id}"),
        is_unfinished,
    }
}
