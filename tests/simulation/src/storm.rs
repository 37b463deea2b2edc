//! A storm: all connections are due, and Entra refuses every refresh.

use std::time::Duration;

use futures_util::future::join_all;
use jiff::SignedDuration;
use tokio::time::Instant;
use vault::connections::Status;
use vault::ids::ConnectionId;
use vault::integrations;
use vault::refresh::drain::{Drain, DrainLimits};

use crate::entra::Mood;
use crate::process::Process;
use crate::stage::{self, Stage};

/// Number of workers, one for each shard, as deployed by default.
pub(crate) const WORKERS: u32 = 4;
/// The default limits of a worker.
pub(crate) const LIMITS: DrainLimits = DrainLimits { concurrency: 16, rate: 25.0 };

/// The result of a storm.
#[derive(Debug)]
pub struct StormReport {
    /// Token requests of the first minute: those before the breaker opened, if one opens in this mood.
    pub requests_of_the_first_minute: u64,
    /// Token requests during the storm.
    pub requests: u64,
    /// Whether the integration was marked as rejected.
    pub marked: bool,
    /// Connections that needed a new sign-in, during the storm or after it.
    pub reconnects: usize,
    /// Connections that the schedule renewed within two hours after the storm.
    pub recovered: usize,
    /// Whether the integration became ready again without an operator.
    pub ready_again: bool,
}

/// Makes `connections` due at once, with Entra in this mood for `minutes` and then working for two hours.
///
/// # Errors
/// If the simulation itself fails.
pub fn run(mood: Mood, connections: usize, minutes: u64) -> Result<StormReport, String> {
    stage::play(play(mood, connections, minutes))
}

async fn play(mood: Mood, number: usize, minutes: u64) -> Result<StormReport, String> {
    let stage = Stage::new().await?;
    let entra = &stage.entra;
    let processes: Vec<Process> =
        (0..WORKERS).map(|number| stage.worker(number, WORKERS)).collect();
    let operator = &processes[0];
    let integration = operator.put_integration("one").await.map_err(|e| e.to_string())?;
    let mut ids = Vec::with_capacity(number);
    for user in 0..number {
        let user = format!("user-{user}");
        let made = operator.connect(&integration, &user, SignedDuration::ZERO);
        ids.push(made.await.map_err(|e| e.to_string())?.ok_or("no connection")?);
    }
    let drains: Vec<Drain> = processes.iter().map(|process| process.drain(LIMITS)).collect();

    entra.set_mood(mood);
    minute(&drains).await?;
    let requests_of_the_first_minute = entra.exchanges();
    let marked = status(operator).await? == integrations::Status::CredentialRejected;
    for _ in 1..minutes {
        minute(&drains).await?;
    }
    let requests = entra.exchanges();
    let mut reconnects = not_active(operator, &ids).await?;

    entra.set_mood(Mood::Good);
    for _ in 0..120 {
        minute(&drains).await?;
    }
    reconnects = reconnects.max(not_active(operator, &ids).await?);
    Ok(StormReport {
        requests_of_the_first_minute,
        requests,
        marked,
        reconnects,
        recovered: renewed(operator, &ids).await?,
        ready_again: status(operator).await? == integrations::Status::Ready,
    })
}

/// Runs one minute of the schedule: every worker drains its shard.
pub(crate) async fn minute(drains: &[Drain]) -> Result<(), String> {
    let ends = Instant::now() + Duration::from_mins(1);
    let deadline = Instant::now() + Duration::from_secs(40);
    let shards = 0_u32..;
    let work = drains.iter().zip(shards).map(|(drain, shard)| drain.shard(shard, deadline));
    for drained in join_all(work).await {
        drained.failure.map_or(Ok(()), |e| Err(e.to_string()))?;
    }
    tokio::time::sleep_until(ends).await;
    Ok(())
}

pub(crate) async fn status(process: &Process) -> Result<integrations::Status, String> {
    let id = crate::process::integration_id("one");
    let found = process.integrations.get(&id).await.map_err(|e| e.to_string())?;
    Ok(found.ok_or("the integration is gone")?.status)
}

pub(crate) async fn not_active(process: &Process, ids: &[ConnectionId]) -> Result<usize, String> {
    let mut lost = 0;
    for id in ids {
        let found = process.connections.get(id).await.map_err(|e| e.to_string())?;
        lost += usize::from(found.is_none_or(|found| found.status != Status::Active));
    }
    Ok(lost)
}

pub(crate) async fn renewed(process: &Process, ids: &[ConnectionId]) -> Result<usize, String> {
    let mut renewed = 0;
    for id in ids {
        let found = process.connections.get(id).await.map_err(|e| e.to_string())?;
        renewed += usize::from(found.is_some_and(|found| found.last_refreshed_at.is_some()));
    }
    Ok(renewed)
}
