//! Thirty days of the schedule, minute by minute, with outages; every connection stays scheduled.

use std::time::Duration;

use ground::clock::Clock as _;
use jiff::SignedDuration;
use tokio::time::Instant;
use vault::ids::ConnectionId;
use vault::refresh::drain::{DrainLimits, Tally};

use crate::clock::SimulatedClock;
use crate::entra::Mood;
use crate::process::Process;
use crate::stage::{self, Stage};

const SHARDS: u32 = 2;
const MINUTE: Duration = Duration::from_mins(1);
const LIMITS: DrainLimits = DrainLimits { concurrency: 16, rate: 50.0 };

/// The size of a month.
#[derive(Debug, Clone, Copy)]
pub struct Month {
    /// Days to simulate.
    pub days: u64,
    /// Minutes between two runs of the schedule.
    pub every: u64,
    /// Connections that are used every hour.
    pub used: usize,
    /// Connections that are never used after they were made.
    pub idle: usize,
    /// Outages of Entra: begin and end, in hours since the start.
    pub outages: [(u64, u64); 2],
}

/// The result of a month.
#[derive(Debug, Default)]
pub struct MonthReport {
    /// Refresh requests to Entra, with those in outages.
    pub exchanges: u64,
    /// Average number of refreshes of an idle connection in thirty days.
    pub per_idle_connection: f64,
    /// Renewals of due connections.
    pub renewed: u64,
    /// Longest time from due to leased, with outages, in seconds.
    pub longest_overdue: u32,
    /// Connections that at the end are overdue by more than two hours or have no due time.
    pub forgotten: usize,
    /// Connections that need a new sign-in.
    pub reconnects: usize,
    /// Uses without a valid token, outside of outages.
    pub uses_without_token: u64,
}

/// Runs a month.
///
/// # Errors
/// If the simulation itself fails.
pub fn run(month: Month) -> Result<MonthReport, String> {
    stage::play(play(month))
}

async fn play(month: Month) -> Result<MonthReport, String> {
    let stage = Stage::new().await?;
    let (entra, clock) = (&stage.entra, stage.clock);
    let process = stage.worker(1, SHARDS);
    let integration = process.put_integration("one").await.map_err(|e| e.to_string())?;
    let mut connections = Vec::new();
    for number in 0..month.used + month.idle {
        let user = format!("user-{number}");
        let made = process.connect(&integration, &user, SignedDuration::from_mins(75)).await;
        connections.push(made.map_err(|e| e.to_string())?.ok_or("no connection")?);
    }
    let drain = process.drain(LIMITS);
    let mut report = MonthReport::default();
    let began = Instant::now();
    for minute in (0..month.days * 24 * 60).step_by(usize::try_from(month.every).unwrap_or(1)) {
        let hour = minute / 60;
        let down = month.outages.iter().any(|(from, to)| (*from..*to).contains(&hour));
        entra.set_mood(if down { Mood::Down } else { Mood::Good });
        for shard in 0..SHARDS {
            let deadline = Instant::now() + Duration::from_secs(40);
            let drained = drain.shard(shard, deadline).await;
            drained.failure.map_or(Ok(()), |e| Err(e.to_string()))?;
            let Tally { renewed, .. } = drained.tally;
            report.renewed += renewed;
            let longest = drained.overdue.iter().copied().max().unwrap_or_default();
            report.longest_overdue = report.longest_overdue.max(longest);
        }
        if minute % 60 == 30 {
            for id in &connections[..month.used] {
                let found = use_once(&process, id).await?;
                report.uses_without_token += u64::from(!found && !down);
            }
        }
        let next = began + MINUTE * u32::try_from(minute + month.every).unwrap_or(u32::MAX);
        tokio::time::sleep_until(next).await;
    }
    report.exchanges = entra.exchanges();
    count_the_lost(&process, clock, &connections, &mut report).await?;
    let idle = u32::try_from(month.idle.max(1)).unwrap_or(u32::MAX);
    let idle_renewals = idle_renewals(&process, &connections[month.used..]).await?;
    let days = u32::try_from(month.days.max(1)).unwrap_or(u32::MAX);
    report.per_idle_connection = idle_renewals * 30.0 / f64::from(idle) / f64::from(days);
    Ok(report)
}

/// A proxied call, as far as it concerns the vault. Returns whether there was a valid token.
async fn use_once(process: &Process, id: &ConnectionId) -> Result<bool, String> {
    let now = process.clock.now();
    let connection = process.connections.get(id).await.map_err(|e| e.to_string())?;
    let connection = connection.ok_or("a connection is gone")?;
    let rng = &mut process.random.clone();
    process.connections.record_use(&connection, now, rng).await.map_err(|e| e.to_string())?;
    Ok(connection.token_expires_at.is_some_and(|expires| expires > now))
}

async fn count_the_lost(
    process: &Process,
    clock: SimulatedClock,
    connections: &[ConnectionId],
    report: &mut MonthReport,
) -> Result<(), String> {
    let long_ago = clock.now() - SignedDuration::from_hours(2);
    for id in connections {
        let found = process.connections.get(id).await.map_err(|e| e.to_string())?;
        let Some(connection) = found else {
            report.forgotten += 1;
            continue;
        };
        report.forgotten += usize::from(connection.due_at.is_none_or(|due| due < long_ago));
        let active = connection.status == vault::connections::Status::Active;
        report.reconnects += usize::from(!active);
    }
    Ok(())
}

/// Returns the number of leases of idle connections; each is a renewal or an attempt.
async fn idle_renewals(process: &Process, idle: &[ConnectionId]) -> Result<f64, String> {
    let mut leases = 0.0;
    for id in idle {
        let found = process.connections.get(id).await.map_err(|e| e.to_string())?;
        leases += found.map_or(0.0, |c| f64::from(u32::try_from(c.fence).unwrap_or(u32::MAX)));
    }
    Ok(leases)
}
