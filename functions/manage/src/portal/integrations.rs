//! Integrations: list, form, one of them, verify, pause, delete.

use askama::Template;
use edge::parameters::Query;
use edge::problem::{Code, FieldError, Problem};
use http::{Response, StatusCode};
use lambda_http::Body;
use vault::ids::IntegrationId;
use vault::integrations::{Confirmation, Integration, Organizations, Status};

use super::form::Form;
use super::frame::{Frame, Notice, Question, Section, ask, go_on, shown};
use super::integration_form::{Credential, IntegrationForm, version};
use super::shown::{self as words, Tag, When};
use super::{Turn, Visit};
use crate::Manage;
use crate::wire::{FindingStatus, Verification};

#[derive(Template)]
#[template(path = "integrations.html")]
struct IntegrationsPage {
    frame: Frame,
    rows: Vec<Row>,
}

/// An integration in the table.
struct Row {
    id: String,
    organizations: String,
    status: Tag,
    credential: &'static str,
    credential_state: Tag,
    credential_end: Option<When>,
}

#[derive(Template)]
#[template(path = "integration_form.html")]
struct FormPage {
    frame: Frame,
    /// Of the integration that is edited.
    editing: Option<Editing>,
    form: IntegrationForm,
    redirect_uri: String,
    can_federate: bool,
}

/// What cannot be changed in the form.
struct Editing {
    id: String,
    credential: &'static str,
}

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

/// A refusal as a page shows it.
pub(super) struct Refusal {
    pub(super) title: String,
    pub(super) advice: String,
    pub(super) errors: Vec<FieldError>,
}

impl Refusal {
    /// What is to be told of a problem; `None` if it is the service's own trouble and no one's entry.
    pub(super) fn of(problem: &Problem) -> Option<Self> {
        problem.code().status().is_client_error().then(|| Self {
            title: problem.code().title().to_owned(),
            advice: problem.detail_text().unwrap_or(problem.code().advice()).to_owned(),
            errors: problem.errors().to_vec(),
        })
    }
}

/// The status of a page that shows a form again, or not.
pub(super) fn status_with(refusal: Option<&Refusal>) -> StatusCode {
    match refusal {
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
        None => StatusCode::OK,
    }
}

impl ConnectForm {
    /// What is wrong with a field.
    fn error(&self, name: &str) -> Option<&str> {
        let errors = &self.refusal.as_ref()?.errors;
        errors.iter().find(|error| error.field == name).map(|error| error.message.as_str())
    }
}

impl IntegrationPage {
    fn organizations(&self) -> Vec<String> {
        match &self.integration.organizations {
            Organizations::Any => Vec::new(),
            Organizations::Named(names) => names.iter().map(ToString::to_string).collect(),
        }
    }

