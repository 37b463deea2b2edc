//! Creating and editing an integration.

use askama::Template;
use edge::gateway::Body;
use edge::problem::{Code, Problem};
use http::{Response, StatusCode};
use vault::ids::IntegrationId;
use vault::integrations::Integration;

use super::form::Form;
use super::frame::{Frame, Notice, Section, go_on, shown};
use super::integration_form::{Credential, IntegrationForm, version};
use super::shown as words;
use super::visit::Visit;
use crate::Manage;
use crate::operations::integration_store::Overtaken;

const TAKEN: &str = "there is an integration of this name; edit that one";
const CHANGED: &str =
    "this integration has changed since the page was opened; saving again replaces what it is now";
const CREDENTIAL_IS_STORED: &str = "the credential that you entered is stored already";

#[derive(Template)]
#[template(path = "integration_form.html")]
struct FormPage {
    frame: Frame,
    /// Of the integration that is edited.
    editing: Option<Editing>,
    form: IntegrationForm,
    /// Where it is sent to.
    action: String,
    redirect_uri: String,
    can_federate: bool,
}

/// What cannot be changed in the form.
struct Editing {
    id: String,
    credential: &'static str,
}

impl Manage {
    pub(super) fn new_integration_page(
        &self,
        visit: &Visit<'_>,
    ) -> Result<Response<Body>, Problem> {
        let draft = visit.draft().as_ref().map(IntegrationForm::of_draft);
        let form = draft.unwrap_or_else(IntegrationForm::empty);
        self.form_page(visit, None, form)
    }

    pub(super) async fn edit_integration_page(
        &self,
        visit: &Visit<'_>,
        id: &str,
    ) -> Result<Response<Body>, Problem> {
        let integration = self.integrations.get(id, visit.log).await?;
        let draft = visit.draft().as_ref().map(IntegrationForm::of_draft);
        let form = draft.unwrap_or_else(|| IntegrationForm::of_stored(&integration));
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
                action: match editing {
                    Some(integration) => format!("/portal/integrations/{}/edit", integration.id),
                    None => "/portal/integrations/new".to_owned(),
                },
                redirect_uri: self.integrations.redirect_uri().to_string(),
                can_federate: self.integrations.can_federate(),
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
            Ok(id) => {
                self.portal_sessions.drop_draft(visit.operator).await;
                go_on(&format!("/portal/integrations/{id}"), Notice::Created)
            }
            Err(problem) => self.refused_form(visit, None, sent, problem),
        }
    }

    async fn create_from(
        &self,
        sent: &IntegrationForm,
        form: &Form,
        visit: &Visit<'_>,
    ) -> Result<IntegrationId, Problem> {
        let id = self.new_id(sent.text("integration")).await?;
        let checked = sent.checked(form, self.integrations.can_federate());
        match (id, checked) {
            (Ok(id), Ok(checked)) => {
                visit.log.integration(&id);
                let stored = self.integrations.store_new(&id, &checked).await?;
                stored.map(|_| id).ok_or_else(|| Problem::field("integration", TAKEN))
            }
            (Ok(_), Err(problem)) => Err(problem),
            (Err(message), checked) => {
                let problem = Problem::field("integration", message);
                Err(checked.err().iter().fold(problem, Problem::errors_of))
            }
        }
    }

    /// The id of an integration that is not there yet, or why it cannot be.
    async fn new_id(&self, text: &str) -> Result<Result<IntegrationId, String>, Problem> {
        let id: IntegrationId = match text.parse() {
            Ok(id) => id,
            Err(error) => return Ok(Err(ToString::to_string(&error))),
        };
        Ok(match self.integrations.find(&id).await? {
            Some(_) => Err(TAKEN.to_owned()),
            None => Ok(id),
        })
    }

    pub(super) async fn save_integration(
        &self,
        visit: &Visit<'_>,
        id: &str,
        form: &Form,
    ) -> Result<Response<Body>, Problem> {
        let integration = self.integrations.get(id, visit.log).await?;
        let mut sent = IntegrationForm::of_sent(form);
        let checked = sent.checked(form, self.integrations.can_federate());
        let conflict =
            (sent.version != version(&integration)).then(|| Problem::field("updated_at", CHANGED));
        let stored = match (checked, conflict) {
            (Ok(checked), None) => {
                self.integrations.store_over(integration.clone(), &checked).await
            }
            (Err(problem), None) | (Ok(_), Some(problem)) => Err(problem),
            (Err(problem), Some(conflict)) => Err(conflict.errors_of(&problem)),
        };
        match stored {
            Ok(Ok(_)) => {
                self.portal_sessions.drop_draft(visit.operator).await;
                go_on(&format!("/portal/integrations/{}", integration.id), Notice::Saved)
            }
            Ok(Err(overtaken)) => {
                let integration = self.integrations.get(id, visit.log).await?;
                let mut told = Problem::field("updated_at", CHANGED);
                if overtaken == Overtaken::AfterCredential {
                    told = told.error("client_credential", CREDENTIAL_IS_STORED);
                    sent.credential = Credential::Keep;
                }
                self.refused_form(visit, Some(&integration), sent, told)
            }
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
}
