//! Calls that need a user's token. This function may open no token, so it calls the service's own gateway as an
//! application does, with an API key that lives for one call.

use std::time::Duration;

use edge::config::PublicUrl;
use edge::problem::Problem;
use ground::http::{Start, read_start};
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret as _;
use url::Url;
use vault::connections::Connection;

use super::api_keys::ApiKeyOperations;

/// A little longer than the proxy waits for Azure DevOps, so that its own answer arrives.
const TIMEOUT: Duration = Duration::from_secs(26);
/// Bytes of a body that are read.
const MOST_BYTES: usize = 192 * 1024;

/// Calls the service's own gateway.
pub(crate) struct GatewayClient {
    pub(crate) public_url: PublicUrl,
    pub(crate) http: reqwest::Client,
    pub(crate) api_keys: ApiKeyOperations,
}

/// An answer of the gateway.
pub(crate) struct Received {
    pub(crate) status: StatusCode,
    /// Names and values, in the order of arrival.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Start,
}

impl GatewayClient {
    /// Renews a connection's tokens. Returns `None` if the gateway does not answer.
    pub(crate) async fn refresh(
        &self,
        connection: &Connection,
    ) -> Result<Option<Received>, Problem> {
        let mut url = self.public_url.to_url();
        url.set_path(&format!("/connections/{}/refresh", connection.id));
        self.send(connection, Method::POST, url).await
    }

    /// Sends a GET to an address of [`proxied`]. Returns `None` if the gateway does not answer.
    pub(crate) async fn get(
        &self,
        connection: &Connection,
        url: Url,
    ) -> Result<Option<Received>, Problem> {
        self.send(connection, Method::GET, url).await
    }

    /// Returns the proxy's address for an address of Azure DevOps, or `None` if `address` is none. The proxy decides
    /// which calls are allowed; the check here only keeps the call inside the proxy.
    pub(crate) fn proxied(&self, connection: &Connection, address: &str) -> Option<Url> {
        proxied(&self.public_url, &format!("/proxy/{}/", connection.id), address)
    }

    async fn send(
        &self,
        connection: &Connection,
        method: Method,
        url: Url,
    ) -> Result<Option<Received>, Problem> {
        let key = self.api_keys.create_for_one_call(&connection.integration).await?;
        let request = self.http.request(method, url).timeout(TIMEOUT);
        let received = match request.bearer_auth(key.key.expose_secret()).send().await {
            Ok(response) => read(response).await,
            Err(error) => Err(error),
        };
        self.api_keys.delete_after_call(&key.description.id).await;
        received.map(Some).or_else(|error| {
            let error = error.without_url();
            tracing::warn!(%error, "the gateway did not answer the portal");
            Ok(None)
        })
    }
}

async fn read(response: reqwest::Response) -> Result<Received, reqwest::Error> {
    let status = response.status();
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = response.headers().iter();
    let headers = headers.map(|(name, value)| (name.to_string(), text(value))).collect();
    Ok(Received { status, headers, body: read_start(response, MOST_BYTES).await? })
}

fn proxied(public_url: &PublicUrl, prefix: &str, address: &str) -> Option<Url> {
    let url = Url::parse(address).ok().filter(|url| url.scheme() == "https")?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.port().is_none();
    let host = url.host_str().filter(|_| is_plain)?;
    let mut own = public_url.to_url();
    own.set_path(&format!("{prefix}{host}{}", url.path()));
    own.set_query(url.query());
    own.path().starts_with(prefix).then_some(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through_proxy(address: &str) -> Option<String> {
        let public_url = "https://gateway.example".parse().unwrap();
        proxied(&public_url, "/proxy/c1/", address).map(String::from)
    }

    #[test]
    fn an_address_of_azure_devops_is_called_through_the_proxy() {
        assert_eq!(
            through_proxy("https://dev.azure.com/mycompany/_apis/projects?api-version=7.1")
                .unwrap(),
            "https://gateway.example/proxy/c1/dev.azure.com/mycompany/_apis/projects?api-version=7.1"
        );
    }

    #[test]
    fn an_address_never_becomes_another_one_of_the_service() {
        for address in [
            "",
            "dev.azure.com/mycompany",
            "http://dev.azure.com/mycompany",
            "https://user@dev.azure.com/",
            "https://:word@dev.azure.com/",
            "https://dev.azure.com:8443/",
            "file:///etc/hosts",
        ] {
            assert_eq!(through_proxy(address), None, "{address}");
        }
        for address in
            ["https://dev.azure.com/../../../api-keys", "https://x/%2e%2e/%2e%2e/api-keys"]
        {
            assert!(
                through_proxy(address).is_none_or(|own| own.contains("/proxy/c1/")),
                "{address}"
            );
        }
    }
}
