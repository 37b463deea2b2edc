//! Entries in forms that are sent after the session has ended.

use aws_sdk_dynamodb::types::AttributeValue;
use emulators::entra::{DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET};
use end_to_end::portal::{borrowed, hidden, untouched};
use end_to_end::{Caller, World};
use serde_json::json;

use super::{operator, set_sessions, stored};

/// Ends every operator's session, as the passing of time would.
async fn let_sessions_end(world: &World) {
    set_sessions(world, "used_at", AttributeValue::N("1000000000".to_owned())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_outlive_the_session_except_secrets() {
    const TYPED: [(&str, &str); 9] = [
        ("integration", "typed"),
        ("client_credential", "client_secret"),
        ("client_credential.client_secret", "s3cr3t-of-the-test"),
        (
            "client_credential.certificate_pem",
            "-----BEGIN PRIVATE KEY-----\nk3y-of-the-test\n-----END PRIVATE KEY-----",
        ),
        ("client_credential.private_key_pem", "an0ther-key"),
        ("organizations", "mycompany\nfabrikam"),
        ("access", "scopes"),
        ("scopes", "vso.project"),
        ("scopes", "vso.code"),
    ];
    let world = World::start().await;
    let operator = operator(&world).await;
    let client_id = DEFAULT_CLIENT_ID.to_string();
    let token = operator.form_token().await;
    let mut typed = vec![("csrf", token.as_str()), ("client_id", client_id.as_str())];
    typed.extend(TYPED);
    let_sessions_end(&world).await;
    let other = super::operator(&world).await;
    let send = async |fields: &[(&str, &str)]| {
        operator.browser().submit(&world.url("/portal/integrations/new"), fields).await
    };
    let ended = send(&typed).await.expect(401).text();
    // A wrong key keeps the entries.
    let mut fields = hidden(&ended);
    fields.push(("key".to_owned(), "no key".to_owned()));
    let sign_in = world.url("/portal/sign-in");
    let refused = operator.browser().submit(&sign_in, &borrowed(&fields)).await.expect(401).text();
    fields = hidden(&refused);
    fields.push(("key".to_owned(), world.stack.operator_key().to_owned()));
    let signed_in = operator.browser().submit(&sign_in, &borrowed(&fields)).await.expect(303);
    let draft = signed_in.header("location").unwrap().to_owned();
    let back = operator.open(&draft).await.expect(200).text();
    assert!(back.contains("your session had ended"), "{back}");
    // The draft can be opened again. It is not on the page without a draft, and not visible to other sessions.
    assert!(operator.open(&draft).await.expect(200).text().contains("fabrikam"));
    for (visitor, path) in [(&operator, "/portal/integrations/new"), (&other, draft.as_str())] {
        let page = visitor.open(path).await.expect(200).text();
        assert!(!page.contains("fabrikam") && !page.contains("had ended"), "{page}");
    }
    for page in [&ended, &refused] {
        assert!(page.contains("your entries are restored"), "{page}");
    }
    for page in [&ended, &refused, &back] {
        for secret in ["s3cr3t", "k3y-of-the-test", "an0ther-key", world.stack.operator_key()] {
            assert!(!page.contains(secret), "{page}");
        }
    }
    world
        .get(&Caller::Operator, "/integrations/typed")
        .await
        .expect_problem(404, "integration_not_found");

    let mut again = untouched(&back);
    assert!(back.contains("action=\"/portal/integrations/new\""), "{back}");
    again.retain(|(name, _)| name != "client_credential.client_secret");
    again.push(("client_credential.client_secret".to_owned(), DEFAULT_CLIENT_SECRET.to_owned()));
    send(&borrowed(&again)).await.expect(303);
    // Saving the form removes the draft.
    assert!(!operator.open(&draft).await.expect(200).text().contains("fabrikam"));
    let view = stored(&world, "typed").await;
    assert_eq!(view["organizations"], json!(["mycompany", "fabrikam"]));
    assert_eq!(view["scopes"], json!(["vso.code", "vso.project"]));

    // The same holds for editing an integration; a save by others meanwhile is shown.
    let path = "/portal/integrations/typed/edit";
    let mut edited = untouched(&operator.open(path).await.expect(200).text());
    edited.push(("always_warm".to_owned(), "yes".to_owned()));
    let_sessions_end(&world).await;
    let ended = operator.browser().submit(&world.url(path), &borrowed(&edited)).await;
    let mut fields = hidden(&ended.expect(401).text());
    fields.push(("key".to_owned(), world.stack.operator_key().to_owned()));
    let signed_in = operator.browser().submit(&sign_in, &borrowed(&fields)).await.expect(303);
    assert_eq!(signed_in.header("location"), Some(format!("{path}?draft=1").as_str()));
    let back = operator.open(&format!("{path}?draft=1")).await.expect(200).text();
    world.put_integration("typed", json!({})).await.expect(200);
    let again = untouched(&back);
    assert!(again.contains(&("always_warm".to_owned(), "yes".to_owned())), "{again:?}");
    let told = operator.browser().submit(&world.url(path), &borrowed(&again)).await.expect(422);
    assert!(told.text().contains("has changed since the page was opened"), "{}", told.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_can_prefill_a_form_of_an_operator() {
    let world = World::start().await;
    let (operator, other) = (operator(&world).await, operator(&world).await);
    let foreign_token = other.form_token().await;
    let_sessions_end(&world).await;
    let new = "/portal/integrations/new";
    for token in ["", "x", &foreign_token] {
        let planted = [("csrf", token), ("client_id", "planted")];
        let ended = operator.browser().submit(&world.url(new), &planted).await.expect(401).text();
        assert!(ended.contains("send it again") && !ended.contains("planted"), "{ended}");
        let mut fields = planted.to_vec();
        fields.extend([("next", new), ("key", world.stack.operator_key())]);
        let browser = world.browser();
        let signed_in = browser.submit(&world.url("/portal/sign-in"), &fields).await.expect(303);
        assert_eq!(signed_in.header("location"), Some(new));
    }
}
