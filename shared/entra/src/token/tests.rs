#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use serde_json::json;

use super::*;
use crate::credential::CertificateCredential;
use crate::loopback::{Loopback, stopped_clock};

const CERTIFICATE: &str = include_str!("../credential/certificate.pem");
const KEY: &str = include_str!("../credential/private_key.pem");

async fn server() -> (Loopback, TokenClient, Metadata) {
    let server = Loopback::start().await;
    let metadata = serde_json::from_value(json!({
        "issuer": "https://issuer.example",
        "authorization_endpoint": format!("{}/authorize", server.url),
        "token_endpoint": format!("{}/token", server.url),
        "jwks_uri": format!("{}/keys", server.url),
    }));
    let client = TokenClient::new(ground::http::client().unwrap(), stopped_clock());
    (server, client, metadata.unwrap())
}

fn form(body: &str) -> HashMap<String, String> {
    url::form_urlencoded::parse(body.as_bytes()).into_owned().collect()
}

fn client_id() -> ClientId {
    "11111111-1111-4111-8111-111111111111".parse().unwrap()
}

async fn refresh(
    client: &TokenClient,
    metadata: &Metadata,
    credential: &ClientCredential,
    claims: Option<&str>,
) -> Result<TokenResponse, TokenError> {
    let request = RefreshRequest {
        client_id: &client_id(),
        credential,
        refresh_token: &"old-refresh".into(),
        scopes: &["resource/vso.code".to_owned()],
        claims,
    };
    client.refresh(metadata, request).await
}

fn secret_credential() -> ClientCredential {
    ClientCredential::Secret("s3cr~t&=".into())
}

const TOKENS: &str = r#"{"token_type":"Bearer","access_token":"new-access","refresh_token":"new-refresh","id_token":"an.id.token","expires_in":"4199","refresh_in":2000,"scope":"openid resource/vso.code"}"#;

