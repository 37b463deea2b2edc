//! Answers of Entra ID and Azure DevOps in the spellings that public reports name.

use std::time::Duration;

use emulators::devops::Access;
use emulators::entra::{DEFAULT_CLIENT_ID, TENANT_A, TENANT_B, TestCertificate};
use emulators::{Fault, IdTokenFault};
use end_to_end::{Caller, INTEGRATION, PROJECTS, World};
use jiff::Timestamp;
use local::names;
use reqwest::Method;
use serde_json::{Value, json};

/// A time from now as HTTP writes it.
fn date_in(wait: Duration) -> String {
    (Timestamp::now() + wait).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn spell(world: &World, members: &Value, left_out: &[&str]) {
    world.entra().change_settings(|settings| {
        settings.token_members = members.as_object().unwrap().clone().into_iter().collect();
        settings.token_members_left_out = left_out.iter().map(ToString::to_string).collect();
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_expire_at_once_are_used_for_a_minute_and_are_due_at_once() {
    let world = World::start().await;
    spell(&world, &json!({"expires_in": 0, "refresh_in": 0}), &[]);
    let connection = world.connect("ada", "ada").await;
    for _ in 0..3 {
        world.proxied(&connection, PROJECTS).await.expect(200);
    }
    assert_eq!(world.entra().count("token.refresh_token"), 0);
    world.expire_tokens().await;
    for _ in 0..3 {
        world.proxied(&connection, PROJECTS).await.expect(200);
    }
    assert_eq!(world.entra().count("token.refresh_token"), 1);
    let stored = world.items(names::CONNECTIONS).await.remove(0);
    let due_at: i64 = stored["due_at"].as_n().unwrap().parse().unwrap();
    assert!(due_at <= Timestamp::now().as_second() + 1, "{due_at}");
    assert!(!stored.contains_key("lease_until"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_is_kept_however_its_numbers_and_optional_members_are_spelled() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let optional = ["expires_in", "ext_expires_in", "scope", "token_type", "id_token"];
    for (asked, (members, left_out)) in (1..).zip([
        (json!({"expires_in": "3599.5", "ext_expires_in": "-1"}), &[][..]),
        (json!({"expires_in": -1, "refresh_in": -7.5}), &[]),
        (json!({"expires_in": 1e300, "refresh_in": "99999999999999999999"}), &[]),
        (json!({"expires_in": null, "scope": null, "token_type": "bEARER"}), &[]),
        (json!({"expires_in": "soon", "refresh_in": {}, "token_type": 7}), &[]),
        (json!({}), &optional),
    ]) {
        spell(&world, &members, left_out);
        world.expire_tokens().await;
        world.proxied(&connection, PROJECTS).await.expect(200);
        world.proxied(&connection, PROJECTS).await.expect(200);
        assert_eq!(world.entra().count("token.refresh_token"), asked, "{members}");
    }
    let shown = world.connection(&connection).await;
    assert_eq!(shown["status"], "active");
    assert_eq!(shown["scopes"].as_array().unwrap().len(), 4, "an absent scope is as requested");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_without_optional_members_is_connected_with_the_requested_scopes() {
    let world = World::start().await;
    spell(&world, &json!({"expires_in": null}), &["scope", "token_type"]);
    let connection = world.connect("ada", "ada").await;
    let shown = world.connection(&connection).await;
    assert_eq!(shown["scopes"].as_array().unwrap().len(), 4, "{shown}");
    world.proxied(&connection, PROJECTS).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_entra_with_a_date_to_wait_for_is_a_throttle() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    world.entra().inject(
        Fault::on("token.refresh_token")
            .status(400)
            .error("invalid_grant")
            .code(70000)
            .header("retry-after", &date_in(Duration::from_mins(5))),
    );
    world.expire_tokens().await;
    let answer = world.proxied(&connection, PROJECTS).await.expect_problem(503, "entra_throttled");
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((290..=361).contains(&wait), "{wait}");
    let stored = world.items(names::CONNECTIONS).await.remove(0);
    assert_eq!(stored["refusals"].as_n().unwrap(), "0", "the grant was not refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_date_to_wait_for_is_obeyed_toward_azure_devops() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let date = date_in(Duration::from_secs(200));
    world.devops().inject(Fault::on("projects.list").status(429).header("retry-after", &date));
    let answer = world.proxied(&connection, PROJECTS).await.expect(429);
    assert_eq!(answer.header("retry-after"), Some(date.as_str()), "as it came");
    let refused =
        world.proxied(&connection, PROJECTS).await.expect_problem(429, "devops_throttled");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((190..=201).contains(&wait), "{wait}");
    assert_eq!(world.devops().count("projects.list"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_only_the_last_of_two_hundred_organizations_is_connected() {
    let world = World::start().await;
    let names: Vec<String> = (1..=200).map(|number| format!("company-{number}")).collect();
    for name in &names {
        world.devops().add_organization(name, TENANT_A);
    }
    world.devops().add_member("company-200", "ada", Access::Contributor).unwrap();
    world.put_integration(INTEGRATION, json!({"organizations": names})).await.expect(200);
    world.connect("ada", "ada").await;
    assert!(world.devops().peak("connection_data") <= 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_all_of_fifty_organizations_is_connected_to_all_with_few_look_ups() {
    let world = World::start().await;
    let names: Vec<String> = (1..=50).map(|number| format!("company-{number}")).collect();
    for name in &names {
        world.devops().add_organization(name, TENANT_A);
        world.devops().add_member(name, "ada", Access::Contributor).unwrap();
    }
    world.put_integration(INTEGRATION, json!({"organizations": names})).await.expect(200);
    // Slow enough that everything that is asked is under way before the first answer.
    let slow = Fault::on("connection_data").times(0).delay(Duration::from_secs(1));
    world.devops().inject(slow);
    let connection = world.connect("ada", "ada").await;
    assert!(world.devops().count("connection_data") <= 20, "one membership is enough");
    for name in ["company-1", "company-50"] {
        let projects = format!("dev.azure.com/{name}/_apis/projects");
        world.proxied(&connection, &projects).await.expect(200);
    }
    assert_eq!(world.connection(&connection).await["organization"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_that_moved_or_repeats_its_tenant_is_signed_in_at_the_right_one() {
    let world = World::start().await;
    let link = world.connect_url("ada").await;
    let tenant = async || world.browser().start(&link).await.path().to_owned();
    assert!(tenant().await.contains(&TENANT_A.to_string()));
    world.devops().move_organization("mycompany", TENANT_B).unwrap();
    assert!(tenant().await.contains(&TENANT_B.to_string()));
    world.devops().change_settings(|settings| settings.nil_resource_tenant_first = true);
    assert!(tenant().await.contains(&TENANT_B.to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_admin_consent_is_a_refusal_whatever_its_flag_says() {
    let world = World::start().await;
    let browser = world.browser();
    let refusal = "error=consent_required&error_description=AADSTS65004%3A+declined&tenant=x";
    for (query, status, code) in [
        (format!("admin_consent=True&{refusal}"), 403, "admin_approval_required"),
        (format!("{refusal}&admin_consent=true&state=y"), 403, "admin_approval_required"),
        ("admin_consent=False".to_owned(), 403, "admin_approval_required"),
        ("admin_consent=True&error=server_error".to_owned(), 503, "entra_unavailable"),
    ] {
        let url = world.url(&format!("/integration-callback?{query}"));
        browser.open(&url).await.expect_problem(status, code);
        let page = browser.open_page(&url).await.expect(status);
        assert!(!page.text().contains("is approved"), "{}", page.text());
    }
    let url = world.url("/integration-callback?admin_consent=True&tenant=x");
    assert!(browser.open_page(&url).await.expect(200).text().contains("is approved"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefetch_or_a_preview_uses_up_neither_a_link_nor_a_sign_in() {
    let world = World::start().await;
    let link = world.connect_url("ada").await;
    let browser = world.browser();
    let ahead = async |url: &str| {
        for (name, value) in [
            ("sec-purpose", "prefetch"),
            ("sec-purpose", "prefetch;prerender"),
            ("purpose", "prefetch"),
            ("x-moz", "prefetch"),
            ("user-agent", "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"),
        ] {
            let request = world.plain_get(url).header("cookie", browser.cookies());
            let answer = world.send(request.header(name, value)).await;
            let answer = answer.expect_problem(425, "too_early");
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert_eq!(answer.header("set-cookie"), None);
        }
        let head = world.request_at(&Caller::Nobody, Method::HEAD, url);
        let head = world.send(head.header("cookie", browser.cookies())).await;
        assert!(head.status == 404 || head.status == 405, "{head:?}");
    };
    for _ in 0..2 {
        ahead(&link).await;
    }
    assert!(
        world
            .items(names::SESSIONS)
            .await
            .iter()
            .all(|row| { !row["pk"].as_s().unwrap().starts_with("state#") })
    );
    let callback = browser.sign_in(&link, "ada").await;
    ahead(callback.as_str()).await;
    assert_eq!(world.entra().count("token"), 0);
    let done = browser.open(callback.as_str()).await.expect(303);
    assert!(done.location_parameter("confirmation").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_description_that_does_not_decode_leaves_the_refusal_readable() {
    let world = World::start().await;
    let browser = world.browser();
    let url = browser.start(&world.connect_url("ada").await).await;
    let mut callback = browser.decide(&url, &[("account", "ada"), ("action", "cancel")]).await;
    let state = callback.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let words =
        "error=access_denied&error_description=El+usuario+ha+cancelado+la+introducci%u00f3n";
    callback.set_query(Some(&format!("{words}&state={state}")));
    let answer = browser.open(callback.as_str()).await.expect(303);
    assert_eq!(answer.location_parameter("error").as_deref(), Some("sign_in_cancelled"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_token_that_the_app_s_own_key_signed_is_verified_without_more_look_ups_than_needed() {
    let world = World::start().await;
    let changes = json!({"tenant": "organizations"});
    world.put_integration(INTEGRATION, changes).await.expect(200);
    world.connect("ada", "ada").await;
    let usual = world.entra().count("metadata");
    assert_eq!(world.entra().count("keys"), 1);
    world.entra().change_settings(|settings| settings.app_signing_keys = true);
    for _ in 0..3 {
        world.connect("ada", "ada").await;
    }
    let asked: Vec<_> = world.entra().requests();
    let asked = asked.iter().filter(|request| request.target.contains("appid=")).count();
    assert_eq!(asked, 2, "its metadata and its keys, once");
    assert_eq!(world.entra().count("metadata"), usual + 1);
    // A key that is in neither set does not become requests.
    let fault = IdTokenFault {
        header: [("kid".to_owned(), json!("invented"))].into(),
        ..IdTokenFault::default()
    };
    world.entra().inject(Fault::on("token.authorization_code").times(0).id_token(fault));
    let before = world.entra().count("metadata") + world.entra().count("keys");
    for _ in 0..3 {
        let answer = world.browser().finish(&world.connect_url("ada").await, "ada").await;
        assert_eq!(answer.location_parameter("error").as_deref(), Some("id_token_invalid"));
    }
    assert_eq!(world.entra().count("metadata") + world.entra().count("keys"), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_found_in_one_file_with_its_key() {
    let world = World::start().await;
    let (ours, other) =
        (TestCertificate::generate().unwrap(), TestCertificate::generate().unwrap());
    world.entra().add_certificate(DEFAULT_CLIENT_ID, &ours.certificate_pem).unwrap();
    let file = format!(
        "\u{feff}Bag Attributes\n    localKeyID: 01\n{}\nsubject=CN = x\n\n{}\n{}",
        ours.private_key_pem, other.certificate_pem, ours.certificate_pem
    );
    let file = file.replace('\n', "\r\n");
    let path = format!("/integrations/{INTEGRATION}/client-credential");
    let put = async |certificate: &str, key: &str| {
        let body =
            json!({"kind": "certificate", "certificate_pem": certificate, "private_key_pem": key});
        world.ask_json(&Caller::Operator, Method::PUT, &path, &body).await
    };
    put(&file, &file).await.expect(200);
    world.connect("ada", "ada").await;
    let refused = put(&other.certificate_pem, &file).await.expect_problem(400, "invalid_request");
    assert!(refused.text().contains("private_key_pem"), "{}", refused.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claims_challenge_in_another_spelling_reaches_the_refresh() {
    let world = World::start().await;
    world.devops().change_settings(|settings| settings.plain_challenge = true);
    let connection = world.connect("ada", "ada").await;
    let claims = r#"{"access_token":{"polids":{"essential":true,"values":["???>>>~"]}}}"#;
    world.entra().challenge("ada", Some(claims)).unwrap();
    world.proxied(&connection, PROJECTS).await.expect(200);
    let requests = world.entra().requests();
    let refresh = requests.iter().find(|request| request.route == "token.refresh_token").unwrap();
    let sent: Value = serde_json::from_str(&refresh.form_parameter("claims").unwrap()).unwrap();
    assert_eq!(sent["access_token"]["polids"]["values"], json!(["???>>>~"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_that_a_refused_code_asks_for_are_in_the_next_sign_in() {
    let world = World::start().await;
    let claims = r#"{"access_token":{"polids":{"essential":true,"values":["p1"]}}}"#;
    world.entra().inject(
        Fault::on("token.authorization_code")
            .status(400)
            .error("invalid_grant")
            .code(50076)
            .claims(claims),
    );
    let (link, browser) = (world.connect_url("ada").await, world.browser());
    let refused = browser.finish(&link, "ada").await.expect(303);
    assert_eq!(refused.location_parameter("error").as_deref(), Some("interaction_required"));
    let claims_of = |url: &url::Url| {
        url.query_pairs().find(|(name, _)| name == "claims").unwrap().1.into_owned()
    };
    assert!(claims_of(&browser.start(&link).await).contains("polids"));
    world.put_integration("another", json!({})).await.expect(201);
    let wish = json!({"integration": "another", "user": "ada", "return_to": world.return_to()});
    let other = browser.start(&world.connect_url_for(wish).await).await;
    assert!(!claims_of(&other).contains("polids"), "they are for their own integration");
    assert!(!claims_of(&world.browser().start(&link).await).contains("polids"));
    browser.finish(&link, "ada").await.expect(303).location_parameter("confirmation").unwrap();
    let next = browser.start(&world.connect_url("ada").await).await;
    assert!(!claims_of(&next).contains("polids"), "they are forgotten after a sign-in");
}
