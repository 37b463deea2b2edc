//! Others change an integration, or the wire breaks, at any step of a save: before and after each request that the save
//! sends to DynamoDB.

use std::sync::atomic::{AtomicU64, Ordering};

use end_to_end::portal::{Operator, borrowed, field, untouched};
use end_to_end::{Answer, Caller, INTEGRATION, World, at_every_step};
use local::names;
use reqwest::Method;
use serde_json::{Value, json};

const RENEWED: &str = "2035-01-01T00:00:00Z";

/// Renews the credential and pauses the integration, as others might.
async fn renew_and_pause(world: &World) {
    let path = format!("/integrations/{INTEGRATION}/client-credential");
    let renewed =
        json!({"kind": "client_secret", "client_secret": "renewed", "expires_at": RENEWED});
    world.ask_json(&Caller::Operator, Method::PUT, &path, &renewed).await.expect(200);
    let path = format!("/integrations/{INTEGRATION}/pause");
    world.ask(&Caller::Operator, Method::POST, &path).await.expect(200);
}

/// Resets the integration. Returns it as it was before.
async fn shown_and_reset(world: &World) -> Value {
    let path = format!("/integrations/{INTEGRATION}");
    let shown = world.get(&Caller::Operator, &path).await.expect(200).json();
    world.ask(&Caller::Operator, Method::POST, &format!("{path}/resume")).await.expect(200);
    world.put_integration(INTEGRATION, json!({})).await.expect(200);
    shown
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_and_a_renewed_credential_outlive_a_save_at_any_step() {
    let (world, [tap, _others]) = World::tapped().await;
    let keeping = json!({"client_credential": null, "always_warm": true});
    let steps = at_every_step(
        &tap,
        async || world.put_integration(INTEGRATION, keeping.clone()).await,
        async |step| {
            renew_and_pause(&world).await;
            step.go_on();
        },
        async |saved| {
            saved.expect(200);
            let shown = shown_and_reset(&world).await;
            assert_eq!(shown["status"], "paused", "{shown}");
            assert_eq!(shown["client_credential"]["expires_at"], RENEWED, "{shown}");
            assert_eq!(shown["always_warm"], true, "{shown}");
        },
    )
    .await;
    assert!(steps >= 2, "{steps}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_overtaken_at_any_step_never_undoes_changes_of_others() {
    let (world, [tap, _others]) = World::tapped().await;
    let operator = Operator::sign_in(&world, world.stack.operator_key()).await;
    let path = format!("/portal/integrations/{INTEGRATION}/edit");
    let token = operator.form_token().await;
    let save = async || {
        let page = operator.browser().open_page(&world.url(&path)).await.expect(200).text();
        let version = field(&page, "updated_at").unwrap();
        let client_id = emulators::entra::DEFAULT_CLIENT_ID.to_string();
        let fields = [
            ("csrf", token.as_str()),
            ("updated_at", &version),
            ("client_id", &client_id),
            ("client_credential", "keep"),
            ("organizations", "mycompany"),
            ("access", "scopes"),
            ("scopes", "vso.project"),
            ("allowed_return_origins", "https://app.mycompany.example"),
            ("always_warm", "yes"),
        ];
        operator.browser().submit(&world.url(&path), &fields).await
    };
    let refused = AtomicU64::new(0);
    let steps = at_every_step(
        &tap,
        save,
        async |step| {
            renew_and_pause(&world).await;
            step.go_on();
        },
        async |answer| {
            let shown = shown_and_reset(&world).await;
            assert_eq!(shown["status"], "paused", "{shown}");
            assert_eq!(shown["client_credential"]["expires_at"], RENEWED, "{shown}");
            // The form is saved completely, or refused with the reason.
            let is_saved = answer.status == 303;
            assert_eq!(shown["always_warm"], is_saved, "{answer:?}");
            if !is_saved {
                let page = answer.expect(422).text();
                assert!(page.contains("has changed since the page was opened"), "{page}");
                refused.fetch_add(1, Ordering::Relaxed);
            }
        },
    )
    .await;
    let refused = refused.into_inner();
    assert!(steps >= 3 && (1..2 * steps).contains(&refused), "{refused} of {steps}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_at_any_step_of_a_save_leaves_nothing_half_deleted() {
    let (world, [tap, _others]) = World::tapped().await;
    let path = "/integrations/second";
    world.put_integration("second", json!({})).await.expect(201);
    let steps = at_every_step(
        &tap,
        async || world.put_integration("second", json!({})).await,
        async |step| {
            world.ask(&Caller::Operator, Method::DELETE, path).await.expect(204);
            step.go_on();
        },
        async |saved| {
            let shown = world.get(&Caller::Operator, path).await;
            match saved.status.as_u16() {
                // The save came before the deletion.
                200 => drop(shown.expect_problem(404, "integration_not_found")),
                // The deletion came first, so the integration is new and ready.
                201 => {
                    assert_eq!(shown.expect(200).json()["status"], "ready");
                    let verify = format!("{path}/verify");
                    let verified = world.post(&Caller::Operator, &verify, json!({})).await;
                    let verified = verified.expect(200).json();
                    assert_eq!(verified["ok"], true, "{verified}");
                }
                _ => panic!("{saved:?}"),
            }
            world.put_integration("second", json!({})).await;
        },
    )
    .await;
    assert!(steps >= 2, "{steps}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_save_recovers_from_a_lost_request_or_answer_at_any_step() {
    let (world, [tap, _others]) = World::tapped().await;
    let operator = Operator::sign_in(&world, world.stack.operator_key()).await;
    let path = format!("/portal/integrations/{INTEGRATION}/edit");
    // The SDK retries and finds its own earlier write, so the answer is 201.
    let saves = AtomicU64::new(0);
    let steps = at_every_step(
        &tap,
        async || {
            let id = format!("new-{}", saves.fetch_add(1, Ordering::Relaxed));
            world.put_integration(&id, json!({})).await
        },
        async |step| step.cut(),
        async |created| drop(created.expect(201)),
    )
    .await;
    assert!(steps >= 2, "{steps}");
    let steps = at_every_step(
        &tap,
        async || {
            let page = operator.open(&path).await.expect(200).text();
            let fields = untouched(&page);
            operator.browser().submit(&world.url(&path), &borrowed(&fields)).await
        },
        async |step| step.cut(),
        async |saved| drop(saved.expect(303)),
    )
    .await;
    assert!(steps >= 3, "{steps}");
    // Without this recovery an API key would exist that was never shown.
    let key = json!({"name": "lost", "role": "application"});
    let steps = at_every_step(
        &tap,
        async || world.post(&Caller::Operator, "/api-keys", key.clone()).await,
        async |step| step.cut(),
        async |made| drop(made.expect(201)),
    )
    .await;
    assert!(steps >= 1, "{steps}");
}

/// A change of the integration `shared`.
#[derive(Debug, Clone, Copy)]
enum Change {
    /// A PUT with a credential.
    Put,
    /// A PUT without a credential.
    PutFields,
    /// A form of the portal, with a credential.
    Form,
    /// A PUT of the credential alone.
    Renew,
    Delete,
}

/// Returns a credential whose secret contains its expiry, so that the two can be compared.
fn credential(year: u32) -> Value {
    json!({"kind": "client_secret", "client_secret": format!("until-{year}"), "expires_at": format!("{year}-01-01T00:00:00Z")})
}

impl Change {
    const PATH: &str = "/integrations/shared";

    async fn made(self, world: &World, operator: &Operator<'_>, year: u32) -> Answer {
        match self {
            Self::Put => {
                let changes = json!({"client_credential": credential(year)});
                world.put_integration("shared", changes).await
            }
            Self::PutFields => {
                world.put_integration("shared", json!({"client_credential": null})).await
            }
            Self::Renew => {
                let path = format!("{}/client-credential", Self::PATH);
                world.ask_json(&Caller::Operator, Method::PUT, &path, &credential(year)).await
            }
            Self::Delete => world.ask(&Caller::Operator, Method::DELETE, Self::PATH).await,
            Self::Form => {
                let path = "/portal/integrations/shared/edit";
                let page = operator.open(path).await;
                if page.status != 200 {
                    return page;
                }
                let mut fields = untouched(&page.text());
                fields.retain(|(name, _)| !name.starts_with("client_credential"));
                let secret = format!("until-{year}");
                let expires = format!("{year}-01-01");
                let mut fields = borrowed(&fields);
                fields.extend([
                    ("client_credential", "client_secret"),
                    ("client_credential.client_secret", &secret),
                    ("client_credential.expires_at", &expires),
                ]);
                operator.browser().submit(&world.url(path), &fields).await
            }
        }
    }
}

/// Asserts that the stored credential matches its description, and that none is left without an integration.
async fn assert_together(world: &World, what: &str) {
    let secrets = &world.stack.aws().secrets_manager;
    let name = format!("{}integrations/shared", names::SECRETS);
    let stored = secrets.get_secret_value().secret_id(name).send().await.ok();
    let stored = stored.and_then(|stored| stored.secret_string);
    let shown = world.get(&Caller::Operator, Change::PATH).await;
    if shown.status == 404 {
        assert_eq!(stored, None, "{what}");
        return;
    }
    let expires = shown.json()["client_credential"]["expires_at"].as_str().unwrap().to_owned();
    let year = expires.split('-').next().unwrap().to_owned();
    let stored = stored.expect(what);
    assert!(stored.contains(&format!("until-{year}")), "{what}: {stored}, {expires}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_credential_matches_its_description_under_any_interleaving() {
    let (world, taps) = World::tapped().await;
    let operator = Operator::sign_in(&world, world.stack.operator_key()).await;
    let changes = [Change::Put, Change::PutFields, Change::Form, Change::Renew, Change::Delete];
    for one in changes {
        for other in changes {
            for tap in &taps {
                Change::Put.made(&world, &operator, 2030).await;
                let steps = at_every_step(
                    tap,
                    async || one.made(&world, &operator, 2031).await,
                    async |step| {
                        let answer = other.made(&world, &operator, 2032).await;
                        assert!(answer.status.as_u16() < 500, "{answer:?}");
                        step.go_on();
                    },
                    async |answer| {
                        let what = format!("{one:?}, {other:?} between: {answer:?}");
                        assert!(answer.status.as_u16() < 500, "{what}");
                        assert_together(&world, &what).await;
                        Change::Put.made(&world, &operator, 2030).await;
                    },
                )
                .await;
                let is_about_secrets = std::ptr::eq(tap, &raw const taps[1]);
                let least = match one {
                    Change::PutFields if is_about_secrets => 0,
                    _ if is_about_secrets => 1,
                    _ => 2,
                };
                assert!(steps >= least, "{one:?}: {steps}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_still_being_deleted_is_waited_for() {
    let (world, [_dynamodb, secrets]) = World::tapped().await;
    // Secrets Manager answers so for a while after a deletion.
    secrets.answer("CreateSecret", "InvalidRequestException", 2);
    world.put_integration("second", json!({})).await.expect(201);
    let verified = world.post(&Caller::Operator, "/integrations/second/verify", json!({})).await;
    assert_eq!(verified.expect(200).json()["ok"], true);
    // The wait ends, and then no unusable integration is left.
    secrets.answer("CreateSecret", "InvalidRequestException", u64::MAX);
    world.put_integration("third", json!({})).await.expect_problem(503, "service_unavailable");
    world.get(&Caller::Operator, "/integrations/third").await.expect(404);
}
