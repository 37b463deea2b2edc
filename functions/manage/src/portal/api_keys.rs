//! API keys: create (shown once), list, revoke.

use askama::Template;
use edge::problem::{Code, Problem};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use vault::api_keys::{ApiKey, ApiKeyRequest, NewApiKey};
use vault::ids::IntegrationId;

use super::form::{self, Form, Refusal, status_with};
use super::frame::{Frame, Notice, Question, Section, ask, go_on, shown};
use super::shown::When;
use super::visit::Visit;
use crate::HttpResult;
use crate::operations::{from_word, to_word};

#[derive(Template)]
#[template(path = "api_keys.html")]
struct ApiKeysPage {
    frame: Frame,
    /// The new key, this once.
    key: Option<String>,
    entered: Entered,
    refusal: Option<Refusal>,
    integrations: Vec<String>,
    rows: Vec<Row>,
}

/// The entries of the form.
#[derive(Default)]
struct Entered {
    name: String,
    role: String,
    integration: String,
    expires_at: String,
}

/// A key in the table.
struct Row {
    key: ApiKey,
    role: String,
    integration: String,
    created: When,
    expires: Option<When>,
    works: bool,
}

impl Row {
    fn of(key: ApiKey, now: Timestamp) -> Self {
        Self {
            works: key.works(now),
            role: to_word(&key.role),
            integration: key.integration.as_ref().map_or("all", IntegrationId::as_str).to_owned(),
            created: When::new(key.created_at, now),
            expires: When::of(key.expires_at, now),
            key,
        }
    }
}

impl ApiKeysPage {
    async fn new(visit: &Visit<'_>) -> Result<Self, Problem> {
        let integrations = visit.operations.integrations.list().await?;
        let keys = visit.operations.api_keys.list_lasting().await?;
        let now = visit.now();
        Ok(Self {
            frame: Frame::new(visit, Section::ApiKeys, "API keys"),
            key: None,
            entered: Entered::default(),
            refusal: None,
            integrations: integrations.iter().map(|one| one.id.to_string()).collect(),
            rows: keys.into_iter().map(|key| Row::of(key, now)).collect(),
        })
    }

    fn shown(&self) -> HttpResult {
        shown(status_with(self.refusal.as_ref()), self)
    }

    fn error(&self, name: &str) -> Option<&str> {
        self.refusal.as_ref()?.error(name)
    }
}

/// Shows the table and the form for a new key.
pub(super) async fn page(visit: &Visit<'_>) -> HttpResult {
    ApiKeysPage::new(visit).await?.shown()
}

/// Creates a key, and shows it.
pub(super) async fn create(visit: &Visit<'_>, form: &Form) -> HttpResult {
    let entered = Entered {
        name: form.text("name").to_owned(),
        role: form.text("role").to_owned(),
        integration: form.text("integration").to_owned(),
        expires_at: form.text("expires_at").to_owned(),
    };
    // Loaded first, so that no later failure can hide the new key, which is shown this once.
    let mut page = ApiKeysPage::new(visit).await?;
    match create_from(visit, &entered).await {
        Ok(new) => {
            page.key = Some(new.key.expose_secret().to_owned());
            page.rows.push(Row::of(new.description, visit.now()));
        }
        Err(problem) => {
            let Some(refusal) = Refusal::of(&problem) else { return Err(problem) };
            page.refusal = Some(refusal);
            page.entered = entered;
        }
    }
    page.shown()
}

async fn create_from(visit: &Visit<'_>, entered: &Entered) -> Result<NewApiKey, Problem> {
    let role = from_word(&entered.role);
    let expires_at = form::day(&entered.expires_at);
    let request = ApiKeyRequest {
        name: entered.name.clone(),
        role: role.ok_or_else(|| Problem::field("role", "operator or application"))?,
        integration: form::id("integration", &entered.integration)?,
        expires_at: expires_at.map_err(|expected| Problem::field("expires_at", expected))?,
    };
    visit.operations.api_keys.create(request, visit.log).await
}

/// Asks whether an operator is certain that a key is to be revoked.
pub(super) async fn revoke_page(visit: &Visit<'_>, id: &str) -> HttpResult {
    let keys = visit.operations.api_keys.list_lasting().await?;
    let key = keys.into_iter().find(|key| key.id.as_str() == id);
    let key = key.ok_or_else(|| Problem::new(Code::ApiKeyNotFound))?;
    let is_own = visit.operator.caller.id == format!("key:{}", key.id);
    let question = Question {
        title: format!("Revoke {}", key.name),
        consequence: if is_own {
            "You are signed in with this key: it stops working with the next request, and you are signed out."
        } else {
            "Requests with this key are refused from now on. This cannot be undone."
        },
        action: format!("/portal/api-keys/{}/revoke", key.id),
        button: "Revoke",
        back: "/portal/api-keys".to_owned(),
        is_unfinished: false,
    };
    ask(visit, Section::ApiKeys, &question)
}

/// Revokes a key.
pub(super) async fn revoke(visit: &Visit<'_>, id: &str) -> HttpResult {
    visit.operations.api_keys.revoke(id, visit.log).await?;
    go_on("/portal/api-keys", Notice::Revoked)
}
