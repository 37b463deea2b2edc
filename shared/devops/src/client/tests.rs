#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;

use super::*;

/// A server that answers everything in the same way and remembers what it was asked.
async fn server(
    status: u16,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
) -> (DevopsClient, Arc<Mutex<Vec<Request>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let app = Router::new().fallback(move |request: Request| {
        seen.lock().unwrap().push(request);
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        std::future::ready(response.body(Body::from(body)).unwrap())
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let http =
        reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    (DevopsClient::new(http, Some(url)), asked)
}

fn mycompany() -> OrganizationName {
    "mycompany".parse().unwrap()
}

async fn ask(
    status: u16,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
) -> Result<ConnectionData, ConnectionDataError> {
    let (client, _) = server(status, headers, body).await;
    client.connection_data(&mycompany(), &"token".into()).await
}

const USER: &str = r#"{"authenticatedUser":{"id":"d291b0c4-a05c-6ea6-8df1-4b41d5f39eff","providerDisplayName":"Ada"},"instanceId":"20cda608-32f0-4e6e-9b7c-8def7b38d15a"}"#;

#[tokio::test]
async fn the_real_host_is_named_and_redirects_are_suppressed() {
    let (client, asked) = server(200, &[("content-type", "application/json")], USER).await;
    let data = client.connection_data(&mycompany(), &"token".into()).await.unwrap();
    assert_eq!(data.display_name.as_deref(), Some("Ada"));
    let asked = asked.lock().unwrap();
    assert_eq!(asked[0].uri(), "/mycompany/_apis/connectionData");
    assert_eq!(asked[0].headers()["host"], "dev.azure.com");
    assert_eq!(asked[0].headers()["authorization"], "Bearer token");
    assert_eq!(asked[0].headers()["x-tfs-fedauthredirect"], "Suppress");
}

#[tokio::test]
async fn each_way_to_refuse_is_told_apart() {
    use ConnectionDataError as E;
    assert_eq!(ask(401, &[], "").await, Err(E::Unauthorized));
    assert_eq!(
        ask(203, &[("content-type", "text/html")], "<title>Sign In</title>").await,
        Err(E::Unauthorized)
    );
    assert_eq!(
        ask(302, &[("location", "https://spsprodcus1.vssps.visualstudio.com/_signin?x")], "").await,
        Err(E::Unauthorized)
    );
    assert_eq!(
        ask(403, &[], r#"{"message":"VS403463: The conditional access policy has failed."}"#).await,
        Err(E::PolicyBlocked)
    );
    assert_eq!(ask(403, &[], "{}").await, Err(E::NotAMember));
    assert_eq!(ask(404, &[], "{}").await, Err(E::NotAMember));
    assert_eq!(ask(429, &[("retry-after", "3")], "").await, Err(E::Unavailable));
    assert_eq!(ask(503, &[], "\u{feff}{\"message\":\"TF24668\"}").await, Err(E::Unavailable));
    assert_eq!(
        ask(200, &[("content-type", "application/json")], "nonsense").await,
        Err(E::Unavailable)
    );
    let anonymous = r#"{"authenticatedUser":{"id":"aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"}}"#;
    assert_eq!(ask(200, &[], anonymous).await, Err(E::Unauthorized));
}

#[tokio::test]
async fn a_redirect_is_never_followed_with_the_token() {
    let (client, asked) = server(307, &[("location", "/elsewhere")], "").await;
    assert!(client.connection_data(&mycompany(), &"token".into()).await.is_err());
    assert_eq!(asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn the_tenant_of_an_organization_is_read_from_a_404() {
    let header = &[("x-vss-resourcetenant", "11111111-2222-3333-4444-555555555555")];
    let (client, asked) = server(404, header, "").await;
    let id = "11111111-2222-3333-4444-555555555555".parse().unwrap();
    assert_eq!(client.resource_tenant(&mycompany()).await, Ok(OrganizationTenant::Entra(id)));
    assert_eq!(asked.lock().unwrap()[0].headers()["host"], "vssps.dev.azure.com");
    let nil = &[("x-vss-resourcetenant", "00000000-0000-0000-0000-000000000000")];
    let (client, _) = server(404, nil, "").await;
    assert_eq!(
        client.resource_tenant(&mycompany()).await,
        Ok(OrganizationTenant::PersonalMicrosoftAccounts)
    );
    let (client, _) = server(404, &[], "").await;
    assert_eq!(client.resource_tenant(&mycompany()).await, Ok(OrganizationTenant::Unknown));
    let (client, _) = server(500, &[], "").await;
    assert_eq!(client.resource_tenant(&mycompany()).await, Err(Unavailable));
}
