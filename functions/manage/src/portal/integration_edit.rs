//! Creating and editing an integration.

use askama::Template;
use edge::problem::{Code, Problem};
use http::StatusCode;
use vault::ids::{IntegrationId, InvalidId};
use vault::integrations::Integration;

use super::form::Form;
use super::frame::{Frame, Notice, Section, go_on, shown};
use super::integration_form::{Credential, IntegrationForm, version};
use super::shown as words;
use super::visit::Visit;
use crate::HttpResult;
use crate::operations::integration_store::Replaced;

const TAKEN: &str = "there is an integration of this name; edit that one";
const CHANGED: &str =
    "this integration has changed since the page was opened; saving again replaces what it is now";
const CREDENTIAL_IS_STORED: &str = "the credential that you entered is stored already";

#[derive(Template)]
#[template(path = "integration_form.html")]
struct FormPage<'a> {
    frame: Frame,
    /// The edited integration, or `None` for a new one.
    editing: Option<&'a Integration>,
    form: IntegrationForm,
    redirect_uri: String,
    can_federate: bool,
}

/// Shows the form for a new integration.
pub(super) fn new_page(visit: &Visit<'_>) -> HttpResult {
    let draft = visit.draft().as_ref().map(IntegrationForm::of_draft);
    let form = draft.unwrap_or_else(IntegrationForm::empty);
    form_page(visit, None, form)
}

/// Shows the form of an integration.
pub(super) async fn edit_page(visit: &Visit<'_>, id: &str) -> HttpResult {
    let integration = visit.integration(id).await?;
    let draft = visit.draft().as_ref().map(IntegrationForm::of_draft);
    let form = draft.unwrap_or_else(|| IntegrationForm::of_stored(&integration));
    form_page(visit, Some(&integration), form)
}

fn form_page(
    visit: &Visit<'_>,
    editing: Option<&Integration>,
    form: IntegrationForm,
) -> HttpResult {
    let integrations = &visit.operations.integrations;
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
            editing,
            form,
            redirect_uri: integrations.redirect_uri().to_string(),
            can_federate: integrations.can_federate(),
        },
    )
}

/// Creates an integration from a form.
pub(super) async fn create(visit: &Visit<'_>, form: &Form) -> HttpResult {
    let sent = IntegrationForm::of_sent(form);
    match create_from(visit, &sent, form).await {
        Ok(id) => {
            visit.drop_draft().await;
            go_on(&format!("/portal/integrations/{id}"), Notice::Created)
        }
        Err(problem) => refused_form(visit, None, sent, problem),
    }
}

async fn create_from(
    visit: &Visit<'_>,
    sent: &IntegrationForm,
    form: &Form,
) -> Result<IntegrationId, Problem> {
    let integrations = &visit.operations.integrations;
    let id: Result<IntegrationId, InvalidId> = sent.text("integration").parse();
    let id = match id {
        Ok(id) if integrations.find(&id).await?.is_some() => Err(TAKEN.to_owned()),
        id => id.map_err(|error| error.to_string()),
    };
    let id = id.map_err(|message| Problem::field("integration", message));
    let (id, checked) = both(id, sent.checked(form, integrations.can_federate()))?;
    visit.log.integration(&id);
    let stored = integrations.store_new(&id, &checked, visit.log).await?;
    stored.map(|_| id).ok_or_else(|| Problem::field("integration", TAKEN))
}

/// Returns both values, or one problem with the errors of both.
fn both<A, B>(first: Result<A, Problem>, second: Result<B, Problem>) -> Result<(A, B), Problem> {
    match (first, second) {
        (Ok(first), Ok(second)) => Ok((first, second)),
        (Err(problem), Err(other)) => Err(problem.errors_of(&other)),
        (Err(problem), Ok(_)) | (Ok(_), Err(problem)) => Err(problem),
    }
}

/// Saves a form over the integration that it shows.
pub(super) async fn save(visit: &Visit<'_>, id: &str, form: &Form) -> HttpResult {
    let mut integration = visit.integration(id).await?;
    let mut sent = IntegrationForm::of_sent(form);
    let problem = match save_over(visit, &integration, &sent, form).await {
        Ok(Replaced::Stored(_)) => {
            visit.drop_draft().await;
            return go_on(&format!("/portal/integrations/{}", integration.id), Notice::Saved);
        }
        Ok(Replaced::Overtaken { is_credential_stored }) => {
            integration = visit.integration(id).await?;
            let problem = Problem::field("updated_at", CHANGED);
            if is_credential_stored {
                sent.credential = Credential::Keep;
                problem.error("client_credential", CREDENTIAL_IS_STORED)
            } else {
                problem
            }
        }
        Err(problem) => problem,
    };
    refused_form(visit, Some(&integration), sent, problem)
}

async fn save_over(
    visit: &Visit<'_>,
    integration: &Integration,
    sent: &IntegrationForm,
    form: &Form,
) -> Result<Replaced, Problem> {
    let integrations = &visit.operations.integrations;
    let is_current = sent.version == version(integration);
    let current = is_current.then_some(()).ok_or_else(|| Problem::field("updated_at", CHANGED));
    let ((), checked) = both(current, sent.checked(form, integrations.can_federate()))?;
    integrations.store_over(integration.clone(), &checked, visit.log).await
}

/// Shows the form as it was sent, with the errors beside the fields.
fn refused_form(
    visit: &Visit<'_>,
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
    form_page(visit, editing, sent)
}
