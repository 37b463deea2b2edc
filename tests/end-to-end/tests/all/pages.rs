//! The users' pages: every outcome in plain words, in their application's name and colours, without scripts and without
//! content from elsewhere.

use aws_sdk_dynamodb::types::AttributeValue;
use emulators::entra::TENANT_B;
use emulators::{Fault, IdTokenFault};
use end_to_end::{Answer, Browser, Caller, INTEGRATION, World};
use local::names;
use reqwest::Method;
use serde_json::{Value, json};

/// An integration for an internal tool, whose users end on pages of the service.
const INTERNAL: &str = "internal";
const NAME: &str = "Fabrikam Reports";
const LOGO: &str = "https://app.mycompany.example/img/logo.svg";
/// Hostile values of fields.
const HOSTILE: [&str; 8] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "{{7*7}}",
    "{application}",
    "'-alert(1)-'",
    "\u{202e}gpj.exe",
    "\u{1}\u{7}\u{1b}[31m\u{85}",
];

async fn branded_world() -> World {
    let world = World::start().await;
    put_branding(&world, json!({"name": NAME, "logo_url": LOGO, "accent_color": "#FFCC00"}))
        .await
        .expect(201);
    world
}

async fn put_branding(world: &World, branding: Value) -> Answer {
    let changes = json!({"confirmation": "none", "branding": branding});
    world.put_integration(INTERNAL, changes).await
}

/// Returns a connect link without a return address.
async fn link(world: &World, user: &str) -> String {
    world.connect_url_for(json!({"integration": INTERNAL, "user": user})).await
}

/// Sends a decision on Entra's page. Returns the URL of the callback.
async fn decide(browser: &Browser<'_>, link: &str, form: &[(&str, &str)]) -> url::Url {
    let authorize_url = browser.start(link).await;
    browser.decide(&authorize_url, form).await
}

async fn expire(world: &World, kind: &str) {
    for row in world.items(names::SESSIONS).await {
        let pk = row["pk"].as_s().unwrap();
        if pk.starts_with(kind) {
            let past = AttributeValue::N("1000000000".to_owned());
            world.set(names::SESSIONS, pk, "expires_at", past).await;
        }
    }
}

fn heading(page: &Answer) -> String {
    let html = page.text();
    let rest = html.split_once("<h1>").unwrap_or_else(|| panic!("no heading: {html}")).1;
    rest.split_once("</h1>").unwrap().0.to_owned()
}

