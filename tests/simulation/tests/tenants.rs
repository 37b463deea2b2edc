//! The breaker of each (integration, tenant), in DynamoDB and in the worker.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Duration;

use entra::identifiers::TenantId;
use ground::clock::Clock as _;
use jiff::SignedDuration;
use local::names;
use simulation::process::Process;
use simulation::stage::{self, Stage};
use simulation::tenants::tenant;
use tokio::time::Instant;
use vault::events::Events;
use vault::integrations::{Integration, Recorded, RefusedTenant, TenantRefusal};
use vault::refresh::drain::{DrainLimits, Drained};

const REASON: &str = "invalid_client (AADSTS7000229)";
const HOUR: Duration = Duration::from_hours(1);
/// The most entries of one integration.
const ROOM: usize = 400;

async fn refuse(
    process: &Process,
    integration: &Integration,
    tenant: &TenantId,
    kind: TenantRefusal,
) -> Recorded {
    let now = process.clock.now();
    process.integrations.refuse_tenant(integration, tenant, (kind, REASON), now).await.unwrap()
}

async fn known(process: &Process, integration: &Integration, tenant: &TenantId) -> RefusedTenant {
    let refused = process.integrations.refused_tenants(integration).await.unwrap();
    refused.get(tenant).unwrap().clone()
}

/// Drains the only shard.
async fn drain(process: &Process) -> Drained {
    let drain = process.drain(DrainLimits { concurrency: 4, rate: 25.0 });
    drain.shard(0, Instant::now() + Duration::from_secs(40)).await
}

