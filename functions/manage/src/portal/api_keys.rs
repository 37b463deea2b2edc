//! API keys: create (shown once), list, revoke.

use askama::Template;
use edge::gateway::Body;
use edge::problem::{Code, Problem};
use http::Response;
use secrecy::ExposeSecret as _;
use vault::api_keys::{ApiKey, NewApiKey, Role};

use super::Visit;
use super::calls::is_of_one_call;
use super::form::{self, Form};
use super::frame::{Frame, Notice, Question, Section, ask, go_on, shown};
use super::refusal::{Refusal, status_with};
use super::shown::When;
use crate::Manage;
use crate::api::wire::CreateApiKey;

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

/// What was entered.
#[derive(Default)]
struct Entered {
    name: String,
    role: String,
    integration: String,
    expires_at: String,
}

/// A key in the table.
struct Row {
    id: String,
    name: String,
    role: &'static str,
    integration: String,
    created: When,
    expires: Option<When>,
    works: bool,
}

impl ApiKeysPage {
    fn shown(&self) -> Result<Response<Body>, Problem> {
        let status = status_with(self.refusal.as_ref());
        shown(status, self)
    }

    fn error(&self, name: &str) -> Option<&str> {
        self.refusal.as_ref()?.error(name)
    }
}

impl Manage {
    pub(super) async fn api_keys_page(&self, visit: &Visit<'_>) -> Result<Response<Body>, Problem> {
        self.key_page(visit).await?.shown()
    }

    pub(super) async fn create_key_page(
        &self,
        visit: &Visit<'_>,
        form: &Form,
    ) -> Result<Response<Body>, Problem> {
        let entered = Entered {
            name: form.text("name").to_owned(),
            role: form.text("role").to_owned(),
            integration: form.text("integration").to_owned(),
            expires_at: form.text("expires_at").to_owned(),
        };
        // Everything that can fail comes before: a key that nobody is shown would be there for ever.
        let mut page = self.key_page(visit).await?;
        match self.key_from(&entered).await {
            Ok(new) => {
                page.key = Some(new.key.expose_secret().to_owned());
                page.rows.push(self.key_row(new.description));
            }
            Err(problem) => {
                let Some(refusal) = Refusal::of(&problem) else { return Err(problem) };
                page.refusal = Some(refusal);
                page.entered = entered;
            }
        }
        page.shown()
    }

    async fn key_from(&self, entered: &Entered) -> Result<NewApiKey, Problem> {
        let integration = form::integration(&entered.integration)?;
        let expires_at = form::day(&entered.expires_at)
            .map_err(|expected| Problem::field("expires_at", expected))?;
        let (name, role) = (entered.name.clone(), entered.role.clone());
        self.make_key(CreateApiKey { name, role, integration, expires_at }).await
    }

    async fn key_page(&self, visit: &Visit<'_>) -> Result<ApiKeysPage, Problem> {
        let integrations = self.integrations.list().await?;
        let keys = self.usable_keys().await?;
        Ok(ApiKeysPage {
            frame: Frame::new(visit, Section::ApiKeys, "API keys"),
            key: None,
            entered: Entered::default(),
            refusal: None,
            integrations: integrations.iter().map(|one| one.id.to_string()).collect(),
            rows: keys.into_iter().map(|key| self.key_row(key)).collect(),
        })
    }

    /// All keys but those of single calls, of which a call that died may have left one behind.
    async fn usable_keys(&self) -> Result<Vec<ApiKey>, Problem> {
        let now = self.clock.now();
        let (of_calls, keys): (Vec<_>, Vec<_>) =
            self.api_keys.list().await?.into_iter().partition(is_of_one_call);
        for key in of_calls.iter().filter(|key| !key.works(now)) {
            self.api_keys.delete(&key.id).await?;
        }
        Ok(keys)
    }

    fn key_row(&self, key: ApiKey) -> Row {
        let now = self.clock.now();
        Row {
            works: key.works(now),
            id: key.id.to_string(),
            name: key.name,
            role: match key.role {
                Role::Operator => "operator",
                Role::Application => "application",
            },
            integration: key.integration.map_or_else(|| "all".to_owned(), |id| id.to_string()),
            created: When::new(key.created_at, now),
            expires: When::of(key.expires_at, now),
        }
    }

    pub(super) async fn revoke_page(
        &self,
        visit: &Visit<'_>,
        id: &str,
    ) -> Result<Response<Body>, Problem> {
        let key = self.usable_keys().await?.into_iter().find(|key| key.id.as_str() == id);
        let key = key.ok_or_else(|| Problem::new(Code::ApiKeyNotFound))?;
        let is_own = visit.operator.caller.id == format!("key:{}", key.id);
        let question = Question {
            title: format!("Revoke {}", key.name),
            consequence: if is_own {
                "You are signed in with this key: it stops working with the next request, and you are signed out."
            } else {
                "Whoever uses this key is refused from the next request on. It cannot be brought back."
            },
            action: format!("/portal/api-keys/{}/revoke", key.id),
            button: "Revoke",
            back: "/portal/api-keys".to_owned(),
            is_unfinished: false,
        };
        ask(visit, Section::ApiKeys, &question)
    }

    pub(super) async fn revoke_from_portal(&self, id: &str) -> Result<Response<Body>, Problem> {
        self.revoke_key(id).await?;
        go_on("/portal/api-keys", Notice::Revoked)
    }
}
