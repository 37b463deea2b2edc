//! API keys: create (shown once), list, revoke.

use askama::Template;
use edge::problem::Problem;
use http::{Response, StatusCode};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use lambda_http::Body;
use secrecy::ExposeSecret as _;
use vault::api_keys::{ApiKey, NewApiKey, Role};

use super::Visit;
use super::form::Form;
use super::frame::{Frame, Notice, Section, shown};
use super::integrations::Refusal;
use super::shown::When;
use crate::Manage;
use crate::wire::CreateApiKey;

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
    fn error(&self, name: &str) -> Option<&str> {
        let errors = &self.refusal.as_ref()?.errors;
        errors.iter().find(|error| error.field == name).map(|error| error.message.as_str())
    }
}

impl Manage {
    pub(super) async fn api_keys_page(&self, visit: &Visit<'_>) -> Result<Response<Body>, Problem> {
        self.show_keys(visit, None, Entered::default(), None).await
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
        match self.key_from(&entered).await {
            Ok(new) => {
                let key = new.key.expose_secret().to_owned();
                self.show_keys(visit, Some(key), Entered::default(), None).await
            }
            Err(problem) => match Refusal::of(&problem) {
                None => Err(problem),
                refusal => self.show_keys(visit, None, entered, refusal).await,
            },
        }
    }

    async fn key_from(&self, entered: &Entered) -> Result<NewApiKey, Problem> {
        let integration = match entered.integration.as_str() {
            "" => None,
            id => Some(id.parse().map_err(|error: vault::ids::InvalidId| {
                Problem::field("integration", error.to_string())
            })?),
        };
        let expires_at = match entered.expires_at.as_str() {
            "" => None,
            day => {
                let read = day.parse::<Date>().and_then(|date| date.to_zoned(TimeZone::UTC));
                let zoned =
                    read.map_err(|_| Problem::field("expires_at", "a day, such as 2027-05-01"))?;
                Some(zoned.timestamp())
            }
        };
        let (name, role) = (entered.name.clone(), entered.role.clone());
        self.make_key(CreateApiKey { name, role, integration, expires_at }).await
    }

    async fn show_keys(
        &self,
        visit: &Visit<'_>,
        key: Option<String>,
        entered: Entered,
        refusal: Option<Refusal>,
    ) -> Result<Response<Body>, Problem> {
        let status = match refusal {
            Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
            None => StatusCode::OK,
        };
        let integrations = self.integrations.list().await?;
        let rows = self.api_keys.list().await?.into_iter().map(|key| self.key_row(key)).collect();
        shown(
            status,
            &ApiKeysPage {
                frame: Frame::new(visit, Section::ApiKeys, "API keys"),
                key,
                entered,
                refusal,
                integrations: integrations.iter().map(|one| one.id.to_string()).collect(),
                rows,
            },
        )
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

    pub(super) async fn revoke_from_portal(&self, id: &str) -> Result<Response<Body>, Problem> {
        self.revoke_key(id).await?;
        self.go_on("/portal/api-keys", Notice::Revoked)
    }
}
