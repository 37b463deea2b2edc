//! An integration is saved, and at any step of that others change it, or the wire breaks: before and after each request
//! that the save sends to DynamoDB.

use std::sync::atomic::{AtomicU64, Ordering};

use end_to_end::portal::{Operator, field, untouched};
use end_to_end::{Answer, Caller, INTEGRATION, World};
use reqwest::Method;
use serde_json::{Value, json};
use tap::{Stop, Tap, When};

const RENEWED: &str = "2035-01-01T00:00:00Z";

/// Saves again and again, and lets something happen at each step of it, after which the step goes on or gets lost.
/// Returns how many steps there are.
async fn at_every_step(
    tap: &Tap,
    save: impl AsyncFn() -> Answer,
    meanwhile: impl AsyncFn(&Stop),
    then: impl AsyncFn(Answer),
) -> u64 {
    for number in 0.. {
        for when in [When::Before, When::After] {
            let stop = tap.stop_at(number, when);
            let mut saving = std::pin::pin!(save());
            let is_held = tokio::select! {
                _ = &mut saving => false,
                () = stop.reached() => true,
            };
            if !is_held {
                stop.go_on();
                return number;
            }
            meanwhile(&stop).await;
            then(saving.await).await;
        }
    }
    unreachable!("a save has an end")
}

/// What others do: the credential is renewed, and the integration is stopped.
async fn renew_and_pause(world: &World) {
    let path = format!("/integrations/{INTEGRATION}/client-credential");
    let renewed =
        json!({"kind": "client_secret", "client_secret": "renewed", "expires_at": RENEWED});
    world.ask_json(&Caller::Operator, Method::PUT, &path, &renewed).await.expect(200);
    let path = format!("/integrations/{INTEGRATION}/pause");
    world.ask(&Caller::Operator, Method::POST, &path).await.expect(200);
}

/// The integration, and makes it again what it was at first.
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
async fn a_form_that_others_overtake_at_any_step_undoes_nothing_of_theirs() {
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
            // Saved, or refused with the reason; never half of it.
            let is_saved = answer.status == 303;
            assert_eq!(shown["always_warm"], is_saved, "{answer:?}");
            if !is_saved {
                let page = answer.expect(422).text();
                assert!(page.contains("somebody else has changed"), "{page}");
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
                // The save came first, and then the deletion.
                200 => drop(shown.expect_problem(404, "integration_not_found")),
                // The deletion came first: the integration is new, and ready to be used.
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
async fn a_request_or_an_answer_that_gets_lost_at_any_step_of_a_save_is_made_good() {
    let (world, [tap, _others]) = World::tapped().await;
    let operator = Operator::sign_in(&world, world.stack.operator_key()).await;
    let path = format!("/portal/integrations/{INTEGRATION}/edit");
    // The client sends again, and what it finds is its own: neither there before, nor somebody else's.
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
            let fields: Vec<_> =
                fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            operator.browser().submit(&world.url(&path), &fields).await
        },
        async |step| step.cut(),
        async |saved| drop(saved.expect(303)),
    )
    .await;
    assert!(steps >= 3, "{steps}");
}
