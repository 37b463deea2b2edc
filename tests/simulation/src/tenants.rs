//! Half of an integration's tenants refuse its app, each in another way, while all connections are due.

use std::collections::BTreeMap;

use entra::identifiers::TenantId;
use jiff::SignedDuration;
use vault::ids::ConnectionId;
use vault::integrations;
use vault::refresh::drain::Drain;

use crate::entra::TenantRefusal;
use crate::process::Process;
use crate::stage::{self, Stage};
use crate::storm::{LIMITS, WORKERS, minute, not_active, renewed, status};

const fn refusal(error: &'static str, code: u32) -> TenantRefusal {
    TenantRefusal { error, code, at_discovery: false }
}

/// Twenty-five refusals of Entra about a tenant: each `error` with an AADSTS number that comes with it.
pub const REFUSALS: [TenantRefusal; 25] = [
    TenantRefusal { error: "invalid_tenant", code: 90002, at_discovery: true },
    refusal("invalid_request", 90002),
    refusal("invalid_client", 7_000_229),
    refusal("unauthorized_client", 700_016),
    refusal("invalid_client", 700_016),
    refusal("unauthorized_client", 7_000_112),
    refusal("unauthorized_client", 70001),
    refusal("invalid_resource", 700_011),
    refusal("invalid_client", 1_000_031),
    refusal("invalid_client", 650_052),
    refusal("invalid_client", 650_056),
    refusal("invalid_client", 650_057),
    refusal("invalid_client", 65005),
    refusal("invalid_resource", 500_011),
    refusal("invalid_resource", 500_014),
    refusal("unauthorized_client", 50194),
    refusal("unauthorized_client", 90099),
    refusal("invalid_request", 90019),
    refusal("invalid_request", 50059),
    refusal("invalid_request", 50128),
    refusal("invalid_request", 90038),
    refusal("invalid_request", 90043),
    refusal("invalid_request", 900_439),
    refusal("invalid_client", 900_432),
    refusal("invalid_client", 900_382),
];

/// The result of a run.
#[derive(Debug)]
pub struct TenantsReport {
    /// Connections of tenants that accept the app, and how many of them were renewed in ten minutes.
    pub accepted: (usize, usize),
    /// Whether the integration stayed ready, looked at every minute.
    pub stayed_ready: bool,
    /// Tenants that refuse the app, by the number of events about them.
    pub tenants_by_events: BTreeMap<usize, usize>,
    /// Events of another kind.
    pub other_events: usize,
    /// Requests about refusing tenants: in the first ten minutes, and in the two hours after them.
    pub refused_requests: (u64, u64),
    /// Connections that needed a new sign-in.
    pub reconnects: usize,
    /// Connections of refusing tenants, and how many of them were renewed after their tenants accepted the app again.
    pub recovered: (usize, usize),
}

/// Makes `connections` of fifty tenants due at once, of which half refuse the app for two hours.
///
/// # Errors
/// If the simulation itself fails.
pub fn run(connections: usize) -> Result<TenantsReport, String> {
    stage::play(play(connections))
}

async fn play(connections: usize) -> Result<TenantsReport, String> {
    let stage = Stage::new().await?;
    let (cloud, entra) = (&stage.cloud, &stage.entra);
    let processes: Vec<Process> =
        (0..WORKERS).map(|number| stage.worker(number, WORKERS)).collect();
    let operator = &processes[0];
    let integration = operator.put_integration("one").await.map_err(|e| e.to_string())?;
    let tenants: Vec<TenantId> = (0..2 * REFUSALS.len()).map(tenant).collect::<Result<_, _>>()?;
    let (mut accepted, mut refused): (Vec<ConnectionId>, Vec<ConnectionId>) = (vec![], vec![]);
    for user in 0..connections {
        let place = user % tenants.len();
        let name = format!("user-{user}");
        let made = operator.connect_in(&tenants[place], &integration, &name, SignedDuration::ZERO);
        let id = made.await.map_err(|e| e.to_string())?.ok_or("no connection")?;
        if place < REFUSALS.len() { refused.push(id) } else { accepted.push(id) }
    }
    for (tenant, refusal) in tenants.iter().zip(REFUSALS) {
        entra.set_refusal(&tenant.to_string(), Some(refusal));
    }

    let drains: Vec<Drain> = processes.iter().map(|process| process.drain(LIMITS)).collect();
    let mut stayed_ready = true;
    let mut run_for = async |minutes: u32| {
        for _ in 0..minutes {
            minute(&drains).await?;
            stayed_ready &= status(operator).await? == integrations::Status::Ready;
        }
        Ok::<(), String>(())
    };
    run_for(10).await?;
    let accepted = (accepted.len(), renewed(operator, &accepted).await?);
    let first_requests = entra.refused();
    run_for(2 * 60).await?;
    let refused_requests = (first_requests, entra.refused() - first_requests);
    for tenant in &tenants {
        entra.set_refusal(&tenant.to_string(), None);
    }
    run_for(2 * 60).await?;

    let mut by_tenant = BTreeMap::<String, usize>::new();
    let mut other_events = 0;
    for event in cloud.events() {
        let detail: serde_json::Value =
            serde_json::from_str(&event.detail).map_err(|e| e.to_string())?;
        match detail["tenant_id"].as_str() {
            Some(tenant) if event.detail_type == "integration.tenant_refused" => {
                *by_tenant.entry(tenant.to_owned()).or_default() += 1;
            }
            _ => other_events += 1,
        }
    }
    let mut tenants_by_events = BTreeMap::new();
    for events in by_tenant.into_values() {
        *tenants_by_events.entry(events).or_default() += 1;
    }
    Ok(TenantsReport {
        accepted,
        stayed_ready,
        tenants_by_events,
        other_events,
        refused_requests,
        reconnects: not_active(operator, &refused).await?,
        recovered: (refused.len(), renewed(operator, &refused).await?),
    })
}

/// Returns one of many tenants.
///
/// # Errors
/// If there is no such tenant.
pub fn tenant(number: usize) -> Result<TenantId, String> {
    let id = format!("{number:08x}-0000-4000-8000-000000000000");
    id.parse().map_err(|_| format!("{id} is no tenant's id"))
}
