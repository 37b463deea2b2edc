//! Every way in which a browser flow ends without a connection, and the answer in each case.

use std::fmt::Display;

use aws_sdk_dynamodb::types::AttributeValue;
use emulators::entra::{TENANT_A, TENANT_B};
use emulators::{Fault, IdTokenFault};
use end_to_end::{Answer, Caller, INTEGRATION, PROJECTS, World};
use local::names;
use serde_json::{Value, json};

fn past() -> AttributeValue {
    AttributeValue::N("1000000000".to_owned())
}

#[track_caller]
fn assert_returned_with(answer: &Answer, code: &str) {
    assert_eq!(answer.status, 303, "{answer:?}");
    assert_eq!(answer.location().host_str(), Some("app.mycompany.example"));
    assert_eq!(
        answer.location_parameter("from").as_deref(),
        Some("ado-connect"),
        "its own query stays"
    );
    assert_eq!(answer.location_parameter("error").as_deref(), Some(code));
    for name in ["code", "state", "connection_id", "confirmation", "error_description"] {
        assert_eq!(answer.location_parameter(name), None);
    }
}

fn redeemed(world: &World) -> u64 {
    world.entra().count("token.authorization_code")
}

/// Returns an issuer of the stand-in of Entra.
fn issuer(world: &World, tenant: impl Display) -> String {
    format!("{}/{tenant}/v2.0", world.entra().base_url())
}

/// Signs ada in, with this `iss` in Entra's answer. Returns the answer to the browser.
async fn sign_in_with_issuer(world: &World, iss: &str) -> Answer {
    let browser = world.browser();
    let mut callback = browser.sign_in(&world.connect_url("ada").await, "ada").await;
    callback.query_pairs_mut().append_pair("iss", iss);
    browser.open(callback.as_str()).await
}

/// Signs ada in, with these claims in the ID token. Returns the answer to the browser.
async fn sign_in_with_claims(world: &World, claims: &Value) -> Answer {
    let claims = claims.as_object().unwrap().clone().into_iter().collect();
    let fault = IdTokenFault { claims, ..IdTokenFault::default() };
    world.entra().inject(Fault::on("token.authorization_code").id_token(fault));
    world.browser().finish(&world.connect_url("ada").await, "ada").await
}

