//! Discovery, the authorize endpoint, codes and ID tokens.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};

use super::*;
use crate::{Fault, IdTokenFault, IdTokenSignature, MARKER};

async fn get_json(url: &str) -> Value {
    http().get(url).send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn discovery_of_organizations_has_a_template_issuer_and_keys_with_issuers() {
    let entra = start().await;
    let base = entra.base_url();
    let document =
        get_json(&format!("{base}/organizations/v2.0/.well-known/openid-configuration")).await;
    assert_eq!(document["issuer"], format!("{base}/{{tenantid}}/v2.0"));
    assert_eq!(document["token_endpoint"], format!("{base}/organizations/oauth2/v2.0/token"));
    assert!(document.get("code_challenge_methods_supported").is_none());
    let keys = get_json(text(&document, "jwks_uri")).await;
    assert_eq!(keys["keys"][0]["issuer"], format!("{base}/{{tenantid}}/v2.0"));
    assert!(
        keys["keys"].as_array().unwrap().iter().any(|key| text(key, "issuer").contains("9188040d"))
    );

    let document =
        get_json(&format!("{base}/contoso.example/v2.0/.well-known/openid-configuration")).await;
    assert_eq!(document["issuer"], format!("{base}/{TENANT_B}/v2.0"));
    let unknown = http()
        .get(format!("{base}/nowhere/v2.0/.well-known/openid-configuration"))
        .send()
        .await
        .unwrap();
    assert_eq!(unknown.status(), 400);
    assert_eq!(codes(&unknown.json().await.unwrap()), [90002]);
}

#[tokio::test]
async fn a_user_signs_in_and_the_id_token_verifies_against_the_published_keys() {
    let entra = start().await;
    let url = authorize_url(&entra, "organizations", &[]);
    let page = http().get(url.clone()).send().await.unwrap();
    assert_eq!(page.status(), 200);
    assert!(page.text().await.unwrap().contains("ada@mycompany.example"));
    let (status, back, _) = decide(&url, &[("account", "ada")]).await;
    assert_eq!(status, 302);
    assert_eq!(back["state"], "a state & more");
    assert!(back.contains_key("session_state"));

    let body = redeem(&entra, "organizations", &back["code"]).await;
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 4199);
    assert_eq!(text(&body, "scope"), format!("{AZURE_DEVOPS}/vso.code {AZURE_DEVOPS}/vso.profile"));
    let keys = get_json(&format!("{}/organizations/discovery/v2.0/keys", entra.base_url())).await;
    let keys: JwkSet = serde_json::from_value(keys).unwrap();
    let id_token = text(&body, "id_token");
    let kid = decode_header(id_token).unwrap().kid.unwrap();
    let key = DecodingKey::from_jwk(keys.find(&kid).unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&[DEFAULT_CLIENT_ID.to_string()]);
    validation.set_issuer(&[format!("{}/{TENANT_A}/v2.0", entra.base_url())]);
    let claims = decode::<Value>(id_token, &key, &validation).unwrap().claims;
    assert_eq!(claims["nonce"], "a-nonce");
    assert_eq!(claims["tid"], tenant_a());
    assert_eq!(claims["preferred_username"], "ada@mycompany.example");
    assert_eq!(claims["oid"], "ada00000-0000-4000-8000-0000000000a1");
}

#[tokio::test]
async fn every_secret_carries_the_marker_and_is_listed() {
    let entra = start().await;
    let code = code(&entra, "organizations", "ada", &[]).await;
    let body = redeem(&entra, "organizations", &code).await;
    let issued = entra.secrets_issued();
    let secrets = [
        code.as_str(),
        text(&body, "access_token"),
        text(&body, "refresh_token"),
        text(&body, "id_token"),
        DEFAULT_CLIENT_SECRET,
    ];
    for secret in secrets {
        assert!(secret.contains(MARKER), "{secret}");
        assert!(issued.iter().any(|known| known == secret));
    }
    assert!(entra.new_secret(DEFAULT_CLIENT_ID).unwrap().contains(MARKER));
}

