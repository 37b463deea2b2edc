//! Thirty days: the schedule minute by minute, with outages, and nobody forgotten.

use std::time::Duration;

use ground::clock::Clock as _;
use jiff::SignedDuration;
use tokio::time::Instant;
use vault::ids::ConnectionId;
use vault::refresh::drain::{DrainLimits, Tally};

use crate::clock::SimulatedClock;
use crate::cloud::Cloud;
use crate::entra::{Mood, SimulatedEntra};
use crate::faults::Faults;
use crate::process::Process;
use crate::stage;
use crate::wire::{Sabotage, Wire};

const SHARDS: u32 = 2;
const MINUTE: Duration = Duration::from_mins(1);
const LIMITS: DrainLimits = DrainLimits { concurrency: 16, rate: 50.0 };

/// How large a month.
#[derive(Debug, Clone, Copy)]
pub struct Month {
    /// Days to simulate.
    pub days: u64,
    /// How many minutes lie between two runs of the schedule.
    pub every: u64,
    /// Connections that are used every hour.
    pub used: usize,
    /// Connections that nobody uses after they were made.
    pub idle: usize,
    /// When Entra is down: hours since the beginning, from and to.
    pub outages: [(u64, u64); 2],
}

/// What a month showed.
#[derive(Debug, Default)]
pub struct MonthReport {
    /// Refreshes that Entra was asked for, outages included.
    pub exchanges: u64,
    /// Refreshes of idle connections, on average each, in thirty days.
    pub per_idle_connection: f64,
    /// What became of due connections.
    pub renewed: u64,
    /// The longest time that a connection was due before its turn came, outages included, in seconds.
    pub longest_overdue: u32,
    /// Connections whose next look lies more than two hours back at the end, or nowhere.
    pub forgotten: usize,
    /// Connections whose users would have to sign in again.
    pub reconnects: usize,
    /// Uses that found an expired token, outside of outages.
    pub uses_without_token: u64,
}

/// Runs it.
///
/// # Errors
/// When the simulation itself fails.
pub fn run(month: Month) -> Result<MonthReport, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|e| e.to_string())?;
    runtime.block_on(play(month))
}

async fn play(month: Month) -> Result<MonthReport, String> {
    let (cloud, clock, entra) = (Cloud::new(), SimulatedClock::new(), SimulatedEntra::default());
    stage::set(&cloud).await?;
    let wire = Wire::new(cloud, Faults::none(), Sabotage::None, None);
    let process = Process::start(&wire, &Faults::none(), &entra, clock, 1, SHARDS);
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

/// A proxied call, as far as the vault sees it. Returns whether a token that is good was at hand.
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

/// How often idle connections were leased, which is how often they were renewed or tried.
async fn idle_renewals(process: &Process, idle: &[ConnectionId]) -> Result<f64, String> {
    let mut leases = 0.0;
    for id in idle {
        let found = process.connections.get(id).await.map_err(|e| e.to_string())?;
        leases += found.map_or(0.0, |c| f64::from(u32::try_from(c.fence).unwrap_or(u32::MAX)));
    }
    Ok(leases)
}
