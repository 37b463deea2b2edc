//! One integration: its settings, the findings of its verification, connecting a user, pausing and deleting it.

use askama::Template;
use devops::closed::ClosedArea;
use edge::parameters::Query;
use edge::problem::Code;
use jiff::Timestamp;
use vault::ids::IntegrationId;
use vault::integrations::{Confirmation, Integration, Organizations, RefusedTenant, Status, Users};

use super::form::{Refusal, status_with};
use super::frame::{Frame, Notice, Question, Section, ask, go_on, shown};
use super::integrations::Row;
use super::shown::{self as words, Tag, When};
use super::visit::Visit;
use crate::HttpResult;
use crate::operations::verify::{FindingStatus, Verification};

#[derive(Template)]
#[template(path = "integration.html")]
struct IntegrationPage {
    frame: Frame,
    integration: Integration,
    refused: Vec<RefusedRow>,
    is_refused_full: bool,
    row: Row,
    redirect_uri: String,
    admin_consent_url: String,
    verification: Option<Verification>,
    connect: ConnectForm,
}

/// A tenant that refuses the app.
struct RefusedRow {
    tenant: String,
    text: &'static str,
    reason: String,
    since: When,
    next_attempt: When,
}

impl RefusedRow {
    fn of(refused: &RefusedTenant, now: Timestamp) -> Self {
        Self {
            tenant: refused.tenant.to_string(),
            text: words::tenant_refusal(refused.kind),
            reason: refused.reason.clone(),
            since: When::new(refused.since, now),
            next_attempt: When::new(refused.next_probe_at(), now),
        }
    }
}

/// The entries to connect a user, and their refusal.
#[derive(Default)]
pub(super) struct ConnectForm {
    pub(super) user: String,
    pub(super) organization: String,
    pub(super) return_to: String,
    pub(super) refusal: Option<Refusal>,
}

impl ConnectForm {
    /// Returns a field's error.
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

    /// Returns the settings that open areas which are closed by default.
    fn opened(&self) -> Vec<&'static str> {
        let opened =
            ClosedArea::ALL.into_iter().filter(|area| self.integration.settings.opens(*area));
        opened.map(ClosedArea::setting).collect()
    }

    fn users_name_themselves(&self) -> bool {
        self.integration.settings.users == Users::Jwt
    }

    fn user_hint(&self) -> &'static str {
        if self.users_name_themselves() {
            "The issuer of the user's tokens, |, and the user's name in them."
        } else {
            "Your application's own name for the user."
        }
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

/// Shows the integration with this id. The query fills in the form for connecting a user.
pub(super) async fn page(visit: &Visit<'_>, id: &str) -> HttpResult {
    let integration = visit.integration(id).await?;
    let query = Query::of(visit.request)?;
    let text = |name: &str| query.get(name).unwrap_or_default().to_owned();
    let (user, organization) = (text("user"), text("organization"));
    let connect = ConnectForm { user, organization, ..ConnectForm::default() };
    show(visit, integration, None, connect).await
}

/// Verifies an integration, and shows the findings on its page.
pub(super) async fn verify(visit: &Visit<'_>, id: &str) -> HttpResult {
    let integration = visit.integration(id).await?;
    let verification = visit.operations.verifier.verify(&integration, visit.log).await;
    // The verification may have changed its status.
    let integration = visit.integration(id).await?;
    show(visit, integration, Some(verification), ConnectForm::default()).await
}

/// Shows an integration.
pub(super) async fn show(
    visit: &Visit<'_>,
    integration: Integration,
    verification: Option<Verification>,
    connect: ConnectForm,
) -> HttpResult {
    let integrations = &visit.operations.integrations;
    let refused = integrations.refused_tenants(&integration).await?;
    shown(
        status_with(connect.refusal.as_ref()),
        &IntegrationPage {
            frame: Frame::new(visit, Section::Integrations, integration.id.as_str()),
            row: Row::of(&integration, visit.now()),
            redirect_uri: integrations.redirect_uri().to_string(),
            admin_consent_url: integrations.admin_consent_url(&integration),
            integration,
            refused: refused.iter().map(|one| RefusedRow::of(one, visit.now())).collect(),
            is_refused_full: refused.is_full(),
            verification,
            connect,
        },
    )
}

/// Pauses an integration.
pub(super) async fn pause(visit: &Visit<'_>, id: &str) -> HttpResult {
    let id = visit.operations.integrations.pause(id, visit.log).await?.id;
    go_on(&format!("/portal/integrations/{id}"), Notice::Paused)
}

/// Resumes an integration.
pub(super) async fn resume(visit: &Visit<'_>, id: &str) -> HttpResult {
    let id = visit.operations.integrations.resume(id, visit.log).await?.id;
    go_on(&format!("/portal/integrations/{id}"), Notice::Resumed)
}

/// Asks whether an operator is certain that an integration is to be deleted.
pub(super) async fn delete_page(visit: &Visit<'_>, id: &str) -> HttpResult {
    let id = visit.integration(id).await?.id;
    ask(visit, Section::Integrations, &deleting(&id, false))
}

/// Deletes an integration.
pub(super) async fn delete(visit: &Visit<'_>, id: &str) -> HttpResult {
    let id = visit.integration(id).await?.id;
    match visit.operations.integrations.delete_integration(&id, visit.log).await {
        Ok(()) => go_on("/portal/integrations", Notice::Deleted),
        // Too many connections for one request; the integration is paused until the next one.
        Err(problem) if problem.code() == Code::ServiceUnavailable => {
            visit.log.problem(&problem);
            ask(visit, Section::Integrations, &deleting(&id, true))
        }
        Err(problem) => Err(problem),
    }
}

fn deleting(id: &IntegrationId, is_unfinished: bool) -> Question<'static> {
    Question {
        title: format!("Delete {id}"),
        consequence: "Its connections, their tokens, its client credential and the API keys that are bound to it are erased. Its users must connect again if you create it anew.",
        action: format!("/portal/integrations/{id}/delete"),
        button: "Delete the integration",
        back: format!("/portal/integrations/{id}"),
        is_unfinished,
    }
}
