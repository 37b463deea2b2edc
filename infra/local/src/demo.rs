//! A demo application: how a back end uses ado-connect, in one file and its page (`templates/demo.html`).
//!
//! ```text
//!  sign_in ──> connect ──> Microsoft ──> connected ──> home ──> disconnect
//!              POST /connect-sessions    │             │        DELETE /connections/{id}
//!                                        │             GET /connections, GET /proxy/{id}/dev.azure.com/…
//!                                        POST /connections/{id}/confirm
//! ```
//!
//! It uses ado-connect's public HTTP API and nothing else. Only its own sign-in is pretended: a name in a form.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::{Form, Query, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, COOKIE, LOCATION, REFERRER_POLICY, SET_COOKIE,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use reqwest::RequestBuilder;
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::front;

/// A call through the proxy may wait for Azure DevOps.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The application's configuration.
pub(crate) struct Settings {
    /// The address of ado-connect.
    pub(crate) gateway: String,
    /// An API key with the role `application`. It stays in the back end; no browser ever gets it.
    pub(crate) application_key: String,
    pub(crate) integration: String,
    pub(crate) organization: String,
    pub(crate) own_url: String,
}

struct Demo {
    settings: Settings,
    http: reqwest::Client,
    /// The application's own sessions: the user who is signed in, by the value of the cookie.
    sessions: Mutex<HashMap<String, String>>,
}

/// Serves the demo application until the task is aborted.
pub(crate) fn serve(listener: TcpListener, settings: Settings) -> JoinHandle<()> {
    let demo = Demo { settings, http: reqwest::Client::new(), sessions: Mutex::default() };
    let app = Router::new()
        .route("/", get(home))
        .route("/sign-in", post(sign_in))
        .route("/connect", post(connect))
        .route("/connected", get(connected))
        .route("/disconnect", post(disconnect))
        .fallback(async || see_other("/"))
        .with_state(Arc::new(demo));
    front::serve(app, listener, "demo application")
}

#[derive(Deserialize)]
struct SignIn {
    user: String,
}

/// Step 1, which has nothing to do with ado-connect: the application has a session of its own.
async fn sign_in(State(demo): State<Arc<Demo>>, Form(form): Form<SignIn>) -> Response {
    let session = Uuid::new_v4().simple().to_string();
    let user = form.user.trim().to_owned();
    demo.sessions.lock().unwrap_or_else(PoisonError::into_inner).insert(session.clone(), user);
    // `Secure` is missing because this application is on http://localhost.
    let cookie = format!("demo={session}; Path=/; HttpOnly; SameSite=Lax");
    ([(SET_COOKIE, cookie)], see_other("/")).into_response()
}

#[derive(Deserialize)]
struct ConnectSession {
    connect_url: String,
}

/// Step 2: creates a connect session for the signed-in user, and sends the browser to its address.
async fn connect(State(demo): State<Arc<Demo>>, headers: HeaderMap) -> Result<Response, Error> {
    let Some(user) = demo.user(&headers) else { return Ok(see_other("/")) };
    let request = demo.http.post(demo.url("/connect-sessions")).json(&json!({
        "integration": demo.settings.integration,
        "user": user,
        "return_to": format!("{}/connected", demo.settings.own_url),
    }));
    let session: ConnectSession = demo.send(request).await?.json().await?;
    Ok(see_other(&session.connect_url))
}

#[derive(Deserialize)]
struct Returned {
    connection_id: Option<String>,
    confirmation: Option<String>,
    error: Option<String>,
}

/// Still step 2: the browser is back. Confirms that the user of this session is the one who connected. The user comes from
/// the session, never from the address: otherwise somebody could send their own link to another person.
async fn connected(
    State(demo): State<Arc<Demo>>,
    headers: HeaderMap,
    Query(returned): Query<Returned>,
) -> Result<Response, Error> {
    let Some(user) = demo.user(&headers) else { return Ok(see_other("/")) };
    if let Some(code) = returned.error {
        return Err(Error::NotConnected(code));
    }
    if let (Some(connection), Some(confirmation)) = (returned.connection_id, returned.confirmation)
    {
        let path = format!("/connections/{}/confirm", encoded(&connection));
        let body = json!({"confirmation": confirmation, "user": user});
        demo.send(demo.http.post(demo.url(&path)).json(&body)).await?;
    }
    Ok(see_other("/"))
}

/// The application's page; if the user is connected, step 3: the user's projects.
async fn home(State(demo): State<Arc<Demo>>, headers: HeaderMap) -> Result<Response, Error> {
    let Some(user) = demo.user(&headers) else { return page(View::SignedOut) };
    let organization = &demo.settings.organization;
    match demo.connection(&user).await? {
        Some(Connection { id, status: Status::Active }) => {
            let projects = demo.projects(&id).await?;
            page(View::Connected { user: &user, connection: &id, organization, projects })
        }
        Some(Connection { status: Status::ReauthorizationRequired, .. }) => {
            page(View::SignInAgain { user: &user })
        }
        Some(Connection { status: Status::Pending, .. }) | None => {
            page(View::NotConnected { user: &user })
        }
    }
}

/// Step 4: deletes the connection, and with it the user's tokens.
async fn disconnect(State(demo): State<Arc<Demo>>, headers: HeaderMap) -> Result<Response, Error> {
    let Some(user) = demo.user(&headers) else { return Ok(see_other("/")) };
    if let Some(connection) = demo.connection(&user).await? {
        let path = format!("/connections/{}", connection.id);
        demo.send(demo.http.delete(demo.url(&path))).await?;
    }
    Ok(see_other("/"))
}

#[derive(Deserialize)]
struct Connections {
    items: Vec<Connection>,
}

