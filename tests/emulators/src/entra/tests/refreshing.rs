//! Refresh tokens and their end, client credentials, and faults at the token endpoint.

use super::*;
use crate::{Fault, Page};

#[tokio::test]
async fn refreshing_gives_a_new_token_and_the_old_one_stays_valid() {
    let entra = start().await;
    let first = sign_in(&entra, "organizations", "ada").await;
    let old = text(&first, "refresh_token").to_owned();
    let (status, second) = refresh(&entra, "organizations", &old, &[]).await;
    assert_eq!(status, 200);
    assert_ne!(text(&second, "refresh_token"), old);
    assert_eq!(refresh(&entra, "organizations", &old, &[]).await.0, 200);
    assert_eq!(entra.count("token.refresh_token"), 2);
    assert_eq!(entra.count("token"), 3);
}

#[tokio::test]
async fn answers_have_the_headers_and_error_shape_of_entra() {
    let entra = start().await;
    let correlation = Uuid::new_v4().to_string();
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", "nonsense"),
        ("client-request-id", correlation.as_str()),
    ];
    let (status, body, headers) = token(&entra, "organizations", &fields).await;
    assert_eq!(status, 400);
    assert_eq!(text(&body, "error"), "invalid_grant");
    assert!(text(&body, "error_description").starts_with("AADSTS70000: "));
    assert!(text(&body, "error_description").contains("\r\nTrace ID: "));
    assert_eq!(text(&body, "correlation_id"), correlation);
    assert_eq!(text(&body, "trace_id"), headers["x-ms-request-id"].to_str().unwrap());
    assert_eq!(text(&body, "error_uri"), "https://login.microsoftonline.com/error?code=70000");
    assert_eq!(headers["cache-control"], "no-store, no-cache");
    assert_eq!(headers.get_all("set-cookie").iter().count(), 3);
    let get =
        http().get(format!("{}/common/oauth2/v2.0/token", entra.base_url())).send().await.unwrap();
    assert_eq!(codes(&get.json().await.unwrap()), [900_561]);
}

#[tokio::test]
async fn refresh_tokens_die_of_revocation_idleness_consent_and_disabled_accounts() {
    let entra = start().await;
    let expect = async |code: u64, suberror: Option<&str>, kill: &dyn Fn(&Entra)| {
        let body = sign_in(&entra, "organizations", "ada").await;
        kill(&entra);
        let (status, body) =
            refresh(&entra, "organizations", text(&body, "refresh_token"), &[]).await;
        assert_eq!((status, text(&body, "error")), (400, "invalid_grant"));
        assert_eq!(codes(&body), [code]);
        assert_eq!(body["suberror"].as_str(), suberror);
    };
    expect(50173, Some("bad_token"), &|entra| entra.revoke_grants("ada").unwrap()).await;
    expect(700_082, Some("token_expired"), &|entra| entra.expire_refresh_tokens("ada").unwrap())
        .await;
    expect(700_082, Some("token_expired"), &|entra| entra.advance_clock(90 * 24 * 3600)).await;
    expect(70043, Some("token_expired"), &|entra| entra.kill_refresh_tokens("ada", 70043).unwrap())
        .await;
    expect(65001, Some("consent_required"), &|entra| entra.remove_consent("ada").unwrap()).await;
    expect(50057, None, &|entra| entra.set_account_disabled("ada", true).unwrap()).await;
    assert!(entra.revoke_grants("nobody").is_err());
}

#[tokio::test]
async fn required_interaction_lasts_until_a_sign_in_brings_the_claims() {
    let entra = start().await;
    let body = sign_in(&entra, "organizations", "ada").await;
    let claims = r#"{"access_token":{"polids":{"essential":true,"values":["x"]}}}"#;
    entra.require_interaction("ada", claims).unwrap();
    let (status, refused) =
        refresh(&entra, "organizations", text(&body, "refresh_token"), &[]).await;
    assert_eq!((status, text(&refused, "error")), (400, "interaction_required"));
    assert_eq!(text(&refused, "claims"), claims);
    sign_in(&entra, "organizations", "ada").await;
    assert_eq!(refresh(&entra, "organizations", text(&body, "refresh_token"), &[]).await.0, 400);
    let code = code(&entra, "organizations", "ada", &[("claims", claims)]).await;
    redeem(&entra, "organizations", &code).await;
    assert_eq!(refresh(&entra, "organizations", text(&body, "refresh_token"), &[]).await.0, 200);
}