/// Lets the only row of a kind in the table of sessions expire.
async fn expire_row(world: &World, kind: &str) {
    let rows = world.items(names::SESSIONS).await;
    let pk =
        rows.iter().map(|row| row["pk"].as_s().unwrap()).find(|pk| pk.starts_with(kind)).unwrap();
    world.set(names::SESSIONS, pk, "expires_at", past()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_unknown_expired_or_worn_out_starts_nothing() {
    let world = World::start().await;
    let browser = world.browser();
    let unknown = world.url("/authorize?session=unknown");
    browser.open(&unknown).await.expect_problem(404, "session_unknown");
    browser.open(&world.url("/authorize")).await.expect_problem(400, "invalid_request");
    browser
        .open(&format!("{unknown}&session=two"))
        .await
        .expect_problem(400, "duplicate_parameter");

    let link = world.connect_url("ada").await;
    expire_row(&world, "session#").await;
    browser.open(&link).await.expect_problem(410, "session_expired");

    let link = world.connect_url("grace").await;
    for _ in 0..5 {
        browser.open(&link).await.expect(302);
    }
    browser.open(&link).await.expect_problem(429, "session_used_up");

    // A person gets the same facts as a page without scripts or external content.
    let page = browser.open_page(&unknown).await.expect(404);
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    assert!(page.text().contains("session_unknown") && !page.text().contains("<script"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
        "{policy}"
    );
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_works_once_in_its_own_browser_and_in_time() {
    let world = World::start().await;
    let link = world.connect_url("ada").await;
    let started = world.browser().open(&link).await.expect(302);
    assert!(started.header("set-cookie").unwrap().contains("; Max-Age=600;"), "{started:?}");
    let browser = world.browser();
    let callback = browser.sign_in(&link, "ada").await;

    // Another browser, without a cookie or with its own, is refused and the flow stays usable.
    world.browser().open(callback.as_str()).await.expect_problem(400, "browser_mismatch");
    let other = world.browser();
    other.start(&world.connect_url("grace").await).await;
    other.open(callback.as_str()).await.expect_problem(400, "browser_mismatch");
    let tossed = format!("{0}; {0}", browser.cookies());
    let request = world.plain_get(callback.as_str()).header("cookie", tossed);
    world.send(request).await.expect_problem(400, "duplicate_parameter");
    assert_eq!(world.entra().count("token"), 0);

    let done = browser.open(callback.as_str()).await.expect(303);
    assert!(done.location_parameter("confirmation").is_some());
    assert_eq!(done.header("cache-control"), Some("no-store"));
    assert!(browser.cookies().is_empty(), "the cookie is cleared");
    browser.open(callback.as_str()).await.expect_problem(400, "state_unknown");
    assert_eq!(world.entra().count("token"), 1);

    let late = world.browser();
    let callback = late.sign_in(&world.connect_url("grace").await, "grace").await;
    expire_row(&world, "state#").await;
    expire_all_states(&world).await;
    late.open(callback.as_str()).await.expect_problem(400, "state_expired");
    assert_eq!(world.entra().count("token"), 1);
}

async fn expire_all_states(world: &World) {
    for row in world.items(names::SESSIONS).await {
        let pk = row["pk"].as_s().unwrap();
        if pk.starts_with("state#") {
            world.set(names::SESSIONS, pk, "expires_at", past()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_callbacks_are_refused_without_a_token_request() {
    let world = World::start().await;
    let browser = world.browser();
    for (query, code) in [
        ("", "invalid_request"),
        ("?code=x", "invalid_request"),
        ("?state=", "invalid_request"),
        ("?state=forged&code=x", "state_unknown"),
        ("?state=a&state=b&code=x", "duplicate_parameter"),
        ("?state=a&code=x&code=y", "duplicate_parameter"),
        ("?error=access_denied", "invalid_request"),
        (
            "?state=forged&error=access_denied&error_description=%3Cscript%3Ealert(1)%3C/script%3E",
            "state_unknown",
        ),
        ("?state=%00%ff&code=x", "invalid_request"),
    ] {
        let answer = browser.open(&world.url(&format!("/integration-callback{query}"))).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.text());
        if code != "invalid_request" {
            answer.clone().expect_problem(400, code);
        }
        assert!(!answer.text().contains("script"));
    }
    let state = "s".repeat(9000);
    let answer =
        browser.open(&world.url(&format!("/integration-callback?state={state}&code=x"))).await;
    assert!(answer.status.is_client_error(), "{}", answer.status);
    assert_eq!(world.entra().count("token"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_on_entra_s_page_return_with_their_own_code_and_the_link_still_works() {
    let world = World::start().await;
    for (action, code) in [
        ("cancel", "sign_in_cancelled"),
        ("consent_required", "consent_required"),
        ("admin_approval_required", "admin_approval_required"),
        ("interaction_required", "interaction_required"),
        ("blocked", "policy_blocked"),
        ("server_error", "entra_unavailable"),
        ("temporarily_unavailable", "entra_unavailable"),
    ] {
        let link = world.connect_url("ada").await;
        let browser = world.browser();
        let authorize_url = browser.start(&link).await;
        let callback =
            browser.decide(&authorize_url, &[("account", "ada"), ("action", action)]).await;
        let answer = browser.open(callback.as_str()).await;
        assert_returned_with(&answer, code);
        assert_eq!(world.entra().count("token"), 0, "{action}");
        if action == "cancel" {
            // A user who changes their mind uses the same link.
            let again = browser.finish(&link, "ada").await.expect(303);
            assert!(again.location_parameter("confirmation").is_some());
            world.entra().reset_counts();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_errors_of_the_authorize_leg_are_distinguished() {
    let world = World::start().await;
    for (error, number, code) in [
        ("access_denied", "50020", "account_not_in_tenant"),
        ("invalid_request", "500200", "personal_account"),
        ("unauthorized_client", "700016", "tenant_refused"),
        // The browser brings these, so they mark nothing.
        ("invalid_client", "7000215", "entra_misconfigured"),
        ("invalid_client", "650053", "entra_misconfigured"),
        ("something_new", "1", "code_rejected"),
    ] {
        let link = world.connect_url("ada").await;
        let browser = world.browser();
        let authorize_url = browser.start(&link).await;
        let form = [("account", "ada"), ("action", "error"), ("error", error), ("code", number)];
        let callback = browser.decide(&authorize_url, &form).await;
        assert_returned_with(&browser.open(callback.as_str()).await, code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_access_to_the_organization_is_refused() {
    let world = World::start().await;
    let answer = world.browser().finish(&world.connect_url("alan").await, "alan").await;
    assert_returned_with(&answer, "organization_access_denied");
    world.devops().inject(
        Fault::on("connection_data")
            .status(403)
            .body(r#"{"message":"VS403463: The conditional access policy has failed."}"#),
    );
    let answer = world.browser().finish(&world.connect_url("ada").await, "ada").await;
    assert_returned_with(&answer, "policy_blocked");
    world.devops().inject(Fault::on("connection_data").status(503));
    let answer = world.browser().finish(&world.connect_url("ada").await, "ada").await;
    assert_returned_with(&answer, "devops_unavailable");
    assert!(world.items(names::TOKENS).await.is_empty(), "no token is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_of_other_tenants_are_refused_where_tenants_are_named() {
    let world = World::start().await;
    let changes = json!({"organizations": ["mycompany", "contoso"], "tenant": "organizations", "allowed_tenants": [TENANT_B.to_string()]});
    world.put_integration(INTEGRATION, changes).await.expect(200);
    let answer = world.browser().finish(&world.connect_url("ada").await, "ada").await;
    assert_returned_with(&answer, "wrong_tenant");
    let answer = world.browser().finish(&world.connect_url("edsger").await, "edsger").await;
    assert!(answer.location_parameter("confirmation").is_some(), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn identities_that_do_not_verify_are_refused() {
    let world = World::start().await;
    let personal = "9188040d-6c67-4c5b-b112-36a304b66dad";
    for (claims, code) in [
        (json!({"nonce": "another"}), "id_token_invalid"),
        (json!({"aud": "another"}), "id_token_invalid"),
        (json!({"iss": "https://evil.example/v2.0"}), "id_token_invalid"),
        (json!({"exp": 1_000_000_000}), "id_token_invalid"),
        (json!({"tid": TENANT_B.to_string()}), "id_token_invalid"),
    ] {
        let answer = sign_in_with_claims(&world, &claims).await;
        assert_returned_with(&answer, code);
    }
    // Personal accounts are possible only if every tenant is allowed.
    world.put_integration(INTEGRATION, json!({"tenant": "organizations"})).await.expect(200);
    let claims = json!({"tid": personal, "iss": issuer(&world, personal)});
    let answer = sign_in_with_claims(&world, &claims).await;
    assert_returned_with(&answer, "personal_account");
    assert!(world.items(names::TOKENS).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_another_issuer_is_refused() {
    let world = World::start().await;
    let answer = sign_in_with_issuer(&world, "https://evil.example/v2.0").await;
    assert_returned_with(&answer, "issuer_mismatch");
    assert!(world.items(names::TOKENS).await.is_empty());
    assert_eq!(redeemed(&world), 0, "the code and the secret went out");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_tenants_share_an_address_another_tenant_s_issuer_is_refused() {
    let world = World::start().await;
    world.put_integration(INTEGRATION, json!({"tenant": "organizations"})).await.expect(200);
    for (named, is_redeemed) in [
        (issuer(&world, TENANT_B), true),
        (issuer(&world, "organizations"), false),
        ("https://evil.example/v2.0".to_owned(), false),
    ] {
        let before = redeemed(&world);
        let answer = sign_in_with_issuer(&world, &named).await;
        assert_returned_with(&answer, "issuer_mismatch");
        assert_eq!(redeemed(&world) > before, is_redeemed, "{named}");
    }
    let answer = sign_in_with_issuer(&world, &issuer(&world, TENANT_A)).await;
    assert!(answer.location_parameter("confirmation").is_some(), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_the_promised_issuer_is_refused_before_the_code_goes_out() {
    let world = World::start().await;
    world.put_integration(INTEGRATION, json!({"tenant": TENANT_A.to_string()})).await.expect(200);
    let address = format!("{}/.well-known/openid-configuration", issuer(&world, TENANT_A));
    let mut promising = world.send(world.plain_get(&address)).await.expect(200).json();
    promising["authorization_response_iss_parameter_supported"] = json!(true);
    let promising = Fault::on("metadata").times(0).status(200).body(&promising.to_string());
    world.entra().inject(promising.header("content-type", "application/json"));
    let browser = world.browser();
    let callback = browser.sign_in(&world.connect_url("ada").await, "ada").await;
    assert_returned_with(&browser.open(callback.as_str()).await, "issuer_mismatch");
    assert_eq!(redeemed(&world), 0, "the code and the secret went out");
    // With it the sign-in succeeds.
    let answer = sign_in_with_issuer(&world, &issuer(&world, TENANT_A)).await;
    assert!(answer.location_parameter("confirmation").is_some(), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_ends_if_its_integration_has_become_another_app() {
    let world = World::start().await;
    let browser = world.browser();
    let callback = browser.sign_in(&world.connect_url("ada").await, "ada").await;
    let other = json!({"client_id": "0f0f0f0f-0000-4000-8000-00000000000f"});
    world.put_integration(INTEGRATION, other).await.expect(200);
    let answer = browser.open(callback.as_str()).await;
    assert_returned_with(&answer, "integration_not_ready");
    assert_eq!(redeemed(&world), 0, "the code went out with another app's secret");
    assert!(world.items(names::TOKENS).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_code_returns_with_the_reason() {
    let world = World::start().await;
    for (fault, code) in [
        (Fault::on("token").status(400).error("invalid_grant").code(54005), "code_rejected"),
        (
            Fault::on("token")
                .status(400)
                .error("invalid_grant")
                .suberror("consent_required")
                .code(65001),
            "consent_required",
        ),
        // About this sign-in, whatever the error is.
        (Fault::on("token").status(401).error("invalid_client").code(50011), "code_rejected"),
        (Fault::on("token").error("invalid_request").code(501_481), "code_rejected"),
        (Fault::on("token").error("interaction_required").code(53003), "policy_blocked"),
        (Fault::on("token").error("invalid_client").code(7_000_229), "tenant_refused"),
        // Unknown: once more with each live secret, and nobody is blamed.
        (Fault::on("token").times(3).error("invalid_client").code(1), "entra_misconfigured"),
        (
            Fault::on("token").status(400).error("interaction_required").code(50076),
            "interaction_required",
        ),
        (Fault::on("token").status(503), "entra_unavailable"),
        (Fault::on("token").reset(), "entra_unavailable"),
        (Fault::on("token").status(429).retry_after(5), "entra_throttled"),
        (Fault::on("token").status(400).error("invalid_scope").code(70011), "entra_misconfigured"),
        // Three attempts: the cached secret, then the current and the previous version, read again.
        (
            Fault::on("token").times(3).status(401).error("invalid_client").code(7_000_215),
            "credential_rejected",
        ),
    ] {
        let link = world.connect_url("ada").await;
        let browser = world.browser();
        let callback = browser.sign_in(&link, "ada").await;
        let injected = world.entra().inject(fault);
        let answer = browser.open(callback.as_str()).await;
        assert_returned_with(&answer, code);
        injected.remove();
    }
    let integration =
        world.get(&Caller::Operator, &format!("/integrations/{INTEGRATION}")).await.json();
    assert_eq!(integration["status"], "credential_rejected");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reconnect_must_be_the_same_account() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let answer = world.browser().finish(&world.connect_url("ada").await, "grace").await;
    assert_returned_with(&answer, "different_account");
    assert_eq!(world.connection(&connection).await["account"]["name"], "Ada Lovelace");
    world.proxied(&connection, PROJECTS).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_of_the_same_name_is_another_account() {
    let world = World::start().await;
    world.put_integration(INTEGRATION, json!({"tenant": "organizations"})).await.expect(200);
    let connection = world.connect("ada", "ada").await;
    let account = world.connection(&connection).await["account"].clone();
    for claims in [
        // The name was given to another person.
        json!({"oid": "66666666-7777-4888-9999-aaaaaaaaaaaa"}),
        // A guest has the name of the account at home.
        json!({"tid": TENANT_B.to_string(), "iss": issuer(&world, TENANT_B)}),
    ] {
        let answer = sign_in_with_claims(&world, &claims).await;
        assert_returned_with(&answer, "different_account");
        assert_eq!(world.connection(&connection).await["account"], account);
    }
    world.proxied(&connection, PROJECTS).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tokens_of_a_reconnect_that_was_never_confirmed_are_erased_by_the_next_one() {
    let world = World::start().await;
    world.connect("ada", "ada").await;
    for _ in 0..3 {
        let link = world.connect_url("ada").await;
        world.browser().finish(&link, "ada").await.expect(303);
    }
    // The tokens in use, and those that wait for confirmation.
    assert_eq!(world.items(names::TOKENS).await.len(), 2);

    world.put_integration(INTEGRATION, json!({"confirmation": "none"})).await.expect(200);
    let link = world.connect_url("ada").await;
    world.browser().finish(&link, "ada").await.expect(303);
    assert_eq!(world.items(names::TOKENS).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_tokens_serve_until_a_reconnect_is_confirmed() {
    let world = World::start().await;
    let connection = world.connect("ada", "ada").await;
    let returned = world.browser().finish(&world.connect_url("ada").await, "ada").await;
    assert_eq!(returned.location_parameter("connection_id").as_deref(), Some(connection.as_str()));
    assert_eq!(world.connection(&connection).await["status"], "active");
    world.proxied(&connection, PROJECTS).await.expect(200);
    assert_eq!(world.items(names::TOKENS).await.len(), 2);
    world.confirm(&returned, "ada").await.expect(200);
    assert_eq!(world.items(names::TOKENS).await.len(), 1);
    world.proxied(&connection, PROJECTS).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_user_s_browser_cannot_give_its_account_to_the_user_who_started() {
    let world = World::start().await;
    // Mallory starts a flow and makes Grace open the link and sign in with her own account and browser.
    let link = world.connect_url("mallory").await;
    let returned = world.browser().finish(&link, "grace").await.expect(303);
    let connection = returned.location_parameter("connection_id").unwrap();
    world.proxied(&connection, PROJECTS).await.expect_problem(409, "connection_pending");
    // In the application's own session the user is Grace, not Mallory.
    world.confirm(&returned, "grace").await.expect_problem(403, "confirmation_user_mismatch");
    assert!(world.items(names::TOKENS).await.is_empty(), "her tokens are erased");
    world.confirm(&returned, "mallory").await.expect_problem(404, "connection_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmation_is_one_code_once_in_time() {
    let world = World::start().await;
    let returned = world.browser().finish(&world.connect_url("ada").await, "ada").await;
    let id = returned.location_parameter("connection_id").unwrap();
    let path = format!("/connections/{id}/confirm");
    let wrong = json!({"confirmation": "x".repeat(43), "user": "ada"});
    world
        .post(&Caller::Application, &path, wrong)
        .await
        .expect_problem(400, "confirmation_invalid");
    world.confirm(&returned, "ada").await.expect(200);
    world.confirm(&returned, "ada").await.expect_problem(400, "confirmation_invalid");

    let returned = world.browser().finish(&world.connect_url("grace").await, "grace").await;
    let id = returned.location_parameter("connection_id").unwrap();
    let stored = world.items(names::CONNECTIONS).await;
    let item = stored.iter().find(|item| item["pk"].as_s().unwrap() == &id).unwrap();
    let mut pending = item["pending"].as_m().unwrap().clone();
    pending.insert("expires_at".to_owned(), past());
    world.set(names::CONNECTIONS, &id, "pending", AttributeValue::M(pending)).await;
    world.confirm(&returned, "grace").await.expect_problem(410, "confirmation_expired");
    assert_eq!(world.items(names::TOKENS).await.len(), 1, "only Ada's are left");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_confirmation_and_return_address_the_browser_sees_pages() {
    let world = World::start().await;
    world.put_integration("internal", json!({"confirmation": "none"})).await.expect(201);
    let wish = json!({"integration": "internal", "user": "ada"});
    let link = world.connect_url_for(wish.clone()).await;
    let page = world.browser().finish(&link, "ada").await.expect(200);
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    assert!(page.text().contains("connected"));
    let listed = world.get(&Caller::Application, "/connections?integration=internal").await.json();
    assert_eq!(listed["items"][0]["status"], "active");

    let link = world.connect_url_for(wish).await;
    let browser = world.browser();
    let authorize_url = browser.start(&link).await;
    let callback =
        browser.decide(&authorize_url, &[("account", "ada"), ("action", "cancel")]).await;
    let page = browser.open_page(callback.as_str()).await.expect(403);
    assert!(page.text().contains("sign_in_cancelled"), "{}", page.text());
    // In a tenant whose users may not consent, all that they can do is cancel.
    assert!(page.text().contains("/adminconsent?"), "{}", page.text());
    assert!(browser.cookies().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_outlives_neither_its_integration_nor_entra() {
    let world = World::start().await;
    let link = world.connect_url("ada").await;
    world.entra().inject(Fault::on("metadata").times(0).status(503));
    world.browser().open(&link).await.expect_problem(503, "entra_unavailable");
    world.entra().clear_faults();
    let path = format!("/integrations/{INTEGRATION}");
    world.ask(&Caller::Operator, reqwest::Method::DELETE, &path).await.expect(204);
    world.browser().open(&link).await.expect_problem(409, "integration_not_ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn organizations_of_personal_accounts_are_distinguished() {
    let world = World::start().await;
    let nil = "00000000-0000-0000-0000-000000000000";
    world
        .devops()
        .inject(Fault::on("organization_probe").status(404).header("x-vss-resourcetenant", nil));
    let link = world.connect_url("ada").await;
    world.browser().open(&link).await.expect_problem(403, "organization_not_backed_by_entra");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_sees_the_outcome_of_consent_and_its_parameters_are_not_trusted() {
    let world = World::start().await;
    let path = format!("/integrations/{INTEGRATION}");
    let shown = world.get(&Caller::Operator, &path).await.expect(200).json();
    let link: url::Url = shown["admin_consent_url"].as_str().unwrap().parse().unwrap();
    let browser = world.browser();
    let decide = async |action: &str| browser.decide(&link, &[("action", action)]).await;

    let back = decide("approve").await;
    assert!(back.query().unwrap().contains("admin_consent=True"), "{back}");
    let page = browser.open_page(back.as_str()).await.expect(200);
    assert!(page.text().contains("approved"), "{}", page.text());
    let back = decide("cancel").await;
    let page = browser.open_page(back.as_str()).await.expect(403);
    assert!(page.text().contains("admin_approval_required"), "{}", page.text());

    // A forged address shows the same page and has no other effect.
    let forged = world.url("/integration-callback?admin_consent=True&tenant=x&state=y");
    browser.open_page(&forged).await.expect(200);
    let forged = world.url("/integration-callback?admin_consent=True&code=x&state=y");
    browser.open_page(&forged).await.expect(400);
    assert!(world.items(names::CONNECTIONS).await.is_empty());
}