/// Plays with one worker and its integration.
fn with_worker(play: impl AsyncFnOnce(Stage, Process, Integration)) {
    stage::play(async {
        let stage = Stage::new().await?;
        let process = stage.worker(0, 1);
        let integration = process.put_integration("one").await.map_err(|e| e.to_string())?;
        play(stage, process, integration).await;
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_tenant_is_lost_after_a_day_of_refusals_and_not_after_a_day_of_silence() {
    with_worker(async |_, process, integration| {
        let tenant = tenant(1).unwrap();
        for hours in [24, 25] {
            refuse(&process, &integration, &tenant, TenantRefusal::NotFound).await;
            tokio::time::sleep(HOUR * hours).await;
            refuse(&process, &integration, &tenant, TenantRefusal::NotFound).await;
            assert!(!known(&process, &integration, &tenant).await.is_lost());
        }
        for _ in 0..24 {
            tokio::time::sleep(HOUR).await;
            refuse(&process, &integration, &tenant, TenantRefusal::NotFound).await;
        }
        assert!(known(&process, &integration, &tenant).await.is_lost());
    });
}

#[test]
fn a_full_list_gives_the_place_of_a_tenant_in_which_nothing_is_tried_to_a_new_one() {
    with_worker(async |_, process, integration| {
        for number in 0..ROOM {
            let tenant = tenant(number).unwrap();
            let recorded = refuse(&process, &integration, &tenant, TenantRefusal::Refused).await;
            assert!(matches!(recorded, Recorded::New(_)));
        }
        let further = tenant(ROOM).unwrap();
        let recorded = refuse(&process, &integration, &further, TenantRefusal::Refused).await;
        assert!(matches!(recorded, Recorded::Nowhere));
        tokio::time::sleep(HOUR * 24).await;
        // In all but one, something is tried.
        let unused = tenant(7).unwrap();
        let now = process.clock.now();
        let all = process.integrations.refused_tenants(&integration).await.unwrap();
        for seen in all.iter().filter(|seen| seen.tenant != unused) {
            assert!(
                process.integrations.claim_tenant_probe(&integration, seen, now).await.unwrap()
            );
        }
        let recorded = refuse(&process, &integration, &further, TenantRefusal::Refused).await;
        assert!(matches!(recorded, Recorded::New(_)));
        let refused = process.integrations.refused_tenants(&integration).await.unwrap();
        assert!(refused.is_full() && refused.get(&unused).is_none());
        let another = tenant(ROOM + 1).unwrap();
        let recorded = refuse(&process, &integration, &another, TenantRefusal::Refused).await;
        assert!(matches!(recorded, Recorded::Nowhere));
    });
}

#[test]
fn a_tenant_s_refusal_is_recorded_tried_and_forgotten_while_others_write_the_same_items() {
    with_worker(async |stage, process, integration| {
        let tenant = tenant(1).unwrap();
        stage.cloud.conflict(4);
        let recorded = refuse(&process, &integration, &tenant, TenantRefusal::Refused).await;
        assert!(matches!(recorded, Recorded::New(_)), "{recorded:?}");
        stage.cloud.conflict(4);
        let recorded = refuse(&process, &integration, &tenant, TenantRefusal::Refused).await;
        assert!(matches!(recorded, Recorded::Again(_)), "{recorded:?}");
        let seen = known(&process, &integration, &tenant).await;
        stage.cloud.conflict(4);
        let now = process.clock.now();
        assert!(process.integrations.claim_tenant_probe(&integration, &seen, now).await.unwrap());
        stage.cloud.conflict(4);
        process.integrations.accept_tenant(&integration, &tenant).await.unwrap();
        let refused = process.integrations.refused_tenants(&integration).await.unwrap();
        assert!(refused.get(&tenant).is_none());
    });
}

#[test]
fn new_tokens_are_stored_before_anything_is_noted_about_their_tenant() {
    with_worker(async |stage, process, integration| {
        let tenant = tenant(1).unwrap();
        let made = process.connect_in(&tenant, &integration, "ada", SignedDuration::ZERO);
        made.await.unwrap().unwrap();
        refuse(&process, &integration, &tenant, TenantRefusal::Refused).await;
        tokio::time::sleep(HOUR).await;
        stage.cloud.take_writes();
        let drained = drain(&process).await;
        assert_eq!(drained.tally.renewed, 1, "{:?}", drained.tally);
        let tables = stage.cloud.take_writes();
        let last = |table: &str| tables.iter().rposition(|one| one == table).unwrap();
        assert!(last(names::TOKENS) < last(names::INTEGRATIONS), "{tables:?}");
        let refused = process.integrations.refused_tenants(&integration).await.unwrap();
        assert!(refused.get(&tenant).is_none());
    });
}

#[test]
fn a_lost_tenant_does_not_use_up_the_attempt_with_a_rejected_credential() {
    with_worker(async |_, process, integration| {
        let tenant = tenant(1).unwrap();
        let made = process.connect_in(&tenant, &integration, "ada", SignedDuration::ZERO);
        made.await.unwrap().unwrap();
        for _ in 0..=24 {
            refuse(&process, &integration, &tenant, TenantRefusal::NotFound).await;
            tokio::time::sleep(HOUR).await;
        }
        let (integrations, now) = (&process.integrations, process.clock.now());
        integrations.reject_credential(&integration, None, &Events::none(), now).await.unwrap();
        tokio::time::sleep(Duration::from_mins(1)).await;
        let drained = drain(&process).await;
        assert_eq!(drained.tally.reauthorization_required, 1, "{:?}", drained.tally);
        let now = process.clock.now();
        assert!(integrations.claim_probe(&integration.id, now).await.unwrap());
    });
}

#[test]
fn an_unreadable_integration_puts_off_its_own_connections_and_no_others() {
    with_worker(async |stage, process, unreadable| {
        let other = process.put_integration("two").await.unwrap();
        let made = process.connect(&unreadable, "ada", SignedDuration::ZERO);
        let waiting = made.await.unwrap().unwrap();
        process.connect(&other, "grace", SignedDuration::ZERO).await.unwrap().unwrap();
        let update = serde_json::json!({
            "TableName": names::INTEGRATIONS,
            "Key": {"pk": {"S": format!("integration#{}", unreadable.id)}},
            "UpdateExpression": "SET client_id = :newer",
            "ExpressionAttributeValues": {":newer": {"M": {}}},
        });
        stage.cloud.database().update_item(serde_json::from_value(update).unwrap()).unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let drained = drain(&process).await;
        assert!(drained.finished && drained.failure.is_none(), "{:?}", drained.failure);
        assert_eq!((drained.tally.renewed, drained.tally.put_off), (1, 1), "{:?}", drained.tally);
        let waiting = process.connections.get(&waiting).await.unwrap().unwrap();
        assert!(waiting.due_at.unwrap() >= process.clock.now() + SignedDuration::from_mins(30));
    });
}

#[test]
fn refusals_of_a_former_app_are_void_and_late_ones_are_not_recorded() {
    with_worker(async |_, process, former| {
        let tenant = tenant(1).unwrap();
        refuse(&process, &former, &tenant, TenantRefusal::Refused).await;
        let mut present = former.clone();
        present.settings.client_id = "3f0e5a1c-7c51-4c3f-8d1e-0c9d1f6f1a02".parse().unwrap();
        present.updated_at = former.updated_at + SignedDuration::from_secs(1);
        assert!(process.integrations.put(present.clone(), Some(&former)).await.unwrap());
        for of in [&present, &former] {
            let refused = process.integrations.refused_tenants(of).await.unwrap();
            assert!(refused.get(&tenant).is_none());
        }
        let recorded = refuse(&process, &former, &tenant, TenantRefusal::Refused).await;
        assert!(matches!(recorded, Recorded::Nowhere));
        let recorded = refuse(&process, &present, &tenant, TenantRefusal::Refused).await;
        assert!(matches!(recorded, Recorded::New(_)));

        assert!(process.integrations.delete(&present).await.unwrap());
        let recorded = refuse(&process, &present, &tenant, TenantRefusal::Refused).await;
        assert!(matches!(recorded, Recorded::Nowhere));
        let refused = process.integrations.refused_tenants(&present).await.unwrap();
        assert_eq!(refused.iter().count(), 0);
    });
}

#[test]
fn the_waiting_rows_of_one_tenant_hold_up_no_other() {
    const WAITING: usize = 600;
    const OTHERS: usize = 6;
    with_worker(async |_, process, integration| {
        let waiting = tenant(0).unwrap();
        for user in 0..WAITING {
            let user = format!("waiting-{user}");
            let made = process.connect_in(&waiting, &integration, &user, SignedDuration::ZERO);
            made.await.unwrap().unwrap();
        }
        for number in 1..=OTHERS {
            let user = format!("other-{number}");
            let tenant = tenant(number).unwrap();
            let made = process.connect_in(&tenant, &integration, &user, SignedDuration::ZERO);
            made.await.unwrap().unwrap();
        }
        refuse(&process, &integration, &waiting, TenantRefusal::Refused).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        // Requests take two milliseconds, so that the waiting rows alone need 300.
        let drain = process.drain(DrainLimits { concurrency: 4, rate: 25.0 });
        let drained = drain.shard(0, Instant::now() + Duration::from_millis(200)).await;
        assert_eq!(drained.tally.renewed, u64::try_from(OTHERS).unwrap(), "{:?}", drained.tally);
        assert!(!drained.finished && drained.tally.put_off > 0, "{:?}", drained.tally);
        let rest = drain.shard(0, Instant::now() + Duration::from_secs(40)).await;
        assert!(rest.finished, "{:?}", rest.tally);
    });
}