    fn must_confirm(&self) -> bool {
        self.integration.confirmation == Confirmation::Required
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
    fn row(&self, integration: &Integration) -> Row {
        let (credential_state, credential_end) =
            words::credential_end(integration, self.clock.now());
        Row {
            id: integration.id.to_string(),
            organizations: match &integration.organizations {
                Organizations::Any => "any".to_owned(),
                Organizations::Named(names) => {
                    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
                }
            },
            status: words::integration_status(integration.status),
            credential: words::credential_kind(integration.credential.kind),
            credential_state,
            credential_end,
        }
    }

    pub(super) async fn integrations_page(
        &self,
        visit: &Visit<'_>,
    ) -> Result<Response<Body>, Problem> {
        let integrations = self.integrations.list().await?;
        let rows = integrations.iter().map(|integration| self.row(integration)).collect();
        let frame = Frame::new(visit, Section::Integrations, "Integrations");
        shown(StatusCode::OK, &IntegrationsPage { frame, rows })
    }

    pub(super) fn new_integration_page(
        &self,
        visit: &Visit<'_>,
    ) -> Result<Response<Body>, Problem> {
        self.form_page(visit, None, IntegrationForm::empty())
    }

    pub(super) async fn edit_integration_page(
        &self,
        visit: &Visit<'_>,
        id: &str,
    ) -> Result<Response<Body>, Problem> {
        let integration = self.named_integration(id, visit.log).await?;
        let form = IntegrationForm::of_stored(&integration);
        self.form_page(visit, Some(&integration), form)
    }

    fn form_page(
        &self,
        visit: &Visit<'_>,
        editing: Option<&Integration>,
        form: IntegrationForm,
    ) -> Result<Response<Body>, Problem> {
        let title = match editing {
            Some(integration) => format!("Edit {}", integration.id),
            None => "Create an integration".to_owned(),
        };
        let status =
            if form.errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
        shown(
            status,
            &FormPage {
                frame: Frame::new(visit, Section::Integrations, title),
                editing: editing.map(|integration| Editing {
                    id: integration.id.to_string(),
                    credential: words::credential_kind(integration.credential.kind),
                }),
                form,
                redirect_uri: self.public_url.redirect_uri().to_string(),
                can_federate: self.credentials.can_federate(),
            },
        )
    }

    pub(super) async fn create_integration(
        &self,
        visit: &Visit<'_>,
        form: &Form,
    ) -> Result<Response<Body>, Problem> {
        let sent = IntegrationForm::of_sent(form);
        match self.create_from(&sent, form, visit).await {
            Ok(id) => go_on(&format!("/portal/integrations/{id}"), Notice::Created),
            Err(problem) => self.refused_form(visit, None, sent, problem),
        }
    }

    async fn create_from(
        &self,
        sent: &IntegrationForm,
        form: &Form,
        visit: &Visit<'_>,
    ) -> Result<IntegrationId, Problem> {
        let id = self.new_id(&sent.id).await?;
        let wish = sent.wish(form, self.credentials.can_federate());
        match (id, wish) {
            (Ok(id), Ok(wish)) => {
                visit.log.integration(&id);
                self.store_integration(id.clone(), wish).await?;
                Ok(id)
            }
            (Ok(_), Err(problem)) => Err(problem),
            (Err(message), wish) => {
                let problem = Problem::field("integration", message);
                Err(wish
                    .err()
                    .iter()
                    .flat_map(Problem::errors)
                    .fold(problem, |all, one| all.error(one.field.clone(), one.message.clone())))
            }
        }
    }

    /// The id of an integration that is not there yet, or why it cannot be.
    async fn new_id(&self, text: &str) -> Result<Result<IntegrationId, String>, Problem> {
        let id: IntegrationId = match text.parse() {
            Ok(id) => id,
            Err(error) => return Ok(Err(ToString::to_string(&error))),
        };
        Ok(match self.integrations.get(&id).await? {
            Some(_) => Err("there is an integration of this name; edit that one".to_owned()),
            None => Ok(id),
        })
    }

    pub(super) async fn save_integration(
        &self,
        visit: &Visit<'_>,
        id: &str,
        form: &Form,
    ) -> Result<Response<Body>, Problem> {
        let integration = self.named_integration(id, visit.log).await?;
        let sent = IntegrationForm::of_sent(form);
        let stored = match sent.wish(form, self.credentials.can_federate()) {
            Ok(_) if sent.version != version(&integration) => Err(Problem::field(
                "updated_at",
                "somebody else has saved this integration meanwhile; saving again replaces what they saved",
            )),
            Ok(wish) => self.store_integration(integration.id.clone(), wish).await,
            Err(problem) => Err(problem),
        };
        match stored {
            Ok(_) => go_on(&format!("/portal/integrations/{}", integration.id), Notice::Saved),
            Err(problem) => self.refused_form(visit, Some(&integration), sent, problem),
        }
    }

    /// The form as it was sent, with what is wrong beside the fields.
    fn refused_form(
        &self,
        visit: &Visit<'_>,
        editing: Option<&Integration>,
        mut sent: IntegrationForm,
        problem: Problem,
    ) -> Result<Response<Body>, Problem> {
        if problem.code() != Code::InvalidRequest || problem.errors().is_empty() {
            return Err(problem);
        }
        sent.errors = problem.errors().to_vec();
        sent.version = editing.map(version).unwrap_or_default();
        if editing.is_none() && sent.credential == Credential::Keep {
            sent.credential = Credential::ClientSecret;
        }
        self.form_page(visit, editing, sent)
    }

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