#[tokio::test]
async fn the_client_credential_is_checked_in_form_and_basic() {
    let entra = start().await;
    let body = sign_in(&entra, "organizations", "ada").await;
    let refresh_token = text(&body, "refresh_token");
    let attempt = async |secret: &str| {
        let (status, body) =
            refresh(&entra, "organizations", refresh_token, &[("client_secret", secret)]).await;
        (status, text(&body, "error").to_owned(), body["error_codes"][0].as_u64())
    };
    let refused = |code| (401, "invalid_client".to_owned(), Some(code));
    assert_eq!(attempt("wrong").await, refused(7_000_215));
    assert_eq!(attempt("").await, refused(7_000_218));
    entra.add_secret(DEFAULT_CLIENT_ID, "a second & secret+", None).unwrap();
    assert_eq!(attempt("a second & secret+").await.0, 200);
    entra.expire_secrets(DEFAULT_CLIENT_ID).unwrap();
    assert_eq!(attempt(DEFAULT_CLIENT_SECRET).await, refused(7_000_222));
    let secret = entra.new_secret(DEFAULT_CLIENT_ID).unwrap();
    let answer = http()
        .post(format!("{}/organizations/oauth2/v2.0/token", entra.base_url()))
        .basic_auth(DEFAULT_CLIENT_ID, Some(secret.replace('~', "%7E")))
        .form(&[("grant_type", "refresh_token"), ("refresh_token", refresh_token)])
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    entra.set_app_status(DEFAULT_CLIENT_ID, AppStatus::Deleted).unwrap();
    let (status, error, code) = attempt(&secret).await;
    assert_eq!((status, error.as_str(), code), (400, "unauthorized_client", Some(700_016)));
}

#[tokio::test]
async fn refresh_tokens_belong_to_their_client() {
    let entra = start().await;
    let body = sign_in(&entra, "organizations", "ada").await;
    let other = Uuid::new_v4();
    let mut registration = AppRegistration::new(other, REDIRECT);
    registration.secrets.push(ClientSecret::new("other"));
    entra.register_app(registration).unwrap();
    let other = other.to_string();
    let fields = [("client_id", other.as_str()), ("client_secret", "other")];
    let (status, body) =
        refresh(&entra, "organizations", text(&body, "refresh_token"), &fields).await;
    assert_eq!((status, text(&body, "suberror")), (400, "client_mismatch"));
}

#[tokio::test]
async fn too_many_equal_refreshes_are_a_loop_when_watched() {
    let entra = start().await;
    entra.change_settings(|settings| settings.loop_detection = Some(2));
    let body = sign_in(&entra, "organizations", "ada").await;
    let token = text(&body, "refresh_token");
    assert_eq!(refresh(&entra, "organizations", token, &[]).await.0, 200);
    assert_eq!(refresh(&entra, "organizations", token, &[]).await.0, 200);
    let (_, refused) = refresh(&entra, "organizations", token, &[]).await;
    assert_eq!(codes(&refused), [50196]);
    entra.advance_clock(301);
    assert_eq!(refresh(&entra, "organizations", token, &[]).await.0, 200);
}

#[tokio::test]
async fn capable_clients_get_long_tokens_when_switched_on_and_numbers_may_be_strings() {
    let entra = start().await;
    entra.change_settings(|settings| {
        settings.continuous_access_evaluation = true;
        settings.numbers_as_strings = true;
    });
    let capability = r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#;
    let code = code(&entra, "organizations", "ada", &[("claims", capability)]).await;
    let body = redeem(&entra, "organizations", &code).await;
    assert_eq!(body["expires_in"], "86400");
    assert_eq!(body["refresh_in"], "43200");
    assert_eq!(sign_in(&entra, "organizations", "ada").await["expires_in"], "4199");
}

#[tokio::test]
async fn client_credentials_need_a_tenant_that_knows_the_app() {
    let entra = start().await;
    let scope = format!("{AZURE_DEVOPS}/.default");
    let fields = [("grant_type", "client_credentials"), ("scope", scope.as_str())];
    let (status, body, _) = token(&entra, &tenant_a(), &fields).await;
    assert_eq!(status, 200);
    assert!(body.get("refresh_token").is_none() && body.get("id_token").is_none());
    assert_eq!(codes(&token(&entra, "organizations", &fields).await.1), [50059]);
    assert_eq!(codes(&token(&entra, &TENANT_B.to_string(), &fields).await.1), [700_016]);
    sign_in(&entra, "organizations", "edsger").await;
    assert_eq!(token(&entra, &TENANT_B.to_string(), &fields).await.0, 200);
}

#[tokio::test]
async fn faults_meet_the_next_requests_of_a_route_and_no_others() {
    let entra = start().await;
    let body = sign_in(&entra, "organizations", "ada").await;
    let token = text(&body, "refresh_token");
    entra.inject(
        Fault::on("token.refresh_token")
            .skip(1)
            .times(2)
            .error("temporarily_unavailable")
            .code(90033)
            .status(503)
            .retry_after(7),
    );
    assert_eq!(refresh(&entra, "organizations", token, &[]).await.0, 200);
    sign_in(&entra, "organizations", "ada").await;
    for _ in 0..2 {
        let (status, body, headers) = super::token(
            &entra,
            "organizations",
            &[("grant_type", "refresh_token"), ("refresh_token", token)],
        )
        .await;
        assert_eq!((status, text(&body, "error")), (503, "temporarily_unavailable"));
        assert_eq!(headers["retry-after"], "7");
    }
    assert_eq!(refresh(&entra, "organizations", token, &[]).await.0, 200);
    entra.inject(Fault::on("token").page(Page::Unavailable503));
    assert_eq!(refresh(&entra, "organizations", token, &[]).await.0, 503);
}

