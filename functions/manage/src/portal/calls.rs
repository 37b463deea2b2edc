//! What needs a user's token: renewing it, and trying a call. This function may open no token, so it calls the
//! service's own gateway as an application does, with a key that lives for one call.

use std::time::Duration;

use askama::Template;
use edge::gateway::Body;
use edge::problem::Problem;
use ground::http::read_start;
use http::{Response, StatusCode};
use jiff::SignedDuration;
use reqwest::Method;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use url::Url;
use vault::api_keys::{ApiKey, ApiKeyRequest, NewApiKey, Role};
use vault::connections::Connection;
use vault::ids::IntegrationId;

use super::Visit;
use super::form::Form;
use super::frame::{Frame, Notice, Section, go_on, shown};
use super::refusal::Refusal;
use crate::Manage;

/// How long the key of one call works.
const KEY_LIFETIME: SignedDuration = SignedDuration::from_mins(1);
/// How long a call may take: a little longer than the proxy itself waits for Azure DevOps, so that it can say so.
const PATIENCE: Duration = Duration::from_secs(26);
/// How those keys are named.
const KEY_NAME: &str = "one call of the portal";
/// How much of an answer is shown, in bytes.
const SHOWN: usize = 24 * 1024;

#[derive(Template)]
#[template(path = "try.html")]
struct TryPage {
    frame: Frame,
    id: String,
    address: String,
    trouble: Option<Trouble>,
    answer: Option<Answer>,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// What was entered is no address of Azure DevOps.
    Address,
    /// The service's own gateway gave none.
    NoAnswer,
}

impl TryPage {
    fn has_no_answer(&self) -> bool {
        self.trouble == Some(Trouble::NoAnswer)
    }

    fn address_error(&self) -> Option<&'static str> {
        (self.trouble == Some(Trouble::Address)).then_some(
            "An address of Azure DevOps, such as https://dev.azure.com/mycompany/_apis/projects",
        )
    }
}

/// An answer of Azure DevOps, or of the service in its place.
struct Answer {
    status: String,
    headers: Vec<(String, String)>,
    body: String,
    is_cut: bool,
}

impl Manage {
    pub(super) async fn refresh_from_portal(
        &self,
        visit: &Visit<'_>,
        id: &str,
    ) -> Result<Response<Body>, Problem> {
        let connection = self.connection_on(visit, id).await?;
        let path = format!("/connections/{}/refresh", connection.id);
        let url = self.own_url(&path);
        match self.call(&connection.integration, Method::POST, url).await? {
            Some(answer) if answer.status.starts_with('2') => {
                go_on(&format!("/portal/connections/{}", connection.id), Notice::Renewed)
            }
            answer => {
                // How it ended may have changed the connection.
                let connection = self.connection_on(visit, id).await?;
                self.show_connection(visit, connection, Some(refusal_in(answer))).await
            }
        }
    }

    pub(super) async fn try_page(
        &self,
        visit: &Visit<'_>,
        id: &str,
    ) -> Result<Response<Body>, Problem> {
        let connection = self.connection_on(visit, id).await?;
        let address = self.first_address(&connection).await?;
        show_try(visit, &connection, address, None, None)
    }

    pub(super) async fn try_call(
        &self,
        visit: &Visit<'_>,
        id: &str,
        form: &Form,
    ) -> Result<Response<Body>, Problem> {
        let connection = self.connection_on(visit, id).await?;
        let entered = form.text("address").to_owned();
        let Some(url) = self.proxied(&connection, &entered) else {
            return show_try(visit, &connection, entered, Some(Trouble::Address), None);
        };
        tracing::info!(
            audit = "portal_call", caller = %visit.operator.caller.id, connection = %connection.id,
            "an operator tries a call for a user",
        );
        match self.call(&connection.integration, Method::GET, url).await? {
            None => show_try(visit, &connection, entered, Some(Trouble::NoAnswer), None),
            answer => show_try(visit, &connection, entered, None, answer),
        }
    }

    /// Where a first call finds something in any organization.
    async fn first_address(&self, connection: &Connection) -> Result<String, Problem> {
        let integration = self.integrations.get(&connection.integration).await?;
        let reachable = integration
            .map(|integration| {
                integration.settings.organizations.reachable(connection.organization.as_ref())
            })
            .unwrap_or_default();
        let name =
            reachable.first().map_or_else(|| "{organization}".to_owned(), ToString::to_string);
        Ok(format!("https://dev.azure.com/{name}/_apis/projects?api-version=7.1"))
    }

