//! A demo application: what a customer's back end does with ado-connect, in one file.
//!
//! It uses nothing but the public HTTP contract. Signing in is pretended (a name in a form); everything
//! else is what a real application would do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Form, Query, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, COOKIE, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// What an application knows of ado-connect.
pub(crate) struct Settings {
    pub(crate) gateway: String,
    pub(crate) application_key: String,
    pub(crate) integration: String,
    pub(crate) organization: String,
    pub(crate) own_url: String,
}

struct Demo {
    settings: Settings,
    http: reqwest::Client,
    /// Our own sessions: who is signed in to this application.
    sessions: Mutex<HashMap<String, String>>,
}

/// Serves the demo application.
pub(crate) fn serve(listener: TcpListener, settings: Settings) -> JoinHandle<()> {
    let demo = Demo { settings, http: reqwest::Client::new(), sessions: Mutex::default() };
    let app = Router::new()
        .route("/", get(home))
        .route("/sign-in", post(sign_in))
        .route("/connect", post(connect))
        .route("/connected", get(connected))
        .route("/disconnect", post(disconnect))
        .with_state(Arc::new(demo));
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, app).await {
            eprintln!("the demo application stopped: {error}");
        }
    })
}

impl Demo {
    /// The user whom our own session names.
    fn user(&self, headers: &HeaderMap) -> Option<String> {
        let cookies = headers.get(COOKIE)?.to_str().ok()?;
        let id = cookies.split(';').find_map(|pair| pair.trim().strip_prefix("demo="))?;
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// One call of ado-connect with our application key.
    async fn ask(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, String> {
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.settings.gateway))
            .bearer_auth(&self.settings.application_key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.map_err(|e| e.to_string())?;
        let succeeded = answer.status().is_success();
        let text = answer.text().await.map_err(|e| e.to_string())?;
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        if succeeded {
            return Ok(value);
        }
        Err(value["title"].as_str().unwrap_or("the call failed").to_owned())
    }

    async fn connection(&self, user: &str) -> Result<Option<String>, String> {
        let query = form_urlencoded(&[("integration", &self.settings.integration), ("user", user)]);
        let listed = self.ask(reqwest::Method::GET, &format!("/connections?{query}"), None).await?;
        let active =
            listed["items"].as_array().into_iter().flatten().find(|c| c["status"] == "active");
        Ok(active.and_then(|connection| connection["id"].as_str()).map(str::to_owned))
    }

    async fn projects(&self, connection: &str) -> Result<Vec<String>, String> {
        let organization = &self.settings.organization;
        let path = format!(
            "/proxy/{connection}/dev.azure.com/{organization}/_apis/projects?api-version=7.1"
        );
        let listed = self.ask(reqwest::Method::GET, &path, None).await?;
        let names =
            listed["value"].as_array().into_iter().flatten().filter_map(|p| p["name"].as_str());
        Ok(names.map(str::to_owned).collect())
    }
}

async fn home(State(demo): State<Arc<Demo>>, headers: HeaderMap) -> Response {
    let Some(user) = demo.user(&headers) else {
        return page(
            "Sign in",
            r#"<form method="post" action="/sign-in"><label>Your name <input name="user" value="ada" required maxlength="64"></label> <button>Sign in</button></form>"#,
        );
    };
    let signed_in = format!("<p>Signed in as <strong>{}</strong>.</p>", escape(&user));
    let connect =
        r#"<form method="post" action="/connect"><button>Connect Azure DevOps</button></form>"#;
    match demo.connection(&user).await {
        Err(error) => page(
            "Something is wrong",
            &format!("{signed_in}<p role=\"alert\">{}</p>", escape(&error)),
        ),
        Ok(None) => page("Not connected", &format!("{signed_in}{connect}")),
        Ok(Some(connection)) => {
            let projects = match demo.projects(&connection).await {
                Ok(names) => {
                    let names: Vec<_> = names.iter().map(|name| escape(name)).collect();
                    format!("<h2>Projects</h2><ul><li>{}</ul>", names.join("<li>"))
                }
                Err(error) => format!("<p role=\"alert\">{}</p>", escape(&error)),
            };
            let disconnect =
                r#"<form method="post" action="/disconnect"><button>Disconnect</button></form>"#;
            page(
                "Connected to Azure DevOps",
                &format!("{signed_in}{projects}{connect}{disconnect}"),
            )
        }
    }
}

#[derive(Deserialize)]
struct SignIn {
    user: String,
}

async fn sign_in(State(demo): State<Arc<Demo>>, Form(form): Form<SignIn>) -> Response {
    let id = Uuid::new_v4().simple().to_string();
    demo.sessions
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(id.clone(), form.user.trim().to_owned());
    let cookie = format!("demo={id}; Path=/; HttpOnly; SameSite=Lax");
    (StatusCode::SEE_OTHER, [(LOCATION, "/".to_owned()), (SET_COOKIE, cookie)]).into_response()
}

/// Step 1: a connect session for our signed-in user; the browser goes to its link.
async fn connect(State(demo): State<Arc<Demo>>, headers: HeaderMap) -> Response {
    let Some(user) = demo.user(&headers) else { return see_other("/") };
    let session = json!({
        "integration": demo.settings.integration,
        "user": user,
        "return_to": format!("{}/connected", demo.settings.own_url),
    });
    match demo.ask(reqwest::Method::POST, "/connect-sessions", Some(session)).await {
        Ok(session) => see_other(session["connect_url"].as_str().unwrap_or("/")),
        Err(error) => page("Not connected", &format!("<p role=\"alert\">{}</p>", escape(&error))),
    }
}

#[derive(Deserialize)]
struct Returned {
    connection_id: Option<String>,
    confirmation: Option<String>,
    error: Option<String>,
}

/// Step 2: the browser is back. The user comes from our own session, never from the address.
async fn connected(
    State(demo): State<Arc<Demo>>,
    headers: HeaderMap,
    Query(returned): Query<Returned>,
) -> Response {
    let Some(user) = demo.user(&headers) else { return see_other("/") };
    let (Some(connection), Some(confirmation)) = (returned.connection_id, returned.confirmation)
    else {
        let error = returned.error.unwrap_or_else(|| "nothing came back".to_owned());
        return page(
            "Not connected",
            &format!("<p role=\"alert\">{}</p><p><a href=\"/\">Back</a></p>", escape(&error)),
        );
    };
    let body = json!({"confirmation": confirmation, "user": user});
    let path = format!("/connections/{}/confirm", form_urlencoded_value(&connection));
    match demo.ask(reqwest::Method::POST, &path, Some(body)).await {
        Ok(_) => see_other("/"),
        Err(error) => page(
            "Not connected",
            &format!("<p role=\"alert\">{}</p><p><a href=\"/\">Back</a></p>", escape(&error)),
        ),
    }
}

async fn disconnect(State(demo): State<Arc<Demo>>, headers: HeaderMap) -> Response {
    let Some(user) = demo.user(&headers) else { return see_other("/") };
    if let Ok(Some(connection)) = demo.connection(&user).await
        && let Err(error) =
            demo.ask(reqwest::Method::DELETE, &format!("/connections/{connection}"), None).await
    {
        return page("Still connected", &format!("<p role=\"alert\">{}</p>", escape(&error)));
    }
    see_other("/")
}

fn see_other(to: &str) -> Response {
    (StatusCode::SEE_OTHER, [(LOCATION, to.to_owned())]).into_response()
}

fn page(title: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title} – Demo</title><main><h1>{title}</h1>{body}</main></html>"
    );
    ([(CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'")], Html(html))
        .into_response()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

fn form_urlencoded(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn form_urlencoded_value(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