#[tokio::test]
async fn connections_can_be_reset_before_or_after_the_work_is_done() {
    let entra = start().await;
    let body = sign_in(&entra, "organizations", "ada").await;
    let url = format!("{}/organizations/oauth2/v2.0/token", entra.base_url());
    let client_id = DEFAULT_CLIENT_ID.to_string();
    let form = [
        ("client_id", client_id.as_str()),
        ("client_secret", DEFAULT_CLIENT_SECRET),
        ("grant_type", "refresh_token"),
        ("refresh_token", text(&body, "refresh_token")),
    ];
    let before = entra.secrets_issued().len();
    entra.inject(Fault::on("token").reset());
    assert!(http().post(&url).form(&form).send().await.is_err());
    assert_eq!(entra.secrets_issued().len(), before);
    entra.inject(Fault::on("token").reset().after_handling());
    assert!(http().post(&url).form(&form).send().await.is_err());
    assert!(entra.secrets_issued().len() > before);
    entra.inject(Fault::on("token").truncate(10));
    let answer = http().post(&url).form(&form).send().await.unwrap();
    assert!(answer.bytes().await.is_err());
}

#[tokio::test]
async fn held_requests_wait_until_released() {
    let entra = start().await;
    let body = sign_in(&entra, "organizations", "ada").await;
    let held = entra.inject(Fault::on("token").hold().times(0));
    let calls: Vec<_> = (0..3)
        .map(|_| {
            let (entra, token) = (entra.clone(), text(&body, "refresh_token").to_owned());
            tokio::spawn(async move { refresh(&entra, "organizations", &token, &[]).await.0 })
        })
        .collect();
    held.arrived(3).await;
    assert_eq!(entra.peak("token.refresh_token"), 3);
    assert!(calls.iter().all(|call| !call.is_finished()));
    held.release();
    for call in calls {
        assert_eq!(call.await.unwrap(), 200);
    }
    entra.reached("token.refresh_token", 3).await;
}

#[tokio::test]
async fn the_admin_routes_do_what_the_handle_does() {
    let entra = start().await;
    let admin = format!("{}/_emulator", entra.base_url());
    let post = async |path: &str, body: Value| {
        let request =
            http().post(format!("{admin}/{path}")).header("content-type", "application/json");
        let answer = request.body(body.to_string()).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap_or_default())
    };
    let get = async |path: &str| -> Value {
        http().get(format!("{admin}/{path}")).send().await.unwrap().json().await.unwrap()
    };
    assert_eq!(
        post("settings", serde_json::json!({"token_lifetime": 60})).await.1["token_lifetime"],
        60
    );
    assert_eq!(post("settings", serde_json::json!({"nonsense": 1})).await.0, 400);
    let fault = serde_json::json!({"route": "token", "error": "invalid_grant", "codes": [50173]});
    let (status, made) = post("faults", fault).await;
    assert_eq!((status, made["id"].as_u64()), (201, Some(1)));
    let code = code(&entra, "organizations", "ada", &[]).await;
    let fields =
        [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", REDIRECT)];
    assert_eq!(codes(&token(&entra, "organizations", &fields).await.1), [50173]);
    assert_eq!(get("faults").await[0]["hits"], 1);
    assert_eq!(get("counts").await["routes"]["token.authorization_code"], 1);
    let requests = get("requests").await;
    assert_eq!(requests.as_array().unwrap().len(), 2);
    assert_eq!(post("accounts/ada/revoke-grants", serde_json::json!({})).await.0, 204);
    assert_eq!(post("accounts/nobody/revoke-grants", serde_json::json!({})).await.0, 404);
    assert_eq!(post("keys/rotate", serde_json::json!({})).await.0, 200);
    let app = serde_json::json!({"client_id": Uuid::new_v4(), "secrets": [{"value": "x"}]});
    assert_eq!(post("apps", app).await.0, 201);
    assert_eq!(get("apps").await.as_array().unwrap().len(), 2);
    assert_eq!(post("clock", serde_json::json!({"advance_seconds": 10})).await.0, 200);
    assert_eq!(post("reset", serde_json::json!({"state": true})).await.0, 204);
    assert_eq!(get("counts").await["total"], 0);
    assert_eq!(get("apps").await.as_array().unwrap().len(), 1);
    assert_eq!(entra.settings().token_lifetime, 4199);
}

#[tokio::test]
async fn the_server_stops_on_shutdown_and_with_its_last_handle() {
    let entra = start().await;
    let url = format!("{}/_emulator", entra.base_url());
    assert!(http().get(&url).send().await.is_ok());
    entra.shutdown().await;
    assert!(http().get(&url).send().await.is_err());

    let entra = start().await;
    let url = format!("{}/_emulator", entra.base_url());
    let clone = entra.clone();
    drop(entra);
    assert!(http().get(&url).send().await.is_ok());
    drop(clone);
    // The listener closes in a task of its own.
    while http().get(&url).send().await.is_ok() {
        tokio::task::yield_now().await;
    }
}
