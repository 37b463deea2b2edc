//! Integrations in the portal, and a newcomer's steps from an empty service to a call of Azure DevOps.

use emulators::entra::{DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET};
use end_to_end::portal::{borrowed, field, untouched};
use end_to_end::{Caller, INTEGRATION, World};
use reqwest::Method;
use serde_json::{Value, json};

use super::{operator, stored};

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_configures_connects_calls_and_cleans_up() {
    let world = World::start().await;
    let operator = operator(&world).await;
    let form = operator.open("/portal/integrations/new").await.expect(200).text();
    assert_eq!(field(&form, "redirect_uri").unwrap(), world.url("/integration-callback"));

    let client_id = DEFAULT_CLIENT_ID.to_string();
    let fields = [
        ("integration", "first"),
        ("client_id", &client_id),
        ("client_credential", "client_secret"),
        ("client_credential.client_secret", DEFAULT_CLIENT_SECRET),
        ("client_credential.expires_at", "2035-01-01"),
        ("organizations", "mycompany"),
        ("access", "scopes"),
        ("scopes", "vso.project"),
        ("scopes", "vso.code"),
        ("tenant", "auto"),
        ("confirmation", "yes"),
    ];
    let created = operator.submit_and_follow("/portal/integrations/new", &fields).await;
    let created = created.expect(200).text();
    assert!(created.contains("<h1>first</h1>") && created.contains("The integration is created."));
    let view = stored(&world, "first").await;
    assert_eq!(view["scopes"], json!(["vso.project", "vso.code"]));
    assert_eq!(view["client_credential"]["expires_at"], "2035-01-01T00:00:00Z");

    let verified = operator.submit("/portal/integrations/first/verify", &[]).await.expect(200);
    assert!(verified.text().contains("Users can connect"), "{}", verified.text());

    let linked = operator.submit("/portal/integrations/first/connect", &[("user", "ada")]).await;
    let link = field(&linked.expect(200).text(), "link").unwrap();
    world.secret(link.split("session=").nth(1).unwrap());
    let returned = operator.browser().finish(&link, "ada").await.expect(303).location();
    assert_eq!(returned.path(), "/portal/connected");
    let finish = operator.browser().open_page(returned.as_str()).await.expect(200).text();
    assert!(finish.contains("Ada"), "{finish}");
    let (id, confirmation) =
        (field(&finish, "connection_id").unwrap(), field(&finish, "confirmation").unwrap());
    world.secret(&confirmation);
    assert_eq!(world.connection(&id).await["status"], "pending");
    let fields = [("connection_id", id.as_str()), ("confirmation", confirmation.as_str())];
    let connected = operator.submit_and_follow("/portal/connected", &fields).await.expect(200);
    assert!(connected.text().contains("The connection is confirmed"));
    assert_eq!(world.connection(&id).await["status"], "active");

    let renewed =
        operator.submit_and_follow(&format!("/portal/connections/{id}/refresh"), &[]).await;
    assert!(renewed.expect(200).text().contains("The access token is renewed."));
    let tried = operator.open(&format!("/portal/connections/{id}/try")).await.expect(200).text();
    let address = field(&tried, "address").unwrap();
    assert_eq!(address, "https://dev.azure.com/mycompany/_apis/projects?api-version=7.1");
    let path = format!("/portal/connections/{id}/try");
    let answer = operator.submit(&path, &[("address", &address)]).await.expect(200).text();
    assert!(answer.contains("200 OK") && answer.contains("Payments Service"), "{answer}");
    let keys = world.get(&Caller::Operator, "/api-keys").await.expect(200).text();
    assert!(!keys.contains("one call of the portal"), "a key was left behind: {keys}");

    let path = format!("/portal/connections/{id}/disconnect");
    let certain = operator.open(&path).await.expect(200).text();
    assert!(certain.contains("<h1>Disconnect ada</h1>"), "{certain}");
    let gone = operator.submit_and_follow(&path, &[]).await;
    assert!(gone.expect(200).text().contains("The connection is deleted"));
    world
        .get(&Caller::Application, &format!("/connections/{id}"))
        .await
        .expect_problem(404, "connection_not_found");
    let deleted = operator.submit_and_follow("/portal/integrations/first/delete", &[]).await;
    assert!(deleted.expect(200).text().contains("The integration is deleted"));
    world
        .get(&Caller::Operator, "/integrations/first")
        .await
        .expect_problem(404, "integration_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_form_names_every_field_and_never_shows_a_secret_again() {
    let world = World::start().await;
    let operator = operator(&world).await;
    let fields = [
        ("integration", "Not A Name"),
        ("client_id", "not-a-guid"),
        ("client_credential", "client_secret"),
        ("client_credential.client_secret", "s3cr3t-of-the-test"),
        ("client_credential.expires_at", "tomorrow"),
        ("organizations", "not/an/organization"),
        ("allowed_tenants", "nor-this"),
        ("proxy_limits.connection.requests", "many"),
    ];
    let refused = operator.submit("/portal/integrations/new", &fields).await.expect(422).text();
    assert!(!refused.contains("s3cr3t"), "{refused}");
    for name in [
        "integration",
        "client_id",
        "client_credential.expires_at",
        "organizations",
        "allowed_tenants",
        "proxy_limits.connection.requests",
    ] {
        assert!(refused.contains(&format!("id=\"{name}-error\"")), "{name}: {refused}");
    }
    let client_id = DEFAULT_CLIENT_ID.to_string();
    let fields = [
        ("integration", "second"),
        ("client_id", &client_id),
        ("client_credential", "client_secret"),
        ("client_credential.client_secret", "s3cr3t-of-the-test"),
        ("organizations", "not/an/organization"),
        ("tenant", "somewhere"),
        ("reconnect_url", "https://elsewhere.example/"),
    ];
    let refused = operator.submit("/portal/integrations/new", &fields).await.expect(422).text();
    for name in ["organizations", "scopes", "tenant", "reconnect_url"] {
        assert!(refused.contains(&format!("<li>{name}:")), "{name}: {refused}");
    }
    world
        .get(&Caller::Operator, "/integrations/second")
        .await
        .expect_problem(404, "integration_not_found");
    // The address of a form's answer can be opened again.
    for (address, page) in [
        (
            format!("/portal/integrations/{INTEGRATION}/verify"),
            format!("/portal/integrations/{INTEGRATION}"),
        ),
        ("/portal/sign-out".to_owned(), "/".to_owned()),
    ] {
        assert_eq!(
            operator.open(&address).await.expect(303).header("location"),
            Some(page.as_str())
        );
    }
    let taken = [("integration", INTEGRATION), fields[1], fields[2], fields[3]];
    let refused = operator.submit("/portal/integrations/new", &taken).await.expect(422).text();
    assert!(refused.contains("integration-error"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_entry_is_dropped_silently() {
    let world = World::start().await;
    let operator = operator(&world).await;
    let path = format!("/portal/integrations/{INTEGRATION}/edit");
    let page = operator.open(&path).await.expect(200).text();
    let fields = untouched(&page);
    let with = |more: &[(&'static str, &'static str)]| {
        let mut all: Vec<(String, String)> = fields.clone();
        all.retain(|(name, _)| name != "csrf");
        all.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        // A browser sends each field once.
        for (name, _) in more {
            let first = all.iter().position(|(known, _)| known == name).unwrap();
            if all.iter().filter(|(known, _)| known == name).count() > 1 {
                all.remove(first);
            }
        }
        all
    };
    let send =
        async |fields: Vec<(String, String)>| operator.submit(&path, &borrowed(&fields)).await;
    for (more, field) in [
        // A new secret together with the choice to keep the stored one.
        (
            &[("client_credential.client_secret", "s3cr3t-of-the-test")][..],
            "client_credential.client_secret",
        ),
        (&[("any_organization", "yes")], "organizations"),
        // A file that contains the private key instead of the certificate.
        (
            &[
                ("client_credential", "certificate"),
                (
                    "client_credential.certificate_pem",
                    "-----BEGIN PRIVATE KEY-----\nk3y-of-the-test\n-----END PRIVATE KEY-----",
                ),
            ],
            "client_credential",
        ),
    ] {
        let refused = send(with(more)).await.expect(422).text();
        assert!(refused.contains(&format!("<li>{field}")), "{field}: {refused}");
        assert!(!refused.contains("s3cr3t") && !refused.contains("k3y-of-the-test"), "{refused}");
    }
    // Another operator saves meanwhile; only a second save overwrites that.
    world.put_integration(INTEGRATION, json!({"always_warm": true})).await.expect(200);
    // The conflict is shown together with other faults.
    let faulty = send(with(&[("tenant", "nowhere")])).await.expect(422).text();
    assert!(
        faulty.contains("has changed since the page was opened") && faulty.contains("<li>tenant:"),
        "{faulty}"
    );
    let refused = send(with(&[])).await.expect(422).text();
    assert!(refused.contains("has changed since the page was opened"), "{refused}");
    assert_eq!(stored(&world, INTEGRATION).await["always_warm"], true);
    let version = field(&refused, "updated_at").unwrap();
    let mut again = with(&[]);
    again.retain(|(name, _)| name != "updated_at");
    again.push(("updated_at".to_owned(), version));
    send(again).await.expect(303);
    assert_eq!(stored(&world, INTEGRATION).await["always_warm"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn saving_a_form_untouched_changes_nothing() {
    let world = World::start().await;
    let operator = operator(&world).await;
    for wish in [
        json!({}),
        json!({"organizations": "any", "scopes": ["user_impersonation"], "confirmation": "none"}),
        json!({
            "organizations": ["mycompany", "fabrikam"],
            "tenant": "organizations",
            "allowed_tenants": ["11111111-1111-4111-8111-111111111111"],
            "allowed_return_origins": ["https://app.mycompany.example", "http://localhost:8083"],
            "reconnect_url": "https://app.mycompany.example/settings?a=1",
            "allow_token_handout": true,
            "always_warm": true,
            "branding": {"name": "Ada's tools", "logo_url": "https://app.mycompany.example/logo.svg", "accent_color": "#0b5cad"},
            "allowed_calls": [{"methods": ["GET", "POST"], "paths": ["/_apis/projects", "/*/_apis/git", "/My%20Project/_apis"]}, {"methods": [], "paths": ["/*/_git"]}],
            "proxy_limits": {"connection": {"requests": 10, "per_seconds": 60}, "integration": {"concurrent": 5}},
        }),
    ] {
        world.put_integration("second", wish).await;
        let mut before = stored(&world, "second").await;
        let page = operator.open("/portal/integrations/second/edit").await.expect(200).text();
        let mut fields = untouched(&page);
        fields.retain(|(name, _)| name != "csrf");
        let saved = operator.submit("/portal/integrations/second/edit", &borrowed(&fields)).await;
        saved.expect(303);
        let mut after = stored(&world, "second").await;
        before["updated_at"] = after["updated_at"].clone();
        // The checklist sorts the scopes differently.
        before["scopes"].as_array_mut().unwrap().sort_by_key(Value::to_string);
        after["scopes"].as_array_mut().unwrap().sort_by_key(Value::to_string);
        assert_eq!(after, before);
        let verified = world.ask(&Caller::Operator, Method::POST, "/integrations/second/verify");
        let verified = verified.await.expect(200).text();
        assert!(!verified.contains("no credential"), "{verified}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_area_that_is_open_is_shown_and_verified_with_its_setting() {
    let world = World::start().await;
    let operator = operator(&world).await;
    let page = format!("/portal/integrations/{INTEGRATION}");
    let setting = "<code>allow_hook_calls</code>";
    assert!(!operator.open(&page).await.expect(200).text().contains(setting));
    world.put_integration(INTEGRATION, json!({"allow_hook_calls": true})).await.expect(200);
    assert!(operator.open(&page).await.expect(200).text().contains(setting));
    let verified = operator.submit(&format!("{page}/verify"), &[]).await.expect(200).text();
    assert!(verified.contains("Set allow_hook_calls to false"), "{verified}");
}