#[derive(Deserialize)]
struct Connection {
    id: String,
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    /// Confirmed, and ready for calls.
    Active,
    /// Waits for its confirmation.
    Pending,
    /// Microsoft does not renew the tokens any more; the user has to connect again.
    ReauthorizationRequired,
}

#[derive(Deserialize)]
struct Projects {
    value: Vec<Project>,
}

#[derive(Deserialize)]
struct Project {
    name: String,
}

impl Demo {
    /// The user whose session the request's cookie names.
    fn user(&self, headers: &HeaderMap) -> Option<String> {
        let cookies = headers.get(COOKIE)?.to_str().ok()?;
        let session = cookies.split(';').find_map(|pair| pair.trim().strip_prefix("demo="))?;
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).get(session).cloned()
    }

    /// The user's connection. There is at most one for an integration and a user.
    async fn connection(&self, user: &str) -> Result<Option<Connection>, Error> {
        let integration = encoded(&self.settings.integration);
        let path = format!("/connections?integration={integration}&user={}", encoded(user));
        let listed: Connections = self.send(self.http.get(self.url(&path))).await?.json().await?;
        Ok(listed.items.into_iter().next())
    }

    /// The names of the user's projects. The path after the connection is Azure DevOps' own address.
    async fn projects(&self, connection: &str) -> Result<Vec<Project>, Error> {
        let organization = &self.settings.organization;
        let address = format!("dev.azure.com/{organization}/_apis/projects?api-version=7.1");
        let request = self.http.get(self.url(&format!("/proxy/{connection}/{address}")));
        let listed: Projects = self.send(request).await?.json().await?;
        Ok(listed.value)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.settings.gateway)
    }

    /// Sends a request with the application's key.
    async fn send(&self, request: RequestBuilder) -> Result<reqwest::Response, Error> {
        let key = &self.settings.application_key;
        let response = request.bearer_auth(key).timeout(TIMEOUT).send().await?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        Err(response.json().await.map_or(Error::Unexpected(status), Error::Refused))
    }
}

/// A problem document (RFC 9457), as ado-connect sends it. `advice` is for people.
#[derive(Debug, Deserialize)]
struct Problem {
    title: String,
    advice: String,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{} ({_0})", why_not_connected(.0))]
    NotConnected(String),
    #[error("{}. {}", .0.title, .0.advice)]
    Refused(Problem),
    #[error("Azure DevOps answered with {0}.")]
    Unexpected(StatusCode),
    #[error("ado-connect did not answer. Is it running?")]
    NoAnswer(#[from] reqwest::Error),
    #[error("The page could not be rendered.")]
    Page(#[from] askama::Error),
}

/// The words for a problem code with which the browser came back.
fn why_not_connected(code: &str) -> &'static str {
    match code {
        "sign_in_cancelled" => "You cancelled the sign-in at Microsoft.",
        "consent_required" => "You did not accept the permissions that Microsoft listed.",
        "admin_approval_required" => "An administrator of your company has to approve this first.",
        "organization_access_denied" => "This account is not a member of the organization.",
        "personal_account" => "This is a personal account. Choose a work or school account.",
        _ => "The sign-in could not be completed.",
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = match self {
            Self::NotConnected(_) => StatusCode::OK,
            _ => StatusCode::BAD_GATEWAY,
        };
        let message = self.to_string();
        match page(View::Failed { message: &message }) {
            Ok(page) => (status, page).into_response(),
            Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, message).into_response(),
        }
    }
}

/// The content of the page.
enum View<'a> {
    SignedOut,
    NotConnected { user: &'a str },
    SignInAgain { user: &'a str },
    Connected { user: &'a str, connection: &'a str, organization: &'a str, projects: Vec<Project> },
    Failed { message: &'a str },
}

#[derive(Template)]
#[template(path = "demo.html")]
struct Page<'a> {
    view: View<'a>,
    /// Lets the page's own style through its policy.
    nonce: String,
}

impl Page<'_> {
    fn heading(&self) -> &'static str {
        match self.view {
            View::SignedOut => "Sign in",
            View::NotConnected { .. } => "Not connected yet",
            View::SignInAgain { .. } => "Please sign in again",
            View::Connected { .. } => "Connected to Azure DevOps",
            View::Failed { .. } => "That did not work",
        }
    }

    fn user(&self) -> Option<&str> {
        match self.view {
            View::NotConnected { user }
            | View::SignInAgain { user }
            | View::Connected { user, .. } => Some(user),
            View::SignedOut | View::Failed { .. } => None,
        }
    }

    /// The look of a step on the page: `done`, `now` or `later`.
    fn step(&self, step: u8) -> &'static str {
        let current = match self.view {
            View::SignedOut | View::Failed { .. } => 1,
            View::NotConnected { .. } | View::SignInAgain { .. } => 2,
            View::Connected { .. } => 4,
        };
        match step.cmp(&current) {
            Ordering::Less => "done",
            Ordering::Equal => "now",
            Ordering::Greater => "later",
        }
    }
}

fn page(view: View<'_>) -> Result<Response, Error> {
    let nonce = Uuid::new_v4().simple().to_string();
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; frame-ancestors 'none'; base-uri 'none'"
    );
    let html = Page { view, nonce }.render()?;
    let headers = [
        (CONTENT_SECURITY_POLICY, policy.as_str()),
        (CACHE_CONTROL, "no-store"),
        // The address to which the browser comes back holds the confirmation.
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers.map(|(name, value)| (name, value.to_owned())), Html(html)).into_response())
}

fn see_other(address: &str) -> Response {
    (StatusCode::SEE_OTHER, [(LOCATION, address)]).into_response()
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