    /// An address of Azure DevOps by way of the proxy. The proxy decides what may be called; here it only must not
    /// become another address of the service.
    fn proxied(&self, connection: &Connection, entered: &str) -> Option<Url> {
        let url = Url::parse(entered).ok().filter(|url| url.scheme() == "https")?;
        let is_plain =
            url.username().is_empty() && url.password().is_none() && url.port().is_none();
        let host = url.host_str().filter(|_| is_plain)?;
        let prefix = format!("/proxy/{}/", connection.id);
        let mut own = self.own_url(&format!("{prefix}{host}{}", url.path()));
        own.set_query(url.query());
        own.path().starts_with(&prefix).then_some(own)
    }

    /// An address of the service.
    pub(super) fn own_url(&self, path: &str) -> Url {
        let mut url = self.public_url.to_url();
        url.set_path(path);
        url
    }

    /// One call of the gateway as an application of the integration; `None` when it does not answer.
    async fn call(
        &self,
        integration: &IntegrationId,
        method: Method,
        url: Url,
    ) -> Result<Option<Answer>, Problem> {
        let NewApiKey { description, key } = self.key_of_one_call(integration).await?;
        let answer = self.http.request(method, url).timeout(PATIENCE);
        let answer = answer.bearer_auth(key.expose_secret()).send().await;
        let answer = match answer {
            Ok(response) => read(response).await,
            Err(error) => Err(error),
        };
        if let Err(error) = self.api_keys.delete(&description.id).await {
            // It ends by itself; the list of keys sweeps it up.
            tracing::warn!(key = %description.id, "the key of one call was left behind: {error}");
        }
        answer.map(Some).or_else(|error| {
            tracing::warn!(error = %error.without_url(), "the gateway does not answer the portal");
            Ok(None)
        })
    }

    async fn key_of_one_call(&self, integration: &IntegrationId) -> Result<NewApiKey, Problem> {
        let now = self.clock.now();
        let request = ApiKeyRequest {
            name: KEY_NAME.to_owned(),
            role: Role::Application,
            integration: Some(integration.clone()),
            expires_at: Some(now + KEY_LIFETIME),
        };
        Ok(self.api_keys.create(request, now, &mut self.random.clone()).await?)
    }
}

/// Whether a key is one of these: by all that is particular to them, because anybody may give a key their name.
pub(super) fn is_of_one_call(key: &ApiKey) -> bool {
    key.name == KEY_NAME
        && key.role == Role::Application
        && key.integration.is_some()
        && key.expires_at.is_some_and(|end| end <= key.created_at + KEY_LIFETIME)
}

const NO_ANSWER: &str = "The service's own address did not answer in time";

async fn read(response: reqwest::Response) -> Result<Answer, reqwest::Error> {
    let status = response.status().to_string();
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect();
    let start = read_start(response, SHOWN * 8).await?;
    let (body, is_shortened) = readable(&start.bytes);
    Ok(Answer { status, headers, body, is_cut: !start.is_whole || is_shortened })
}

/// JSON with line breaks, other text as it is; at most as much as a page holds, and whether that is all.
fn readable(body: &[u8]) -> (String, bool) {
    let mut text = match serde_json::from_slice::<Value>(body) {
        Ok(value) => serde_json::to_string_pretty(&value).unwrap_or_default(),
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    let end = text.floor_char_boundary(SHOWN.min(text.len()));
    let is_shortened = end < text.len();
    text.truncate(end);
    (text, is_shortened)
}

/// What a refusing answer says.
fn refusal_in(answer: Option<Answer>) -> Refusal {
    let Some(answer) = answer else {
        return Refusal { title: NO_ANSWER.to_owned(), advice: String::new(), errors: Vec::new() };
    };
    let document: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let text = |name: &str| document[name].as_str().map(str::to_owned);
    Refusal {
        title: text("title").unwrap_or_else(|| format!("The gateway answered {}", answer.status)),
        advice: text("detail").or_else(|| text("advice")).unwrap_or_default(),
        errors: Vec::new(),
    }
}

fn show_try(
    visit: &Visit<'_>,
    connection: &Connection,
    address: String,
    trouble: Option<Trouble>,
    answer: Option<Answer>,
) -> Result<Response<Body>, Problem> {
    let status = match trouble {
        Some(Trouble::Address) => StatusCode::UNPROCESSABLE_ENTITY,
        Some(Trouble::NoAnswer) => StatusCode::GATEWAY_TIMEOUT,
        None => StatusCode::OK,
    };
    let frame = Frame::new(visit, Section::Connections, "Try it");
    let id = connection.id.to_string();
    shown(status, &TryPage { frame, id, address, trouble, answer })
}