#[tokio::test]
async fn a_code_works_once_in_its_ten_minutes_and_only_with_its_verifier_and_redirect() {
    let entra = start().await;
    let code = code(&entra, "organizations", "ada", &[]).await;
    let attempt = async |code: &str, change: (&str, &str)| {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
            change,
        ];
        let (status, body, _) = token(&entra, "organizations", &fields).await;
        assert_eq!(status, 400, "{body}");
        (text(&body, "error").to_owned(), codes(&body))
    };
    let grant = |code: u64| ("invalid_grant".to_owned(), vec![code]);
    assert_eq!(attempt(&code, ("code_verifier", "")).await, grant(50148));
    assert_eq!(attempt(&code, ("code_verifier", CHALLENGE)).await, grant(501_481));
    assert_eq!(attempt(&code, ("redirect_uri", "http://localhost:9/other")).await, grant(50011));
    assert_eq!(attempt("nonsense", ("state", "x")).await, grant(70000));
    redeem(&entra, "organizations", &code).await;
    assert_eq!(attempt(&code, ("state", "x")).await, grant(54005));

    let late = super::code(&entra, "organizations", "ada", &[]).await;
    entra.advance_clock(601);
    assert_eq!(attempt(&late, ("state", "x")).await, grant(70008));
}

#[tokio::test]
async fn a_missing_challenge_method_means_plain() {
    let entra = start().await;
    let code = code(&entra, "organizations", "ada", &[("code_challenge_method", "")]).await;
    let fields = |verifier| {
        [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", REDIRECT),
            ("code_verifier", verifier),
        ]
    };
    assert_eq!(token(&entra, "organizations", &fields(VERIFIER)).await.0, 400);
    assert_eq!(token(&entra, "organizations", &fields(CHALLENGE)).await.0, 200);
}