/// Asserts a page with this heading and without scripts.
#[track_caller]
fn assert_page(page: &Answer, status: u16, wanted: &str) {
    let html = page.text();
    assert_eq!((page.status.as_u16(), heading(page).as_str()), (status, wanted), "{html}");
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert!(html.contains(r#"<html lang="en">"#) && html.contains("<main>"), "{html}");
    assert!(!html.contains("<script"), "{html}");
}

/// Asserts such a page with the application's name and colour; it may add only a logo and one style.
#[track_caller]
fn assert_branded(page: &Answer, status: u16, wanted: &str) {
    assert_page(page, status, wanted);
    let html = page.text();
    assert!(html.contains(&format!("<title>{wanted} \u{b7} {NAME}</title>")), "{html}");
    assert!(html.contains(&format!(r#"<img class="logo" src="{LOGO}" alt="{NAME}">"#)), "{html}");
    assert!(html.contains("background:#ffcc00;"), "{html}");
    let policy = page.header("content-security-policy").unwrap();
    let directives: Vec<_> = policy.split("; ").collect();
    assert!(directives.contains(&format!("img-src {LOGO}").as_str()), "{policy}");
    assert!(directives.contains(&"default-src 'none'"), "{policy}");
    assert_eq!(policy.matches("://").count(), 1, "no other host: {policy}");
    assert_eq!(policy.matches("'sha256-").count(), 2, "{policy}");
    assert_eq!(html.matches("<style>").count(), 2);
    assert_eq!(html.matches("<img ").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connected_user_sees_the_account_and_the_organizations() {
    let world = branded_world().await;
    let page = world.browser().finish(&link(&world, "ada").await, "ada").await;
    assert_branded(&page, 200, "You are connected");
    let html = page.text();
    for part in
        ["You signed in as Ada Lovelace (", "organization mycompany.", "You can close this window"]
    {
        assert!(html.contains(part), "{part}: {html}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_says_connected_when_a_confirmation_can_no_longer_come() {
    let world = branded_world().await;
    let link = link(&world, "ada").await;
    world.put_integration(INTERNAL, json!({"confirmation": "required"})).await.expect(200);
    let browser = world.browser();
    let callback = browser.sign_in(&link, "ada").await;
    let page = browser.open_page(callback.as_str()).await;
    assert_page(&page, 409, "Connecting is not possible at the moment");
    let listed = world.get(&Caller::Application, "/connections?integration=internal").await.json();
    assert_eq!(listed["items"][0]["status"], "pending");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_at_microsoft_are_explained_in_plain_words() {
    let world = branded_world().await;
    let error = |error, code| vec![("action", "error"), ("error", error), ("code", code)];
    for (form, status, code, wanted) in [
        (vec![("action", "cancel")], 403, "sign_in_cancelled", "You did not sign in"),
        (
            vec![("action", "interaction_required")],
            403,
            "interaction_required",
            "The sign-in is not finished",
        ),
        (vec![("action", "blocked")], 403, "policy_blocked", "Your company does not allow this"),
        (
            vec![("action", "temporarily_unavailable")],
            503,
            "entra_unavailable",
            "Microsoft cannot be reached",
        ),
        (
            error("access_denied", "50020"),
            403,
            "account_not_in_tenant",
            "This account belongs to another company",
        ),
        (
            error("invalid_request", "500200"),
            403,
            "personal_account",
            "Please use your work or school account",
        ),
        (
            error("unauthorized_client", "700016"),
            502,
            "tenant_refused",
            "Your company does not let this application in",
        ),
        (
            error("invalid_scope", "70011"),
            502,
            "entra_misconfigured",
            "Connecting is not possible at the moment",
        ),
        (error("something_new", "1"), 400, "code_rejected", "The sign-in could not be completed"),
    ] {
        let browser = world.browser();
        let callback = decide(&browser, &link(&world, "ada").await, &form).await;
        let page = browser.open_page(callback.as_str()).await;
        assert_branded(&page, status, wanted);
        let html = page.text();
        assert!(html.contains(&format!("<dd>{code}</dd>")), "{html}");
        assert!(html.contains(page.header("x-request-id").unwrap()), "{html}");
        assert!(!html.contains("AADSTS"), "{html}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_needs_an_administrator_gets_the_link_to_send() {
    let world = branded_world().await;
    let shown = world.get(&Caller::Operator, &format!("/integrations/{INTERNAL}")).await.json();
    let consent = shown["admin_consent_url"].as_str().unwrap();
    for (action, code, wanted) in [
        (
            "admin_approval_required",
            "admin_approval_required",
            "Your administrator has to approve this first",
        ),
        ("consent_required", "consent_required", "The access was not allowed"),
        // Microsoft reports the way back from *Need admin approval* as a cancelled sign-in.
        ("cancel", "sign_in_cancelled", "You did not sign in"),
    ] {
        let form = [("account", "ada"), ("action", action)];
        let browser = world.browser();
        let callback = decide(&browser, &link(&world, "ada").await, &form).await;
        let page = browser.open_page(callback.as_str()).await;
        assert_branded(&page, 403, wanted);
        let html = page.text();
        assert!(html.contains(">Link for your administrator</label>"), "{html}");
        let value = format!("value=\"{}\"", consent.replace('&', "&#38;"));
        assert!(html.contains(&value), "{html}");

        // A program gets the same as a problem document.
        let callback = decide(&browser, &link(&world, "ada").await, &form).await;
        let document = browser.open(callback.as_str()).await.expect_problem(403, code).json();
        assert_eq!(document["admin_consent_url"], consent);
        assert_eq!(document.get("branding"), None);

        // The application gets only the code.
        let returning = world.connect_url("ada").await;
        let callback = decide(&browser, &returning, &form).await;
        let back = browser.open(callback.as_str()).await.expect(303).location();
        let names: Vec<_> = back.query_pairs().map(|(name, _)| name.into_owned()).collect();
        assert_eq!(names, ["from", "error"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unsuitable_accounts_are_distinguished() {
    let world = branded_world().await;
    let page = async |user: &str, account: &str| {
        let browser = world.browser();
        let callback = browser.sign_in(&link(&world, user).await, account).await;
        browser.open_page(callback.as_str()).await
    };
    let refused = page("alan", "alan").await;
    assert_branded(&refused, 403, "You have no access to this Azure DevOps organization");
    assert_branded(&page("ada", "ada").await, 200, "You are connected");
    assert_branded(&page("ada", "grace").await, 409, "You were connected with another account");
    world.devops().inject(Fault::on("connection_data").status(503));
    assert_branded(&page("ada", "ada").await, 502, "Azure DevOps cannot be reached");

    let changes = json!({
        "confirmation": "none", "tenant": "organizations", "organizations": ["mycompany", "contoso"],
        "allowed_tenants": [TENANT_B.to_string()],
    });
    world.put_integration(INTERNAL, changes).await.expect(200);
    assert_page(&page("ada", "ada").await, 403, "This account cannot be used here");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_explain_links_and_sign_ins_that_are_over() {
    let world = branded_world().await;
    let browser = world.browser();
    let unknown = browser.open_page(&world.url("/authorize?session=unknown")).await;
    assert_page(&unknown, 404, "This link is no longer valid");
    assert!(!unknown.text().contains(NAME) && unknown.text().contains("the application"));
    let incomplete = browser.open_page(&world.url("/authorize")).await;
    assert_page(&incomplete, 400, "This link does not work");
    let nowhere = browser.open_page(&world.url("/nowhere")).await;
    assert_page(&nowhere, 404, "There is nothing here");

    let worn_out = link(&world, "ada").await;
    for _ in 0..5 {
        browser.open(&worn_out).await.expect(302);
    }
    let page = browser.open_page(&worn_out).await;
    assert_branded(&page, 429, "This link was opened too often");
    assert!(page.text().contains(&format!("Go back to {NAME}")), "{}", page.text());
    let expired = link(&world, "ada").await;
    expire(&world, "session#").await;
    assert_branded(&browser.open_page(&expired).await, 410, "This link has expired");

    let browser = world.browser();
    let callback = browser.sign_in(&link(&world, "ada").await, "ada").await;
    let other = world.browser().open_page(callback.as_str()).await;
    assert_branded(&other, 400, "This sign-in was started in another browser");
    browser.open_page(callback.as_str()).await.expect(200);
    let again = browser.open_page(callback.as_str()).await;
    assert_page(&again, 400, "This sign-in is already over");
    let late = world.browser();
    let callback = late.sign_in(&link(&world, "ada").await, "ada").await;
    expire(&world, "state#").await;
    assert_branded(&late.open_page(callback.as_str()).await, 400, "The sign-in took too long");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_say_what_the_operator_has_stopped_and_an_unreadable_integration_hides_nothing() {
    let world = branded_world().await;
    let started = link(&world, "ada").await;
    let expired = link(&world, "grace").await;
    let path = format!("/integrations/{INTERNAL}");
    world.ask(&Caller::Operator, Method::POST, &format!("{path}/pause")).await.expect(200);
    let page = world.browser().open_page(&started).await;
    assert_branded(&page, 409, "Connecting is not possible at the moment");
    world.ask(&Caller::Operator, Method::POST, &format!("{path}/resume")).await.expect(200);

    world.entra().inject(Fault::on("metadata").times(0).status(503));
    let page = world.browser().open_page(&started).await;
    assert_branded(&page, 503, "Microsoft cannot be reached");
    world.entra().clear_faults();

    expire(&world, "session#").await;
    let nonsense = AttributeValue::S("nonsense".to_owned());
    world.set(names::INTEGRATIONS, &format!("integration#{INTERNAL}"), "status", nonsense).await;
    let page = world.browser().open_page(&expired).await;
    assert_page(&page, 410, "This link has expired");

    world.ask(&Caller::Operator, Method::POST, "/service/pause").await.expect(200);
    // Functions cache the switch for some seconds.
    world.stack.restart_functions().await;
    let page = world.browser().open_page(&started).await;
    assert_page(&page, 503, "This service is paused");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_do_not_follow_redirects_find_the_address_on_a_page() {
    let world = World::start().await;
    let browser = world.browser();
    let link = world.connect_url("ada").await;
    for answer in [browser.open(&link).await, browser.open_page(&link).await] {
        assert_leads_on(&answer, 302, "Connecting\u{2026}");
    }
    let callback = browser.sign_in(&link, "ada").await;
    assert_leads_on(&browser.open_page(callback.as_str()).await, 303, "Going back\u{2026}");
}

#[track_caller]
fn assert_leads_on(answer: &Answer, status: u16, wanted: &str) {
    assert_page(answer, status, wanted);
    let href = format!(
        "href=\"{}\"",
        answer.location().as_str().replace('&', "&#38;").replace('\'', "&#39;")
    );
    assert!(answer.text().contains(&href), "{href}: {}", answer.text());
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
}

#[tokio::test(flavor = "multi_thread")]
async fn branding_is_stored_normalized_and_items_without_it_are_read() {
    let world = World::start().await;
    let given = json!({"name": "  Fabrikam \u{e9} ", "logo_url": LOGO, "accent_color": "#FFcc00"});
    let kept = json!({"name": "Fabrikam \u{e9}", "logo_url": LOGO, "accent_color": "#ffcc00"});
    assert_eq!(put_branding(&world, given).await.expect(201).json()["branding"], kept);
    let path = format!("/integrations/{INTERNAL}");
    assert_eq!(world.get(&Caller::Operator, &path).await.json()["branding"], kept);
    world.remove(names::INTEGRATIONS, &format!("integration#{INTERNAL}"), "branding").await;
    let shown = world.get(&Caller::Operator, &path).await.expect(200).json();
    assert_eq!(shown["branding"], json!({}));
    assert_eq!(
        world.get(&Caller::Operator, &format!("/integrations/{INTEGRATION}")).await.json()["branding"],
        json!({})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_branding_is_refused_by_field() {
    let world = World::start().await;
    let (long_name, long_path) =
        ("x".repeat(61), format!("https://app.mycompany.example/{}", "x".repeat(2048)));
    for (branding, field) in [
        (json!({"name": ""}), "branding.name"),
        (json!({"name": " "}), "branding.name"),
        (json!({"name": long_name}), "branding.name"),
        (json!({"name": "two\nlines"}), "branding.name"),
        (json!({"name": "\u{202e}desrever"}), "branding.name"),
        (json!({"logo_url": "https://evil.example/logo.svg"}), "branding.logo_url"),
        (json!({"logo_url": "https://app.mycompany.example.evil.example/l"}), "branding.logo_url"),
        (json!({"logo_url": "https://x@app.mycompany.example/logo.svg"}), "branding.logo_url"),
        (json!({"logo_url": "https://app.mycompany.example:8443/logo.svg"}), "branding.logo_url"),
        (json!({"logo_url": "http://app.mycompany.example/logo.svg"}), "branding.logo_url"),
        (json!({"logo_url": "//app.mycompany.example/logo.svg"}), "branding.logo_url"),
        (json!({"logo_url": "data:image/svg+xml,x"}), "branding.logo_url"),
        (json!({"logo_url": format!("{LOGO}?v=1")}), "branding.logo_url"),
        (json!({"logo_url": format!("{LOGO}#x")}), "branding.logo_url"),
        (json!({"logo_url": long_path}), "branding.logo_url"),
        (json!({"accent_color": "red"}), "branding.accent_color"),
        (json!({"accent_color": "#fc0"}), "branding.accent_color"),
        (json!({"accent_color": "#ffcc00;}*{display:none"}), "branding.accent_color"),
    ] {
        let refused = put_branding(&world, branding.clone()).await;
        let document = refused.expect_problem(400, "invalid_request").json();
        assert_eq!(document["errors"][0]["field"], field, "{branding}");
    }
    let refused = put_branding(&world, json!({"colour": "#ffcc00"})).await;
    refused.expect_problem(400, "invalid_request");
}

/// Counts each character that could be markup.
fn markup(page: &Answer) -> [usize; 4] {
    ['<', '>', '"', '\''].map(|c| page.text().matches(c).count())
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_branding_is_refused_or_shown_as_text() {
    let world = World::start().await;
    put_branding(&world, json!({"name": "plain"})).await.expect(201);
    let browser = world.browser();
    let used = link(&world, "ada").await;
    expire(&world, "session#").await;
    let plain = browser.open_page(&used).await.expect(410);
    let mut shown = 0;
    for text in HOSTILE {
        for field in ["logo_url", "accent_color"] {
            let refused = put_branding(&world, json!({field: text})).await;
            refused.expect_problem(400, "invalid_request");
        }
        let answer = put_branding(&world, json!({"name": text})).await;
        if answer.status == 400 {
            continue;
        }
        answer.expect(200);
        shown += 1;
        let page = browser.open_page(&used).await;
        assert_page(&page, 410, "This link has expired");
        assert_eq!(markup(&page), markup(&plain), "{text}: {}", page.text());
        assert_eq!(page.header("content-security-policy"), plain.header("content-security-policy"));
    }
    assert_eq!(shown, 6, "only what controls something is refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn values_from_microsoft_are_shown_as_text_or_left_out() {
    let world = branded_world().await;
    let connected = async |name: &str, username: &str| {
        let claims = json!({"name": name, "preferred_username": username});
        let claims = claims.as_object().unwrap().clone().into_iter().collect();
        let fault = IdTokenFault { claims, ..IdTokenFault::default() };
        world.entra().inject(Fault::on("token.authorization_code").id_token(fault));
        let browser = world.browser();
        let callback = browser.sign_in(&link(&world, "ada").await, "ada").await;
        browser.open_page(callback.as_str()).await
    };
    let plain = connected("plain", "plain").await;
    assert_branded(&plain, 200, "You are connected");
    for text in HOSTILE {
        let page = connected(text, text).await;
        assert_branded(&page, 200, "You are connected");
        assert_eq!(markup(&page), markup(&plain), "{text}: {}", page.text());

        let browser = world.browser();
        let mut callback =
            decide(&browser, &link(&world, "ada").await, &[("action", "cancel")]).await;
        let pairs: Vec<_> = callback.query_pairs().into_owned().collect();
        let kept = pairs.iter().filter(|(name, _)| name != "error_description");
        callback
            .query_pairs_mut()
            .clear()
            .extend_pairs(kept)
            .append_pair("error_description", text);
        let page = browser.open_page(callback.as_str()).await;
        assert_branded(&page, 403, "You did not sign in");
        assert!(!page.text().contains("alert") && !page.text().contains(text), "{}", page.text());
    }
}
