//! Creating and editing an integration.

use askama::Template;
use edge::problem::{Code, Problem};
use http::StatusCode;
use vault::ids::IntegrationId;
use vault::integrations::Integration;

use super::form::Form;
use super::frame::{Frame, Notice, Section, go_on, shown};
use super::integration_form::{Credential, IntegrationForm, version};
use super::session::PortalSessions;
use super::shown as words;
use super::visit::Visit;
use crate::HttpResult;
use crate::operations::integration_store::Overtaken;
use crate::operations::integrations::IntegrationOperations;

const TAKEN: &str = "there is an integration of this name; edit that one";
const CHANGED: &str =
    "this integration has changed since the page was opened; saving again replaces what it is now";
const CREDENTIAL_IS_STORED: &str = "the credential that you entered is stored already";

#[derive(Template)]
#[template(path = "integration_form.html")]
struct FormPage {
    frame: Frame,
    /// The edited integration, or `None` for a new one.
    editing: Option<Editing>,
    form: IntegrationForm,
    /// Where the form is sent to.
    action: String,
    redirect_uri: String,
    can_federate: bool,
}

/// Facts of the edited integration that the form cannot change.
struct Editing {
    id: String,
    credential: &'static str,
}

/// Shows the form for a new integration.
pub(super) fn new_page(visit: &Visit<'_>, integrations: &IntegrationOperations) -> HttpResult {
    let draft = visit.draft().as_ref().map(IntegrationForm::of_draft);
    let form = draft.unwrap_or_else(IntegrationForm::empty);
    form_page(visit, integrations, None, form)
}

/// Shows the form of an integration.
pub(super) async fn edit_page(
    visit: &Visit<'_>,
    integrations: &IntegrationOperations,
    id: &str,
) -> HttpResult {
    let integration = integrations.get(id, visit.log).await?;
    let draft = visit.draft().as_ref().map(IntegrationForm::of_draft);
    let form = draft.unwrap_or_else(|| IntegrationForm::of_stored(&integration));
    form_page(visit, integrations, Some(&integration), form)
}

fn form_page(
    visit: &Visit<'_>,
    integrations: &IntegrationOperations,
    editing: Option<&Integration>,
    form: IntegrationForm,
) -> HttpResult {
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
            redirect_uri: integrations.redirect_uri().to_string(),
            can_federate: integrations.can_federate(),
        },
    )
}

/// Creates an integration from a form.
pub(super) async fn create(
    visit: &Visit<'_>,
    integrations: &IntegrationOperations,
    sessions: &PortalSessions,
    form: &Form,
) -> HttpResult {
    let sent = IntegrationForm::of_sent(form);
    match create_from(integrations, &sent, form, visit).await {
        Ok(id) => {
            sessions.drop_draft(visit.operator).await;
            go_on(&format!("/portal/integrations/{id}"), Notice::Created)
        }
        Err(problem) => refused_form(visit, integrations, None, sent, problem),
    }
}

async fn create_from(
    integrations: &IntegrationOperations,
    sent: &IntegrationForm,
    form: &Form,
    visit: &Visit<'_>,
) -> Result<IntegrationId, Problem> {
    let id = new_id(integrations, sent.text("integration")).await?;
    let checked = sent.checked(form, integrations.can_federate());
    match (id, checked) {
        (Ok(id), Ok(checked)) => {
            visit.log.integration(&id);
            let stored = integrations.store_new(&id, &checked).await?;
            stored.map(|_| id).ok_or_else(|| Problem::field("integration", TAKEN))
        }
        (Ok(_), Err(problem)) => Err(problem),
        (Err(message), checked) => {
            let problem = Problem::field("integration", message);
            Err(checked.err().iter().fold(problem, Problem::errors_of))
        }
    }
}

/// Parses the id of a new integration. Returns the refusal if it is no id, or taken.
async fn new_id(
    integrations: &IntegrationOperations,
    text: &str,
) -> Result<Result<IntegrationId, String>, Problem> {
    let id: IntegrationId = match text.parse() {
        Ok(id) => id,
        Err(error) => return Ok(Err(ToString::to_string(&error))),
    };
    Ok(match integrations.find(&id).await? {
        Some(_) => Err(TAKEN.to_owned()),
        None => Ok(id),
    })
}

/// Saves a form over the integration that it shows.
pub(super) async fn save(
    visit: &Visit<'_>,
    integrations: &IntegrationOperations,
    sessions: &PortalSessions,
    id: &str,
    form: &Form,
) -> HttpResult {
    let integration = integrations.get(id, visit.log).await?;
    let mut sent = IntegrationForm::of_sent(form);
    let checked = sent.checked(form, integrations.can_federate());
    let conflict =
        (sent.version != version(&integration)).then(|| Problem::field("updated_at", CHANGED));
    let stored = match (checked, conflict) {
        (Ok(checked), None) => integrations.store_over(integration.clone(), &checked).await,
        (Err(problem), None) | (Ok(_), Some(problem)) => Err(problem),
        (Err(problem), Some(conflict)) => Err(conflict.errors_of(&problem)),
    };
    match stored {
        Ok(Ok(_)) => {
            sessions.drop_draft(visit.operator).await;
            go_on(&format!("/portal/integrations/{}", integration.id), Notice::Saved)
        }
        Ok(Err(overtaken)) => {
            let integration = integrations.get(id, visit.log).await?;
            let mut problem = Problem::field("updated_at", CHANGED);
            if overtaken == Overtaken::AfterCredential {
                problem = problem.error("client_credential", CREDENTIAL_IS_STORED);
                sent.credential = Credential::Keep;
            }
            refused_form(visit, integrations, Some(&integration), sent, problem)
        }
        Err(problem) => refused_form(visit, integrations, Some(&integration), sent, problem),
    }
}

/// Shows the form as it was sent, with the errors beside the fields.
fn refused_form(
    visit: &Visit<'_>,
    integrations: &IntegrationOperations,
    editing: Option<&Integration>,
    mut sent: IntegrationForm,
    problem: Problem,
) -> HttpResult {
    if problem.code() != Code::InvalidRequest || problem.errors().is_empty() {
        return Err(problem);
    }
    sent.errors = problem.errors().to_vec();
    sent.version = editing.map(version).unwrap_or_default();
    if editing.is_none() && sent.credential == Credential::Keep {
        sent.credential = Credential::ClientSecret;
    }
    form_page(visit, integrations, editing, sent)
}
