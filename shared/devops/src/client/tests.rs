#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use secrecy::SecretString;

use super::*;

const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8; api-version=7.1");
const HTML: (&str, &str) = ("content-type", "text/html; charset=utf-8");
const TENANT: &str = "11111111-2222-3333-4444-555555555555";

type Headers = &'static [(&'static str, &'static str)];

/// Starts a server that gives one answer to all requests and records them.
async fn server(
    status: u16,
    headers: Headers,
    body: impl Into<bytes::Bytes>,
) -> (DevopsClient, Arc<Mutex<Vec<Request>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (seen, body) = (Arc::clone(&asked), body.into());
    let app = Router::new().fallback(move |request: Request| {
        seen.lock().unwrap().push(request);
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        std::future::ready(response.body(Body::from(body.clone())).unwrap())
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (DevopsClient::new(ground::http::client().unwrap(), Some(url)), asked)
}

fn mycompany() -> OrganizationName {
    "mycompany".parse().unwrap()
}

fn token() -> BearerToken {
    SecretString::from("token").try_into().unwrap()
}

async fn connection_data(
    status: u16,
    headers: Headers,
    body: impl Into<bytes::Bytes>,
) -> Result<ConnectionData, ConnectionDataError> {
    let (client, _) = server(status, headers, body).await;
    client.connection_data(Some(&mycompany()), &token(), Timestamp::UNIX_EPOCH).await
}

const USER: &str = r#"{"authenticatedUser":{"id":"d291b0c4-a05c-6ea6-8df1-4b41d5f39eff","descriptor":"Microsoft.IdentityModel.Claims.ClaimsIdentity;1\\ada@mycompany.example","subjectDescriptor":"aad.ZDI5MWIw","providerDisplayName":"Ada"},"instanceId":"20cda608-32f0-4e6e-9b7c-8def7b38d15a","deploymentType":"hosted"}"#;

#[tokio::test]
async fn the_real_host_is_named_and_sign_in_pages_are_suppressed() {
    let (client, asked) = server(200, &[JSON], USER).await;
    client.connection_data(Some(&mycompany()), &token(), Timestamp::UNIX_EPOCH).await.unwrap();
    let asked = asked.lock().unwrap();
    let headers = asked[0].headers();
    assert_eq!(asked[0].method(), Method::GET);
    assert_eq!(asked[0].uri(), "/mycompany/_apis/connectionData");
    assert_eq!(asked[0].version(), http::Version::HTTP_11);
    assert_eq!(headers["host"], "dev.azure.com");
    assert_eq!(headers["authorization"], "Bearer token");
    assert_eq!(headers["x-tfs-fedauthredirect"], "Suppress");
    assert_eq!(headers["user-agent"], concat!("ado-connect/", env!("CARGO_PKG_VERSION")));
    for name in ["host", "authorization", "x-tfs-fedauthredirect", "user-agent", "accept"] {
        assert_eq!(headers.get_all(name).iter().count(), 1, "{name}");
    }
}

#[tokio::test]
async fn without_an_organization_the_token_is_presented_where_there_is_none() {
    let (client, asked) = server(200, &[JSON], USER).await;
    client.connection_data(None, &token(), Timestamp::UNIX_EPOCH).await.unwrap();
    let asked = asked.lock().unwrap();
    assert_eq!(asked[0].uri(), "/_apis/connectionData");
    assert_eq!(asked[0].headers()["host"], "app.vssps.visualstudio.com");
}

#[tokio::test]
async fn path_and_query_arrive_as_they_were_authorized() {
    let (client, asked) = server(200, &[], "").await;
    let path = "/mycompany/My%20Project/_apis/wit/workitems/$Task(1)/%c3%bcber";
    let query = "path=%2Fa%2F..%2Fb&$top=1&x=%zz&a=b=c&&;[]|";
    let address =
        Address::parse("mycompany.vsrm.visualstudio.com", path, Some(query), &[mycompany()])
            .unwrap();
    let their_agent: HeaderMap =
        [(USER_AGENT, HeaderValue::from_static("theirs"))].into_iter().collect();
    client.request(&address, Method::PATCH).headers(their_agent).send().await.unwrap();
    let asked = asked.lock().unwrap();
    assert_eq!(asked[0].uri().to_string(), format!("/mycompany{path}?{query}"));
    assert_eq!(asked[0].headers()["host"], "vsrm.dev.azure.com");
    let agents: Vec<_> = asked[0].headers().get_all(USER_AGENT).iter().collect();
    assert_eq!(agents, ["theirs"], "headers that are added later take precedence");
}

#[test]
fn without_an_override_requests_go_to_azure_devops_itself() {
    let client = DevopsClient::new(ground::http::client().unwrap(), None);
    let address =
        Address::parse("dev.azure.com", "/mycompany/_apis", Some("a=b"), &[mycompany()]).unwrap();
    let request = client.request(&address, Method::GET).build().unwrap();
    assert_eq!(request.url().as_str(), "https://dev.azure.com/mycompany/_apis?a=b");
    assert!(!request.headers().contains_key(HOST));
}

#[tokio::test]
async fn connection_data_names_the_user() {
    let expected = ConnectionData {
        authenticated_user_id: "d291b0c4-a05c-6ea6-8df1-4b41d5f39eff".parse().unwrap(),
        subject_descriptor: Some("aad.ZDI5MWIw".to_owned()),
        display_name: Some("Ada".to_owned()),
        instance_id: Some("20cda608-32f0-4e6e-9b7c-8def7b38d15a".parse().unwrap()),
    };
    assert_eq!(connection_data(200, &[JSON], USER).await.as_ref(), Ok(&expected));
    assert_eq!(connection_data(200, &[JSON], format!("\u{feff}{USER}")).await, Ok(expected));
}

#[tokio::test]
async fn every_kind_of_refusal_is_its_own_error() {
    use ConnectionDataError as E;
    const SIGN_IN: Headers =
        &[("location", "https://spsprodcus1.vssps.visualstudio.com/_signin?x")];
    const REFUSED: &str = r#"{"$id":"1","message":"TF400813: The user '' is not authorized to access this resource.","typeKey":"UnauthorizedRequestException"}"#;
    const POLICY: &str = r#"{"$id":"1","message":"VS403463: The conditional access policy defined by your administrator has failed."}"#;
    const STOPPED: &str =
        "\u{feff}{\"$id\":\"1\",\"message\":\"TF24668: The team project collection is stopped.\"}";
    const CHALLENGED: Headers = &[
        ("retry-after", "3"),
        ("www-authenticate", r#"Bearer error="insufficient_claims", claims="e30=""#),
    ];
    assert_eq!(connection_data(401, &[], "").await, Err(E::Unauthorized));
    assert_eq!(connection_data(401, &[JSON], REFUSED).await, Err(E::Unauthorized));
    let named = REFUSED.replace("''", "'ada'");
    assert_eq!(connection_data(401, &[JSON], named).await, Err(E::NotAMember));
    assert_eq!(connection_data(203, &[HTML], "<title>Sign In</title>").await, Err(E::Unauthorized));
    assert_eq!(connection_data(200, &[HTML], "<title>Sign In</title>").await, Err(E::Unauthorized));
    assert_eq!(connection_data(302, SIGN_IN, "").await, Err(E::Unauthorized));
    assert_eq!(connection_data(403, &[JSON], POLICY).await, Err(E::PolicyBlocked));
    assert_eq!(connection_data(403, &[JSON], "{}").await, Err(E::NotAMember));
    assert_eq!(connection_data(404, &[HTML], "<html>").await, Err(E::NotAMember));
    let throttled =
        |seconds: Option<u64>| Err(E::Throttled { retry_after: seconds.map(Duration::from_secs) });
    assert_eq!(connection_data(429, &[("retry-after", "3")], "").await, throttled(Some(3)));
    assert_eq!(connection_data(429, &[HTML], "<html>").await, throttled(None));
    assert_eq!(connection_data(503, &[("retry-after", "3")], "").await, throttled(Some(3)));
    assert_eq!(connection_data(401, &[("retry-after", "3")], "").await, throttled(Some(3)));
    assert_eq!(connection_data(203, &[HTML, ("retry-after", "3")], "").await, throttled(Some(3)));
    assert_eq!(connection_data(401, CHALLENGED, "").await, Err(E::Unauthorized));
    assert!(connection_data(200, &[JSON, ("retry-after", "3")], USER).await.is_ok());
    assert_eq!(connection_data(503, &[JSON], STOPPED).await, Err(E::Unavailable));
    assert_eq!(connection_data(500, &[], "").await, Err(E::Unavailable));
    assert_eq!(connection_data(400, &[JSON], "{}").await, Err(E::Unavailable));
    assert_eq!(connection_data(200, &[JSON], "nonsense").await, Err(E::Unavailable));
    assert_eq!(connection_data(200, &[JSON], "{}").await, Err(E::Unavailable));
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_not_read() {
    let padded = |length: usize| format!("{USER}{}", " ".repeat(length - USER.len()));
    assert!(connection_data(200, &[JSON], padded(LARGEST)).await.is_ok());
    let refused = connection_data(200, &[JSON], padded(LARGEST + 1)).await;
    assert_eq!(refused, Err(ConnectionDataError::Unavailable));
}

#[tokio::test]
async fn a_public_identity_is_no_member() {
    let anonymous = USER
        .replace("d291b0c4-a05c-6ea6-8df1-4b41d5f39eff", "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa");
    let by_kind = USER.replace("Claims.ClaimsIdentity", "UnauthenticatedIdentity");
    for body in [anonymous, by_kind] {
        let refused = connection_data(200, &[JSON], body).await;
        assert_eq!(refused, Err(ConnectionDataError::Unauthorized));
    }
}

#[tokio::test]
async fn a_redirect_is_never_followed_with_the_token() {
    let (elsewhere, reached) = server(200, &[JSON], USER).await;
    let target = elsewhere.instead.unwrap();
    for status in [301, 302, 303, 307, 308] {
        let location: &'static str = format!("{target}stolen").leak();
        let headers: Headers = vec![("location", location)].leak();
        let (client, asked) = server(status, headers, "").await;
        assert!(
            client
                .connection_data(Some(&mycompany()), &token(), Timestamp::UNIX_EPOCH)
                .await
                .is_err()
        );
        assert_eq!(asked.lock().unwrap().len(), 1);
    }
    assert!(reached.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_closed_port_is_unavailable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let client = DevopsClient::new(ground::http::client().unwrap(), Some(url));
    let refused = client.connection_data(Some(&mycompany()), &token(), Timestamp::UNIX_EPOCH).await;
    assert_eq!(refused, Err(ConnectionDataError::Unavailable));
    assert_eq!(client.resource_tenant(&mycompany()).await, Err(Unavailable));
}

#[tokio::test]
async fn the_tenant_of_an_organization_is_read_from_a_404() {
    let (client, asked) = server(404, &[("x-vss-resourcetenant", TENANT)], "").await;
    let entra = OrganizationTenant::Entra(TENANT.parse().unwrap());
    assert_eq!(client.resource_tenant(&mycompany()).await, Ok(entra));
    let asked = asked.lock().unwrap();
    assert_eq!((asked[0].method(), asked[0].uri().path()), (&Method::HEAD, "/mycompany"));
    assert_eq!(asked[0].headers()["host"], "vssps.dev.azure.com");
    assert_eq!(asked[0].headers()["x-tfs-fedauthredirect"], "Suppress");
    assert!(!asked[0].headers().contains_key(AUTHORIZATION));
}

#[tokio::test]
async fn an_organization_may_have_no_tenant_or_an_unknown_one() {
    use OrganizationTenant as T;
    const NAMED: (&str, &str) = ("x-vss-resourcetenant", TENANT);
    const TWICE_NIL: Headers = &[NIL[0], NIL[0]];
    const NIL_FIRST: Headers = &[NIL[0], NAMED];
    const NIL_LAST: Headers = &[NAMED, NIL[0]];
    const LISTED: Headers = &[(
        "x-vss-resourcetenant",
        "nonsense, 00000000-0000-0000-0000-000000000000 ,11111111-2222-3333-4444-555555555555",
    )];
    const NIL: Headers = &[("x-vss-resourcetenant", "00000000-0000-0000-0000-000000000000")];
    for (status, headers, expected) in [
        (404, NIL, Ok(T::PersonalMicrosoftAccounts)),
        (404, &[], Ok(T::Unknown)),
        (404, &[("x-vss-resourcetenant", "nonsense")], Ok(T::Unknown)),
        (404, TWICE_NIL, Ok(T::PersonalMicrosoftAccounts)),
        (404, NIL_FIRST, Ok(T::Entra(TENANT.parse().unwrap()))),
        (404, NIL_LAST, Ok(T::Entra(TENANT.parse().unwrap()))),
        (404, LISTED, Ok(T::Entra(TENANT.parse().unwrap()))),
        (200, &[("x-vss-resourcetenant", TENANT)], Ok(T::Entra(TENANT.parse().unwrap()))),
        (401, &[("x-vss-resourcetenant", TENANT)], Ok(T::Entra(TENANT.parse().unwrap()))),
        (429, &[], Err(Unavailable)),
        (500, &[], Err(Unavailable)),
    ] {
        let (client, _) = server(status, headers, "").await;
        assert_eq!(client.resource_tenant(&mycompany()).await, expected, "{status} {headers:?}");
    }
}
