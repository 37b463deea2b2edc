//! The Azure DevOps stand-in over HTTP.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod authorization;
mod downloads;
mod git_over_http;
mod large_answers;
mod load;
mod long_lists;
mod resources;
mod wikis;

use reqwest::header::HeaderMap;
use serde_json::Value;
use tokio::net::TcpListener;

use super::*;
use crate::Entra;
use crate::entra::TENANT_A;
use crate::entra::tests as signing_in;

pub(crate) struct World {
    pub entra: Entra,
    pub devops: AzureDevOps,
    pub token: String,
}

/// An answer.
pub(crate) struct Got {
    pub status: u16,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Got {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    pub fn count(&self) -> u64 {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()["count"].as_u64().unwrap()
    }

    pub fn type_key(&self) -> String {
        self.json()["typeKey"].as_str().unwrap_or_default().to_owned()
    }
}

/// Starts both stand-ins, with Ada's access token for `scopes` of Azure DevOps.
pub(crate) async fn world(scopes: &[&str]) -> World {
    let entra = signing_in::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let devops = AzureDevOps::start(listener, &entra, AzureDevOpsOptions::default()).unwrap();
    let token = access_token(&entra, "organizations", "ada", scopes).await;
    World { entra, devops, token }
}

pub(crate) async fn access_token(
    entra: &Entra,
    tenant: &str,
    account: &str,
    scopes: &[&str],
) -> String {
    let scopes: Vec<String> =
        scopes.iter().map(|scope| format!("{}/{scope}", crate::AZURE_DEVOPS)).collect();
    let scope = format!("openid profile offline_access {}", scopes.join(" "));
    let code = signing_in::code(entra, tenant, account, &[("scope", &scope)]).await;
    let body = signing_in::redeem(entra, tenant, &code).await;
    signing_in::text(&body, "access_token").to_owned()
}

impl World {
    /// Sends a request as our proxy does: the real URL, its host in the `Host` header, sign-in pages suppressed.
    pub fn request(&self, method: &str, url: &str) -> reqwest::RequestBuilder {
        let rest = url.strip_prefix("https://").unwrap();
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        signing_in::http()
            .request(method.parse().unwrap(), format!("{}/{path}", self.devops.base_url()))
            .header("host", host)
            .header("x-tfs-fedauthredirect", "Suppress")
            .bearer_auth(&self.token)
    }

    pub async fn call(&self, method: &str, url: &str) -> Got {
        send(self.request(method, url)).await
    }

    pub async fn get(&self, path: &str) -> Got {
        self.call("GET", &format!("https://dev.azure.com/mycompany/{path}")).await
    }

    pub async fn send_json(&self, method: &str, path: &str, body: &Value) -> Got {
        let url = format!("https://dev.azure.com/mycompany/{path}");
        let content_type = if body.is_array() && path.contains("workItems") {
            "application/json-patch+json"
        } else {
            "application/json"
        };
        let request = self.request(method, &url).header("content-type", content_type);
        send(request.body(body.to_string())).await
    }
}

pub(crate) async fn send(request: reqwest::RequestBuilder) -> Got {
    let answer = request.send().await.unwrap();
    Got {
        status: answer.status().as_u16(),
        headers: answer.headers().clone(),
        bytes: answer.bytes().await.unwrap().to_vec(),
    }
}

/// Returns the work items that a query found.
fn found_ids(found: &Value) -> Vec<u64> {
    let items = found["workItems"].as_array().unwrap().iter();
    items.map(|item| item["id"].as_u64().unwrap()).collect()
}
