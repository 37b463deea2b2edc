//! The part of Microsoft Graph by which an app renews its own client secret: listing, adding and removing its
//! passwords.
//!
//! The app needs the application permission `Application.ReadWrite.OwnedBy`, and must be an owner of itself.
//!
//! Source: <https://learn.microsoft.com/graph/api/application-get>,
//! <https://learn.microsoft.com/graph/api/application-addpassword>,
//! <https://learn.microsoft.com/graph/api/application-removepassword>.

use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{Request, StatusCode, request};
use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use crate::cloud::Cloud;
use crate::identifiers::ClientId;
use ground::bearer_token::BearerToken;
use ground::transport::Transport;

const TIMEOUT: Duration = Duration::from_secs(8);
const LARGEST_ANSWER: usize = 100_000;

/// A password that Entra created.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Password {
    /// The id for its removal.
    pub key_id: Uuid,
    /// The client secret itself.
    #[serde(rename = "secretText")]
    pub secret: SecretString,
    /// The time at which Entra stops accepting it.
    #[serde(rename = "endDateTime")]
    pub expires_at: Timestamp,
}

/// A password as Entra lists it: without the secret.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedPassword {
    /// The id for its removal.
    pub key_id: Uuid,
    /// Its description in the portal.
    #[serde(default)]
    pub display_name: Option<String>,
    /// The time of its creation.
    pub start_date_time: Timestamp,
}

/// The reasons why a request to Graph failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// No answer in time, or none at all.
    #[error("Microsoft Graph did not answer")]
    NoAnswer,
    /// 401 or 403: the permission is missing, or the app is not its own owner.
    #[error(
        "Microsoft Graph does not allow it: the app needs Application.ReadWrite.OwnedBy and must own itself"
    )]
    NotAllowed,
    /// The app does not exist.
    #[error("Microsoft Graph does not know the app")]
    NotFound,
    /// Another refusal: the status and Graph's own code.
    #[error("Microsoft Graph refused: status {0}, {1}")]
    Refused(u16, String),
    /// The answer cannot be read.
    #[error("the answer of Microsoft Graph cannot be read")]
    Malformed,
}

/// A client of Microsoft Graph.
#[derive(Clone)]
pub struct Graph {
    transport: Transport,
    /// Without a slash at the end.
    base: String,
    resource: &'static str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Application {
    #[serde(default)]
    password_credentials: Vec<ListedPassword>,
}

impl Graph {
    /// Returns a client of this cloud's Graph, or of the server that replaces it.
    pub fn new(transport: impl Into<Transport>, cloud: Cloud, instead: Option<&Url>) -> Self {
        let resource = match cloud {
            Cloud::Public => "https://graph.microsoft.com",
            Cloud::UsGovernment => "https://graph.microsoft.us",
            Cloud::China => "https://microsoftgraph.chinacloudapi.cn",
        };
        let base = instead.map_or(resource, Url::as_str).trim_end_matches('/').to_owned();
        Self { transport: transport.into(), base, resource }
    }

    /// Returns the scope of a token for Graph.
    pub fn scope(&self) -> String {
        format!("{}/.default", self.resource)
    }

    /// Returns the passwords of an app registration.
    ///
    /// # Errors
    /// [`GraphError`] if Graph does not list them.
    pub async fn passwords(
        &self,
        token: &BearerToken,
        client_id: &ClientId,
    ) -> Result<Vec<ListedPassword>, GraphError> {
        let url = format!("{}?$select=passwordCredentials", self.application(client_id));
        let body = self.send(token, Request::get(url), Vec::new()).await?;
        let application: Application =
            serde_json::from_slice(&body).map_err(|_| GraphError::Malformed)?;
        Ok(application.password_credentials)
    }

    /// Adds a password to an app registration. The expiry is sent in whole seconds, the precision of Entra.
    ///
    /// # Errors
    /// [`GraphError`] if Graph does not return the password. After [`GraphError::NoAnswer`] and
    /// [`GraphError::Malformed`] it may still have been added.
    pub async fn add_password(
        &self,
        token: &BearerToken,
        client_id: &ClientId,
        name: &str,
        expires_at: Timestamp,
    ) -> Result<Password, GraphError> {
        let parameters = json!({
            "passwordCredential": {"displayName": name, "endDateTime": format!("{expires_at:.0}")},
        });
        let body = self.post(token, client_id, "addPassword", &parameters).await?;
        serde_json::from_slice(&body).map_err(|_| GraphError::Malformed)
    }

    /// Removes a password from an app registration.
    ///
    /// # Errors
    /// [`GraphError`] if Graph does not confirm the removal.
    pub async fn remove_password(
        &self,
        token: &BearerToken,
        client_id: &ClientId,
        key_id: Uuid,
    ) -> Result<(), GraphError> {
        let parameters = json!({"keyId": key_id});
        self.post(token, client_id, "removePassword", &parameters).await.map(drop)
    }

    async fn post(
        &self,
        token: &BearerToken,
        client_id: &ClientId,
        action: &str,
        parameters: &Value,
    ) -> Result<Vec<u8>, GraphError> {
        let request = Request::post(format!("{}/{action}", self.application(client_id)));
        let request = request.header("content-type", "application/json");
        self.send(token, request, parameters.to_string().into_bytes()).await
    }

    fn application(&self, client_id: &ClientId) -> String {
        format!("{}/v1.0/applications(appId='{client_id}')", self.base)
    }

    async fn send(
        &self,
        token: &BearerToken,
        request: request::Builder,
        body: Vec<u8>,
    ) -> Result<Vec<u8>, GraphError> {
        let request = request
            .header(AUTHORIZATION, token.authorization())
            .body(body)
            .map_err(|_| GraphError::Malformed)?;
        let sent = tokio::time::timeout(TIMEOUT, self.transport.send(request, LARGEST_ANSWER));
        let answer = sent.await.ok().and_then(Result::ok).ok_or(GraphError::NoAnswer)?;
        match answer.status() {
            status if status.is_success() => Ok(answer.into_body()),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(GraphError::NotAllowed),
            StatusCode::NOT_FOUND => Err(GraphError::NotFound),
            status => {
                let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
                // Only the code, because the message may quote the request.
                let code = body["error"]["code"].as_str().unwrap_or("no code").to_owned();
                Err(GraphError::Refused(status.as_u16(), code))
            }
        }
    }
}