#[tokio::test]
async fn an_untrusted_redirect_uri_gets_a_page_and_all_other_mistakes_go_back() {
    let entra = start().await;
    for (change, code) in [
        (("redirect_uri", "http://localhost:9/integration-callback/"), "AADSTS50011"),
        (("redirect_uri", ""), "AADSTS900971"),
        (("client_id", "ffffffff-0000-4000-8000-000000000001"), "AADSTS700016"),
        (("client_id", ""), "AADSTS900144"),
    ] {
        let answer =
            http().get(authorize_url(&entra, "organizations", &[change])).send().await.unwrap();
        assert_eq!(answer.status(), 400);
        assert!(answer.text().await.unwrap().contains(code), "{code}");
    }
    for (change, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("response_type", ""), "invalid_request"),
        (("scope", "openid vso.code"), "invalid_client"),
        (("scope", ""), "invalid_request"),
        (("code_challenge", "short"), "invalid_request"),
        (("code_challenge_method", "S512"), "invalid_request"),
        (("prompt", "sometimes"), "invalid_request"),
        (("prompt", "none"), "login_required"),
        (("claims", "{"), "invalid_request"),
    ] {
        let answer =
            http().get(authorize_url(&entra, "organizations", &[change])).send().await.unwrap();
        assert_eq!(answer.status(), 302, "{change:?}");
        let location = Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
        let back: HashMap<_, _> = location.query_pairs().into_owned().collect();
        assert_eq!(back["error"], error, "{change:?}");
        assert_eq!(back["state"], "a state & more");
    }
    let mut doubled = authorize_url(&entra, "organizations", &[]);
    doubled.query_pairs_mut().append_pair("state", "other");
    assert_eq!(http().get(doubled).send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn prompt_none_with_a_known_hint_needs_no_page() {
    let entra = start().await;
    let changes = [("prompt", "none"), ("login_hint", "ada@mycompany.example")];
    let answer = http().get(authorize_url(&entra, "organizations", &changes)).send().await.unwrap();
    assert_eq!(answer.status(), 302);
    assert!(answer.headers()["location"].to_str().unwrap().contains("code="));
}

#[tokio::test]
async fn the_user_and_the_tenant_can_refuse_in_every_way() {
    let entra = start().await;
    let url = authorize_url(&entra, "organizations", &[]);
    for (action, error, code) in [
        ("cancel", "access_denied", "AADSTS65004"),
        ("consent_required", "consent_required", "AADSTS65001"),
        ("admin_approval_required", "access_denied", "AADSTS90094"),
        ("admin_approval_pending", "access_denied", "AADSTS90095"),
        ("interaction_required", "interaction_required", "AADSTS50076"),
        ("blocked", "access_denied", "AADSTS53003"),
        ("server_error", "server_error", "AADSTS90033"),
        ("temporarily_unavailable", "temporarily_unavailable", "AADSTS90033"),
    ] {
        let (status, back, _) = decide(&url, &[("action", action)]).await;
        assert_eq!((status, back["error"].as_str()), (302, error), "{action}");
        assert!(back["error_description"].starts_with(code), "{action}");
        assert_eq!(back["state"], "a state & more");
    }
    let fields = [("action", "error"), ("error", "invalid_resource"), ("code", "500011")];
    let (_, back, _) = decide(&url, &fields).await;
    assert_eq!(back["error"], "invalid_resource");
    let (status, _, page) = decide(&url, &[("account", "katherine")]).await;
    assert_eq!(status, 400);
    assert!(page.contains("AADSTS500200"));
    let (_, _, page) =
        decide(&authorize_url(&entra, &tenant_a(), &[]), &[("account", "edsger")]).await;
    assert!(page.contains("AADSTS50020"));

    entra.change_settings(|settings| settings.user_consent = UserConsent::AdministratorsOnly);
    let (status, _, page) = decide(&url, &[("account", "grace")]).await;
    assert_eq!(status, 200);
    assert!(page.contains("AADSTS90094"));
    assert_eq!(decide(&url, &[("account", "ada")]).await.0, 302);
}

#[tokio::test]
async fn guests_sign_in_through_the_resource_tenant() {
    let entra = start().await;
    let at_home = sign_in(&entra, "organizations", "barbara").await;
    assert_eq!(claims_of(text(&at_home, "id_token"))["tid"], TENANT_B.to_string());
    let as_guest = sign_in(&entra, &tenant_a(), "barbara").await;
    let claims = claims_of(text(&as_guest, "id_token"));
    assert_eq!(claims["tid"], tenant_a());
    assert_eq!(claims["oid"], "ba4ba4a0-0000-4000-8000-0000000000a4");
    assert_eq!(claims["idp"], format!("https://sts.windows.net/{TENANT_B}/"));
}

#[tokio::test]
async fn personal_accounts_pass_if_the_settings_allow_them() {
    let entra = start().await;
    entra.change_settings(|settings| settings.allow_personal_accounts = true);
    let body = sign_in(&entra, "organizations", "katherine").await;
    assert_eq!(claims_of(text(&body, "id_token"))["tid"], PERSONAL_TENANT.to_string());
}

#[tokio::test]
async fn rotated_keys_sign_at_once_and_old_ones_can_be_retired() {
    let entra = start().await;
    let before = sign_in(&entra, "organizations", "ada").await;
    let new = entra.rotate_keys();
    let after = sign_in(&entra, "organizations", "ada").await;
    let kid = |body: &Value| decode_header(text(body, "id_token")).unwrap().kid.unwrap();
    assert_eq!(kid(&after), new);
    assert_ne!(kid(&before), new);
    let url = format!("{}/organizations/discovery/v2.0/keys", entra.base_url());
    let kids = async || {
        let keys: Value = get_json(&url).await;
        let keys = keys["keys"].as_array().unwrap().clone();
        keys.iter().map(|key| text(key, "kid").to_owned()).collect::<Vec<_>>()
    };
    assert!(kids().await.contains(&kid(&before)));
    entra.retire_old_keys();
    assert!(!kids().await.contains(&kid(&before)));
    assert!(kids().await.contains(&new));
}

#[tokio::test]
async fn id_tokens_can_be_spoilt() {
    let entra = start().await;
    let claims = [("nonce".to_owned(), "other".into()), ("oid".to_owned(), Value::Null)];
    entra.inject(Fault::on("token").id_token(IdTokenFault {
        claims: claims.into(),
        signature: IdTokenSignature::Missing,
        ..IdTokenFault::default()
    }));
    let body = sign_in(&entra, "organizations", "ada").await;
    let token = text(&body, "id_token");
    assert!(token.ends_with('.'));
    assert_eq!(claims_of(token)["nonce"], "other");
    assert!(claims_of(token).get("oid").is_none());
    entra.inject(
        Fault::on("token").id_token(IdTokenFault { omit: true, ..IdTokenFault::default() }),
    );
    assert!(sign_in(&entra, "organizations", "ada").await.get("id_token").is_none());
}

#[tokio::test]
async fn an_administrator_consents_for_the_tenant() {
    let entra = start().await;
    let url = format!(
        "{}/{}/adminconsent/decision?client_id={DEFAULT_CLIENT_ID}&state=s&redirect_uri={REDIRECT}",
        entra.base_url(),
        TENANT_B
    );
    let page = http().get(url.replace("/decision", "")).send().await.unwrap();
    assert!(page.text().await.unwrap().contains("Edsger"));
    let location = async |action: &str| {
        let answer = http().post(&url).form(&[("action", action)]).send().await.unwrap();
        answer.headers()["location"].to_str().unwrap().to_owned()
    };
    assert!(location("cancel").await.contains("error=permission_denied"));
    let back = location("approve").await;
    assert!(
        back.contains("admin_consent=True")
            && back.contains("state=s")
            && back.contains(&TENANT_B.to_string())
    );
}