#[tokio::test]
async fn a_code_is_redeemed_with_verifier_secret_and_the_same_redirect_uri() {
    let (server, client, metadata) = server().await;
    server.reply("/token", 200, TOKENS);
    let request = CodeRequest {
        client_id: &client_id(),
        credential: &secret_credential(),
        code: &"the-code".into(),
        redirect_uri: &"https://gateway.example/integration-callback".parse().unwrap(),
        code_verifier: &"the-verifier".into(),
        scopes: &["resource/vso.code".to_owned()],
    };
    let tokens = client.exchange_code(&metadata, request).await.unwrap();
    assert_eq!(tokens.access_token.secret().expose_secret(), "new-access");
    assert_eq!(tokens.refresh_token.as_ref().unwrap().expose_secret(), "new-refresh");
    assert_eq!((tokens.expires_in.as_secs(), tokens.refresh_in.unwrap().as_secs()), (4199, 2000));
    assert_eq!(tokens.scopes, ["openid", "resource/vso.code"]);
    assert!(!format!("{tokens:?}").contains("new-"));

    let sent = form(&server.asked("/token")[0]);
    let expected = [
        ("grant_type", "authorization_code"),
        ("code", "the-code"),
        ("code_verifier", "the-verifier"),
        ("redirect_uri", "https://gateway.example/integration-callback"),
        ("client_id", "11111111-1111-4111-8111-111111111111"),
        ("client_secret", "s3cr~t&="),
        ("scope", "openid profile offline_access resource/vso.code"),
        ("claims", r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#),
    ];
    for (name, value) in expected {
        assert_eq!(sent.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert_eq!(sent.len(), expected.len());
}

#[tokio::test]
async fn a_certificate_signs_and_no_secret_is_sent() {
    let (server, client, metadata) = server().await;
    server.reply("/token", 200, TOKENS);
    let credential = ClientCredential::Certificate(
        CertificateCredential::from_pem(CERTIFICATE, &KEY.into()).unwrap(),
    );
    refresh(
        &client,
        &metadata,
        &credential,
        Some(r#"{"access_token":{"nbf":{"essential":true}}}"#),
    )
    .await
    .unwrap();
    let sent = form(&server.asked("/token")[0]);
    assert_eq!(sent["client_assertion_type"], ASSERTION_TYPE);
    assert_eq!(sent["client_assertion"].split('.').count(), 3);
    assert!(!sent.contains_key("client_secret"));
    assert_eq!(sent["refresh_token"], "old-refresh");
    assert!(sent["claims"].contains("essential") && sent["claims"].contains("cp1"));
}

/// The tokens of a refresh whose answer has these members beside its access and refresh token.
async fn answered(members: &str) -> TokenResponse {
    let (server, client, metadata) = server().await;
    let body = format!(r#"{{"access_token":"a","refresh_token":"rotated"{members}}}"#);
    server.reply("/token", 200, body);
    let tokens = refresh(&client, &metadata, &secret_credential(), None).await.unwrap();
    assert_eq!(tokens.refresh_token.as_ref().unwrap().expose_secret(), "rotated", "{members}");
    tokens
}

#[tokio::test]
async fn numbers_in_any_spelling_lose_no_rotated_refresh_token() {
    let none = UNNAMED_LIFETIME;
    for (number, read) in [
        ("4199", Duration::from_secs(4199)),
        (r#""4199""#, Duration::from_secs(4199)),
        ("4199.5", Duration::from_millis(4_199_500)),
        (r#""4.199e3""#, Duration::from_secs(4199)),
        ("0", Duration::ZERO),
        ("-1", Duration::ZERO),
        (r#""-3600.0""#, Duration::ZERO),
        ("1e400", Duration::MAX),
        ("99999999999999999999999", Duration::MAX),
        ("null", none),
        (r#""""#, none),
        (r#""soon""#, none),
        ("true", none),
        ("[]", none),
    ] {
        let members =
            format!(r#","expires_in":{number},"refresh_in":{number},"ext_expires_in":{number}"#);
        let tokens = answered(&members).await;
        assert_eq!(tokens.expires_in, read, "{number}");
        assert_eq!(tokens.refresh_in, (read != none).then_some(read), "{number}");
    }
}

#[tokio::test]
async fn optional_members_in_any_spelling_lose_no_rotated_refresh_token() {
    for members in [
        "",
        r#","token_type":"bearer""#,
        r#","token_type":"BEARER","scope":null,"id_token":null"#,
        r#","token_type":"PoP","scope":"","id_token":"""#,
        r#","token_type":null,"scope":7,"id_token":{}"#,
        r#","token_type":["Bearer"],"scope":"x","scope":" ","foci":"1""#,
    ] {
        let tokens = answered(members).await;
        assert_eq!((tokens.expires_in, tokens.refresh_in), (UNNAMED_LIFETIME, None), "{members}");
        assert!(tokens.id_token.is_none(), "{members}");
        assert_eq!(tokens.scopes, ["resource/vso.code"], "as requested: {members}");
    }
}

#[tokio::test]
async fn a_byte_order_mark_and_an_empty_refresh_token_are_overlooked() {
    let (server, client, metadata) = server().await;
    server.reply("/token", 200, "\u{feff}{\"access_token\":\"a\",\"refresh_token\":\"\"}");
    let tokens = refresh(&client, &metadata, &secret_credential(), None).await.unwrap();
    assert!(tokens.refresh_token.is_none(), "the old one stays valid");
}

#[tokio::test]
async fn a_refusal_keeps_nothing_that_is_too_long_to_be_stored() {
    let (server, client, metadata) = server().await;
    let long = "x".repeat(129);
    let claims = json!({"access_token": {"x": "x".repeat(4096)}}).to_string();
    for (claims, suberror) in [(json!("no object"), "two\nlines"), (json!(claims), &long)] {
        let body = json!({
            "error": "invalid_grant", "suberror": suberror, "claims": claims, "trace_id": long, "correlation_id": "\u{e9}",
        });
        server.reply("/token", 400, body.to_string());
        let error = refresh(&client, &metadata, &secret_credential(), None).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::ReauthorizationRequired);
        let kept = [error.suberror, error.claims, error.trace_id, error.correlation_id];
        assert_eq!(kept, [const { None }; 4], "{body}");
    }
    server.reply("/token", 400, json!({"error": long}).to_string());
    let error = refresh(&client, &metadata, &secret_credential(), None).await.unwrap_err();
    assert_eq!((error.class, error.error), (ErrorClass::Transient, None));
}

#[tokio::test]
async fn optional_members_of_a_refusal_are_read_in_any_spelling() {
    let (server, client, metadata) = server().await;
    for (members, codes) in [
        (r#""error_codes":null"#, [50173].as_slice()),
        (r#""error_codes":["50173","AADSTS70008",true,-1]"#, &[50173, 70008]),
        (r#""error_codes":50173,"suberror":null,"trace_id":7"#, &[50173]),
        (r#""error_codes":"50173","claims":null"#, &[50173]),
        (r#""error_codes":{},"error_codes":[50173]"#, &[50173]),
    ] {
        let body = format!(
            r#"{{"error":"invalid_grant","error_description":"AADSTS50173: expired",{members}}}"#
        );
        server.reply("/token", 400, format!("\u{feff}{body}"));
        let error = refresh(&client, &metadata, &secret_credential(), None).await.unwrap_err();
        assert_eq!((error.class, error.codes.as_slice()), (ErrorClass::DeadGrant, codes), "{body}");
    }
    for claims in [r#"{"access_token":{}}"#, r#""{\"access_token\":{}}""#] {
        let body = format!(r#"{{"error":"interaction_required","claims":{claims}}}"#);
        server.reply("/token", 400, body);
        let error = refresh(&client, &metadata, &secret_credential(), None).await.unwrap_err();
        assert_eq!(error.claims.as_deref(), Some(r#"{"access_token":{}}"#));
    }
}

#[tokio::test]
async fn a_refusal_with_a_date_to_wait_for_is_a_throttle() {
    let (server, client, metadata) = server().await;
    let body = r#"{"error":"invalid_grant","error_codes":[70000]}"#;
    let later = stopped_clock().now() + jiff::SignedDuration::from_secs(120);
    let date = later.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    server.reply_with("/token", (400, vec![("retry-after", date)], body.to_owned()));
    let error = refresh(&client, &metadata, &secret_credential(), None).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Throttled);
    assert_eq!(error.retry_after, Some(Duration::from_mins(2)));
}

#[tokio::test]
async fn optional_fields_may_be_missing() {
    let (server, client, metadata) = server().await;
    server.reply("/token", 200, r#"{"token_type":"Bearer","access_token":"a","expires_in":3599}"#);
    let tokens = refresh(&client, &metadata, &secret_credential(), None).await.unwrap();
    assert!(
        tokens.refresh_token.is_none() && tokens.id_token.is_none() && tokens.refresh_in.is_none()
    );
}

#[tokio::test]
async fn refusals_are_classified_and_hold_nothing_personal() {
    let (server, client, metadata) = server().await;
    let body = json!({
        "error": "invalid_grant", "suberror": "bad_token", "error_codes": [50173], "claims": null, "correlation_id": "c-1", "trace_id": "t-1",
        "error_description": "AADSTS50173: The provided grant of ada@mycompany.example has expired.",
    });
    server.reply("/token", 400, body.to_string());
    let error = refresh(&client, &metadata, &secret_credential(), None).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::DeadGrant);
    assert_eq!(error.reason(), "invalid_grant (AADSTS50173)");
    assert_eq!(
        (error.correlation_id.as_deref(), error.trace_id.as_deref()),
        (Some("c-1"), Some("t-1"))
    );
    assert!(!format!("{error:?} {error}").contains("ada@"));
    // If the list of numbers is missing, the number comes from the description.
    server.reply(
        "/token",
        400,
        r#"{"error":"invalid_grant","error_description":"AADSTS50196: loop"}"#,
    );
    let error = refresh(&client, &metadata, &secret_credential(), None).await.unwrap_err();
    assert_eq!((error.class, error.codes.as_slice()), (ErrorClass::Throttled, [50196].as_slice()));
}

#[tokio::test]
async fn other_responses_are_never_taken_for_token_responses() {
    let (server, client, metadata) = server().await;
    let retry = |seconds: &str| vec![("retry-after", seconds.to_owned())];
    for (reply, class, wait) in [
        ((429, retry("7"), String::new()), ErrorClass::Throttled, Some(7)),
        ((503, retry("999999"), String::new()), ErrorClass::Transient, Some(3600)),
        ((500, Vec::new(), String::new()), ErrorClass::Transient, None),
        ((403, Vec::new(), "<html>blocked</html>".to_owned()), ErrorClass::Transient, None),
        (
            (302, vec![("location", format!("{}/elsewhere", server.url))], String::new()),
            ErrorClass::Transient,
            None,
        ),
        ((200, Vec::new(), "nonsense".to_owned()), ErrorClass::Transient, None),
        ((200, Vec::new(), "{}".to_owned()), ErrorClass::Transient, None),
        ((200, Vec::new(), TOKENS.replace("new-access", r"a\r\nb")), ErrorClass::Transient, None),
        (
            (200, Vec::new(), format!("{{\"access_token\":\"{}\"}}", "x".repeat(1_100_000))),
            ErrorClass::Transient,
            None,
        ),
    ] {
        server.reply_with("/token", reply.clone());
        let error = refresh(&client, &metadata, &secret_credential(), None).await.unwrap_err();
        assert_eq!(
            (error.class, error.retry_after.map(|wait| wait.as_secs())),
            (class, wait),
            "{}",
            reply.0
        );
    }
    assert!(server.asked("/elsewhere").is_empty(), "a redirect is not followed");
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_after_the_deadline() {
    // The kernel accepts connections of a listener whose program never does.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (_server, client, mut metadata) = server().await;
    metadata.token_endpoint = url.parse().unwrap();
    tokio::time::pause();
    let started = tokio::time::Instant::now();
    let error = refresh(&client, &metadata, &secret_credential(), None).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Transient);
    assert!(started.elapsed() <= DEADLINE + Duration::from_millis(100));
}
